"""The Knowledge Mound in a program of the operator's: over the store of the settings, with a server beside it or none.

Whoever runs it has the settings of the installation, and acts as its local operator (`LOCAL_OPERATOR`).
"""

from __future__ import annotations

import asyncio
from collections.abc import Sequence
from contextlib import AsyncExitStack
from dataclasses import dataclass
from types import TracebackType
from typing import Self

import structlog

from aragora.clock import SystemClock
from aragora.config.settings import Settings, settings_in
from aragora.errors import Unavailable
from aragora.identity.principal import LOCAL_OPERATOR
from aragora.identity.store.workspaces import WorkspaceStore
from aragora.knowledge.insight_exchange import LISTED_MAX, InsightExchange, Share, exchange_over
from aragora.knowledge.insights import CrossWorkspaceInsight, SharedInsight, share_id_of
from aragora.knowledge.model import Home
from aragora.migrations.applying import apply_pending
from aragora.observability.registry import Registry
from aragora.scope import Scope
from aragora.storage.contexts import Context
from aragora.storage.counters import CounterStore
from aragora.storage.database import Database

log = structlog.get_logger("aragora.knowledge")


@dataclass(frozen=True, slots=True)
class _Open:
    """What stands open."""

    exchange: InsightExchange
    registry: Registry
    counters: CounterStore
    closing: AsyncExitStack


class LocalMound:
    """The mound of one organisation. Opens with its first use, and belongs to the event loop of that; an async context
    manager, which closes it.

    Every method raises Misconfigured for a wrong environment and Unavailable where the store is away.
    """

    def __init__(self, org_id: str, settings: Settings | None) -> None:
        """`settings` None are those of the environment."""
        self._org_id = org_id
        self._settings = settings
        self._opening = asyncio.Lock()
        self._open: _Open | None = None

    async def share_insight(self, workspace: str, insight: CrossWorkspaceInsight) -> Share:
        """Share an insight of a workspace. Raises as `InsightExchange.share`."""
        opened = await self._opened()
        done = await opened.exchange.share(Home(self._org_id, workspace), LOCAL_OPERATOR.user_id, insight)
        await _count(opened)
        return done

    async def received_insights(
        self, workspace: str, *, task_type: str | None = None, limit: int = LISTED_MAX
    ) -> Sequence[SharedInsight]:
        """What other workspaces share with this one, newest first."""
        opened = await self._opened()
        page = await opened.exchange.received(Home(self._org_id, workspace), task_type=task_type, limit=limit)
        return page.items

    async def withdraw_insight(self, workspace: str, insight_id: str) -> SharedInsight:
        """The insight of a workspace once nobody is given it any more. Raises as `InsightExchange.withdraw`."""
        opened = await self._opened()
        scope = Scope(self._org_id, frozenset({workspace}))
        return await opened.exchange.withdraw(scope, share_id_of(self._org_id, workspace, insight_id))

    async def aclose(self) -> None:
        """Close what is open; the next use opens it again."""
        async with self._opening:
            opened, self._open = self._open, None
        if opened is not None:
            await opened.closing.aclose()

    async def __aenter__(self) -> Self:
        await self._opened()
        return self

    async def __aexit__(
        self, kind: type[BaseException] | None, error: BaseException | None, trace: TracebackType | None
    ) -> None:
        await self.aclose()

    async def _opened(self) -> _Open:
        async with self._opening:
            if self._open is None:
                self._open = await _open(self._settings or settings_in(None))
            return self._open


async def _open(settings: Settings) -> _Open:
    await apply_pending(settings)
    memory, users, core = (Database.open(settings, one) for one in (Context.MEMORY, Context.USERS, Context.CORE))
    closing = AsyncExitStack()
    for database in (memory, users, core):
        closing.push_async_callback(database.aclose)
    clock, registry = SystemClock(), Registry()
    minimum = settings.knowledge_insight_confidence_min
    exchange = exchange_over(memory, WorkspaceStore(users), clock, minimum=minimum, registry=registry)
    return _Open(exchange, registry, CounterStore(core), closing)


async def _count(opened: _Open) -> None:
    """Add what was counted to the metrics of the installation; where that fails, with the next share."""
    counted = opened.registry.drain()
    try:
        await opened.counters.add(counted)
    except Unavailable as error:
        opened.registry.restore(counted)
        log.warning("a shared insight is counted later", error=error.message)
