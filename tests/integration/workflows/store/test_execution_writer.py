"""Executions written to both databases: once, by their owner alone, in groups of which one bad unit spoils none."""

from __future__ import annotations

import asyncio
import sqlite3
from collections.abc import Callable, Sequence
from contextlib import closing
from dataclasses import replace
from typing import Any

import asyncpg
import pytest
from sqlalchemy import text
from worlds.executions import RUNNING, Note, commit, message, new, rows
from worlds.waiting import WAIT_S, eventually

from aragora.config.settings import Settings
from aragora.debate.proposition import Idempotency
from aragora.errors import AragoraError, Conflict, Fenced, InvalidInput, NotFound, RateLimited, Unavailable
from aragora.observability.samples import CounterDelta
from aragora.scope import EVERYTHING
from aragora.storage.counters import CounterStore
from aragora.storage.database import Database
from aragora.storage.outbox import OutboxRelay, OutboxRow, dead
from aragora.storage.outbox_store import OutboxStore
from aragora.workflows.model import ExecutionStatus
from aragora.workflows.records import Started
from aragora.workflows.store import write_group
from aragora.workflows.store.executions import ExecutionStore
from aragora.workflows.store.owner import WorkflowOwner
from aragora.workflows.store.writer import WorkflowWriter

Writing = Callable[..., WorkflowWriter]
FULL = replace(
    RUNNING,
    status=ExecutionStatus.FAILED,
    active=False,
    due_at=200.5,
    ended_at=150.25,
    cost_micros=5_000_000_000,
    code="timeout",
    reason="Zu sp\u00e4t \U0001f600",
    outputs='{"a":1}',
    receipt_id="rcp_1",
)


async def seqs(store: ExecutionStore, execution_id: str = "exe_1") -> list[int]:
    payloads = await store.journal(execution_id)
    return [int(payload.rpartition(":")[2][:-1]) for payload in payloads]


async def gathered(*waited: Any) -> list[Any]:
    return await asyncio.gather(*waited, return_exceptions=True)


async def test_what_is_read_is_what_was_written(writer: WorkflowWriter, store: ExecutionStore) -> None:
    begun = new(parent="exe_0", parent_ask="b/s:1", depth=2, due_at=130.0, active=False, reason="it waits")
    started = await writer.start(begun)
    assert started == Started(replace(begun.record, last_seq=1), created=True)
    assert await store.get("exe_1", EVERYTHING) == started.record
    await writer.commit(commit("exe_1", 2, 4, update=FULL))
    changed = {name: getattr(FULL, name) for name in FULL.__slots__}
    assert await store.get("exe_1", EVERYTHING) == replace(started.record, last_seq=4, updated_at=104.0, **changed)
    await writer.commit(commit("exe_1", 5))
    assert await store.get("exe_1", EVERYTHING) == replace(
        started.record, last_seq=5, updated_at=105.0, due_at=None, active=True, reason=""
    )
    assert await seqs(store) == [1, 2, 3, 4, 5]


async def test_of_two_writers_the_older_one_writes_nothing(
    owner: WorkflowOwner, writing: Writing, opened: Callable[[], Database], database: Database, store: ExecutionStore
) -> None:
    old = writing(tenure=await owner.advance())
    await old.start(new())
    await old.post(message("msg_1"))
    young = writing(opened(), tenure=await owner.advance())
    due = OutboxRow("o1", "usage", "exe_1", "{}", 1.0)
    refused = await gathered(
        old.start(new("exe_2")),
        old.commit(commit("exe_1", 2, taken=("msg_1",), outbox=(due,), extra=(Note("old"),))),
        old.dismiss(["msg_1"]),
        old.done(["o1"]),
    )
    assert [type(one) for one in refused] == [Fenced] * 4
    assert "another one runs the executions now" in str(refused[0])
    await old.post(message("msg_2"))  # anybody may
    assert await store.record("exe_2") is None
    assert await seqs(store) == [1]
    assert [one.message_id for one in await store.inbox()] == ["msg_1", "msg_2"]
    assert await OutboxStore(database).pending(["usage"]) == []
    assert await CounterStore(database).all() == []
    await young.commit(commit("exe_1", 2))
    assert await seqs(store) == [1, 2]


