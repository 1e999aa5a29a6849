"""The decision router in a program of the operator's, and the runbook's functions: over the store of the settings, with
a server beside it or none.

Whoever runs it has the settings of the installation, and acts as its local operator. What a function invalidates, no
replica of the server answers with any more once it has returned.
"""

from __future__ import annotations

from collections.abc import AsyncIterator, Sequence
from contextlib import AsyncExitStack, asynccontextmanager
from dataclasses import dataclass
from typing import Any

from aragora.clock import SystemClock
from aragora.composition.decision_parts import router_over
from aragora.config.settings import Settings, settings_in
from aragora.debate.proposition import Proposition
from aragora.decisions.invalidating import Invalidating, figures
from aragora.decisions.router import Routed, Router, Wanted
from aragora.decisions.rules import Stakes
from aragora.ids import LOCAL_ORG
from aragora.migrations.applying import apply_pending
from aragora.observability.registry import Registry
from aragora.scope import DEFAULT_WORKSPACE, checked_workspace
from aragora.storage.contexts import Context
from aragora.storage.counters import CounterStore
from aragora.storage.database import Database


@dataclass(frozen=True, slots=True)
class _Open:
    """What stands open during one call."""

    router: Router
    invalidating: Invalidating
    counters: CounterStore


class LocalRouter:
    """The router of an installation. It opens the stores with each call and closes them again, so that it belongs to no
    event loop and nothing is left to be closed.

    Every method raises Misconfigured for a wrong environment and Unavailable where a store is away.
    """

    def __init__(self, settings: Settings | None = None) -> None:
        """`settings` None are those of the environment."""
        self._settings = settings or settings_in(None)

    async def route(
        self,
        question: str,
        workspace_id: str = DEFAULT_WORKSPACE,
        *,
        org_id: str = LOCAL_ORG,
        context: str = "",
        options: Sequence[str] = (),
        domain: str = "general",
        stakes: Stakes | str = Stakes.NORMAL,
        budget_usd: float | None = None,
        deadline_s: float | None = None,
        max_age_s: float | None = None,
    ) -> Routed:
        """Where a question would go now, and why: `target`, `why`, and `entry` where it was decided already. Nothing is
        opened: that is POST /api/decisions. Raises InvalidInput."""
        proposition = Proposition(
            question,
            context=context,
            options=tuple(options),
            domain=domain,
            budget_usd=budget_usd,
            org_id=org_id,
            workspace=checked_workspace(workspace_id),
        )
        wanted = Wanted(proposition, Stakes(stakes), deadline_s, max_age_s=max_age_s)
        async with self._opened() as opened:
            return await opened.router.route(wanted)

    async def invalidate_workspace(self, workspace_id: str, org_id: str | None = None) -> int:
        """See `Invalidating.workspace`."""
        async with self._opened() as opened:
            return await opened.invalidating.workspace(workspace_id, org_id)

    async def invalidate_agent(self, agent: str, version: str) -> int:
        """See `Invalidating.agent`."""
        async with self._opened() as opened:
            return await opened.invalidating.agent(agent, version)

    async def invalidate_tag(self, tag: str) -> int:
        """See `Invalidating.tag`."""
        async with self._opened() as opened:
            return await opened.invalidating.tag(tag)

    async def set_policy(self, version: str) -> None:
        """See `Invalidating.policy`."""
        async with self._opened() as opened:
            await opened.invalidating.policy(version)

    async def stats(self) -> dict[str, Any]:
        """See `aragora.decisions.invalidating.figures`."""
        async with self._opened() as opened:
            router = opened.router
            return await figures(router.entries, opened.counters, router.keeping, router.clock)

    @asynccontextmanager
    async def _opened(self) -> AsyncIterator[_Open]:
        """The stores, open; what was counted is written at the end."""
        settings, registry = self._settings, Registry()
        await apply_pending(settings)
        async with AsyncExitStack() as closing:
            debates, memory, core = (
                Database.open(settings, context) for context in (Context.DEBATES, Context.MEMORY, Context.CORE)
            )
            for database in (core, memory, debates):  # closed the other way round: threads of debates read memory too
                closing.push_async_callback(database.aclose)
            router = router_over(settings, debates, memory, SystemClock(), registry)
            counters = CounterStore(core)
            yield _Open(router, Invalidating(router.entries, registry), counters)
            await counters.add(registry.drain())


async def get_decision_router() -> LocalRouter:
    """The router of the installation that the environment names. Raises Misconfigured."""
    return LocalRouter()


async def invalidate_cache_for_workspace(workspace_id: str) -> int:
    """Invalidate what a workspace of this name decided, in every organisation; returns how many decisions were kept.
    Raises InvalidInput for what is no name of a workspace."""
    return await LocalRouter().invalidate_workspace(workspace_id)


async def invalidate_cache_for_policy_change(version: str) -> None:
    """From now on this policy is in force, and all that was decided before is stale: it goes when it is asked for. The
    version that is in force already changes nothing."""
    await LocalRouter().set_policy(version)


async def invalidate_cache_for_agent_upgrade(agent: str, version: str) -> int:
    """Invalidate what this, old, version of an agent took part in; returns how many decisions were kept."""
    return await LocalRouter().invalidate_agent(agent, version)


async def get_cache_stats() -> dict[str, Any]:
    """What is kept, and how often it answered."""
    return await LocalRouter().stats()
