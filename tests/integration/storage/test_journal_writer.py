"""The journal writer on both stores: groups, the fence, idempotency keys, the receipt chain, counters and outages."""

from __future__ import annotations

import asyncio
import resource
import sqlite3
from collections.abc import Callable, Iterator
from contextlib import closing, contextmanager
from dataclasses import replace
from pathlib import Path

import pytest
from sqlalchemy import text
from worlds.waiting import eventually

from aragora.config.settings import Settings
from aragora.debate.journal import JournalRow
from aragora.debate.model import DebateStatus
from aragora.debate.records import ChainHead, Commit, Conclusion, DebateUpdate, NewDebate, ReceiptRecord, Tenure
from aragora.debate.store.debates import DebateStore
from aragora.debate.store.journal_writer import JournalWriter
from aragora.debate.store.shard_epochs import ShardEpochs
from aragora.errors import Conflict, Fenced, InvalidInput, NotFound, Unavailable
from aragora.observability.samples import CounterDelta
from aragora.receipts.store import ReceiptStore
from aragora.scope import EVERYTHING
from aragora.storage.contexts import Context
from aragora.storage.database import Database
from aragora.storage.outbox import OutboxRow
from aragora.storage.serving import without_server

COUNT = CounterDelta("aragora_debates_total", (), 1.0)


async def _values(database: Database, query: str) -> list[tuple[object, ...]]:
    async with database.reading() as connection:
        return [tuple(row) for row in (await connection.execute(text(query))).all()]


def _conclusion(build: type, debate_id: str, seq: int, seen: list[ChainHead] | None = None) -> Conclusion:
    def issue(head: ChainHead) -> tuple[ReceiptRecord, Commit]:
        if seen is not None:
            seen.append(head)
        position = head.position + 1
        receipt = ReceiptRecord(
            f"rcp_{debate_id}", debate_id, position, f"{position:064x}", head.hash, '{"of":1}', 200.0
        )
        update = DebateUpdate(DebateStatus.COMPLETED, 1, '{"reached":true}', "decided", 0.5, receipt.receipt_id)
        commit = build.commit(debate_id, seq, update=update)
        outbox = (OutboxRow(f"{debate_id}:ratings", "ratings", debate_id, "{}", 200.0),)
        return receipt, replace(commit, counters=(COUNT,), outbox=outbox)

    return Conclusion(debate_id, issue)


async def test_a_debate_is_written_from_its_opening_to_its_receipt(
    writer: JournalWriter, debates_db: Database, build: type
) -> None:
    store = DebateStore(debates_db)
    opened = await writer.open(build.new_debate("d1"))
    assert (opened.created, opened.record.last_seq) == (True, 1)
    assert (await store.get("d1", EVERYTHING)).status is DebateStatus.QUEUED
    await writer.commit(build.commit("d1", 2, 5, DebateUpdate(status=DebateStatus.ACTIVE, rounds=1)))
    running = await store.get("d1", EVERYTHING)
    assert (running.status, running.last_seq, running.updated_at, running.decision) == ("active", 5, 105.0, None)
    receipt = await writer.conclude(_conclusion(build, "d1", 6))
    ended = await store.get("d1", EVERYTHING)
    assert (ended.status, ended.receipt_id, ended.cost_usd, ended.last_seq) == ("completed", "rcp_d1", 0.5, 6)
    assert await store.receipt("d1") == receipt
    assert await store.journal("d1") == [f'{{"seq":{seq}}}' for seq in range(1, 7)]
    assert await _values(debates_db, "SELECT outbox_id FROM outbox") == [("d1:ratings",)]


async def test_units_submitted_together_are_all_written(
    writer: JournalWriter, debates_db: Database, build: type
) -> None:
    ids = [f"d{number:03}" for number in range(50)]
    await asyncio.gather(*(writer.open(build.new_debate(debate_id)) for debate_id in ids))
    await asyncio.gather(
        *(writer.commit(replace(build.commit(debate_id, 2, 4), counters=(COUNT, COUNT))) for debate_id in ids)
    )
    assert await _values(debates_db, "SELECT count(*), sum(seq) FROM journal") == [(200, 50 * 10)]
    assert await _values(debates_db, "SELECT sum(value) FROM counters") == [(100.0,)]


