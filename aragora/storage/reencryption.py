"""Walks a store and brings every record under the active key, while others go on writing to it.

A record is read, encrypted again and replaced only if it is still what was read; otherwise it is read once more. So a
concurrent writer never loses a change, and the walk can be stopped and started at any time: it skips what is done.
"""

from __future__ import annotations

import logging
from collections import Counter
from collections.abc import AsyncIterator, Callable
from dataclasses import dataclass, field
from enum import StrEnum
from typing import Final, Protocol

from aragora.clock import Clock
from aragora.encoding import encode_text
from aragora.errors import Conflict
from aragora.observability.registry import Registry
from aragora.secrets.encryption import DecryptionFailed, EncryptionService
from aragora.storage.collection import document_of
from aragora.storage.documents import PAGE, DocumentRow

ATTEMPTS: Final = 10

_log = logging.getLogger("aragora.migration")


class Outcome(StrEnum):
    MIGRATED = "migrated"  # in a dry run: would be
    SKIPPED = "skipped"  # already under the active key, without secrets, or gone
    FAILED = "failed"


class Rewritable(Protocol):
    """A store whose records can be walked and replaced: `Documents`, or another store's secrets in their form."""

    async def get(self, record_id: str) -> DocumentRow | None: ...

    async def page(self, after: str, limit: int = ...) -> list[DocumentRow]: ...

    async def replace(self, row: DocumentRow, payload: str, now: float) -> bool:
        """Put the payload in place of the row, if the row is still as it was read."""
        ...

    async def count(self) -> int: ...


@dataclass(frozen=True, slots=True)
class Summary:
    """What became of one store's records."""

    store: str
    counts: Counter[Outcome] = field(default_factory=Counter)

    def __str__(self) -> str:
        return f"{self.store}: " + ", ".join(f"{self.counts[outcome]} {outcome}" for outcome in Outcome)


@dataclass(frozen=True, slots=True)
class Reencryption:
    """How to go over stores.

    Args:
        crypto: the keys; the active one is the goal of the walk.
        clock: for the stamps.
        registry: where records and errors are counted; nothing is counted in a dry run.
        execute: False only looks.
    """

    crypto: EncryptionService
    clock: Clock
    registry: Registry
    execute: bool

    async def run(self, store: str, records: Rewritable, step: Callable[[], None]) -> Summary:
        """Go over one store; `step` is called after each record. Raises Unavailable where the backend goes away."""
        summary = Summary(store)
        async for row in _walk(records):
            summary.counts[await self._outcome(store, records, row)] += 1
            step()
        return summary

    async def _outcome(self, store: str, records: Rewritable, row: DocumentRow) -> Outcome:
        try:
            outcome = await self._migrate(store, records, row)
        except (DecryptionFailed, Conflict) as error:
            _log.error("%s record %r failed (%s): %s", store, row.record_id, error.code, error.message)
            outcome = Outcome.FAILED
            if self.execute:
                self.registry.inc("aragora_migration_errors_total", store=store, error_type=type(error).__name__)
        if self.execute:
            self.registry.inc("aragora_migration_records_total", store=store, status=outcome.value)
        _log.debug("%s record %r %s", store, row.record_id, outcome)
        return outcome

    async def _migrate(self, store: str, records: Rewritable, row: DocumentRow) -> Outcome:
        current: DocumentRow | None = row
        for _ in range(ATTEMPTS):
            if current is None:
                return Outcome.SKIPPED  # deleted meanwhile
            stored = document_of(current)
            # Also what is under the active key is opened: a record that cannot be read must not pass for fine.
            plain = self.crypto.decrypt_fields(stored, store=store, record_id=row.record_id)
            if not self.crypto.needs_encryption(stored):
                return Outcome.SKIPPED
            if not self.execute:
                return Outcome.MIGRATED
            payload = encode_text(self.crypto.encrypt_fields(plain, store=store, record_id=row.record_id))
            if await records.replace(current, payload, self.clock.now()):
                return Outcome.MIGRATED
            current = await records.get(row.record_id)
        raise Conflict("Others keep changing the record; run the migration again.")


async def _walk(records: Rewritable) -> AsyncIterator[DocumentRow]:
    after = ""
    while page := await records.page(after, PAGE):
        for row in page:
            yield row
        after = page[-1].record_id
