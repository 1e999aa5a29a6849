"""The metrics page of the whole cluster: durable counters out of the stores, gauges read when the page is asked for.

What a process counts outside debates (requests, permission checks) it adds to the store within a second; what a
debate counts is written with the debate. So every replica gives the same page.
"""

from __future__ import annotations

import asyncio
from collections.abc import Sequence
from contextlib import suppress
from typing import Final

from actors.gateways.boards import SharedConnectionBoard, StoredAgentBoard
from aragora.background import Every
from aragora.errors import Unavailable
from aragora.observability.exposition import render
from aragora.observability.registry import REGISTRY, Registry
from aragora.observability.samples import CounterDelta
from aragora.storage.counters import CounterStore

FLUSH_S: Final = 0.5
BREAKER_STATES: Final = {"closed": 0.0, "half_open": 1.0, "open": 2.0}


def observe_request(method: str, route: str, status: int, seconds: float) -> None:
    """Fulfils `RequestObserver`: counts an answered request and its duration."""
    REGISTRY.inc("aragora_http_requests_total", method=method, route=route, status=str(status))
    REGISTRY.observe("aragora_http_request_duration_seconds", seconds, method=method, route=route)


class CounterFlush:
    """Adds what this process counted to the store: twice a second once `task` is started."""

    def __init__(self, counters: CounterStore, registry: Registry = REGISTRY) -> None:
        self._counters = counters
        self._registry = registry
        self.task = Every("counter flush", FLUSH_S, self.flush)

    async def flush(self) -> None:
        """Write now. What cannot be written is kept for the next time. Raises Unavailable."""
        deltas = self._registry.drain()
        if not deltas:
            return
        try:
            await self._counters.add(deltas)
        except BaseException:
            self._registry.restore(deltas)
            raise


class StoredMetricsPage:
    """Fulfils `MetricsPage`. `counters` are the stores that hold counters: the journal's and the other processes'."""

    def __init__(
        self,
        counters: Sequence[CounterStore],
        flush: CounterFlush,
        agents: StoredAgentBoard,
        connections: SharedConnectionBoard,
        registry: Registry = REGISTRY,
    ) -> None:
        self._counters = counters
        self._flush = flush
        self._agents = agents
        self._connections = connections
        self._registry = registry

    async def exposition(self) -> str:
        with suppress(Unavailable):  # a full disk can still be read; what was counted is written later
            await self._flush.flush()
        stored = await asyncio.gather(*(store.all() for store in self._counters))
        rows = [row for rows in stored for row in rows]
        return render(rows, [*await self._gauges(), *self._registry.gauges()])

    async def _gauges(self) -> list[CounterDelta]:
        breakers, totals = await asyncio.gather(self._agents.breakers(), self._connections.totals())
        gauges = [
            CounterDelta("aragora_circuit_breaker_state", (("agent", view.agent),), BREAKER_STATES[view.state])
            for view in breakers
        ]
        gauges.append(CounterDelta("aragora_websocket_connections", (), float(totals.connections)))
        return gauges
