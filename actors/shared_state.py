"""What all replicas must agree on and what lives only in memory: the server's lifecycle, nodes that drain, live counts.

One actor `shared/state`. A watcher of the lifecycle holds a long poll and learns of a change at once. A process that
Ray starts again after a crash, or that an upgrade puts in the place of another, begins as ready: the command that sets
the state has done so already and would not do it again. Its version is the time, so that no watcher takes the new state
for one it knows. Of nodes that drain it knows nothing; the watchers do, and tell it (`LifecycleState.process`).
Replicas report their figures again by themselves.
"""

from __future__ import annotations

import asyncio
from collections.abc import Mapping
from dataclasses import dataclass, field, replace
from enum import StrEnum
from typing import Final

import ray

from actors.handover import is_replaced
from actors.virtual import VirtualActor
from aragora.config.settings import Settings
from aragora.ids import new_id
from aragora.server.error_notes import ErrorNote
from aragora.server.nodes import Told
from aragora.server.replica_figures import HeardFigures, Refusals, ReplicaReport

POLL_S: Final = 20.0
NODES_KEPT: Final = 1_000  # a node that starts again has another id
REPLICA_SILENT_S: Final = 30.0  # what a process told that stopped reporting no longer counts


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
    troubled: tuple[str, ...] = ()
    """The background work that some process has trouble with, by name."""
    nodes: Told = field(default_factory=Told)
    process: str = ""
    """Another one after a crash of this actor."""


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
        first = _first_state(self._clock.now(), again=_runs_again())
        self._lifecycle = replace(first, process=new_id("proc"))
        self._changed = asyncio.Event()
        self._replicas: dict[str, tuple[float, ConnectionCounts]] = {}
        self._gone = ConnectionCounts()
        self._troubled: dict[str, tuple[float, tuple[str, ...]]] = {}  # by process, with the time it told so
        self._figures = HeardFigures()

    async def set_lifecycle(self, state: LifecycleStage, reason: str = "") -> LifecycleState:
        """Enter `state` and tell every watcher."""
        self._change(replace(self._lifecycle, state=state, reason=reason))
        return self._lifecycle

    async def lifecycle(self, known: int = 0) -> LifecycleState:
        """The state as soon as its version is not `known`; the same one again after `POLL_S` seconds."""
        self._look_at_troubled()
        self._look_at_serving()
        if self._lifecycle.version == known:
            try:
                async with asyncio.timeout(POLL_S):
                    await self._changed.wait()
            except TimeoutError:
                return self._lifecycle
        return self._lifecycle

    async def report_trouble(self, process: str, troubled: tuple[str, ...]) -> None:
        """The background work that `process` has trouble with now; it says so again every few seconds."""
        self._troubled[process] = (self._clock.monotonic(), troubled)
        self._look_at_troubled()

    async def set_node_draining(self, node_id: str) -> None:
        """The node of this id, which is Ray's, gets no new traffic. Said again, it changes nothing."""
        nodes = self._lifecycle.nodes
        self._tell_of_nodes(replace(nodes, draining=_with(nodes.draining, node_id)))

    async def forget_node(self, node_id: str) -> None:
        """The node drains no more, and nobody misses it where it is gone."""
        nodes = self._lifecycle.nodes
        self._tell_of_nodes(
            replace(
                nodes,
                draining=tuple(one for one in nodes.draining if one != node_id),
                forgotten=_with(nodes.forgotten, node_id),
            )
        )

    async def report_replica(self, report: ReplicaReport) -> int:
        """What a replica notes and counts; returns how many of its notes have been heard."""
        heard = self._figures.hear(report, self._clock.monotonic())
        self._look_at_serving()
        return heard

    async def failures(self, limit: int) -> tuple[ErrorNote, ...]:
        """The last failed requests of all replicas, the newest first."""
        return self._figures.failures(limit)

    async def refusals(self) -> Refusals:
        """How often rate limits refused, summed over all replicas."""
        return self._figures.refusals(self._clock.monotonic())

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

    def _look_at_troubled(self) -> None:
        """Tell every watcher where the work in trouble is another than before. A process that is silent has ended."""
        now = self._clock.monotonic()
        self._troubled = {
            process: (at, names)
            for process, (at, names) in self._troubled.items()
            if names and now - at <= REPLICA_SILENT_S
        }
        troubled = tuple(sorted({name for _, names in self._troubled.values() for name in names}))
        if troubled != self._lifecycle.troubled:
            self._change(replace(self._lifecycle, troubled=troubled))

    def _look_at_serving(self) -> None:
        self._tell_of_nodes(replace(self._lifecycle.nodes, serving=self._figures.serving(self._clock.monotonic())))

    def _tell_of_nodes(self, nodes: Told) -> None:
        if nodes != self._lifecycle.nodes:
            self._change(replace(self._lifecycle, nodes=nodes))

    def _change(self, state: LifecycleState) -> None:
        self._lifecycle = replace(state, version=self._lifecycle.version + 1)
        self._changed.set()
        self._changed = asyncio.Event()


def _runs_again() -> bool:
    """Ray is asked only inside a cluster: elsewhere the question would start one."""
    if not ray.is_initialized():
        return False
    return bool(ray.get_runtime_context().was_current_actor_reconstructed) or is_replaced()


def _first_state(now: float, *, again: bool) -> LifecycleState:
    """The state of a process that has just begun, for the first time or `again`, after one that was ready."""
    if again:
        return LifecycleState(int(now), LifecycleStage.READY, "", now)
    return LifecycleState(1, LifecycleStage.STARTING, "the server is starting", now)


def _with(node_ids: tuple[str, ...], node_id: str) -> tuple[str, ...]:
    """The ids with one more; of very many the oldest are dropped, which are long gone."""
    return node_ids if node_id in node_ids else (*node_ids, node_id)[-NODES_KEPT:]


def _sum(counts: Mapping[str, ConnectionCounts], *, connections: bool = True) -> ConnectionCounts:
    return ConnectionCounts(
        sum(count.connections for count in counts.values()) if connections else 0,
        sum(count.sent for count in counts.values()),
        sum(count.dropped for count in counts.values()),
    )