async def test_a_successor_begins_after_a_transaction_of_its_predecessor_or_not_at_all(
    settings: Settings, owner: WorkflowOwner, writing: Writing, store: ExecutionStore
) -> None:
    """A zombie: its transaction has read the epoch, and stands still before it commits."""
    url = settings.database_url
    if url is None:
        pytest.skip("writers of a SQLite file take turns")
    old = writing(tenure=await owner.advance())
    await old.start(new())
    other = await asyncpg.connect(url.get_secret_value())
    try:
        holding = other.transaction()
        await holding.start()
        await other.execute("SELECT 1 FROM workflow_executions FOR UPDATE")
        committing = asyncio.create_task(old.commit(commit("exe_1", 2)))

        async def waits() -> bool:
            query = (
                "SELECT count(*) FROM pg_stat_activity WHERE wait_event_type = 'Lock' AND datname = current_database()"
            )
            return bool(await other.fetchval(query))

        await eventually(waits)
        advancing = asyncio.create_task(owner.advance())
        done, _ = await asyncio.wait([advancing], timeout=0.5)
        assert not done
        await holding.rollback()
        await asyncio.wait_for(committing, WAIT_S)
        assert await asyncio.wait_for(advancing, WAIT_S) == 2
    finally:
        await other.close()
    assert await seqs(store) == [1, 2]
    with pytest.raises(Fenced):
        await old.commit(commit("exe_1", 3))


async def test_no_two_starts_at_the_same_time_take_the_same_epoch(opened: Callable[[], Database]) -> None:
    owners = [WorkflowOwner(opened()) for _ in range(4)]
    assert await owners[0].current() == 0
    taken = await asyncio.gather(*(owner.advance() for owner in owners for _ in range(5)))
    assert sorted(taken) == list(range(1, 21))
    assert await owners[0].current() == 20


async def test_a_writer_whose_epoch_nobody_took_is_fenced(writing: Writing) -> None:
    with pytest.raises(Fenced):
        await writing(tenure=1).start(new())


async def test_one_bad_unit_of_a_group_fails_alone(
    writer: WorkflowWriter, database: Database, store: ExecutionStore
) -> None:
    await asyncio.gather(*(writer.start(new(f"exe_{n}")) for n in range(6)))
    taken = OutboxRow("taken", "usage", "exe_0", "{}", 1.0)
    await writer.commit(commit("exe_0", 2, outbox=(taken,)))
    outcomes = await gathered(
        writer.commit(commit("exe_1", 2, extra=(Note("good"),))),
        writer.commit(commit("exe_2", 2, outbox=(taken,))),  # the key is there
        writer.commit(commit("exe_3", 2, extra=(Note("bad", fails=True),))),
        writer.commit(commit("exe_4", 7)),
        writer.commit(commit("exe_9", 2)),
        writer.commit(commit("exe_5", 2, 3)),
    )
    assert [type(one) for one in outcomes] == [type(None), Conflict, Conflict, Fenced, NotFound, type(None)]
    assert [len(await seqs(store, f"exe_{n}")) for n in range(6)] == [2, 2, 1, 1, 1, 3]
    assert [(await store.get(f"exe_{n}", EVERYTHING)).last_seq for n in range(6)] == [2, 2, 1, 1, 1, 3]
    async with database.reading() as connection:
        found = await connection.execute(text("SELECT sample FROM workflow_counters"))
        assert [row[0] for row in found] == ["good"]


class Defect:
    """A projection with a defect."""

    def sqlite(self, connection: object) -> None:
        raise ZeroDivisionError

    async def postgres(self, connection: object) -> None:
        raise ZeroDivisionError


async def test_a_projection_is_written_with_its_commit_or_neither_is(
    writer: WorkflowWriter, store: ExecutionStore
) -> None:
    await writer.start(replace(new(), extra=(Note("started"),)))
    with pytest.raises(ZeroDivisionError):
        await writer.commit(commit("exe_1", 2, extra=(Note("first"), Defect())))
    await writer.commit(commit("exe_1", 2, extra=(Note("first"),)))  # it is not there yet
    assert await seqs(store) == [1, 2]
    with pytest.raises(Conflict):
        await writer.commit(commit("exe_1", 3, extra=(Note("started"),)))


