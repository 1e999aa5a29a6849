"""Whatever agents answer and whatever happens to rows on the disk: every debate ends, and none takes another with it.

The real engine over the real stores; only the agents are made up.
"""

from __future__ import annotations

import asyncio
import itertools
import math
from collections.abc import AsyncIterator, Callable, Sequence
from contextlib import asynccontextmanager
from dataclasses import replace
from typing import Any

import pytest
from hypothesis import HealthCheck, given
from hypothesis import settings as hypothesis_settings
from hypothesis import strategies as st
from sqlalchemy import text
from structlog.testing import capture_logs
from worlds.memory_engine import ScriptedAgents, answer, spec
from worlds.stored_engine import StoredEngine, stored_engine
from worlds.waiting import eventually

from aragora.config.settings import Settings
from aragora.debate.model import (
    Abstention,
    AgentAnswer,
    AgentFailure,
    AgentRequest,
    AskKind,
    Ballot,
    Critique,
    DebateStatus,
    Fallback,
    Grouping,
    Proposal,
    Reply,
    Usage,
)
from aragora.debate.protocol import preset
from aragora.debate.store.debates import DebateStore
from aragora.scope import EVERYTHING
from aragora.storage.counters import CounterStore
from aragora.storage.database import Database

AGENTS = ("ann", "bob", "cem")
QUICK = replace(preset("structured"), rounds=1, phase_deadline_s=30.0)
NUMBERS = itertools.count()
BEFORE_THE_VOTE = (AskKind.PROPOSE, AskKind.GROUP, AskKind.CRITIQUE)

texts = st.text(st.characters(codec=None, categories=None), max_size=12) | st.sampled_from(["\ud83d", "\x00", "A", "B"])
numbers = st.floats(allow_nan=True, allow_infinity=True) | st.sampled_from([math.nan, math.inf, -1.0, 1e308])
integers = st.integers(-(2**70), 2**70) | st.sampled_from([-1, 2**53, 2**63, 2**64, 10**400])
tuples = st.lists(texts, max_size=3).map(tuple)
usages = st.builds(Usage, texts, texts, integers, integers, numbers, numbers)
fallbacks = st.none() | st.builds(Fallback, texts, texts, texts, texts, numbers)
contents = (
    st.builds(Proposal, texts, numbers, tuples)
    | st.builds(Critique, tuples, tuples, numbers)
    | st.builds(Ballot, texts, numbers, texts, tuples)
    | st.builds(Grouping, st.lists(tuples, max_size=3).map(tuple), texts)
    | st.builds(Abstention, texts)
)
replies = st.builds(AgentAnswer, st.just(""), st.just(""), contents, usages, fallbacks) | st.builds(
    AgentFailure, st.just(""), st.just(""), texts, texts, st.none() | usages, fallbacks
)


@asynccontextmanager
async def scripted(
    settings: Settings, script: Callable[[AgentRequest], Reply | None] = answer
) -> AsyncIterator[tuple[StoredEngine, ScriptedAgents]]:
    agents = ScriptedAgents(script)
    async with stored_engine(settings, agents) as here:
        agents.engine = here.engine
        yield here, agents


def names_of(count: int) -> list[str]:
    run = next(NUMBERS)
    return [f"deb_{run}_{number}" for number in range(count)]


async def debate_with(settings: Settings, poison: Sequence[Reply]) -> None:
    """One debate whose agents answer with `poison` in turn, and two beside it with good ones."""
    names = names_of(3)
    bad = itertools.cycle(poison)

    def script(request: AgentRequest) -> Reply:
        if request.ask.debate_id != names[1]:
            return answer(request)
        return replace(next(bad), ask_id=request.ask.ask_id, agent=request.ask.agent)

    async with scripted(settings, script) as (here, agents):
        for name in names:
            await here.engine.open(spec(name, AGENTS, protocol=QUICK))
        statuses = await here.ended(names)
        assert (statuses[0], statuses[2]) == (DebateStatus.COMPLETED, DebateStatus.COMPLETED)
        assert await here.engine.drain(30.0) == 0
        assert max(agents.asked.values()) == 1
        assert await here.replayed(names) == statuses
        for name in names:
            assert 0.0 <= (await here.store.get(name, EVERYTHING)).cost_usd < math.inf
        assert all(0.0 <= one.amount < math.inf for one in await CounterStore(here.database).all())


