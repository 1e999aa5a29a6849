"""Many wait for one debate: whoever opens it may fail, die or go away, and each of the others still gets an answer."""

from __future__ import annotations

import asyncio
from collections import Counter
from collections.abc import Awaitable, Callable, Sized

import pytest
from worlds.decisions import QUESTION, DecisionSite
from worlds.waiting import WAIT_S, eventually

from aragora.debate.proposition import Idempotency, Proposition
from aragora.decisions import deciding
from aragora.decisions.router import Routed, Router, Wanted
from aragora.decisions.store.entries import Entries
from aragora.errors import Unavailable
from aragora.server.ports import DebateTicket

WANTED = Wanted(Proposition(QUESTION, created_by="ann", org_id="acme"))
AT_ONCE = 100

Open = Callable[..., Awaitable[DebateTicket]]


class Failing:
    """Opens debates, but for the first `failures` times: those fail, once all others have seen that they are at it."""

    def __init__(self, opens: Open, failures: int) -> None:
        self.attempts = 0
        self.looked: set[object] = set()
        """The requests that have looked since an attempt began."""
        self._opens = opens
        self._failures = failures

    async def __call__(
        self, proposition: Proposition, idempotency: Idempotency | None = None, debate_id: str | None = None
    ) -> DebateTicket:
        self.attempts += 1
        if self.attempts > self._failures:
            return await self._opens(proposition, idempotency, debate_id)
        self.looked.clear()
        await eventually(lambda: _at_least(self.looked, AT_ONCE - self.attempts))
        raise Unavailable("the coordinator is full", retry_after_s=1.0)


async def _at_least(seen: Sized, count: int) -> bool:
    return len(seen) >= count


def failing(site: DecisionSite, monkeypatch: pytest.MonkeyPatch, failures: int) -> Failing:
    site.agents.script = lambda _: None  # what is opened runs until the end of the test
    opening = Failing(site.commands.open, failures)
    look = Router.look

    async def seen(router: Router, routed: Routed, wanted: Wanted) -> object:
        found = await look(router, routed, wanted)
        opening.looked.add(asyncio.current_task())
        return found

    monkeypatch.setattr(Router, "look", seen)
    monkeypatch.setattr(deciding, "WAIT_S", 3 * WAIT_S)  # a busy machine ends nobody's wait
    monkeypatch.setattr(site.commands, "open", opening)
    return opening


async def asked(site: DecisionSite, replica: int) -> tuple[int, str]:
    """What one is answered: the status, and the debate or the code of the refusal."""
    async with site.client(replica=replica) as client:
        answer = await client.post("/api/decisions", json={"question": QUESTION})
    told = answer.json()
    return answer.status_code, told["debate_id"] if answer.status_code == 202 else told["error"]["code"]


async def test_where_the_first_cannot_open_it_one_of_those_who_wait_does_and_the_rest_join(
    site: DecisionSite, monkeypatch: pytest.MonkeyPatch
) -> None:
    opening = failing(site, monkeypatch, failures=1)
    answers = Counter(await asyncio.gather(*(asked(site, number % 2) for number in range(AT_ONCE))))
    assert answers == {(503, "unavailable"): 1, (202, site.commands.opened[0]): AT_ONCE - 1}
    assert (opening.attempts, len(site.commands.opened)) == (2, 1)


async def test_where_nobody_can_open_it_two_try_and_all_are_told_to_ask_again(
    site: DecisionSite, monkeypatch: pytest.MonkeyPatch
) -> None:
    opening = failing(site, monkeypatch, failures=AT_ONCE)
    answers = Counter(await asyncio.gather(*(asked(site, number % 2) for number in range(AT_ONCE))))
    assert answers == {(503, "unavailable"): AT_ONCE}
    assert opening.attempts == 2
    monkeypatch.undo()
    assert (await asked(site, 1))[0] == 202, "nothing is left that stands in the way"


async def test_who_goes_away_in_the_middle_leaves_the_debate_to_the_others(
    site: DecisionSite, monkeypatch: pytest.MonkeyPatch
) -> None:
    site.agents.script = lambda _: None
    begun, go_on, opens = asyncio.Event(), asyncio.Event(), site.commands.open

    async def slowly(
        proposition: Proposition, idempotency: Idempotency | None = None, debate_id: str | None = None
    ) -> DebateTicket:
        begun.set()
        await go_on.wait()
        return await opens(proposition, idempotency, debate_id)

    monkeypatch.setattr(site.commands, "open", slowly)
    gone = asyncio.create_task(site.ports[0].deciding.settle(WANTED))
    await begun.wait()
    others = [asyncio.create_task(asked(site, number % 2)) for number in range(10)]
    gone.cancel()
    with pytest.raises(asyncio.CancelledError):
        await gone
    go_on.set()
    answers = Counter(await asyncio.gather(*others))
    assert answers == {(202, site.commands.opened[0]): 10}
    assert len(site.commands.opened) == 1


async def claimed_by_the_dead(site: DecisionSite, entries: Entries) -> None:
    """A replica has claimed the question, and was killed before it opened the debate."""
    router = site.ports[0].deciding.router
    routed, _, _ = await router.look(router.planned(WANTED), WANTED)
    assert await entries.claim(site.ports[0].deciding._claim(routed, "deb_lost", WANTED), None)


async def test_who_waits_for_a_replica_that_was_killed_is_told_to_ask_again(
    site: DecisionSite, entries: Entries, monkeypatch: pytest.MonkeyPatch
) -> None:
    monkeypatch.setattr(deciding, "WAIT_S", 0.3)
    await claimed_by_the_dead(site, entries)
    answers = await asyncio.gather(*(asked(site, number % 2) for number in range(10)))
    assert set(answers) == {(503, "unavailable")}
    assert site.commands.opened == []


async def test_who_still_waits_when_the_claim_of_a_killed_replica_ends_opens_the_debate(
    site: DecisionSite, entries: Entries, monkeypatch: pytest.MonkeyPatch
) -> None:
    await claimed_by_the_dead(site, entries)
    looking = failing(site, monkeypatch, failures=0)
    waiting = [asyncio.create_task(asked(site, number % 2)) for number in range(10)]
    await eventually(lambda: _at_least(looking.looked, 10))
    site.clock.ahead_s = 61.0
    answers = await asyncio.gather(*waiting)
    assert len(site.commands.opened) == 1
    assert set(answers) == {(202, site.commands.opened[0])}


async def test_a_debate_that_fails_is_told_to_all_who_joined_and_the_next_question_is_debated_anew(
    site: DecisionSite,
) -> None:
    site.agents.script = lambda _: None
    answers = await asyncio.gather(*(asked(site, number % 2) for number in range(20)))
    (answer,) = set(answers)
    await site.engine.engine.cancel(answer[1], "ann")
    await site.ended([answer[1]])
    assert (await asked(site, 0))[1] != answer[1]
