"""What replicas read without waking an actor: agents, ratings, connections, and the keys that check receipts."""

from __future__ import annotations

import asyncio
from collections.abc import Mapping
from pathlib import Path
from typing import Any, Final

from actors.kinds import AGENT, SHARED, SHARED_KEY
from actors.runtime import Runtime
from aragora.agents import catalog
from aragora.agents.breaker_store import BreakerStore
from aragora.config.settings import Settings
from aragora.encoding import to_plain
from aragora.observability.samples import buckets_by, quantile
from aragora.ranking.store import RatingStore
from aragora.receipts.signing import trusted_keys
from aragora.receipts.verifying import verify
from aragora.server.ports import AgentView, BreakerView, ConnectionTotals, Rating
from aragora.storage.counters import CounterStore

TIMEOUT_S: Final = 5.0
LATENCY: Final = "aragora_agent_latency_seconds_bucket"


class StoredAgentBoard:
    """Fulfils `AgentBoard`: the catalog, the rows of the breakers, and latencies out of the durable histogram."""

    def __init__(self, runtime: Runtime, settings: Settings, breakers: BreakerStore, counters: CounterStore) -> None:
        self._runtime = runtime
        self._specs = catalog.available(settings)
        self._breakers = breakers
        self._counters = counters

    async def breakers(self) -> list[BreakerView]:
        rows = await self._breakers.all()
        views = []
        for spec in self._specs:
            stored = rows.get(spec.name)
            if stored is None:
                views.append(BreakerView(spec.name, "closed"))
            else:
                row, _ = stored
                views.append(
                    BreakerView(
                        spec.name, row.state, row.consecutive_failures, row.opened_at, row.retry_at, row.last_error
                    )
                )
        return views

    async def agents(self) -> list[AgentView]:
        latencies = buckets_by("agent", LATENCY, await self._counters.all())
        awake = {key.partition("#")[0] for key in await self._runtime.alive(AGENT)}
        views = []
        for spec, breaker in zip(self._specs, await self.breakers(), strict=True):
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
                )
            )
        return views


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


class KeyedVerifier:
    """Fulfils `ReceiptVerifier` with the keys that this installation has ever signed with."""

    def __init__(self, data_dir: Path) -> None:
        self._data_dir = data_dir

    async def verify(self, document: Mapping[str, Any]) -> tuple[bool, list[dict[str, Any]]]:
        keys = await asyncio.to_thread(trusted_keys, self._data_dir)
        valid, checks = verify(document, keys)
        return valid, [to_plain(check) for check in checks]
