"""The audit log in the database: appended one after the other, never changed."""

from __future__ import annotations

import asyncio
import random
from collections.abc import AsyncIterator
from typing import Final

from sqlalchemy import RowMapping, insert, select
from sqlalchemy.exc import IntegrityError

from aragora.clock import Clock
from aragora.encoding import decode, encode_text
from aragora.errors import Unavailable
from aragora.identity.audit import GENESIS, AuditEntry, AuditEvent, Outcome, link
from aragora.identity.store.tables import audit_log
from aragora.storage.database import Database

ATTEMPTS: Final = 12
PAGE: Final = 500


class AuditLog:
    """The chain in the context `users`. Writers of several processes take turns by the unique `seq`."""

    def __init__(self, database: Database, clock: Clock) -> None:
        self._database = database
        self._clock = clock
        self._turn = asyncio.Lock()

    async def append(self, event: AuditEvent) -> AuditEntry:
        """Write the event as the next entry. Raises Unavailable: then the caller must not do what it describes."""
        async with self._turn:
            for attempt in range(ATTEMPTS):
                try:
                    return await self._append(event)
                except IntegrityError:
                    # Another process took this seq first: read its entry and follow it.
                    await asyncio.sleep(random.uniform(0, 0.005 * 2 ** min(attempt, 5)))
        raise Unavailable("The audit log is busy; try again.", code="storage_unavailable", retry_after_s=1.0)

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

    async def _append(self, event: AuditEvent) -> AuditEntry:
        async with self._database.writing() as connection:
            last = select(audit_log.c.seq, audit_log.c.hash).order_by(audit_log.c.seq.desc()).limit(1)
            row = (await connection.execute(last)).first()
            seq, head = (0, GENESIS) if row is None else (row[0], row[1])
            entry = link(event, seq=seq + 1, at_us=int(self._clock.now() * 1_000_000), previous_hash=head)
            await connection.execute(insert(audit_log).values(_row(entry)))
        return entry


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
