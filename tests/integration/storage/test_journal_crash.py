"""kill -9 in the middle of writing: what was acknowledged is there, and nothing is there by half."""

from __future__ import annotations

import subprocess
import sys
from os import environ
from pathlib import Path

import pytest
from sqlalchemy import select, text
from worlds.waiting import eventually

import aragora
from aragora.config.settings import Settings
from aragora.debate.model import DebateStatus
from aragora.debate.store.debates import DebateStore
from aragora.debate.store.journal_writer import JournalWriter
from aragora.debate.store.tables import journal
from aragora.observability.samples import CounterDelta
from aragora.receipts.store import ReceiptStore
from aragora.scope import EVERYTHING
from aragora.storage.counters import CounterStore
from aragora.storage.database import Database
from aragora.storage.outbox_store import OutboxStore

HERE = environ | {"PYTHONPATH": str(Path(aragora.__file__).parents[1])}
PROCESS = Path(__file__).with_name("journaling_process.py")
pytestmark = [pytest.mark.slow, pytest.mark.chaos]


def killed_while_writing(settings: Settings, acknowledgements: int) -> dict[str, int]:
    """Run a journaling process, kill it after so many acknowledgements; the last seq it was sure of, by debate."""
    command = [sys.executable, str(PROCESS), str(settings.data_dir)]
    if settings.database_url is not None:
        command.append(settings.database_url.get_secret_value())
    acknowledged: dict[str, int] = {}
    with subprocess.Popen(command, stdout=subprocess.PIPE, text=True, env=HERE) as process:
        assert process.stdout is not None
        for number, line in enumerate(process.stdout):
            if number == acknowledgements:
                process.kill()  # SIGKILL; what it had written to the pipe until then still counts
            if line.endswith("\n"):
                debate_id, seq = line.split()
                acknowledged[debate_id] = int(seq)
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


@pytest.mark.parametrize("acknowledgements", [150, 401, 1200])
async def test_after_a_kill_every_journal_is_whole_and_nothing_acknowledged_is_lost(
    settings: Settings, debates_db: Database, acknowledgements: int
) -> None:
    acknowledged = killed_while_writing(settings, acknowledgements)
    await its_last_transaction_is_over(debates_db)

    async with debates_db.reading() as connection:
        query = select(journal.c.debate_id, journal.c.seq).order_by(journal.c.debate_id, journal.c.seq)
        found: dict[str, list[int]] = {}
        for debate_id, seq in (await connection.execute(query)).all():
            found.setdefault(debate_id, []).append(seq)

    for debate_id, seqs in found.items():
        assert seqs == list(range(1, len(seqs) + 1)), debate_id
    for debate_id, seq in acknowledged.items():
        assert len(found[debate_id]) >= seq, debate_id

    total = sum(len(seqs) for seqs in found.values())
    assert await CounterStore(debates_db).all() == [CounterDelta("rows", (), float(total))]


async def test_after_a_kill_the_chain_of_receipts_has_every_end_and_no_other(
    settings: Settings, debates_db: Database
) -> None:
    killed_while_writing(settings, 900)
    await its_last_transaction_is_over(debates_db)

    records = [record async for record in DebateStore(debates_db).export(EVERYTHING)]
    ended = {record.debate_id for record in records if record.status is DebateStatus.COMPLETED}
    receipts = (await ReceiptStore(debates_db).page(limit=10_000)).items
    due = await OutboxStore(debates_db).pending(["usage"], 10_000)

    assert ended
    assert {receipt.debate_id for receipt in receipts} == ended
    assert {row.debate_id for row in due} == ended
    assert [receipt.position for receipt in receipts] == list(range(1, len(receipts) + 1))
    links = ["0" * 64, *(receipt.hash for receipt in receipts)]
    assert [receipt.previous_hash for receipt in receipts] == links[:-1]
    assert (await ReceiptStore(debates_db).head()).hash == links[-1]


async def test_a_new_process_goes_on_where_the_killed_one_ended(
    settings: Settings, debates_db: Database, writer: JournalWriter, build: type
) -> None:
    killed_while_writing(settings, 200)
    await its_last_transaction_is_over(debates_db)
    store = DebateStore(debates_db)
    for debate_id in await store.unfinished():
        last = len(await store.journal(debate_id))
        await writer.commit(build.commit(debate_id, last + 1))
        assert (await store.get(debate_id, EVERYTHING)).last_seq == last + 1
