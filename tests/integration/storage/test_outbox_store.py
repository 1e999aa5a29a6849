"""The outbox: rows come in order and stay until they are done."""

from __future__ import annotations

from collections.abc import Callable

import pytest

from aragora.debate.records import Commit
from aragora.debate.store.journal_writer import JournalWriter
from aragora.storage.contexts import Context
from aragora.storage.database import Database
from aragora.storage.outbox import OutboxRow
from aragora.storage.outbox_store import OutboxStore


def due(topic: str, number: int) -> OutboxRow:
    return OutboxRow(f"deb_1:{topic}:{number}", topic, "deb_1", f'{{"n":{number}}}', 100.0 + number)


ROWS = (due("usage", 3), due("ratings", 1), due("webhook", 2), due("ratings", 4))


@pytest.fixture
async def store(writer: JournalWriter, build: type, debates_db: Database) -> OutboxStore:
    """With ROWS in it; the journal's writer drops those that are done."""
    await writer.open(build.new_debate("deb_1"))
    await writer.commit(Commit("deb_1", build.rows("deb_1", 2, 2), outbox=ROWS))
    return OutboxStore(debates_db)


async def test_rows_of_the_topics_come_oldest_first(store: OutboxStore) -> None:
    assert await store.pending(["ratings", "usage"], 10) == [ROWS[1], ROWS[0], ROWS[3]]


async def test_no_more_rows_come_than_were_asked_for(store: OutboxStore) -> None:
    assert await store.pending(["ratings", "usage"], 2) == [ROWS[1], ROWS[0]]


async def test_no_topic_has_no_rows(store: OutboxStore) -> None:
    assert await store.pending([], 10) == []


async def test_rows_that_are_done_do_not_come_again_and_others_do(store: OutboxStore, writer: JournalWriter) -> None:
    await writer.done([ROWS[1].outbox_id, ROWS[0].outbox_id])
    assert await store.pending(["ratings", "usage"], 10) == [ROWS[3]]
    assert await store.pending(["webhook"], 10) == [ROWS[2]]


async def test_rows_that_are_done_twice_or_unknown_change_nothing(store: OutboxStore, writer: JournalWriter) -> None:
    await writer.done([ROWS[1].outbox_id])
    await writer.done([ROWS[1].outbox_id, "unknown"])
    await writer.done([])
    assert len(await store.pending(["ratings", "usage", "webhook"], 10)) == 3


async def test_thousands_of_rows_are_done_at_once(store: OutboxStore, writer: JournalWriter) -> None:
    await writer.done([f"unknown:{number}" for number in range(3000)] + [row.outbox_id for row in ROWS])
    assert await store.pending(["ratings", "usage", "webhook"], 10) == []


def test_a_context_without_an_outbox_has_no_store_of_one(opened: Callable[[Context], Database]) -> None:
    with pytest.raises(KeyError):
        OutboxStore(opened(Context.USAGE))
