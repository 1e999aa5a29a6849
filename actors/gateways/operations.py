"""What operators see, without waking an actor: agents, ratings, connections, the server's lifecycle.

Latencies and counts come out of the stores; the lifecycle is one long poll on the shared state, read without a hop.
What a process counts outside debates (requests, permission checks) it adds to the store within a second, and what a
debate counts is written with the debate: so every replica gives the same page.
"""

from __future__ import annotations

import asyncio
from collections.abc import Iterable
from contextlib import suppress
from typing import Final

import structlog

from actors.kinds import AGENT, SHARED, SHARED_KEY
from actors.reporting import TIMEOUT_S, flush
from actors.runtime import Runtime
from actors.shared_state import POLL_S, LifecycleStage, LifecycleState
from aragora.agents.breaker_store import BreakerStore
from aragora.agents.catalog import Catalog
from aragora.agents.causes import remedy_of
from aragora.agents.model import AgentSpec
from aragora.background import Every, until_available
from aragora.clock import Clock
from aragora.config.settings import Settings
from aragora.errors import AragoraError
from aragora.observability.registry import REGISTRY, Registry
from aragora.observability.samples import buckets_by, quantile
from aragora.ranking.store import RatingStore
from aragora.resilience.backoff import Backoff
from aragora.resilience.circuit_breaker import BreakerRow, cause_of
from aragora.server.nodes import Told
from aragora.server.ports import AgentView, BreakerView, CauseView, ConnectionTotals, Rating, Readiness
from aragora.storage.counters import CounterStore
from aragora.supervision import begin

PAUSE_S: Final = 0.5
FLUSH_S: Final = 0.5
FLUSH_AFTER_ERROR: Final = Backoff(base_s=1.0, cap_s=5.0)
LATENCY: Final = "aragora_agent_latency_seconds_bucket"

_log = structlog.get_logger("aragora.server")


class StoredAgentBoard:
    """Fulfils `AgentBoard`: the catalog, the rows of the breakers, and latencies out of the durable histogram."""

    def __init__(self, runtime: Runtime, settings: Settings, breakers: BreakerStore, counters: CounterStore) -> None:
        self._runtime = runtime
        self._catalog = Catalog(settings)
        self._breakers = breakers
        self._counters = counters

    async def breakers(self) -> list[BreakerView]:
        rows = await self._rows()
        return [_breaker(spec.name, rows.get(spec.name)) for spec in self._specs(rows)]

    async def agents(self) -> list[AgentView]:
        latencies = buckets_by("agent", LATENCY, await self._counters.all())
        awake = {key.partition("#")[0] for key in await self._runtime.alive(AGENT)}
        rows = await self._rows()
        views = []
        for spec in self._specs(awake | rows.keys()):
            row = rows.get(spec.name)
            breaker = _breaker(spec.name, row)
            buckets = latencies.get(spec.name, {})
            views.append(
                AgentView(
                    name=spec.name,
                    provider=spec.provider,
                    model=spec.model,
                    breaker=breaker,
                    last_error=breaker.last_error,
                    p50_latency_s=quantile(0.5, buckets),
                    p95_latency_s=quantile(0.95, buckets),
                    active=spec.name in awake,
                    cause=None if row is None else _cause(row),
                )
            )
        return views

    def _specs(self, known: Iterable[str]) -> list[AgentSpec]:
        """The agents that there are now, and those of the `known` that were named on the spot: they are in no list."""
        roster = self._catalog.roster()
        return [*roster.specs, *roster.on_the_spot(sorted(known))]

    async def _rows(self) -> dict[str, BreakerRow]:
        return {agent: row for agent, (row, _) in (await self._breakers.all()).items()}


class StoredLeaderboard:
    """Fulfils `Leaderboard`."""

    def __init__(self, ratings: RatingStore) -> None:
        self._ratings = ratings

    async def rankings(self, domain: str | None = None, limit: int = 100) -> list[Rating]:
        rows = await self._ratings.rankings(domain or "", limit)
        return [
            Rating(row.agent, row.elo, row.domain or "overall", row.debates, row.wins, row.calibration) for row in rows
        ]


class SharedConnectionBoard:
    """Fulfils `ConnectionBoard` over the actor of the shared state."""

    def __init__(self, runtime: Runtime) -> None:
        self._shared = runtime.at(SHARED, SHARED_KEY)

    async def report(self, replica_id: str, connections: int, sent: int, dropped: int) -> None:
        await self._shared.ask(
            lambda it: it.report_connections(replica_id, connections, sent, dropped), timeout_s=TIMEOUT_S
        )

    async def totals(self) -> ConnectionTotals:
        counts = await self._shared.ask(lambda it: it.connections(), timeout_s=TIMEOUT_S)
        return ConnectionTotals(counts.connections, counts.sent, counts.dropped)