async def test_a_key_gives_the_first_execution_as_it_is_now(writer: WorkflowWriter) -> None:
    await writer.start(new("exe_1", key="k"))
    await writer.commit(commit("exe_1", 2, update=FULL))
    again = await writer.start(new("exe_2", key="k"))
    assert (again.created, again.record.execution_id, again.record.last_seq) == (False, "exe_1", 2)
    assert again.record.status is ExecutionStatus.FAILED
    with pytest.raises(Conflict, match="use a new key"):
        await writer.start(new("exe_3", key="k", request="other"))
    assert (await writer.start(new("exe_4", key="k", started_by="bob"))).created


async def test_a_child_that_its_parent_starts_again_is_the_first_one(writer: WorkflowWriter) -> None:
    child = new(parent="exe_0", parent_ask="b/s:1")
    assert (await writer.start(child)).created
    await writer.commit(commit("exe_1", 2))
    again = await writer.start(child)
    assert (again.created, again.record.last_seq) == (False, 2)
    with pytest.raises(Conflict, match="exists already"):
        await writer.start(new(parent="exe_0", parent_ask="b/s:2"))


async def test_of_processes_that_start_under_one_key_at_once_one_does(
    writing: Writing, opened: Callable[[], Database]
) -> None:
    writers = [writing(opened()) for _ in range(4)]
    for key in ("k1", "k2", "k3"):
        outcomes = await asyncio.gather(*(one.start(new(f"{key}_{n}", key=key)) for n, one in enumerate(writers)))
        assert sum(one.created for one in outcomes) == 1
        assert len({one.record.execution_id for one in outcomes}) == 1


async def test_a_message_goes_in_the_transaction_that_journals_it(
    writer: WorkflowWriter, store: ExecutionStore
) -> None:
    await writer.start(new())
    await asyncio.gather(*(writer.post(message(f"msg_{n}", at=200.0 - n)) for n in range(4)))
    await writer.post(message("msg_3", "exe_2", at=1.0))  # the id is there: nothing changes
    assert [one.message_id for one in await store.inbox()] == ["msg_3", "msg_2", "msg_1", "msg_0"]
    assert await store.inbox_of("exe_2") == []
    await writer.commit(commit("exe_1", 2, taken=("msg_3", "msg_1", "msg_77")))
    await writer.dismiss(["msg_0", "msg_0"])
    assert await store.inbox() == [message("msg_2", at=198.0)]
    await gathered(writer.commit(commit("exe_1", 3, taken=("msg_2",))), writer.post(message("msg_2", at=300.0)))
    assert await store.inbox_of("exe_1") == [message("msg_2", at=300.0)]  # it comes again, and is known by its id


async def test_an_inbox_is_bounded(
    writer: WorkflowWriter, store: ExecutionStore, monkeypatch: pytest.MonkeyPatch
) -> None:
    monkeypatch.setattr(write_group, "INBOX_MAX", 3)
    for n in range(3):
        await writer.post(message(f"msg_{n}"))
    with pytest.raises(RateLimited) as refused:
        await writer.post(message("msg_9"))
    assert refused.value.code == "inbox_full"
    await writer.post(message("msg_1"))
    await writer.post(message("msg_9", "exe_2"))
    assert len(await store.inbox()) == 4


async def test_an_outbox_row_stays_until_it_is_done_or_buried(writer: WorkflowWriter, database: Database) -> None:
    due = [OutboxRow(f"o{n}", "notify", "exe_1", f'{{"n":{n}}}', float(n)) for n in range(3)]
    await writer.start(replace(new(), outbox=(due[0],)))
    await writer.commit(commit("exe_1", 2, outbox=tuple(due[1:])))
    outbox = OutboxStore(database)
    assert await outbox.pending(["notify", "other"], 2) == due[:2]
    await writer.done(["o0", "unknown"])
    counted = CounterDelta("aragora_outbox_dead_rows_total", (("topic", "notify"),), 1.0)
    await writer.bury(dead("notify"), ["o2"], (counted,))
    assert await outbox.pending(["notify"]) == [due[1]]
    assert await outbox.present(["o0", "o1", "o2"]) == {"o1", "o2"}
    assert await outbox.count(dead("notify")) == 1
    assert await CounterStore(database).all() == [counted]