async def test_two_commits_of_one_debate_in_one_group_follow_each_other(
    writer: JournalWriter, debates_db: Database, build: type
) -> None:
    await writer.open(build.new_debate("d1"))
    await asyncio.gather(
        writer.commit(build.commit("d1", 2, 3, DebateUpdate(rounds=1, reason="first"))),
        writer.commit(build.commit("d1", 4, 4, DebateUpdate(rounds=2))),
    )
    record = await DebateStore(debates_db).get("d1", EVERYTHING)
    assert (record.last_seq, record.rounds, record.reason) == (4, 2, "first")


async def test_a_fenced_commit_fails_alone_and_writes_nothing(
    writer: JournalWriter, debates_db: Database, build: type
) -> None:
    await asyncio.gather(writer.open(build.new_debate("d1")), writer.open(build.new_debate("d2")))
    late = replace(build.commit("d1", 3), counters=(COUNT,), outbox=(OutboxRow("o", "usage", "d1", "{}", 1.0),))
    told = await asyncio.gather(writer.commit(late), writer.commit(build.commit("d2", 2)), return_exceptions=True)
    assert isinstance(told[0], Fenced)
    assert told[1] is None
    assert await _values(debates_db, "SELECT debate_id, last_seq FROM debates ORDER BY 1") == [("d1", 1), ("d2", 2)]
    assert await _values(debates_db, "SELECT * FROM counters") == []
    assert await _values(debates_db, "SELECT * FROM outbox") == []


async def test_of_two_writers_that_believe_to_own_a_debate_one_is_fenced(
    writer: JournalWriter, opened: Callable[[Context], Database], build: type
) -> None:
    await writer.open(build.new_debate("d1"))
    zombie = JournalWriter(opened(Context.DEBATES))
    told = await asyncio.gather(
        writer.commit(build.commit("d1", 2, 4)), zombie.commit(build.commit("d1", 2)), return_exceptions=True
    )
    assert sorted(type(outcome).__name__ for outcome in told) == ["Fenced", "NoneType"]
    await zombie.aclose()


async def test_a_debate_that_does_not_exist_is_not_found(writer: JournalWriter, build: type) -> None:
    with pytest.raises(NotFound):
        await writer.commit(build.commit("nowhere", 2))


async def test_an_idempotency_key_gives_the_first_debate_again(writer: JournalWriter, build: type) -> None:
    first, again, other_org = await asyncio.gather(
        writer.open(build.new_debate("d1", key="k", request_hash="h")),
        writer.open(build.new_debate("d2", key="k", request_hash="h")),
        writer.open(build.new_debate("d3", key="k", request_hash="h", org_id="other")),
    )
    assert (first.created, again.created, other_org.created) == (True, False, True)
    assert again.record.debate_id == "d1"
    later = await writer.open(build.new_debate("d4", key="k", request_hash="h"))
    assert (later.created, later.record.debate_id, later.record.last_seq) == (False, "d1", 1)


async def test_the_same_idempotency_key_of_a_colleague_opens_a_debate_of_its_own(
    writer: JournalWriter, build: type
) -> None:
    mine, again = (build.new_debate(debate_id, key="k", request_hash="h") for debate_id in ("d1", "d3"))
    colleagues = build.new_debate("d2", key="k", request_hash="other")
    colleagues = replace(colleagues, record=replace(colleagues.record, created_by="bob"))
    told = [await writer.open(new) for new in (mine, colleagues, again)]
    assert [(outcome.created, outcome.record.debate_id) for outcome in told] == [
        (True, "d1"),
        (True, "d2"),
        (False, "d1"),
    ]


async def test_an_idempotency_key_with_another_request_is_a_conflict(
    writer: JournalWriter, debates_db: Database, build: type
) -> None:
    await writer.open(build.new_debate("d1", key="k", request_hash="h"))
    with pytest.raises(Conflict, match="idempotency key"):
        await writer.open(build.new_debate("d2", key="k", request_hash="other"))
    assert await _values(debates_db, "SELECT debate_id FROM debates") == [("d1",)]
    assert await _values(debates_db, "SELECT count(*) FROM journal") == [(1,)]


