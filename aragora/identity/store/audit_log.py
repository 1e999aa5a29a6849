"""The audit log in the database: appended one after the other, never changed."""

from __future__ import annotations

import asyncio
import random
from collections.abc import AsyncIterator, Awaitable, Callable
from typing import Final, TypeAlias, TypeVar

from sqlalchemy import RowMapping, insert, select
from sqlalchemy.exc import IntegrityError
from sqlalchemy.ext.asyncio import AsyncConnection

from aragora.clock import Clock
from aragora.encoding import decode, encode_text
from aragora.errors import Unavailable
from aragora.identity.audit import GENESIS, AuditEntry, AuditEvent, Outcome, link
from aragora.identity.store.tables import audit_log
from aragora.storage.database import Database

T = TypeVar("T")
Change: TypeAlias = Callable[[AsyncConnection], Awaitable[T]]
"""What is done to the tables of the context `users`, within a transaction that is already begun."""

ATTEMPTS: Final = 12
PAGE: Final = 500


class _SeqTaken(Exception):
    """Raised when a writer of another process has taken the place in the chain first."""


class AuditLog:
    """The chain in the context `users`. Writers of several processes take turns by the unique `seq`."""

    def __init__(self, database: Database, clock: Clock) -> None:
        self._database = database
        self._clock = clock
        self._turn = asyncio.Lock()

    async def append(self, event: AuditEvent) -> AuditEntry:
        """Write the event as the next entry. Raises Unavailable: then the caller must not do what it describes."""
        return (await self._written(event, _nothing))[0]

    async def record(self, event: AuditEvent, change: Change[T]) -> T:
        """Do the change and write the event, in one transaction: afterwards both are there, or neither.

        Recorded changes of all processes come one after the other, so what a change reads first still holds when it
        writes. The change may be tried again; it must touch nothing but its connection. Raises what the change raises,
        and Unavailable.
        """
        return (await self._written(event, change))[1]

    async def page(
        self, *, limit: int = 100, before: int | None = None, org_id: str | None = None, action: str | None = None
    ) -> list[AuditEntry]:
        """Newest first, with seq < `before`; `org_id` None sees all."""
        query = select(audit_log).order_by(audit_log.c.seq.desc()).limit(limit)
        if before is not None:
            query = query.where(audit_log.c.seq < before)
        if org_id is not None:
            query = query.where(audit_log.c.org_id == org_id)
        if action is not None:
            query = query.where(audit_log.c.action == action)
        async with self._database.reading() as connection:
            return [_entry(row) for row in (await connection.execute(query)).mappings()]

    async def walk(self) -> AsyncIterator[AuditEntry]:
        """Every entry, oldest first, in bounded memory."""
        seen = 0
        while True:
            query = select(audit_log).where(audit_log.c.seq > seen).order_by(audit_log.c.seq).limit(PAGE)
            async with self._database.reading() as connection:
                rows = (await connection.execute(query)).mappings().all()
            for row in rows:
                yield _entry(row)
            if len(rows) < PAGE:
                return
            seen = rows[-1]["seq"]

    async def _written(self, event: AuditEvent, change: Change[T]) -> tuple[AuditEntry, T]:
        async with self._turn:
            for attempt in range(ATTEMPTS):
                try:
                    async with self._database.writing() as connection:
                        return await self._add(connection, event), await change(connection)
                except _SeqTaken:
                    # Another process took this seq first: read its entry and follow it.
                    await asyncio.sleep(random.uniform(0, 0.005 * 2 ** min(attempt, 5)))
        raise Unavailable("The audit log is busy; try again.", code="storage_unavailable", retry_after_s=1.0)

    async def _add(self, connection: AsyncConnection, event: AuditEvent) -> AuditEntry:
        """The entry comes before the change: in PostgreSQL its seq makes the other processes wait for this one."""
        last = select(audit_log.c.seq, audit_log.c.hash).order_by(audit_log.c.seq.desc()).limit(1)
        row = (await connection.execute(last)).first()
        seq, head = (0, GENESIS) if row is None else (row[0], row[1])
        entry = link(event, seq=seq + 1, at_us=int(self._clock.now() * 1_000_000), previous_hash=head)
        try:
            await connection.execute(insert(audit_log).values(_row(entry)))
        except IntegrityError as taken:
            raise _SeqTaken from taken
        return entry


async def _nothing(_connection: AsyncConnection) -> None:
    """The change of an event that is only noted."""


def _row(entry: AuditEntry) -> dict[str, object]:
    event = entry.event
    return {
        "seq": entry.seq,
        "at_us": entry.at_us,
        "action": event.action,
        "actor": event.actor,
        "subject": event.subject,
        "org_id": event.org_id,
        "outcome": event.outcome.value,
        "target": event.target,
        "address": event.address,
        "request_id": event.request_id,
        "details": encode_text(event.details),
        "previous_hash": entry.previous_hash,
        "hash": entry.hash,
    }


def _entry(row: RowMapping) -> AuditEntry:
    event = AuditEvent(
        action=row["action"],
        actor=row["actor"],
        org_id=row["org_id"],
        outcome=Outcome(row["outcome"]),
        subject=row["subject"],
        target=row["target"],
        address=row["address"],
        request_id=row["request_id"],
        details=decode(row["details"]),
    )
    return AuditEntry(row["seq"], row["at_us"], event, row["previous_hash"], row["hash"])
