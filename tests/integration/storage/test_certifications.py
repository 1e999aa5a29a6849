"""Documents of another kind stand in the one receipt chain, once for each id."""

from __future__ import annotations

import asyncio

import pytest

from aragora.debate.records import GENESIS, Certification, ChainHead, ReceiptRecord
from aragora.debate.store.debates import DebateStore
from aragora.debate.store.journal_writer import JournalWriter
from aragora.errors import InvalidInput, NotFound
from aragora.observability.samples import CounterDelta
from aragora.receipts.store import ReceiptStore
from aragora.storage.counters import CounterStore
from aragora.storage.database import Database

COUNTED = CounterDelta("aragora_km_forgettings_total", (("by", "item"),), 1.0)


def certification(number: int, *, position_off: int = 0) -> Certification:
    def issue(head: ChainHead) -> ReceiptRecord:
        position = head.position + 1 + position_off
        return ReceiptRecord(
            f"crt_{number}", f"fgt_{number}", position, f"{position:064x}", head.hash, "{}", 9.0, "forgetting"
        )

    return Certification(f"crt_{number}", issue, (COUNTED,))


async def test_a_certificate_follows_the_receipts_and_they_follow_it(
    writer: JournalWriter, debates_db: Database
) -> None:
    first = await writer.certify(certification(1))
    second = await writer.certify(certification(2))
    assert (first.position, first.previous_hash) == (1, GENESIS.hash)
    assert (second.position, second.previous_hash) == (2, first.hash)
    store = ReceiptStore(debates_db)
    assert (await store.page()).items == (first, second)
    assert await store.head() == ChainHead(2, second.hash)
    assert await store.of_kind("forgetting") == [("crt_1", "fgt_1"), ("crt_2", "fgt_2")]
    assert await store.of_kind("debate") == []
    with pytest.raises(NotFound):
        await DebateStore(debates_db).receipt("deb_1")


async def test_the_same_id_gives_the_first_document_and_is_counted_once(
    writer: JournalWriter, debates_db: Database
) -> None:
    other = JournalWriter(debates_db)
    asked = [(writer if number % 2 else other).certify(certification(1)) for number in range(8)]
    records = await asyncio.gather(*asked, *(writer.certify(certification(number)) for number in range(2, 6)))
    assert len({record.position for record in records[:8]}) == 1
    store = ReceiptStore(debates_db)
    chain = (await store.page()).items
    assert [one.position for one in chain] == [1, 2, 3, 4, 5]
    assert [one.previous_hash for one in chain] == [GENESIS.hash, *(one.hash for one in chain[:-1])]
    rows = await CounterStore(debates_db).all()
    assert [row.amount for row in rows if row.sample == COUNTED.sample] == [5.0]
    await other.aclose()


async def test_one_that_does_not_follow_the_head_is_refused_alone(writer: JournalWriter) -> None:
    wrong, right = await asyncio.gather(
        writer.certify(certification(1, position_off=3)), writer.certify(certification(2)), return_exceptions=True
    )
    assert isinstance(wrong, InvalidInput)
    assert isinstance(right, ReceiptRecord)
    assert right.position == 1