@pytest.mark.parametrize("key", [None, "k"])
async def test_an_opening_that_comes_again_because_its_answer_was_lost_gives_the_same_debate(
    writer: JournalWriter, debates_db: Database, build: type, key: str | None
) -> None:
    opening = build.new_debate("d1", key=key, request_hash="h")
    told = await asyncio.gather(writer.open(opening), writer.open(opening))
    told.append(await writer.open(opening))
    assert [outcome.created for outcome in told] == [True, False, False]
    assert {outcome.record.debate_id for outcome in told} == {"d1"}
    assert await _values(debates_db, "SELECT debate_id, seq FROM journal") == [("d1", 1)]


async def test_a_writer_whose_shard_has_a_newer_owner_writes_nothing_at_all(
    opened: Callable[[Context], Database], debates_db: Database, build: type
) -> None:
    epochs = ShardEpochs(debates_db)
    zombie = JournalWriter(opened(Context.DEBATES), tenure=Tenure(0, await epochs.advance(0)))
    await zombie.open(build.new_debate("d1"))
    successor = JournalWriter(opened(Context.DEBATES), tenure=Tenure(0, await epochs.advance(0)))
    told = await asyncio.gather(
        zombie.commit(build.commit("d1", 2)),
        zombie.open(build.new_debate("d2")),
        zombie.conclude(_conclusion(build, "d1", 2)),
        return_exceptions=True,
    )
    assert [type(outcome) for outcome in told] == [Fenced, Fenced, Fenced]
    await successor.commit(build.commit("d1", 2))
    assert await _values(debates_db, "SELECT debate_id, last_seq FROM debates") == [("d1", 2)]
    await zombie.aclose()
    await successor.aclose()


async def test_an_opening_whose_id_exists_conflicts_and_spoils_no_other(
    writer: JournalWriter, debates_db: Database, build: type
) -> None:
    await writer.open(build.new_debate("d1"))
    other = build.new_debate("d1")
    told = await asyncio.gather(
        writer.open(build.new_debate("d2")),
        writer.open(replace(other, record=replace(other.record, spec='{"seed":2}'))),
        writer.commit(build.commit("d1", 2)),
        return_exceptions=True,
    )
    assert isinstance(told[1], Conflict)
    assert told[2] is None
    assert await _values(debates_db, "SELECT debate_id, last_seq FROM debates ORDER BY 1") == [("d1", 2), ("d2", 1)]


async def test_receipts_of_one_group_are_chained_in_order(
    writer: JournalWriter, debates_db: Database, build: type
) -> None:
    ids = [f"d{number}" for number in range(5)]
    await asyncio.gather(*(writer.open(build.new_debate(debate_id)) for debate_id in ids))
    seen: list[ChainHead] = []
    receipts = await asyncio.gather(*(writer.conclude(_conclusion(build, debate_id, 2, seen)) for debate_id in ids))
    assert [receipt.position for receipt in receipts] == [1, 2, 3, 4, 5]
    assert seen[0] == ChainHead(0, "0" * 64)
    assert [head.hash for head in seen[1:]] == [receipt.hash for receipt in receipts[:-1]]
    assert await ReceiptStore(debates_db).head() == ChainHead(5, receipts[-1].hash)


async def test_writers_of_several_processes_share_one_chain(
    writer: JournalWriter, opened: Callable[[Context], Database], build: type
) -> None:
    other = JournalWriter(opened(Context.DEBATES))
    ids = [f"d{number:02}" for number in range(20)]
    await asyncio.gather(*(writer.open(build.new_debate(debate_id)) for debate_id in ids))
    issued = await asyncio.gather(
        *((writer, other)[place % 2].conclude(_conclusion(build, ids[place], 2)) for place in range(20))
    )
    assert sorted(receipt.position for receipt in issued) == list(range(1, 21))
    by_hash = {receipt.hash for receipt in issued} | {"0" * 64}
    assert all(receipt.previous_hash in by_hash for receipt in issued)
    await other.aclose()


async def test_a_conclusion_that_cannot_be_issued_or_is_fenced_leaves_the_chain_alone(
    writer: JournalWriter, debates_db: Database, build: type
) -> None:
    def broken(_head: ChainHead) -> tuple[ReceiptRecord, Commit]:
        raise ZeroDivisionError

    await asyncio.gather(*(writer.open(build.new_debate(debate_id)) for debate_id in ("d1", "d2", "d3")))
    told = await asyncio.gather(
        writer.conclude(Conclusion("d1", broken)),
        writer.conclude(_conclusion(build, "d2", 9)),
        writer.conclude(_conclusion(build, "d3", 2)),
        return_exceptions=True,
    )
    assert [type(outcome) for outcome in told] == [ZeroDivisionError, Fenced, ReceiptRecord]
    assert [row[0] for row in await _values(debates_db, "SELECT receipt_id FROM receipts")] == ["rcp_d3"]
    assert (await ReceiptStore(debates_db).head()).position == 1