async def recovery_after(settings: Settings, damages: Sequence[tuple[int, int, int, bytes]]) -> None:
    """Three debates that were cut off; rows of the second are damaged on the disk; another coordinator begins."""
    names = names_of(3)

    def until_the_vote(request: AgentRequest) -> Reply | None:
        return answer(request) if request.ask.kind in BEFORE_THE_VOTE else None

    async with scripted(settings, until_the_vote) as (before, agents):
        for name in names:
            await before.engine.open(spec(name, AGENTS, protocol=QUICK))
        await eventually(lambda: all(agents.asked[f"{name}/1/vote/ann"] for name in names), pause_s=0.001)
        for damage in damages:
            await _damage(before.database, names[1], damage)
        await before.engine.drain(0.0)
    async with scripted(settings) as (after, _):
        with capture_logs():
            assert await after.engine.recover(lambda name: name in names) == 3
            statuses = await after.ended(names)
        assert (statuses[0], statuses[2]) == (DebateStatus.COMPLETED, DebateStatus.COMPLETED)
        assert after.engine.load().set_aside == 0
        page = await after.store.events(names[1])
        assert len(page) == await after.store.last_seq(names[1])


async def _damage(database: Database, debate_id: str, damage: tuple[int, int, int, bytes]) -> None:
    """Put noise in place of some bytes of one row."""
    seq, start, end, noise = damage
    store = DebateStore(database)
    payloads = await store.journal(debate_id)
    seq = 1 + seq % len(payloads)
    raw = payloads[seq - 1].encode("utf-8", "surrogateescape")
    start, end = start % len(raw), end % len(raw)
    changed = raw[:start] + noise + raw[end:]
    if database.is_sqlite:
        statement = "UPDATE journal SET payload = CAST(:payload AS TEXT) WHERE debate_id = :name AND seq = :seq"
        value: bytes | str = changed
    else:
        statement = "UPDATE journal SET payload = :payload WHERE debate_id = :name AND seq = :seq"
        value = changed.replace(b"\0", b"").decode("utf-8", "replace")
    async with database.writing() as connection:
        await connection.execute(text(statement), {"payload": value, "name": debate_id, "seq": seq})


def _examples(settings: Settings, sqlite: int, postgres: int) -> Any:
    count = sqlite if settings.database_url is None else postgres
    healthy = [HealthCheck.function_scoped_fixture, HealthCheck.too_slow]
    return hypothesis_settings(max_examples=count, deadline=None, suppress_health_check=healthy)


def test_whatever_agents_answer_every_debate_ends_and_its_neighbours_complete(settings: Settings) -> None:
    @_examples(settings, sqlite=30, postgres=6)
    @given(st.lists(replies, min_size=1, max_size=8))
    def law(poison: list[Reply]) -> None:
        with capture_logs():
            asyncio.run(debate_with(settings, poison))

    law()


def test_whatever_happens_to_rows_all_debates_that_are_whole_recover(settings: Settings) -> None:
    place = st.integers(0, 2_000)

    @_examples(settings, sqlite=20, postgres=5)
    @given(st.lists(st.tuples(place, place, place, st.binary(max_size=30)), min_size=1, max_size=3))
    def law(damages: list[tuple[int, int, int, bytes]]) -> None:
        asyncio.run(recovery_after(settings, damages))

    law()


@pytest.mark.parametrize("settings", ["sqlite"], indirect=True)
def test_rows_that_are_missing_end_their_debate_alone(settings: Settings) -> None:
    async def run() -> None:
        names = names_of(2)
        async with scripted(settings, lambda _: None) as (before, agents):
            for name in names:
                await before.engine.open(spec(name, AGENTS, protocol=QUICK))
            await eventually(lambda: len(agents.asked) == 6)
            async with before.database.writing() as connection:
                await connection.execute(text("DELETE FROM journal WHERE debate_id = :name"), {"name": names[0]})
            await before.engine.drain(0.0)
        async with scripted(settings) as (after, _):
            with capture_logs():
                await after.engine.recover(lambda _: True)
                assert await after.ended(names) == [DebateStatus.FAILED, DebateStatus.COMPLETED]
            assert "cannot be read" in ((await after.store.get(names[0], EVERYTHING)).reason or "")

    asyncio.run(run())
