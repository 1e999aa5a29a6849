"""Forgetting outside of requests: its durable job, and forgetting again at a start after a restore. Its routes are in
`aragora.composition.forgetting_routes`: whoever works here must not load the web framework."""

from __future__ import annotations

import asyncio
from collections.abc import AsyncIterator, Callable
from contextlib import AsyncExitStack, asynccontextmanager

from aragora.background import Job
from aragora.clock import Clock
from aragora.config.settings import Settings
from aragora.debate.store.debates import DebateStore
from aragora.debate.store.journal_writer import JournalWriter
from aragora.knowledge.certificates import ChainCertificates
from aragora.knowledge.forgetter import RESUME_EVERY_S, RESUMED_AFTER_S, Forgetter
from aragora.knowledge.store.forgettings import ForgettingStore
from aragora.knowledge.store.offered_in import OfferedIn
from aragora.knowledge.store.reading import KnowledgeReader
from aragora.knowledge.store.writing import KnowledgeWriter
from aragora.receipts.signing import Signer, load_signer
from aragora.receipts.store import ReceiptStore
from aragora.scope import Scope
from aragora.storage.contexts import Context
from aragora.storage.database import Database


async def forget_again(settings: Settings, clock: Clock) -> int:
    """Forget what certificates name and a restored store still has: before anything of a start answers. Returns how
    many requests that were. Raises Unavailable, Misconfigured."""
    async with opened_forgetter(settings, clock) as forgetter:
        return await forgetter.reapply()


def forgetting_job(opened: Callable[[Context], Database], settings: Settings, clock: Clock) -> Job:
    """The durable job that sees requests through whose process has ended. It opens what it needs when there is one."""
    memory = opened(Context.MEMORY)
    store = ForgettingStore(memory, KnowledgeWriter(memory, clock))

    async def resume() -> str:
        before = clock.now() - RESUMED_AFTER_S
        if not await store.unfinished(before, 1):
            return "no request to forget was unfinished"
        async with opened_forgetter(settings, clock) as forgetter:
            return f"saw {await forgetter.resume(before)} requests to forget through"

    return Job("forget what was asked for", RESUME_EVERY_S, resume)


@asynccontextmanager
async def opened_forgetter(settings: Settings, clock: Clock) -> AsyncIterator[Forgetter]:
    """A forgetter over stores of its own."""
    async with AsyncExitStack() as closing:
        memory, debates = Database.open(settings, Context.MEMORY), Database.open(settings, Context.DEBATES)
        closing.push_async_callback(memory.aclose)
        closing.push_async_callback(debates.aclose)
        journal = JournalWriter(debates)
        closing.push_async_callback(journal.aclose)
        reader = DebateStore(debates)

        async def home_of(debate_id: str, scope: Scope) -> str:
            return (await reader.get(debate_id, scope)).workspace

        yield Forgetter(
            ForgettingStore(memory, KnowledgeWriter(memory, clock)),
            KnowledgeReader(memory),
            certificates=ChainCertificates(journal, ReceiptStore(debates), _Signing(settings).signer),
            offers=OfferedIn(debates),
            home_of_debate=home_of,
            clock=clock,
        )


class _Signing:
    """Reads the key of this installation when it is first needed."""

    def __init__(self, settings: Settings) -> None:
        self._settings = settings
        self._signer: Signer | None = None

    async def signer(self) -> Signer:
        """Raises Misconfigured."""
        if self._signer is None:
            key = self._settings.receipt_signing_key
            configured = None if key is None else key.get_secret_value()
            self._signer = await asyncio.to_thread(load_signer, configured, self._settings.data_dir)
        return self._signer
