"""A process that journals debates until it is killed: `journaling_process.py DATA_DIR [DATABASE_URL]`.

Eight debates at a time: opened, 10 commits of 1 to 3 rows, then concluded with the next receipt; then another. Every
row counts 1 in the counter `rows`. What is durable is told on standard output, a line `DEBATE_ID SEQ` each.
"""

from __future__ import annotations

import asyncio
import hashlib
import os
import sys
from itertools import count
from pathlib import Path

from pydantic import SecretStr

from aragora.config.settings import Settings
from aragora.debate.journal import JournalRow
from aragora.debate.model import DebateStatus
from aragora.debate.records import ChainHead, Commit, Conclusion, DebateRecord, DebateUpdate, NewDebate, ReceiptRecord
from aragora.debate.store.journal_writer import JournalWriter
from aragora.observability.samples import CounterDelta
from aragora.storage.contexts import Context
from aragora.storage.database import Database
from aragora.storage.outbox import OutboxRow


def rows(debate_id: str, first: int, number: int) -> tuple[JournalRow, ...]:
    return tuple(JournalRow(debate_id, seq, "x", f'{{"seq":{seq}}}', 1.0) for seq in range(first, first + number))


def counted(journal_rows: tuple[JournalRow, ...]) -> tuple[CounterDelta, ...]:
    return (CounterDelta("rows", (), float(len(journal_rows))),)


def told(debate_id: str, seq: int) -> None:
    os.write(1, f"{debate_id} {seq}\n".encode())


def conclusion(debate_id: str, first: int) -> Conclusion:
    def issue(head: ChainHead) -> tuple[ReceiptRecord, Commit]:
        text = f"{head.hash}:{debate_id}"
        digest = hashlib.sha256(text.encode()).hexdigest()
        receipt = ReceiptRecord(f"rcp_{debate_id}", debate_id, head.position + 1, digest, head.hash, text, 1.0)
        last = rows(debate_id, first, 2)
        update = DebateUpdate(DebateStatus.COMPLETED, receipt_id=receipt.receipt_id)
        due = OutboxRow(f"{debate_id}:usage", "usage", debate_id, "{}", 1.0)
        return receipt, Commit(debate_id, last, update, counted(last), (due,))

    return Conclusion(debate_id, issue)


async def debate(writer: JournalWriter, debate_id: str) -> None:
    first = rows(debate_id, 1, 1)
    record = DebateRecord(debate_id, "?", DebateStatus.QUEUED, "{}", 1.0, 1.0, "ann", "local", last_seq=1)
    await writer.open(NewDebate(record, first, counters=counted(first)))
    told(debate_id, 1)
    seq = 1
    for number in range(10):
        more = rows(debate_id, seq + 1, 1 + number % 3)
        await writer.commit(Commit(debate_id, more, counters=counted(more)))
        seq = more[-1].seq
        told(debate_id, seq)
    await writer.conclude(conclusion(debate_id, seq + 1))
    told(debate_id, seq + 2)


async def journal(settings: Settings) -> None:
    writer = JournalWriter(Database.open(settings, Context.DEBATES))

    async def one_after_the_other(lane: int) -> None:
        for number in count():
            await debate(writer, f"deb_{lane}_{number}")

    await asyncio.gather(*(one_after_the_other(lane) for lane in range(8)))


if __name__ == "__main__":
    url = SecretStr(sys.argv[2]) if len(sys.argv) > 2 else None
    asyncio.run(journal(Settings(data_dir=Path(sys.argv[1]), database_url=url)))