async def test_what_is_counted_is_counted_with_its_commit(writer: WorkflowWriter, database: Database) -> None:
    one = CounterDelta("steps", (("kind", "ask"),), 1.0)
    await writer.start(replace(new(), counters=(one,)))
    await gathered(
        writer.commit(commit("exe_1", 2, counters=(one,))), writer.commit(commit("exe_1", 9, counters=(one,)))
    )
    assert await CounterStore(database).all() == [replace(one, amount=2.0)]


@pytest.mark.parametrize("bad", ["a\0b", "\ud83d"])
async def test_nul_and_half_a_character_are_refused_before_the_database(
    writer: WorkflowWriter, store: ExecutionStore, bad: str
) -> None:
    await writer.start(new())
    spoilt = replace(rows("exe_1", 2, 2)[0], payload=f'{{"text":"{bad}"}}')
    outcomes = await gathered(
        writer.commit(replace(commit("exe_1", 2), rows=(spoilt,))),
        writer.commit(commit("exe_1", 2, update=replace(RUNNING, reason=bad))),
        writer.start(new("exe_2", name=bad)),
        writer.start(replace(new("exe_3"), idempotency=Idempotency(bad, "h"))),
        writer.post(replace(message(), payload=bad)),
        writer.post(message(bad)),
        writer.commit(commit("exe_1", 2)),
    )
    assert [type(one) for one in outcomes] == [*[InvalidInput] * 6, type(None)]
    assert await seqs(store) == [1, 2]
    assert await store.inbox() == []


async def test_many_executions_go_on_at_once(writer: WorkflowWriter, store: ExecutionStore) -> None:
    async def course(execution_id: str) -> None:
        await writer.start(new(execution_id))
        for seq in range(2, 12):
            await writer.commit(commit(execution_id, seq))

    ids = [f"exe_{n:03d}" for n in range(100)]
    await asyncio.gather(*map(course, ids))
    for execution_id in ids:
        assert await seqs(store, execution_id) == list(range(1, 12))


async def test_while_the_store_is_away_nothing_is_written_and_then_it_goes_on(
    settings: Settings, database: Database, store: ExecutionStore
) -> None:
    if settings.database_url is not None:
        pytest.skip("another process can lock a SQLite file alone")
    writer = WorkflowWriter(Database(replace(database.location, timeout_s=0.1)))
    await writer.start(new())
    with closing(sqlite3.connect(settings.data_dir / "workflows.db", isolation_level=None)) as other:
        other.execute("BEGIN IMMEDIATE")
        outcomes = await gathered(writer.commit(commit("exe_1", 2)), writer.post(message()))
        other.execute("ROLLBACK")
    assert [type(one) for one in outcomes] == [Unavailable] * 2
    await writer.commit(commit("exe_1", 2))
    await writer.aclose()
    assert await seqs(store) == [1, 2]
    assert await store.inbox() == []


async def test_a_new_execution_with_a_row_that_is_there_is_a_conflict(
    writer: WorkflowWriter, database: Database, store: ExecutionStore
) -> None:
    """Rows without their execution: a database that somebody mended by hand."""
    async with database.writing() as connection:
        row = {"id": "exe_1", "seq": 1, "type": "x", "payload": "{}", "at": 1.0}
        await connection.execute(text("INSERT INTO workflow_journal VALUES (:id, :seq, :type, :payload, :at)"), row)
    outcomes: list[Started | AragoraError] = await gathered(writer.start(new()), writer.start(new("exe_2")))
    assert [type(one) for one in outcomes] == [Conflict, Started]
    assert await store.record("exe_1") is None


class Told:
    """A consumer that remembers, and cannot apply the rows it does not know."""

    def __init__(self) -> None:
        self.payloads: list[str] = []

    async def apply(self, rows: Sequence[OutboxRow]) -> None:
        if any(row.payload == "?" for row in rows):
            raise ValueError
        self.payloads += [row.payload for row in rows]


async def test_the_relay_brings_what_follows_from_executions_to_its_consumer(
    writer: WorkflowWriter, database: Database
) -> None:
    payloads = ["1", "?", "2"]
    due = tuple(OutboxRow(f"o{at}", "notify", "exe_1", payload, float(at)) for at, payload in enumerate(payloads))
    await writer.start(replace(new(), outbox=due))
    told, outbox = Told(), OutboxStore(database)
    await OutboxRelay(outbox, writer, {"notify": told}).aclose()
    assert told.payloads == ["1", "2"]
    assert await outbox.pending(["notify"]) == [due[1]]
