"""The journal writer: group commit (`aragora.storage.group_commit`) for the units of many debates. A unit that is
fenced or conflicts fails alone."""

from __future__ import annotations

import asyncio
from collections.abc import Callable, Sequence
from typing import Any, Final, cast

from aragora.debate.records import (
    SILENCE,
    Buried,
    Certification,
    Commit,
    Conclusion,
    Counted,
    Done,
    NewDebate,
    Opened,
    ReceiptRecord,
    Telling,
    Tenure,
)
from aragora.debate.store.write_group import Unit, check, may_tell, refusal
from aragora.observability.samples import CounterDelta
from aragora.storage.database import Database
from aragora.storage.group_commit import Bounds, GroupBackend, GroupCommit, unheard

MAX_PENDING_UNITS: Final = 20_000
MAX_GROUP_UNITS: Final = 1_000


class JournalWriter:
    """Group commit for the units of many debates. With a `tenure`, every unit is Fenced once the shard has a newer
    owner: each transaction reads the epoch it is written under. `telling` says of which events the outbox tells."""

    def __init__(
        self,
        database: Database,
        *,
        max_pending: int = MAX_PENDING_UNITS,
        tenure: Tenure | None = None,
        telling: Telling = SILENCE,
    ) -> None:
        self._telling = telling
        self._units = in_groups(_backend(database, tenure, telling), max_pending, self._written)

    async def open(self, new: NewDebate) -> Opened:
        """Write a new debate, or find the one that holds its idempotency key.

        Raises Conflict (key reused for another request), BudgetExhausted, Fenced (the shard has a newer owner),
        Unavailable, InvalidInput.
        """
        return cast("Opened", await self._submit(new))

    async def commit(self, commit: Commit) -> None:
        """Append to a debate's journal. Raises Fenced, NotFound, Unavailable, Conflict, InvalidInput."""
        await self._submit(commit)

    async def conclude(self, conclusion: Conclusion) -> ReceiptRecord:
        """Issue a receipt and write it with its commit. Raises as `commit`, and whatever `issue` raises."""
        return cast("ReceiptRecord", await self._submit(conclusion))

    async def certify(self, certification: Certification) -> ReceiptRecord:
        """Issue a document of another kind in the chain, or find the one of its id. Raises as `commit`, and whatever
        `issue` raises."""
        return cast("ReceiptRecord", await self._submit(certification))

    async def done(self, outbox_ids: Sequence[str]) -> None:
        """Drop outbox rows that their consumer has applied, in the journal's own stream: a writer beside it would
        wait for SQLite's one lock and make the journal wait. Raises Fenced, Unavailable."""
        await self._submit(Done(tuple(outbox_ids)))

    async def bury(self, topic: str, outbox_ids: Sequence[str], counters: Sequence[CounterDelta]) -> None:
        """Put outbox rows that cannot be applied under a topic that nobody reads, and count it. Raises Fenced,
        Unavailable, InvalidInput."""
        await self._submit(Buried(topic, tuple(outbox_ids), tuple(counters)))

    async def count(self, counters: Sequence[CounterDelta]) -> None:
        """Add to the durable counters alone. Raises Fenced, Unavailable, InvalidInput."""
        await self._submit(Counted(tuple(counters)))

    async def aclose(self) -> None:
        """Write what was submitted, then close; later units get Unavailable."""
        await self._units.aclose()

    def _submit(self, unit: Unit) -> asyncio.Future[Any]:
        check(unit)
        return self._units.submit(unit)

    def _written(self, units: Sequence[Unit]) -> None:
        if may_tell(units, self._telling()):
            self._telling.written()


def in_groups(
    backend: GroupBackend[Unit],
    max_pending: int = MAX_PENDING_UNITS,
    written: Callable[[Sequence[Unit]], None] = unheard,
) -> GroupCommit[Unit]:
    """Group commit for units of the journal."""
    return GroupCommit("the journal", backend, refusal, Bounds(max_pending, MAX_GROUP_UNITS), written=written)


def _backend(database: Database, tenure: Tenure | None, told: Telling) -> GroupBackend[Unit]:
    if database.is_sqlite:
        from aragora.debate.store.journal_sqlite import SqliteJournal  # noqa: PLC0415  only the driver that is used

        return SqliteJournal(database.location, tenure, told)
    from aragora.debate.store.journal_postgres import PostgresJournal  # noqa: PLC0415

    return PostgresJournal(database.location, tenure, told)
