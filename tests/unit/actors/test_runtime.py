"""Messages to actors: recorded as a named call, sent again while the process restarts, answered within a deadline."""

from __future__ import annotations

import asyncio
from collections.abc import Callable
from typing import Any

import pytest
from ray.exceptions import ActorDiedError, ActorUnavailableError, RaySystemError, RayTaskError
from worlds.actors_without_ray import Handle, runtime_over

from actors.kinds import COORDINATOR, Kind
from actors.runtime import ONCE, Runtime, recorded
from aragora.config.settings import Settings
from aragora.errors import AragoraError, NotFound, Unavailable
from aragora.resilience.backoff import Backoff

AT_ONCE = Backoff(base_s=0.0, attempts=5)
WAIT_S = 30.0


class Greeter:
    """An actor that greets, after `failures` have been raised."""

    def __init__(self, *failures: BaseException) -> None:
        self._failures = list(failures)
        self.greeted: list[tuple[str, str]] = []

    async def greet(self, name: str, *, mark: str = "!") -> str:
        self.greeted.append((name, mark))
        if self._failures:
            raise self._failures.pop(0)
        return f"hello {name}{mark}"

    async def sleep(self) -> None:
        await asyncio.sleep(WAIT_S)


GREETER: Kind[Greeter] = Kind("greeter", "nowhere:Greeter")


def test_a_message_is_the_name_of_a_method_and_its_arguments() -> None:
    assert recorded(lambda it: it.greet("ann", mark="?")) == ("greet", ("ann",), {"mark": "?"})
    assert recorded(lambda it: it.note(1, method="named like a parameter")) == (
        "note",
        (1,),
        {"method": "named like a parameter"},
    )


@pytest.mark.parametrize(
    ("message", "calls"), [(lambda _: None, 0), (lambda it: it.greet, 0), (lambda it: (it.greet("a"), it.sleep()), 2)]
)
async def test_a_message_that_calls_no_method_or_two_is_refused(message: Callable[[Any], Any], calls: int) -> None:
    with pytest.raises(ValueError, match=f"exactly one method of the actor, this one calls {calls}"):
        await runtime_over(Greeter()).at(GREETER, "g").ask(message, timeout_s=WAIT_S)


async def test_the_answer_of_the_actor_comes_back() -> None:
    created: list[str] = []
    greeter = runtime_over(Greeter(), created).at(GREETER, "g")
    assert await greeter.ask(lambda it: it.greet("ann", mark="?"), timeout_s=WAIT_S) == "hello ann?"
    assert await greeter.ask(lambda it: it.greet("bob"), timeout_s=WAIT_S) == "hello bob!"
    assert greeter.name == "greeter/g"
    assert created == ["greeter/g"], "its process was looked for once"


async def test_messages_that_come_together_create_one_process() -> None:
    created: list[str] = []
    greeter = runtime_over(Greeter(), created).at(GREETER, "g")
    await asyncio.gather(*(greeter.activate() for _ in range(20)))
    assert created == ["greeter/g"]


async def test_a_process_that_died_is_found_again_and_asked_the_same() -> None:
    created: list[str] = []
    actor = Greeter(ActorDiedError(), ActorUnavailableError("restarting", None))
    names = iter(["ann", "bob"])
    answer = (
        await runtime_over(actor, created)
        .at(GREETER, "g")
        .ask(lambda it: it.greet(next(names)), timeout_s=WAIT_S, backoff=AT_ONCE)
    )
    assert answer == "hello ann!"
    assert actor.greeted == [("ann", "!")] * 3, "what was made for the message was made once"
    assert created == ["greeter/g"] * 3


@pytest.mark.parametrize(("backoff", "times"), [(ONCE, 1), (AT_ONCE, 5)])
async def test_a_process_that_stays_away_is_unavailable_after_the_last_attempt(backoff: Backoff, times: int) -> None:
    actor = Greeter(*(ActorDiedError() for _ in range(9)))
    with pytest.raises(Unavailable, match="greeter/g is restarting"):
        await runtime_over(actor).at(GREETER, "g").ask(lambda it: it.greet("ann"), timeout_s=WAIT_S, backoff=backoff)
    assert len(actor.greeted) == times


async def test_no_pause_goes_beyond_the_deadline() -> None:
    actor = Greeter(*(ActorDiedError() for _ in range(9)))
    slow = Backoff(base_s=1e9, cap_s=1e9, attempts=9)
    with pytest.raises(Unavailable, match="greeter/g is restarting"):
        await runtime_over(actor).at(GREETER, "g").ask(lambda it: it.greet("ann"), timeout_s=WAIT_S, backoff=slow)
    assert len(actor.greeted) == 1


async def test_an_actor_that_does_not_answer_in_time_is_unavailable() -> None:
    with pytest.raises(Unavailable, match=r"greeter/g.sleep did not answer within 0.01 s"):
        await runtime_over(Greeter()).at(GREETER, "g").ask(lambda it: it.sleep(), timeout_s=0.01)


@pytest.mark.parametrize(
    ("raised", "error", "text"),
    [
        (NotFound("no such debate"), NotFound, "no such debate"),
        (RayTaskError("greet", "trace", NotFound("no such debate")), NotFound, "no such debate"),
        (RayTaskError("greet", "trace", KeyError("secret")), AragoraError, "greeter/g.greet failed: KeyError; see"),
        (RaySystemError("the node is full"), Unavailable, "greeter/g.greet cannot be reached: "),
    ],
)
async def test_callers_see_errors_of_the_house_only(raised: Exception, error: type[Exception], text: str) -> None:
    with pytest.raises(error, match=text) as caught:
        await runtime_over(Greeter(raised)).at(GREETER, "g").ask(lambda it: it.greet("ann"), timeout_s=WAIT_S)
    assert type(caught.value) is error


async def test_a_process_that_cannot_be_created_is_unavailable_and_the_next_message_tries_again() -> None:
    failures: list[Exception] = [RaySystemError("no room"), ValueError("the name is taken")]

    def create(*_: object) -> Handle:
        if failures:
            raise failures.pop(0)
        return Handle(Greeter())

    greeter = Runtime(Settings(), create).at(GREETER, "g")
    for _ in range(2):
        with pytest.raises(Unavailable, match="cannot start greeter/g"):
            await greeter.activate()
    assert await greeter.ask(lambda it: it.greet("ann"), timeout_s=WAIT_S) == "hello ann!"


async def test_a_forgotten_process_is_looked_for_again() -> None:
    created: list[str] = []
    runtime = runtime_over(Greeter(), created)
    await runtime.at(GREETER, "g").activate()
    await runtime.at(COORDINATOR, "0").activate()
    runtime.at(GREETER, "g").forget()
    await runtime.at(GREETER, "g").activate()
    await runtime.at(COORDINATOR, "0").activate()
    assert created == ["greeter/g", "coordinator/0", "greeter/g"]


async def test_a_cancelled_ask_leaves_the_process_to_those_who_wait_for_it() -> None:
    created: list[str] = []
    greeter = runtime_over(Greeter(), created).at(GREETER, "g")

    async def activated() -> None:
        await greeter.activate()

    first, second = asyncio.create_task(activated()), asyncio.create_task(activated())
    await asyncio.sleep(0)
    first.cancel()
    await second
    assert created == ["greeter/g"]


async def test_outside_a_cluster_no_actor_has_a_process() -> None:
    assert await runtime_over(Greeter()).alive(GREETER) == frozenset()
