"""Where the inbox of approvals is kept: in the database, or in Redis, as ARAGORA_APPROVAL_STORE_BACKEND says."""

from __future__ import annotations

from collections.abc import Sequence
from typing import Protocol

from aragora.config.settings import Settings
from aragora.errors import Misconfigured
from aragora.storage.contexts import Context
from aragora.storage.database import Database
from aragora.storage.ephemeral_redis import connect
from aragora.workflows.approvals import ApprovalRequestStore
from aragora.workflows.store.approvals_redis import RedisApprovals
from aragora.workflows.store.approvals_sql import SqlApprovals
from aragora.workflows.store.purging import Drop


class OpenedApprovals(ApprovalRequestStore, Protocol):
    """A store that somebody must close."""

    async def aclose(self) -> None:
        """Close its connections."""
        ...


def open_approvals(settings: Settings) -> OpenedApprovals:
    """The inbox of approvals, which connects with its first use. Raises Misconfigured where the chosen backend has no
    address."""
    if settings.approval_store_backend == "redis":
        return RedisApprovals(connect(_redis_url(settings)))
    if settings.approval_store_backend == "postgres" and settings.database_url is None:
        raise Misconfigured("ARAGORA_APPROVAL_STORE_BACKEND is postgres: set DATABASE_URL too.")
    return SqlApprovals(Database.open(settings, Context.WORKFLOWS))


def dropping(settings: Settings) -> Drop | None:
    """Takes approvals out of an inbox that is not in the database; None where it is there. Raises Misconfigured as
    `open_approvals` does."""
    if settings.approval_store_backend != "redis":
        return None
    url = _redis_url(settings)

    async def drop(approval_ids: Sequence[str]) -> None:
        inbox = RedisApprovals(connect(url))
        try:
            await inbox.drop(approval_ids)
        finally:
            await inbox.aclose()

    return drop


def _redis_url(settings: Settings) -> str:
    if settings.redis_url is None:
        raise Misconfigured("ARAGORA_APPROVAL_STORE_BACKEND is redis: set ARAGORA_REDIS_URL too.")
    return settings.redis_url.get_secret_value()