async def test_a_repeated_outbox_id_conflicts_alone(writer: JournalWriter, debates_db: Database, build: type) -> None:
    await asyncio.gather(writer.open(build.new_debate("d1")), writer.open(build.new_debate("d2")))
    row = OutboxRow("same", "usage", "d1", "{}", 1.0)
    told = await asyncio.gather(
        writer.commit(replace(build.commit("d1", 2), outbox=(row,))),
        writer.commit(replace(build.commit("d2", 2), outbox=(row,))),
        return_exceptions=True,
    )
    assert told[0] is None
    assert isinstance(told[1], Conflict)
    assert await _values(debates_db, "SELECT debate_id, last_seq FROM debates ORDER BY 1") == [("d1", 2), ("d2", 1)]


@pytest.mark.parametrize("debate_rows", [(), ((2, "d1"), (4, "d1")), ((2, "d2"),)], ids=["none", "gap", "foreign"])
async def test_rows_that_are_no_continuation_are_refused_before_the_store(
    writer: JournalWriter, debate_rows: tuple[tuple[int, str], ...]
) -> None:
    rows = tuple(JournalRow(debate_id, seq, "vote", "{}", 1.0) for seq, debate_id in debate_rows)
    with pytest.raises(InvalidInput):
        await writer.commit(Commit("d1", rows))


async def test_a_text_the_store_cannot_hold_fails_alone(writer: JournalWriter, build: type) -> None:
    await asyncio.gather(writer.open(build.new_debate("d1")), writer.open(build.new_debate("d2")))
    unholdable = Commit("d1", (JournalRow("d1", 2, "vote", "\ud800", 1.0),))
    told = await asyncio.gather(writer.commit(unholdable), writer.commit(build.commit("d2", 2)), return_exceptions=True)
    assert isinstance(told[0], InvalidInput)
    assert told[1] is None


async def test_a_full_queue_is_unavailable_at_once(opened: Callable[[Context], Database], build: type) -> None:
    writer = JournalWriter(opened(Context.DEBATES), max_pending=3)
    told = await asyncio.gather(
        *(writer.open(build.new_debate(f"d{number}")) for number in range(5)), return_exceptions=True
    )
    refused = [outcome for outcome in told if isinstance(outcome, Unavailable)]
    assert len(refused) == 2
    assert all(error.retry_after_s for error in refused)
    await writer.aclose()


async def test_closing_writes_what_was_submitted_and_refuses_the_rest(
    opened: Callable[[Context], Database], build: type
) -> None:
    writer = JournalWriter(opened(Context.DEBATES))
    submitted = asyncio.gather(*(writer.open(build.new_debate(f"d{number}")) for number in range(5)))
    await asyncio.sleep(0)
    await writer.aclose()
    assert all(result.created for result in await submitted)
    with pytest.raises(Unavailable):
        await writer.open(build.new_debate("late"))


async def test_a_caller_that_no_longer_waits_harms_no_other(
    writer: JournalWriter, debates_db: Database, build: type
) -> None:
    gone = asyncio.create_task(writer.open(build.new_debate("d1")))
    stays = asyncio.create_task(writer.open(build.new_debate("d2")))
    await asyncio.sleep(0)
    gone.cancel()
    assert (await stays).created
    assert await _values(debates_db, "SELECT count(*) FROM debates") == [(2,)]


