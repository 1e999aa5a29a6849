"""PostgreSQL is killed and starts again while the runner takes up 250 executions, and while they run.

W4, W29: all end, nothing is asked twice, no answer of a person is lost. The runner is the real one without Ray; what is
outside it is scripted.
"""

from __future__ import annotations

import asyncio
import signal
from collections import Counter
from collections.abc import AsyncIterator
from dataclasses import replace
from pathlib import Path
from typing import Any

import pytest
from chaos.conftest import Tally
from pydantic import SecretStr
from worlds.backends import copied_database
from worlds.postgres_process import start, stop
from worlds.waiting import eventually
from worlds.workflow_runner import World
from worlds.workflowing import approval, chain, debate, definition

from aragora.config.settings import Settings
from aragora.errors import Unavailable
from aragora.storage.contexts import Context
from aragora.storage.database import Database
from aragora.workflows import journal
from aragora.workflows.approving import Answerer, Word
from aragora.workflows.model import ApprovalAnswered, Done, ExecutionStatus, StepStarted, Verdict
from aragora.workflows.running.deeds import AT_ONCE

pytestmark = [pytest.mark.slow, pytest.mark.chaos, pytest.mark.timeout(300)]

EXECUTIONS = 250
SIGNED = 50
END_S = 120.0
SHAPE = definition(*chain(debate("a"), debate("b"), debate("c")))
SIGNED_SHAPE = definition(*chain(approval("sign"), debate("b")))


@pytest.fixture
async def world(postgres: Any, migrated_url: str, tmp_path: Path) -> AsyncIterator[World]:
    url = SecretStr(await copied_database(migrated_url))
    database = Database.open(Settings(data_dir=tmp_path, database_url=url, db_pool_timeout=2.0), Context.WORKFLOWS)
    made = World(database)
    await made.begin()
    yield made
    await made.close()
    await database.aclose()


async def restarted(postgres: Any, number: int, away: Any) -> None:
    """PostgreSQL ends, and begins again once `away` was noticed."""
    await asyncio.to_thread(stop, postgres, number)
    try:
        await away
    finally:
        await asyncio.to_thread(start, postgres)


async def noticed(world: World) -> None:
    async def refused() -> bool:
        try:
            await world.store.open_counts()
        except Unavailable:
            return True
        return False

    await eventually(refused, "PostgreSQL is away")


async def signed(world: World, execution_id: str, approval_id: str, digest: str) -> None:
    """A person answers until it is taken."""

    async def taken() -> bool:
        word, bob = Word(Verdict.APPROVE, digest=digest), Answerer("bob", ("owner",))
        try:
            await world.engine.answer(execution_id, approval_id, bob, word, f"of {approval_id}")
        except Unavailable:
            return False
        return True

    await eventually(taken, "the answer is taken", END_S)


async def test_executions_go_on_when_postgresql_is_back_whatever_they_did_meanwhile(
    world: World, postgres: Any, tally: Tally
) -> None:
    world.outside.gives = lambda _: None
    signing = [(await world.start(SIGNED_SHAPE, workflow_id="wf_2")).record.execution_id for _ in range(SIGNED)]
    asked = [(await world.pending(one)).state for one in signing]
    started = await asyncio.gather(*(world.start(SHAPE) for _ in range(EXECUTIONS)))
    ids = [one.record.execution_id for one in started]
    await eventually(lambda: len(world.outside.asked) == AT_ONCE, "as many are asked as may be")
    await world.runners[-1].drain()

    world.outside.gives = lambda one: Done(one.ask_id, {}, 1)
    await world.begin()
    await restarted(postgres, signal.SIGKILL, noticed(world))  # none of them is read yet, or some
    paid = len(world.outside.paid)
    await eventually(lambda: len(world.outside.paid) > paid + EXECUTIONS // 4, "they run", END_S)
    people = asyncio.gather(*(signed(world, state.execution_id, state.approval_id, state.digest) for state in asked))
    await restarted(postgres, signal.SIGINT, noticed(world))
    await people
    tally.struck("PostgreSQL killed while executions are taken up", "PostgreSQL restarted while executions run")

    async def over() -> bool:
        return sum((await world.store.open_counts()).values()) == 0

    await eventually(over, "all end", END_S)
    for execution_id in (*ids, *signing):
        record = await world.record(execution_id)
        assert record.status is ExecutionStatus.COMPLETED, replace(record, outputs=None)
        events = journal.events_of(await world.store.journal(execution_id))
        asks = Counter(one.ask_id for one in events if isinstance(one, StepStarted))
        assert set(asks.values()) == {1}
        assert len([one for one in events if isinstance(one, ApprovalAnswered)]) == (execution_id in signing)
    assert len(world.outside.paid) == 3 * EXECUTIONS + SIGNED
    assert set(world.outside.paid.values()) == {1}, "nothing is paid for twice"
