"""The metrics page of a replica: the stored figures of the whole cluster, and the readings of now.

While the store is away the page goes on, without any stored figure: a counter that is not known is absent, for 0 would
tell a fall. `aragora_store_up` says so.

Nobody's questions for the page are counted, and each page writes to the store and reads all that it counted. So one
page is made at a time: whoever asks meanwhile shares the next, which is no older than the question.
"""

from __future__ import annotations

import asyncio
from collections.abc import Sequence
from contextlib import suppress
from typing import Final

from actors.gateways.health import StoreProbe
from actors.gateways.knowledge_figures import KnowledgeFigures
from actors.gateways.operations import SharedConnectionBoard, StoredAgentBoard
from actors.gateways.webhook_figures import WebhookFigures
from actors.gateways.workflow_figures import WorkflowFigures
from actors.reporting import flush
from aragora.decisions.invalidating import CacheSize
from aragora.errors import AragoraError, Unavailable
from aragora.observability.exposition import render
from aragora.observability.registry import REGISTRY, Registry
from aragora.observability.samples import CounterDelta
from aragora.storage.counters import CounterStore
from aragora.supervision import begin

BREAKER_STATES: Final = {"closed": 0.0, "half_open": 1.0, "open": 2.0}


class StoredMetricsPage:
    """Fulfils `MetricsPage`. `counters` are the stores that hold counters: the journal's, those of deliveries and of
    executions and, last, the one to which this process adds its own."""

    def __init__(
        self,
        counters: Sequence[CounterStore],
        store: StoreProbe,
        agents: StoredAgentBoard,
        connections: SharedConnectionBoard,
        webhooks: WebhookFigures,
        *,
        knowledge: KnowledgeFigures,
        decisions: CacheSize,
        workflows: WorkflowFigures,
        registry: Registry = REGISTRY,
    ) -> None:
        self._counters = counters
        self._store = store
        self._agents = agents
        self._connections = connections
        self._webhooks = webhooks
        self._knowledge = knowledge
        self._decisions = decisions
        self._workflows = workflows
        self._registry = registry
        self._making: asyncio.Task[str] | None = None
        self._next: asyncio.Task[str] | None = None  # waits for the end of that

    async def exposition(self) -> str:
        if self._next is None:
            self._next = begin(self._make_after(self._making), "metrics page")
        return await asyncio.shield(self._next)  # one that leaves must not take the page from the others

    async def _make_after(self, making: asyncio.Task[str] | None) -> str:
        if making is not None:
            await asyncio.wait({making})
        self._making, self._next = self._next, None
        return await self._make()

    async def _make(self) -> str:
        gauges = [*await self._sockets(), *self._registry.gauges()]
        if await self._store.up():
            try:
                stored, breakers = await self._stored()
            except Unavailable:
                return render(None, [*gauges, _store_up(0.0)])
            return render(stored, [*gauges, *breakers, _store_up(1.0)])
        return render(None, [*gauges, _store_up(0.0)])

    async def _stored(self) -> tuple[list[CounterDelta], list[CounterDelta]]:
        with suppress(Unavailable):  # a full disk can still be read; what was counted is written later
            await flush(self._counters[-1], self._registry)
        *found, breakers, webhooks, knowledge, decisions, workflows = await asyncio.gather(
            *(store.all() for store in self._counters),
            self._breakers(),
            self._webhooks.gauges(),
            self._knowledge.gauges(),
            self._decisions.gauges(),
            self._workflows.gauges(),
        )
        return [row for rows in found for row in rows], [*(*breakers, *webhooks, *knowledge, *decisions, *workflows)]

    async def _breakers(self) -> list[CounterDelta]:
        return [
            CounterDelta("aragora_circuit_breaker_state", (("agent", view.agent),), BREAKER_STATES[view.state])
            for view in await self._agents.breakers()
        ]

    async def _sockets(self) -> list[CounterDelta]:
        """Nothing while the shared state is away."""
        try:
            totals = await self._connections.totals()
        except AragoraError:
            return []
        return [CounterDelta("aragora_websocket_connections", (), float(totals.connections))]


def _store_up(reading: float) -> CounterDelta:
    return CounterDelta("aragora_store_up", (), reading)
