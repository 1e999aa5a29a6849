"""Approval requests in Redis: a string per request, a sorted set per organisation, answers by WATCH and MULTI.

Redis must persist (AOF) for what it holds here; docs/security.md says so.
"""

from __future__ import annotations

from collections.abc import Awaitable, Callable
from typing import TYPE_CHECKING, Any, Final, TypeVar

from aragora.encoding import decode_as, encode_text
from aragora.errors import Conflict, Unavailable
from aragora.workflows.approvals import ApprovalRequest, ApprovalStatus, Resolution, found_in, resolved

if TYPE_CHECKING:
    from redis.asyncio import Redis

T = TypeVar("T")

PREFIX: Final = "aragora:approval:"
PAGE: Final = 200


class RedisApprovals:
    """Keys under `aragora:approval:`. Answered requests stay: they are the record of who decided."""

    def __init__(self, client: Redis, prefix: str = PREFIX) -> None:
        self._redis = client
        self._prefix = prefix

    async def create(self, request: ApprovalRequest) -> None:
        async def write() -> bool:
            async with self._redis.pipeline(transaction=True) as pipe:
                # Listed first: an id that leads nowhere is passed over, a request that nobody lists would be lost.
                pipe.zadd(self._index(request.org_id), {request.request_id: request.created_at}, nx=True)
                pipe.set(self._key(request.request_id), encode_text(request), nx=True)
                return bool((await pipe.execute())[1])

        if not await _asked(write):
            raise Conflict("There is already a request with this id.")

    async def get(self, org_id: str, request_id: str, now: float) -> ApprovalRequest:
        return found_in(await self._read(request_id), org_id).seen_at(now)

    async def page(
        self, org_id: str, now: float, *, status: ApprovalStatus | None = None, limit: int = 100
    ) -> list[ApprovalRequest]:
        found: list[ApprovalRequest] = []
        start = 0
        while len(found) < limit:
            page = await self._raw_page(org_id, start)
            found += [each for raw in page if raw and _kept(each := _decoded(raw).seen_at(now), org_id, status)]
            start += PAGE
            if len(page) < PAGE:
                break
        return found[:limit]

    async def resolve(self, org_id: str, request_id: str, resolution: Resolution) -> ApprovalRequest:
        from redis.exceptions import WatchError  # noqa: PLC0415

        key = self._key(request_id)

        async def answer() -> ApprovalRequest:
            async with self._redis.pipeline(transaction=True) as pipe:
                await pipe.watch(key)
                raw = await pipe.get(key)
                answered = resolved(found_in(_decoded(raw) if raw else None, org_id), resolution)
                pipe.multi()  # type: ignore[no-untyped-call]
                pipe.set(key, encode_text(answered))
                await pipe.execute()
                return answered

        try:
            return await _asked(answer)
        except WatchError as error:
            raise Conflict("Someone else has just answered this request.", code="already_resolved") from error

    async def _read(self, request_id: str) -> ApprovalRequest | None:
        raw = await _asked(lambda: self._redis.get(self._key(request_id)))
        return _decoded(raw) if raw else None

    async def _raw_page(self, org_id: str, start: int) -> list[Any]:
        ids = await _asked(lambda: self._redis.zrevrange(self._index(org_id), start, start + PAGE - 1))
        keys = [self._key(_text(each)) for each in ids]
        return list(await _asked(lambda: self._redis.mget(keys))) if keys else []

    def _key(self, request_id: str) -> str:
        return f"{self._prefix}{request_id}"

    def _index(self, org_id: str) -> str:
        return f"{self._prefix}by-org:{org_id}"


async def _asked(call: Callable[[], Awaitable[T]]) -> T:
    from redis.exceptions import RedisError, WatchError  # noqa: PLC0415

    try:
        return await call()
    except WatchError:
        raise
    except (RedisError, OSError, TimeoutError) as error:
        raise Unavailable(f"Redis does not answer ({type(error).__name__}).", retry_after_s=5.0) from error


def _kept(request: ApprovalRequest, org_id: str, status: ApprovalStatus | None) -> bool:
    return request.org_id == org_id and status in (None, request.status)


def _decoded(raw: str | bytes) -> ApprovalRequest:
    return decode_as(raw, ApprovalRequest)


def _text(value: Any) -> str:
    return value if isinstance(value, str) else bytes(value).decode()
