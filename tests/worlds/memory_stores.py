"""The stores of the product in memory: as small as their ports allow, and held to them by the suites of the ports."""

from __future__ import annotations

import asyncio
from dataclasses import replace

from aragora.clock import Clock
from aragora.errors import Conflict
from aragora.storage.documents import PAGE, DocumentRow
from aragora.workflows.approvals import ApprovalRequest, ApprovalStatus, Resolution, found_in, resolved


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
    """Approval requests by id."""

    def __init__(self) -> None:
        self._requests: dict[str, ApprovalRequest] = {}

    async def create(self, request: ApprovalRequest) -> None:
        await asyncio.sleep(0)
        if request.request_id in self._requests:
            raise Conflict("There is already a request with this id.")
        self._requests[request.request_id] = request

    async def get(self, org_id: str, request_id: str, now: float) -> ApprovalRequest:
        await asyncio.sleep(0)
        return found_in(self._requests.get(request_id), org_id).seen_at(now)

    async def page(
        self, org_id: str, now: float, *, status: ApprovalStatus | None = None, limit: int = 100
    ) -> list[ApprovalRequest]:
        await asyncio.sleep(0)
        newest_first = sorted(self._requests.values(), key=lambda one: (one.created_at, one.request_id), reverse=True)
        seen = [one.seen_at(now) for one in newest_first if one.org_id == org_id]
        return [one for one in seen if status in (None, one.status)][:limit]

    async def resolve(self, org_id: str, request_id: str, resolution: Resolution) -> ApprovalRequest:
        await asyncio.sleep(0)
        answered = resolved(found_in(self._requests.get(request_id), org_id), resolution)
        self._requests[request_id] = answered
        return answered
