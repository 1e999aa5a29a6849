"""Where approval requests are kept: SQLite, PostgreSQL or Redis, as ARAGORA_APPROVAL_STORE_BACKEND says.

The rules are in `aragora.workflows.approvals`; a store keeps what they decide, and lets one of several answers win:
SQL by an update of what is still pending, Redis by WATCH and MULTI. Redis holds a string per request and a sorted set
per organisation; it must persist (AOF) for what it holds here, as docs/security.md says.
"""

from __future__ import annotations

from collections.abc import AsyncIterator
from contextlib import asynccontextmanager
from typing import TYPE_CHECKING, Any, Final

from sqlalchemy import Column, Double, Index, RowMapping, Table, Text, insert, or_, select, update
from sqlalchemy.exc import IntegrityError

from aragora.config.settings import Settings
from aragora.encoding import decode, decode_as, encode_text
from aragora.errors import Conflict, Misconfigured
from aragora.storage.contexts import Context
from aragora.storage.database import Database
from aragora.storage.ephemeral_redis import asked, connect
from aragora.storage.tables import METADATA
from aragora.workflows.approvals import (
    ApprovalRequest,
    ApprovalRequestStore,
    ApprovalStatus,
    Resolution,
    found_in,
    resolved,
)

if TYPE_CHECKING:
    from redis.asyncio import Redis

PREFIX: Final = "aragora:approval:"
PAGE: Final = 200

requests: Final = Table(
    "approval_requests",
    METADATA[Context.CORE],
    Column("request_id", Text, primary_key=True),
    Column("org_id", Text, nullable=False),
    Column("kind", Text, nullable=False),
    Column("subject", Text, nullable=False),
    Column("requested_by", Text, nullable=False),
    Column("payload", Text, nullable=False),  # JSON: object
    Column("status", Text, nullable=False),
    Column("created_at", Double, nullable=False),
    Column("expires_at", Double),
    Column("resolved_at", Double),
    Column("resolved_by", Text),
    Column("comment", Text, nullable=False),
    Index("ix_approval_requests_org", "org_id", "status", "created_at", "request_id"),
)


@asynccontextmanager
async def open_approvals(settings: Settings) -> AsyncIterator[ApprovalRequestStore]:
    """The store of approval requests; closes its connections at the end of the block.

    Raises Misconfigured where the chosen backend has no address.
    """
    backend = settings.approval_store_backend
    if backend == "redis":
        if settings.redis_url is None:
            raise Misconfigured("ARAGORA_APPROVAL_STORE_BACKEND is redis: set ARAGORA_REDIS_URL too.")
        client = connect(settings.redis_url.get_secret_value())
        try:
            yield RedisApprovals(client)
        finally:
            await client.aclose()
        return
    if backend == "postgres" and settings.database_url is None:
        raise Misconfigured("ARAGORA_APPROVAL_STORE_BACKEND is postgres: set DATABASE_URL too.")
    database = Database.open(settings, Context.CORE)
    try:
        yield SqlApprovals(database)
    finally:
        await database.aclose()


class SqlApprovals:
    """Rows of `approval_requests` in the context `core`."""

    def __init__(self, database: Database) -> None:
        self._database = database

    async def create(self, request: ApprovalRequest) -> None:
        row = {name: getattr(request, name) for name in ApprovalRequest.__slots__}
        row |= {"payload": encode_text(request.payload), "status": request.status.value}
        try:
            async with self._database.writing() as connection:
                await connection.execute(insert(requests).values(row))
        except IntegrityError as error:
            raise Conflict("There is already a request with this id.") from error

    async def get(self, org_id: str, request_id: str, now: float) -> ApprovalRequest:
        return found_in(await self._read(request_id), org_id).seen_at(now)

    async def page(
        self, org_id: str, now: float, *, status: ApprovalStatus | None = None, limit: int = 100
    ) -> list[ApprovalRequest]:
        query = select(requests).where(requests.c.org_id == org_id)
        if status is ApprovalStatus.PENDING:
            query = query.where(
                requests.c.status == status,
                or_(requests.c.expires_at.is_(None), requests.c.expires_at > now),
            )
        elif status is ApprovalStatus.EXPIRED:
            query = query.where(requests.c.status == ApprovalStatus.PENDING, requests.c.expires_at <= now)
        elif status is not None:
            query = query.where(requests.c.status == status)
        query = query.order_by(requests.c.created_at.desc(), requests.c.request_id.desc()).limit(limit)
        async with self._database.reading() as connection:
            return [_request(row).seen_at(now) for row in (await connection.execute(query)).mappings()]

    async def resolve(self, org_id: str, request_id: str, resolution: Resolution) -> ApprovalRequest:
        answered = resolved(found_in(await self._read(request_id), org_id), resolution)
        change = (
            update(requests)
            .where(requests.c.request_id == request_id, requests.c.status == ApprovalStatus.PENDING)
            .values(
                status=answered.status.value,
                resolved_at=answered.resolved_at,
                resolved_by=answered.resolved_by,
                comment=answered.comment,
            )
        )
        async with self._database.writing() as connection:
            first = (await connection.execute(change)).rowcount == 1
        if not first:
            raise Conflict("Someone else has just answered this request.", code="already_resolved")
        return answered

    async def _read(self, request_id: str) -> ApprovalRequest | None:
        async with self._database.reading() as connection:
            row = (
                (await connection.execute(select(requests).where(requests.c.request_id == request_id)))
                .mappings()
                .first()
            )
        return None if row is None else _request(row)


class RedisApprovals:
    """Keys under `aragora:approval:`. Answered requests stay: they are the record of who decided."""

    def __init__(self, client: Redis, prefix: str = PREFIX) -> None:
        self._redis = client
        self._prefix = prefix

    async def create(self, request: ApprovalRequest) -> None:
        async def write() -> bool:
            async with self._redis.pipeline(transaction=True) as pipe:
                # Listed first: an id that leads nowhere is passed over, a request without a listing would be lost.
                pipe.zadd(self._index(request.org_id), {request.request_id: request.created_at}, nx=True)
                pipe.set(self._key(request.request_id), encode_text(request), nx=True)
                return bool((await pipe.execute())[1])

        if not await asked(write):
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
            return await asked(answer)
        except WatchError as error:
            raise Conflict("Someone else has just answered this request.", code="already_resolved") from error

    async def _read(self, request_id: str) -> ApprovalRequest | None:
        raw = await asked(lambda: self._redis.get(self._key(request_id)))
        return _decoded(raw) if raw else None

    async def _raw_page(self, org_id: str, start: int) -> list[Any]:
        ids = await asked(lambda: self._redis.zrevrange(self._index(org_id), start, start + PAGE - 1))
        keys = [self._key(_text(each)) for each in ids]
        return list(await asked(lambda: self._redis.mget(keys))) if keys else []

    def _key(self, request_id: str) -> str:
        return f"{self._prefix}{request_id}"

    def _index(self, org_id: str) -> str:
        return f"{self._prefix}by-org:{org_id}"


def _request(row: RowMapping) -> ApprovalRequest:
    values = {name: row[name] for name in ApprovalRequest.__slots__}
    return ApprovalRequest(**{**values, "payload": decode(row["payload"]), "status": ApprovalStatus(row["status"])})


def _kept(request: ApprovalRequest, org_id: str, status: ApprovalStatus | None) -> bool:
    return request.org_id == org_id and status in (None, request.status)


def _decoded(raw: str | bytes) -> ApprovalRequest:
    return decode_as(raw, ApprovalRequest)


def _text(value: Any) -> str:
    return value if isinstance(value, str) else bytes(value).decode()
