"""Receipts in the order of their chain, on both stores."""

from __future__ import annotations

import asyncio
from collections.abc import Callable

import pytest

from aragora.debate.records import ChainHead, Commit, Conclusion, ReceiptRecord
from aragora.debate.store.journal_writer import JournalWriter
from aragora.errors import InvalidInput, NotFound
from aragora.receipts.store import ReceiptStore
from aragora.storage.database import Database


@pytest.fixture
def store(debates_db: Database) -> ReceiptStore:
    return ReceiptStore(debates_db)


@pytest.fixture
async def five(writer: JournalWriter, build: type) -> list[ReceiptRecord]:
    """The receipts of five debates, first link first."""
    ids = [f"d{number}" for number in range(5)]
    await asyncio.gather(*(writer.open(build.new_debate(debate_id)) for debate_id in ids))
    return list(await asyncio.gather(*(writer.conclude(Conclusion(key, _issue(build, key))) for key in ids)))


async def test_pages_hold_every_receipt_once_in_chain_order(store: ReceiptStore, five: list[ReceiptRecord]) -> None:
    first = await store.page(limit=3)
    rest = await store.page(limit=3, cursor=first.next_cursor)
    assert [*first.items, *rest.items] == five
    assert rest.next_cursor is None


async def test_the_head_is_the_last_receipt(store: ReceiptStore, five: list[ReceiptRecord]) -> None:
    assert await store.head() == ChainHead(5, five[-1].hash)


async def test_before_the_first_receipt_the_head_is_position_0_and_zeros(store: ReceiptStore) -> None:
    assert await store.head() == ChainHead(0, "0" * 64)
    assert (await store.page()).items == ()


async def test_a_receipt_is_found_by_its_id(store: ReceiptStore, five: list[ReceiptRecord]) -> None:
    assert await store.get("rcp_d2") == five[2]
    with pytest.raises(NotFound):
        await store.get("rcp_nowhere")


async def test_a_foreign_cursor_is_invalid_input(store: ReceiptStore) -> None:
    with pytest.raises(InvalidInput):
        await store.page(cursor="!")


def _issue(build: type, debate_id: str) -> Callable[[ChainHead], tuple[ReceiptRecord, Commit]]:
    def issue(head: ChainHead) -> tuple[ReceiptRecord, Commit]:
        position = head.position + 1
        receipt = ReceiptRecord(f"rcp_{debate_id}", debate_id, position, f"{position:064x}", head.hash, "{}", 9.0)
        return receipt, build.commit(debate_id, 2)

    return issue
