"""What all replicas must agree on and what lives only in memory: the server's lifecycle and live counts.

One actor `shared/state`. A watcher of the lifecycle holds a long poll and learns of a change at once. A process that
Ray starts again after a crash begins as ready: the command that sets the state has done so already and would not do it
again. Its version is the time, so that no watcher takes the new state for one it knows.
"""

from __future__ import annotations

import asyncio
from collections.abc import Mapping
from dataclasses import dataclass
from enum import StrEnum
from typing import Final

import ray

from actors.virtual import VirtualActor
from aragora.config.settings import Settings

POLL_S: Final = 20.0
REPLICA_SILENT_S: Final = 30.0  # counts of a replica that stopped reporting no longer add to the gauges


class LifecycleStage(StrEnum):
    """What the server is doing, in this order."""

    STARTING = "starting"
    READY = "ready"
    DRAINING = "draining"
    """No new debates are admitted, those that run may end."""
    CLOSING = "closing"
    """Debates have ended or are left for the next start; WebSockets are closed. Clients still see `draining`."""


@dataclass(frozen=True, slots=True)
class LifecycleState:
    """`version` grows with every change; `since` is when the server started, in seconds since the epoch."""

    version: int
    state: LifecycleStage
    reason: str
    since: float


@dataclass(frozen=True, slots=True)
class ConnectionCounts:
    """WebSocket connections now, and messages sent and dropped since the server started."""

    connections: int = 0
    sent: int = 0
    dropped: int = 0


class SharedStateActor(VirtualActor):
    """The actor; `key` is always `state`."""

    def __init__(self, key: str, settings: Settings) -> None:
        super().__init__(key, settings)
        self._lifecycle = _first_state(self._clock.now(), again=_runs_again())
        self._changed = asyncio.Event()
        self._replicas: dict[str, tuple[float, ConnectionCounts]] = {}
        self._gone = ConnectionCounts()

    async def set_lifecycle(self, state: LifecycleStage, reason: str = "") -> LifecycleState:
        """Enter `state` and tell every watcher."""
        self._lifecycle = LifecycleState(self._lifecycle.version + 1, state, reason, self._lifecycle.since)
        self._changed.set()
        self._changed = asyncio.Event()
        return self._lifecycle

    async def lifecycle(self, known: int = 0) -> LifecycleState:
        """The state as soon as its version is not `known`; the same one again after `POLL_S` seconds."""
        if self._lifecycle.version == known:
            try:
                async with asyncio.timeout(POLL_S):
                    await self._changed.wait()
            except TimeoutError:
                return self._lifecycle
        return self._lifecycle

    async def report_connections(self, replica: str, connections: int, sent: int, dropped: int) -> None:
        """What a replica counts now; sent and dropped since that replica started."""
        self._replicas[replica] = (self._clock.monotonic(), ConnectionCounts(connections, sent, dropped))

    async def connections(self) -> ConnectionCounts:
        """The totals over all replicas; what replicas that are gone had sent stays in the sums."""
        now = self._clock.monotonic()
        for replica, (at, counts) in list(self._replicas.items()):
            if now - at > REPLICA_SILENT_S:
                self._gone = _sum({"gone": self._gone, replica: counts}, connections=False)
                del self._replicas[replica]
        return _sum({"gone": self._gone, **{name: counts for name, (_, counts) in self._replicas.items()}})


def _runs_again() -> bool:
    """Ray is asked only inside a cluster: elsewhere the question would start one."""
    return ray.is_initialized() and bool(ray.get_runtime_context().was_current_actor_reconstructed)


def _first_state(now: float, *, again: bool) -> LifecycleState:
    """The state of a process that has just begun, for the first time or `again` after a crash."""
    if again:
        return LifecycleState(int(now), LifecycleStage.READY, "", now)
    return LifecycleState(1, LifecycleStage.STARTING, "the server is starting", now)


def _sum(counts: Mapping[str, ConnectionCounts], *, connections: bool = True) -> ConnectionCounts:
    return ConnectionCounts(
        sum(count.connections for count in counts.values()) if connections else 0,
        sum(count.sent for count in counts.values()),
        sum(count.dropped for count in counts.values()),
    )
