"""A mound over real databases whose items can be forgotten, with the chain that certifies it."""

from __future__ import annotations

import json
from collections.abc import AsyncIterator, Mapping, Sequence
from contextlib import asynccontextmanager
from dataclasses import dataclass
from typing import Any

from sqlalchemy import text
from worlds.backends import SetClock
from worlds.knowledge import HOME

from aragora.config.settings import Settings
from aragora.debate.records import ReceiptRecord
from aragora.debate.store.debates import DebateStore
from aragora.debate.store.journal_writer import JournalWriter
from aragora.knowledge.certificates import ChainCertificates
from aragora.knowledge.forgetter import Forgetter, Wish
from aragora.knowledge.forgetting import By
from aragora.knowledge.model import Home, Item
from aragora.knowledge.planning import Unit
from aragora.knowledge.store.forgettings import ForgettingStore
from aragora.knowledge.store.offered_in import OfferedIn
from aragora.knowledge.store.reading import KnowledgeReader
from aragora.knowledge.store.writing import KnowledgeWriter
from aragora.observability.samples import CounterDelta
from aragora.receipts.signing import Signer
from aragora.receipts.store import ReceiptStore
from aragora.scope import Scope
from aragora.storage.contexts import Context
from aragora.storage.database import Database

SIGNER = Signer.from_seed(b"f" * 32)


class Crash(Exception):
    """A process ends here."""


class Certifying(ChainCertificates):
    """The chain, before or after which a process may end."""

    crash_before = False
    crash_after = False

    async def issue(self, certificate_id: str, body: Mapping[str, Any], counter: CounterDelta) -> ReceiptRecord:
        if self.crash_before:
            raise Crash
        record = await super().issue(certificate_id, body, counter)
        if self.crash_after:
            raise Crash
        return record


@dataclass
class Mound:
    """A store, who reads, writes and forgets in it, and the chain."""

    settings: Settings
    memory: Database
    debates: Database
    clock: SetClock
    journal: JournalWriter
    chain: Certifying
    writer: KnowledgeWriter
    reader: KnowledgeReader
    store: ForgettingStore
    forgetter: Forgetter

    async def keep(self, *units: Unit, home: Home = HOME) -> list[Item]:
        """Write units; the items afterwards."""
        return [one.item for one in await self.writer.write(home, units)]

    async def everything(self) -> str:
        """All that stands in any table of the mound, as one text."""
        names = [table for table in _TABLES if table != "knowledge_vectors"]
        rows: list[str] = []
        async with self.memory.reading() as connection:
            for name in names:
                rows += [repr(tuple(row)) for row in await connection.execute(text(f"SELECT * FROM {name}"))]
        return "\n".join(rows)

    async def embed(self, item: Item) -> None:
        """Keep a vector of the item, as the lane of embedding does."""
        number = text("SELECT item_no FROM knowledge_items WHERE item_id = :of")
        put = text(
            "INSERT INTO knowledge_vectors (item_no, embedder_id, version, vector) VALUES (:no, 'e', 1, :vector)"
        )
        async with self.memory.writing() as connection:
            item_no = (await connection.execute(number, {"of": item.item_id})).scalar_one()
            await connection.execute(put, {"no": item_no, "vector": b"\0\0"})

    async def rows(self, table: str) -> int:
        """How many rows a table has."""
        async with self.memory.reading() as connection:
            return int((await connection.execute(text(f"SELECT count(*) FROM {table}"))).scalar_one())

    async def certificates(self) -> list[dict[str, Any]]:
        """The documents of all certificates, in chain order."""
        records = (await ReceiptStore(self.debates).page(limit=1_000)).items
        return [json.loads(one.document) for one in records if one.kind == "forgetting"]


_TABLES = (
    *("knowledge_workspaces", "knowledge_items", "knowledge_topics", "knowledge_sources", "knowledge_links"),
    *("knowledge_ledger", "knowledge_vectors", "knowledge_applied", "knowledge_tokens", "knowledge_forgettings"),
    *("knowledge_barred", "debate_outcomes", "knowledge_generations", "knowledge_embedder"),
    *("knowledge_insights", "knowledge_insight_targets", "knowledge_observations"),
)


def wish(by: By, *named: str, workspace: str = "default") -> Wish:
    """What a caller wants forgotten in the usual workspace."""
    return Wish(by, named, workspace)


@asynccontextmanager
async def open_mound(settings: Settings, clock: SetClock) -> AsyncIterator[Mound]:
    """The mound of these settings, whose tables are there."""
    memory, debates = Database.open(settings, Context.MEMORY), Database.open(settings, Context.DEBATES)
    journal = JournalWriter(debates)
    writer, reader = KnowledgeWriter(memory, clock), KnowledgeReader(memory)
    chain = Certifying(journal, ReceiptStore(debates), _signer)
    store = ForgettingStore(memory, writer)

    async def home_of(debate_id: str, scope: Scope) -> str:
        return (await DebateStore(debates).get(debate_id, scope)).workspace

    forgetter = Forgetter(
        store, reader, certificates=chain, offers=OfferedIn(debates), home_of_debate=home_of, clock=clock
    )
    try:
        yield Mound(settings, memory, debates, clock, journal, chain, writer, reader, store, forgetter)
    finally:
        await journal.aclose()
        await memory.aclose()
        await debates.aclose()


async def _signer() -> Signer:
    return SIGNER


def ids(items: Sequence[Item]) -> list[str]:
    """Their ids."""
    return [item.item_id for item in items]