@pytest.mark.parametrize("settings", ["sqlite"], indirect=True)
async def test_a_full_disk_makes_the_whole_group_unavailable_and_the_writer_recovers(
    writer: JournalWriter, debates_db: Database, build: type, settings: Settings
) -> None:
    await asyncio.gather(*(writer.open(build.new_debate(f"d{number}")) for number in range(4)))
    huge = [NewDebate(build.record(f"h{number}"), _huge_rows(f"h{number}")) for number in range(4)]
    with _files_at_most(_largest(settings.data_dir) + 100_000):
        told = await asyncio.gather(
            *(writer.open(opening) for opening in huge), writer.commit(build.commit("d0", 2)), return_exceptions=True
        )
    assert all(isinstance(outcome, Unavailable) for outcome in told)
    assert await _values(debates_db, "SELECT count(*), max(last_seq) FROM debates") == [(4, 1)]
    assert (await writer.open(huge[0])).created
    await writer.commit(build.commit("d0", 2))
    with closing(sqlite3.connect(settings.data_dir / "debates.db")) as connection:
        assert connection.execute("PRAGMA integrity_check").fetchone() == ("ok",)


@pytest.mark.parametrize("settings", ["sqlite"], indirect=True)
async def test_the_log_of_a_burst_does_not_stay_on_the_disk(
    settings: Settings, writer: JournalWriter, build: type
) -> None:
    burst = tuple(JournalRow("d1", seq, "agent_message", "x" * 10_000_000, 1.0) for seq in range(2, 10))
    await writer.open(build.new_debate("d1"))
    await writer.commit(Commit("d1", burst))
    await writer.commit(build.commit("d1", 10))
    assert (settings.data_dir / "debates.db-wal").stat().st_size <= 64 * 1024 * 1024


@pytest.mark.parametrize("settings", ["sqlite"], indirect=True)
async def test_a_lock_that_is_not_given_back_is_unavailable_and_the_writer_recovers(
    settings: Settings, build: type
) -> None:
    database = Database.open(settings.model_copy(update={"db_pool_timeout": 0.1}), Context.DEBATES)
    writer = JournalWriter(database)
    with closing(sqlite3.connect(settings.data_dir / "debates.db", isolation_level=None)) as other:
        other.execute("BEGIN IMMEDIATE")
        with pytest.raises(Unavailable, match="locked"):
            await writer.open(build.new_debate("d1"))
        other.execute("ROLLBACK")
    assert (await writer.open(build.new_debate("d1"))).created
    await writer.aclose()
    await database.aclose()


@pytest.mark.slow
@pytest.mark.parametrize("settings", ["postgres"], indirect=True)
async def test_a_connection_lost_in_a_transaction_is_unavailable_and_the_writer_recovers(
    writer: JournalWriter, debates_db: Database, build: type
) -> None:
    await writer.open(build.new_debate("d1"))
    async with debates_db.writing() as blocking:
        await blocking.execute(text("SELECT 1 FROM debates WHERE debate_id = 'd1' FOR UPDATE"))
        waiting = asyncio.create_task(writer.commit(build.commit("d1", 2)))
        waits = "FROM pg_stat_activity WHERE wait_event_type = 'Lock'"
        await eventually(lambda: _values(debates_db, f"SELECT 1 {waits}"))
        await _values(debates_db, f"SELECT pg_terminate_backend(pid) {waits}")
        with pytest.raises(Unavailable):
            await waiting
    await writer.commit(build.commit("d1", 2))
    assert (await DebateStore(debates_db).get("d1", EVERYTHING)).last_seq == 2


@pytest.mark.slow
@pytest.mark.parametrize("settings", ["postgres"], indirect=True)
async def test_a_writer_alone_is_seen_as_a_server_that_works_on_the_store(
    settings: Settings, writer: JournalWriter, build: type
) -> None:
    await writer.open(build.new_debate("d1"))
    with pytest.raises(Conflict, match="a server works on this store"):
        async with without_server(settings):
            pass


def _huge_rows(debate_id: str) -> tuple[JournalRow, ...]:
    return tuple(JournalRow(debate_id, seq, "vote", "x" * 10_000, 1.0) for seq in range(1, 51))


def _largest(directory: Path) -> int:
    return max(file.stat().st_size for file in directory.iterdir())


@contextmanager
def _files_at_most(size_bytes: int) -> Iterator[None]:
    """No file of this process grows beyond the size meanwhile: what a full disk does to SQLite's writes."""
    soft, hard = resource.getrlimit(resource.RLIMIT_FSIZE)
    resource.setrlimit(resource.RLIMIT_FSIZE, (size_bytes, hard))
    try:
        yield
    finally:
        resource.setrlimit(resource.RLIMIT_FSIZE, (soft, hard))
