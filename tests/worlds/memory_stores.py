"""The stores of the product in memory: as small as their ports allow, and held to them by the suites of the ports."""

from __future__ import annotations

import asyncio
from collections.abc import Sequence
from dataclasses import replace

from msgspec.structs import astuple

from aragora.clock import Clock
from aragora.encoding import encode
from aragora.scope import Scope
from aragora.storage.cursors import Page, cursor_of, turn_of
from aragora.storage.documents import PAGE, DocumentRow
from aragora.workflows.approvals import ApprovalRecord, Wanted, unknown_approval


class MemoryDocuments:
    """Documents by id. Every call gives way to others once, as a real one does."""

    def __init__(self) -> None:
        self.rows: dict[str, DocumentRow] = {}

    async def get(self, record_id: str) -> DocumentRow | None:
        await asyncio.sleep(0)
        return self.rows.get(record_id)

    async def put(self, row: DocumentRow) -> DocumentRow:
        await asyncio.sleep(0)
        old = self.rows.get(row.record_id)
        version, created_at = (1, row.created_at) if old is None else (old.version + 1, old.created_at)
        self.rows[row.record_id] = replace(row, version=version, created_at=created_at)
        return self.rows[row.record_id]

    async def replace(self, row: DocumentRow, payload: str, now: float) -> bool:
        await asyncio.sleep(0)
        old = self.rows.get(row.record_id)
        if old is None or old.version != row.version:
            return False
        self.rows[row.record_id] = replace(old, payload=payload, version=old.version + 1, updated_at=now)
        return True

    async def delete(self, record_id: str) -> bool:
        await asyncio.sleep(0)
        return self.rows.pop(record_id, None) is not None

    async def find(
        self,
        *,
        org_id: str,
        owner: str | None = None,
        kind: str | None = None,
        after: str = "",
        limit: int | None = None,
    ) -> list[DocumentRow]:
        await asyncio.sleep(0)
        wanted = [
            row
            for record_id, row in sorted(self.rows.items())
            if record_id > after and row.org_id == org_id and owner in (None, row.owner) and kind in (None, row.kind)
        ]
        return wanted[:limit]

    async def page(self, after: str, limit: int = PAGE) -> list[DocumentRow]:
        await asyncio.sleep(0)
        return [row for record_id, row in sorted(self.rows.items()) if record_id > after][:limit]

    async def count(self) -> int:
        return len(self.rows)


class MemoryEphemeral:
    """Texts under keys, each with the time at which it ends."""

    def __init__(self, clock: Clock) -> None:
        self._clock = clock
        self._entries: dict[str, tuple[str, float]] = {}

    async def put(self, key: str, value: str, ttl_s: float) -> None:
        await asyncio.sleep(0)
        self._entries[key] = (value, self._clock.monotonic() + ttl_s)

    async def add(self, key: str, value: str, ttl_s: float) -> bool:
        await asyncio.sleep(0)
        if self._live(key) is not None:
            return False
        self._entries[key] = (value, self._clock.monotonic() + ttl_s)
        return True

    async def get(self, key: str) -> str | None:
        await asyncio.sleep(0)
        return self._live(key)

    async def take(self, key: str) -> str | None:
        await asyncio.sleep(0)
        value = self._live(key)
        self._entries.pop(key, None)
        return value

    async def delete(self, key: str) -> None:
        await asyncio.sleep(0)
        self._entries.pop(key, None)

    def _live(self, key: str) -> str | None:
        value, ends_at = self._entries.get(key, (None, 0.0))
        return value if ends_at > self._clock.monotonic() else None


class MemoryApprovals:
    """Approvals by id."""

    def __init__(self) -> None:
        self.records: dict[str, ApprovalRecord] = {}

    async def put(self, records: Sequence[ApprovalRecord]) -> None:
        await asyncio.sleep(0)
        encode(list(records))  # refuses what no store keeps
        for one in records:
            before = self.records.get(one.approval_id)
            if before is None or one.version >= before.version:
                self.records[one.approval_id] = one

    async def get(self, scope: Scope, approval_id: str) -> ApprovalRecord:
        await asyncio.sleep(0)
        found = self.records.get(approval_id)
        if found is None or not scope.holds(found.org_id, found.workspace):
            raise unknown_approval()
        return found

    async def page(
        self, scope: Scope, wanted: Wanted, *, cursor: str | None = None, limit: int = 50
    ) -> Page[ApprovalRecord]:
        await asyncio.sleep(0)
        after = None if cursor is None else astuple(turn_of(cursor))
        in_order = sorted(self.records.values(), key=lambda one: astuple(one.turn))
        found = [
            replace(one, state=replace(one.state, shown={}))
            for one in in_order
            if scope.holds(one.org_id, one.workspace)
            and wanted.has(one)
            and (after is None or astuple(one.turn) > after)
        ]
        more = cursor_of(found[limit - 1].turn) if len(found) > limit else None
        return Page(tuple(found[:limit]), more)
