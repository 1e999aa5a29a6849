"""Approval requests in SQLite or PostgreSQL."""

from __future__ import annotations

from collections.abc import AsyncIterator
from contextlib import asynccontextmanager
from typing import Final

from sqlalchemy import Column, Double, Index, RowMapping, Table, Text, insert, or_, select, update
from sqlalchemy.exc import IntegrityError

from aragora.config.settings import Settings
from aragora.encoding import decode, encode_text
from aragora.errors import Conflict, Misconfigured
from aragora.storage.contexts import Context
from aragora.storage.database import Database
from aragora.storage.ephemeral_redis import connect
from aragora.storage.tables import METADATA
from aragora.workflows.approvals import (
    ApprovalRequest,
    ApprovalRequestStore,
    ApprovalStatus,
    Resolution,
    found_in,
    resolved,
)
from aragora.workflows.approvals_redis import RedisApprovals

table: Final = Table(
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


class SqlApprovals:
    """Rows of `approval_requests` in the context `core`."""

    def __init__(self, database: Database) -> None:
        self._database = database

    async def create(self, request: ApprovalRequest) -> None:
        row = {name: getattr(request, name) for name in ApprovalRequest.__slots__}
        row |= {"payload": encode_text(request.payload), "status": request.status.value}
        try:
            async with self._database.writing() as connection:
                await connection.execute(insert(table).values(row))
        except IntegrityError as error:
            raise Conflict("There is already a request with this id.") from error

    async def get(self, org_id: str, request_id: str, now: float) -> ApprovalRequest:
        return found_in(await self._read(request_id), org_id).seen_at(now)

    async def page(
        self, org_id: str, now: float, *, status: ApprovalStatus | None = None, limit: int = 100
    ) -> list[ApprovalRequest]:
        query = select(table).where(table.c.org_id == org_id)
        if status is ApprovalStatus.PENDING:
            query = query.where(table.c.status == status, or_(table.c.expires_at.is_(None), table.c.expires_at > now))
        elif status is ApprovalStatus.EXPIRED:
            query = query.where(table.c.status == ApprovalStatus.PENDING, table.c.expires_at <= now)
        elif status is not None:
            query = query.where(table.c.status == status)
        query = query.order_by(table.c.created_at.desc(), table.c.request_id.desc()).limit(limit)
        async with self._database.reading() as connection:
            return [_request(row).seen_at(now) for row in (await connection.execute(query)).mappings()]

    async def resolve(self, org_id: str, request_id: str, resolution: Resolution) -> ApprovalRequest:
        answered = resolved(found_in(await self._read(request_id), org_id), resolution)
        change = (
            update(table)
            .where(table.c.request_id == request_id, table.c.status == ApprovalStatus.PENDING)
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
            row = (await connection.execute(select(table).where(table.c.request_id == request_id))).mappings().first()
        return None if row is None else _request(row)


def _request(row: RowMapping) -> ApprovalRequest:
    values = {name: row[name] for name in ApprovalRequest.__slots__}
    return ApprovalRequest(**{**values, "payload": decode(row["payload"]), "status": ApprovalStatus(row["status"])})


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
