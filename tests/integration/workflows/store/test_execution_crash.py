"""Several processes, and kill -9 in the middle of writing: what was acknowledged is there, nothing by half."""

from __future__ import annotations

import asyncio
import subprocess
import sys
from os import environ, pathsep
from pathlib import Path

import pytest
from sqlalchemy import func, select, text
from worlds.executions import commit
from worlds.waiting import WAIT_S, eventually

import aragora
from aragora.config.settings import Settings
from aragora.errors import Fenced
from aragora.observability.samples import CounterDelta
from aragora.storage.counters import CounterStore
from aragora.storage.database import Database
from aragora.storage.tables import workflow_outbox
from aragora.workflows.store.executions import ExecutionStore
from aragora.workflows.store.owner import WorkflowOwner
from aragora.workflows.store.tables import workflow_executions, workflow_inbox, workflow_journal
from aragora.workflows.store.writer import WorkflowWriter

ROOT = Path(aragora.__file__).parents[1]
HERE = environ | {"PYTHONPATH": f"{ROOT}{pathsep}{ROOT / 'tests'}"}
PROCESS = Path(__file__).with_name("executing_process.py")
pytestmark = [pytest.mark.slow]


def command(settings: Settings, *role: str) -> list[str]:
    url = () if settings.database_url is None else (settings.database_url.get_secret_value(),)
    return [sys.executable, str(PROCESS), *role, str(settings.data_dir), *url]


def killed_while_writing(settings: Settings, acknowledgements: int) -> dict[str, int]:
    """Run an owner, kill it after so many acknowledgements; the last seq it was sure of, by execution."""
    acknowledged: dict[str, int] = {}
    with subprocess.Popen(command(settings, "owner"), stdout=subprocess.PIPE, text=True, env=HERE) as process:
        assert process.stdout is not None
        for number, line in enumerate(process.stdout):
            if number == acknowledgements:
                process.kill()  # SIGKILL; what it had written to the pipe until then still counts
            if line.endswith("\n"):
                execution_id, seq = line.split()
                acknowledged[execution_id] = int(seq)
    assert process.returncode == -9
    assert len(acknowledged) > 8
    return acknowledged


async def its_last_transaction_is_over(database: Database) -> None:
    """PostgreSQL may be still at work for a client that is dead."""
    if database.is_sqlite:
        return
    others = text(
        "SELECT count(*) FROM pg_stat_activity WHERE pid <> pg_backend_pid() AND datname = current_database() "
        "AND backend_type = 'client backend'"
    )
    async with database.reading() as connection:

        async def alone() -> bool:
            return not (await connection.execute(others)).scalar()

        await eventually(alone)


@pytest.mark.chaos
@pytest.mark.parametrize("acknowledgements", [150, 613])
async def test_after_a_kill_every_transaction_is_there_whole_or_not_at_all(
    settings: Settings, database: Database, store: ExecutionStore, acknowledgements: int
) -> None:
    acknowledged = killed_while_writing(settings, acknowledgements)
    await its_last_transaction_is_over(database)
    of = workflow_journal.c
    query = select(of.execution_id, of.seq).order_by(of.execution_id, of.seq)
    found: dict[str, list[int]] = {}
    for execution_id, seq in await database.rows(query):
        found.setdefault(execution_id, []).append(seq)
    executions = workflow_executions.c
    lasts = {row[0]: row[1] for row in await database.rows(select(executions.execution_id, executions.last_seq))}
    by_execution = select(workflow_outbox.c.execution_id, func.count()).group_by(workflow_outbox.c.execution_id)
    due = {row[0]: row[1] for row in await database.rows(by_execution)}
    waiting = {row[0] for row in await database.rows(select(workflow_inbox.c.message_id))}

    assert lasts == {execution_id: len(seqs) for execution_id, seqs in found.items()}
    for execution_id, seqs in found.items():
        assert seqs == list(range(1, len(seqs) + 1)), execution_id
        commits = due.get(execution_id, 0)
        assert len(seqs) == 1 + sum(1 + number % 3 for number in range(commits)), execution_id
        assert not {f"{execution_id}:{number}" for number in range(commits)} & waiting
    for execution_id, seq in acknowledged.items():
        assert lasts[execution_id] >= seq, execution_id
    committed = sum(len(seqs) - 1 for seqs in found.values())
    assert await CounterStore(database).all() == [CounterDelta("rows", (), float(committed))]


@pytest.mark.chaos
async def test_a_successor_goes_on_where_the_killed_one_ended(
    settings: Settings, database: Database, store: ExecutionStore, owner: WorkflowOwner
) -> None:
    killed_while_writing(settings, 200)
    await its_last_transaction_is_over(database)
    old, epoch = WorkflowWriter(database, tenure=await owner.current()), await owner.advance()
    writer = WorkflowWriter(database, tenure=epoch)
    assert epoch == 2
    for execution_id in await store.active_ids():
        record = await store.record(execution_id)
        assert record is not None
        with pytest.raises(Fenced):
            await old.commit(commit(execution_id, record.last_seq + 1))
        await writer.commit(commit(execution_id, record.last_seq + 1))
        assert len(await store.journal(execution_id)) == record.last_seq + 1
    await writer.aclose()
    await old.aclose()


async def test_processes_that_post_at_once_lose_nothing_and_repeat_nothing(
    settings: Settings, store: ExecutionStore
) -> None:
    names = ("0", "1", "2", "0")  # two of them post the same messages
    posters = [
        await asyncio.create_subprocess_exec(*command(settings, "poster", name, "200"), env=HERE) for name in names
    ]
    async with asyncio.timeout(WAIT_S):
        assert [await poster.wait() for poster in posters] == [0] * 4
    found = await store.inbox(2_000)
    assert sorted(one.message_id for one in found) == sorted(f"msg_{name}_{n}" for name in range(3) for n in range(200))
    assert all(one.execution_id == f"exe_{int(one.message_id.rpartition('_')[2]) % 2}" for one in found)
