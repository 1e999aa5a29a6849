"""Turns at a local server: so many calls at a time over all processes of a node, and whoever waits is alive."""

from __future__ import annotations

import asyncio
import fcntl
from dataclasses import replace
from pathlib import Path

import pytest
from worlds.waiting import WAIT_S

from aragora.agents import living
from aragora.agents.model import Completion, ModelCall, NobodyListens, ProviderFault
from aragora.agents.providers import turns as module
from aragora.agents.providers.turns import NoTurn, TakingTurns, Turns
from aragora.debate.model import Usage

CALL = ModelCall("", (), {}, "answer", 100, 0.5, 5.0, "ask")


class Lives(NobodyListens):
    def __init__(self) -> None:
        self.signs = 0

    def lives(self) -> None:
        self.signs += 1


class Busy:
    """A provider that answers once `go` is set; the most calls that it had at once are `most`."""

    name = "local"
    renders_itself = False

    def __init__(self) -> None:
        self.go = asyncio.Event()
        self.at_once = self.most = 0
        self.left_s: list[float] = []
        self.error: Exception | None = None

    async def complete(self, call: ModelCall) -> Completion:
        self.at_once += 1
        self.most = max(self.most, self.at_once)
        self.left_s.append(call.timeout_s)
        try:
            await self.go.wait()
            await asyncio.sleep(0)
        finally:
            self.at_once -= 1
        if self.error is not None:
            raise self.error
        return Completion("{}", Usage("local", "model"))

    async def aclose(self) -> None:
        self.go.set()


@pytest.fixture(autouse=True)
def quickly(monkeypatch: pytest.MonkeyPatch) -> None:
    monkeypatch.setattr(module, "LOOK_EVERY_S", 0.01)
    monkeypatch.setattr(living, "EVERY_S", 0.01)


@pytest.mark.parametrize("slots", [1, 3])
async def test_agents_in_several_processes_have_so_many_calls_at_once(tmp_path: Path, slots: int) -> None:
    busy = Busy()
    # Each agent has turns of its own, as in a process of its own: they meet in the files.
    agents = [TakingTurns(busy, Turns(tmp_path / "turns", "http://localhost:1/v1", slots)) for _ in range(4)]
    listener = Lives()
    calls = [asyncio.create_task(agent.complete(replace(CALL, listener=listener))) for agent in agents for _ in "ab"]
    async with asyncio.timeout(WAIT_S):
        while listener.signs < 5:
            await asyncio.sleep(0)
        assert busy.at_once == slots
        busy.go.set()
        await asyncio.gather(*calls)
    assert (busy.most, len(busy.left_s)) == (slots, 8)
    assert min(busy.left_s) < CALL.timeout_s, "the wait is part of the call's time"


async def test_servers_at_other_addresses_do_not_wait_for_each_other(tmp_path: Path) -> None:
    busy = Busy()
    busy.go.set()
    async with Turns(tmp_path, "http://one/v1", 1).turn(Lives()):
        await TakingTurns(busy, Turns(tmp_path, "http://two/v1", 1)).complete(CALL)


@pytest.mark.parametrize("again", ["http://127.0.0.1:11434/v1", "HTTP://LocalHost:11434/v1/", "http://[::1]:11434"])
async def test_a_server_is_one_however_its_address_is_written(tmp_path: Path, again: str) -> None:
    async with Turns(tmp_path, "http://localhost:11434/v1", 1).turn(Lives()):
        busy = Busy()
        busy.go.set()
        with pytest.raises(NoTurn):
            await TakingTurns(busy, Turns(tmp_path, again, 1)).complete(replace(CALL, timeout_s=0.05))


async def test_who_gets_no_turn_in_its_time_fails_so_and_the_server_is_not_blamed(tmp_path: Path) -> None:
    turns = Turns(tmp_path, "http://one/v1", 1)
    async with Turns(tmp_path, "http://one/v1", 1).turn(Lives()):
        with pytest.raises(NoTurn, match="ARAGORA_LOCAL_CONCURRENCY allows its server 1 call at a time") as failed:
            await TakingTurns(Busy(), turns).complete(replace(CALL, timeout_s=0.05))
    assert (failed.value.trips_breaker, failed.value.code) == (False, "timeout")
    busy = Busy()
    busy.go.set()
    assert (await TakingTurns(busy, turns).complete(CALL)).text == "{}", "its wait holds no turn"


async def test_a_turn_is_given_back_however_the_call_ends(tmp_path: Path) -> None:
    turns, busy = Turns(tmp_path, "http://one/v1", 1), Busy()
    agent = TakingTurns(busy, turns)
    withdrawn = asyncio.create_task(agent.complete(CALL))
    while not busy.at_once:
        await asyncio.sleep(0)
    withdrawn.cancel()
    await asyncio.wait({withdrawn})
    busy.go.set()
    busy.error = ProviderFault("it broke")
    with pytest.raises(ProviderFault, match="it broke"):
        await agent.complete(CALL)
    (path,) = tmp_path.iterdir()  # noqa: ASYNC240
    with path.open("a") as file:
        fcntl.flock(file, fcntl.LOCK_EX | fcntl.LOCK_NB)  # raises where somebody still holds it
