"""An engine over a real store, like a coordinator that has just begun; the test says who is asked."""

from __future__ import annotations

from collections.abc import AsyncIterator, Sequence
from contextlib import asynccontextmanager

from worlds.logical_time import LoopClock
from worlds.memory_engine import Published
from worlds.waiting import eventually

from aragora.config.settings import Settings
from aragora.debate import journal, machine
from aragora.debate.model import DebateStatus
from aragora.debate.ports import Asking
from aragora.debate.running.engine import DebateEngine, EnginePorts, Limits
from aragora.debate.running.looks import Looks
from aragora.debate.store.debates import DebateStore
from aragora.debate.store.journal_writer import JournalWriter
from aragora.receipts.closing import Closing
from aragora.receipts.signing import Signer
from aragora.scope import EVERYTHING
from aragora.storage.contexts import Context
from aragora.storage.database import Database


class StoredEngine:
    """The engine, and the store that it writes to."""

    def __init__(
        self, database: Database, writer: JournalWriter, asking: Asking, knowledge: Looks | None = None
    ) -> None:
        self.database = database
        self.store = DebateStore(database)
        self.engine = DebateEngine(
            EnginePorts(
                journal=writer,
                reader=self.store,
                asking=asking,
                publishing=Published(),
                clock=LoopClock(),
                closing=Closing(Signer.from_seed(bytes(32))),
                pause_s=lambda _attempt: 0.0,
                owned=_always,
                knowledge=knowledge,
            ),
            Limits(100, 100),
        )

    async def ended(self, names: Sequence[str]) -> list[DebateStatus]:
        """How these debates ended, once all have."""

        async def statuses() -> list[DebateStatus]:
            found = [(await self.store.get(name, EVERYTHING)).status for name in names]
            return found if all(status.ended for status in found) else []

        return await eventually(statuses)

    async def replayed(self, names: Sequence[str]) -> list[DebateStatus]:
        """How these debates ended as their journals tell it."""
        journals = [await self.store.journal(name) for name in names]
        return [machine.status(machine.replay(journal.events_of(payloads))) for payloads in journals]


@asynccontextmanager
async def stored_engine(
    settings: Settings, asking: Asking, knowledge: Looks | None = None
) -> AsyncIterator[StoredEngine]:
    """An engine whose store is closed after the block. Who answers the asks calls `engine.receive`."""
    database = Database.open(settings, Context.DEBATES)
    writer = JournalWriter(database)
    try:
        yield StoredEngine(database, writer, asking, knowledge)
    finally:
        await writer.aclose()
        await database.aclose()


async def _always() -> bool:
    return True