class SharedLifecycle:
    """Fulfils `Lifecycle`. `started_at` is when the server (not this replica) started, in seconds since the epoch."""

    def __init__(self, runtime: Runtime, clock: Clock, started_at: float) -> None:
        self._shared = runtime.at(SHARED, SHARED_KEY)
        self._clock = clock
        self._started_at = started_at
        self._known = LifecycleState(0, LifecycleStage.STARTING, "the server is starting", started_at)
        self._reachable = True
        self._closing = asyncio.Event()
        self._following: asyncio.Task[None] | None = None
        self._untold: frozenset[str] = frozenset()

    def uptime_s(self) -> float:
        return max(0.0, self._clock.now() - self._started_at)

    async def readiness(self) -> Readiness:
        if self._follow():
            with suppress(AragoraError):  # which `_reachable` tells
                await self._refresh(known=0)
        if not self._reachable:
            return Readiness("degraded", ("the shared state cannot be reached; its actor is being restarted",))
        reasons = (self._known.reason,) if self._known.reason else ()
        state = LifecycleStage.DRAINING if self._known.state is LifecycleStage.CLOSING else self._known.state
        return Readiness(state.value, reasons)

    def troubled(self) -> tuple[str, ...]:
        """The background work of all other processes that is in trouble, as the shared state last told it."""
        return self._known.troubled

    def nodes(self) -> Told:
        """What the shared state last told of the cluster's nodes."""
        return self._known.nodes

    async def closing(self) -> str:
        if self._follow():
            with suppress(AragoraError):  # the service may have come back after it had closed
                await self._refresh(known=0)
        await self._closing.wait()
        return self._known.reason

    def _follow(self) -> bool:
        """Start the long poll with the first question; True if it was not running."""
        if self._following is not None and not self._following.done():
            return False
        self._following = begin(
            until_available(
                self._until_closing,
                lambda _: PAUSE_S,
                what="shared state not reached",
                log=_log,
                retried=Exception,
            ),
            "lifecycle",
        )
        return True

    async def _until_closing(self) -> None:
        while self._known.state is not LifecycleStage.CLOSING:
            await self._refresh(self._known.version)

    async def _refresh(self, known: int) -> None:
        before = self._known
        try:
            self._known = await self._shared.ask(lambda it: it.lifecycle(known), timeout_s=POLL_S + 5.0)
            if before.process not in ("", self._known.process):
                self._untold = frozenset(before.nodes.draining) - frozenset(self._known.nodes.draining)
            await self._tell_of_draining()
        except AragoraError:
            self._reachable = False
            raise
        self._reachable = True
        if self._known.state is LifecycleStage.CLOSING:
            self._closing.set()
        else:
            self._closing.clear()

    async def _tell_of_draining(self) -> None:
        """Tell a new process of the shared state which nodes drain, as the one that has died knew it."""
        for node_id in sorted(self._untold):
            await self._say_draining(node_id)
            self._untold -= {node_id}

    async def _say_draining(self, node_id: str) -> None:
        await self._shared.ask(lambda it: it.set_node_draining(node_id), timeout_s=TIMEOUT_S)


def _breaker(agent: str, row: BreakerRow | None) -> BreakerView:
    if row is None:
        return BreakerView(agent, "closed")
    return BreakerView(agent, row.state, row.consecutive_failures, row.opened_at, row.retry_at, row.last_error)


def _cause(row: BreakerRow) -> CauseView | None:
    cause = cause_of(row)
    return None if cause is None else CauseView(cause.code, cause.told, remedy_of(cause.code))


def observe_request(method: str, route: str, status: int, seconds: float) -> None:
    """Fulfils `RequestObserver`: counts an answered request and its duration."""
    REGISTRY.inc("aragora_http_requests_total", method=method, route=route, status=str(status))
    REGISTRY.observe("aragora_http_request_duration_seconds", seconds, method=method, route=route)


class CounterFlush:
    """Adds what this process counted to the store: twice a second once `task` is started."""

    def __init__(self, counters: CounterStore, registry: Registry = REGISTRY) -> None:
        self._counters = counters
        self._registry = registry
        self.task = Every("counter flush", FLUSH_S, self.flush, after_error=FLUSH_AFTER_ERROR)

    async def flush(self) -> None:
        """Write now. What cannot be written is kept for the next time. Raises Unavailable."""
        await flush(self._counters, self._registry)
