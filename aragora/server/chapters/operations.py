"""The state of the server: health, metrics, agents and their ratings, WebSocket figures, circuit breakers.

Health is public, cheap, and quiet about everything else.
"""

from __future__ import annotations

from collections import Counter
from collections.abc import Mapping, Sequence
from dataclasses import dataclass
from typing import Annotated, Final, Literal

from fastapi import Query
from pydantic import BaseModel, Field
from starlette.responses import PlainTextResponse, Response

from aragora import limits
from aragora.agents.agents_file import WORK
from aragora.debate.records import SET_ASIDE
from aragora.errors import AragoraError
from aragora.identity.rbac import ADMIN, PUBLIC
from aragora.observability.exposition import CONTENT_TYPE
from aragora.server.chapter import Call, Chapter
from aragora.server.failures import failure
from aragora.server.nodes import NodeState, NodeView
from aragora.server.ports import (
    AgentBoard,
    ConnectionBoard,
    Leaderboard,
    Lifecycle,
    MetricsPage,
    NodeBoard,
    Readiness,
    Vitals,
    VitalSigns,
)
from aragora.server.schemas import Line
from aragora.server.views import json_response


@dataclass(frozen=True, slots=True)
class OperationsPorts:
    """What these routes call."""

    lifecycle: Lifecycle
    connections: ConnectionBoard
    agents: AgentBoard
    leaderboard: Leaderboard
    metrics: MetricsPage
    vitals: VitalSigns
    nodes: NodeBoard


operations: Chapter[OperationsPorts] = Chapter("operations")

_HEALTH: Final = {"ready": "healthy", "degraded": "degraded", "draining": "degraded"}
_RETRY_S: Final = 2.0
_NO_DATABASE: Final = "database: it does not answer; what runs waits for it"
_NODE: Final = {
    NodeState.DRAINING: "this node drains: send what is new to another one",
    NodeState.GONE: "this node has left the cluster: send what is new to another one",
}

# --- What comes out


class NodeCounts(BaseModel):
    ready: int
    draining: int
    gone: int
    without_replica: Annotated[int, Field(description="how many of those that are ready have no ingress replica")]


class Health(BaseModel):
    status: Literal["healthy", "degraded", "unhealthy"]
    version: str
    uptime: Annotated[int, Field(description="whole seconds since the server started")]
    reasons: Annotated[list[str], Field(description="why it is not healthy; absent where it is")] = []
    nodes: Annotated[NodeCounts | None, Field(description="absent on one machine")] = None


class WebSocketHealth(BaseModel):
    status: Literal["healthy", "unavailable"]
    clients: int
    message: str | None = None


class ReadyState(BaseModel):
    status: str
    reasons: list[str]


class ClusterNode(BaseModel):
    node_id: Annotated[str, Field(description="Ray's")]
    address: str
    state: Annotated[NodeState, Field(description="`gone` does not answer though nobody stopped it")]
    replica: Annotated[bool, Field(description="whether an ingress replica runs there")]


class ClusterNodes(BaseModel):
    nodes: list[ClusterNode]


class Breaker(BaseModel):
    agent: str
    state: Literal["closed", "half_open", "open"]
    consecutive_failures: int
    opened_at: float | None
    retry_at: float | None
    last_error: str | None


class Breakers(BaseModel):
    circuit_breakers: list[Breaker]


class Cause(BaseModel):
    code: Annotated[str, Field(description="wrong_key, not_allowed, no_credit, unknown_model or wrong_address")]
    message: Annotated[str, Field(description="what the provider said")]
    remedy: Annotated[str, Field(description="what a person can do about it")]


class Agent(BaseModel):
    name: str
    provider: str
    model: str
    breaker: Breaker
    last_error: str | None
    p50_latency_s: float | None
    p95_latency_s: float | None
    active: bool
    cause: Annotated[Cause | None, Field(description="why it is not asked until a person acts; null where it is fine")]


class Agents(BaseModel):
    agents: list[Agent]


class SocketStats(BaseModel):
    connections: int
    messages_sent: int
    messages_dropped: int


class Ranking(BaseModel):
    name: str
    elo: float
    domain: str
    debates: int
    wins: float
    calibration: float | None


class Rankings(BaseModel):
    agents: list[Ranking]


# --- Routes


@operations.get("/api/health", needs=PUBLIC, gives=Health, refuses=(503,), tag="health")
async def health(call: Call[OperationsPorts]) -> Response:
    """The server as a whole: `healthy`, `degraded` (working with a part away, or draining), or 503 `unhealthy` (not
    working yet)."""
    readiness = await call.ports.lifecycle.readiness()
    nodes = call.ports.nodes.nodes()
    troubles = (*_troubles(await call.ports.vitals.vitals()), *_missed(nodes))
    status = _HEALTH.get(readiness.state, "unhealthy")
    view: dict[str, object] = {
        "status": "degraded" if troubles and status == "healthy" else status,
        "version": call.config.version,
        "uptime": int(call.ports.lifecycle.uptime_s()),
    }
    if reasons := (*readiness.reasons, *troubles):
        view["reasons"] = reasons
    if len(nodes) > 1:
        view["nodes"] = _counts(nodes)
    if view["status"] == "unhealthy":
        return _not_ready(call, readiness, view)
    return json_response(view)


@operations.get("/api/health/live", needs=PUBLIC, gives=ReadyState, tag="health")
async def live(call: Call[OperationsPorts]) -> Response:  # noqa: ARG001  # one shape for all handlers of this chapter
    """This process answers; nothing more is claimed."""
    return json_response({"status": "live", "reasons": ()})


@operations.get("/api/health/ready", needs=PUBLIC, gives=ReadyState, refuses=(503,), tag="health")
async def ready(call: Call[OperationsPorts]) -> Response:
    """Whether the node that was asked may get new traffic: 503 while the server starts or drains, the node drains or is
    gone, or the database does not answer."""
    readiness = await call.ports.lifecycle.readiness()
    client = call.request.client
    node = call.ports.nodes.behind(client.host if client else None)
    if readiness.ready and node.state is not NodeState.READY:
        readiness = Readiness(node.state.value, (*readiness.reasons, _NODE[node.state]))
    if readiness.ready and not (await call.ports.vitals.vitals()).store_up:
        readiness = Readiness("unavailable", (*readiness.reasons, _NO_DATABASE))
    view = {"status": readiness.state, "reasons": readiness.reasons}
    if not readiness.ready:
        return _not_ready(call, readiness, view)
    return json_response(view)


@operations.get("/api/health/ws", needs=PUBLIC, gives=WebSocketHealth, tag="health")
async def websocket_health(call: Call[OperationsPorts]) -> Response:
    """How many WebSocket clients there are, over all replicas."""
    try:
        totals = await call.ports.connections.totals()
    except AragoraError as error:
        return json_response({"status": "unavailable", "clients": 0, "message": error.message})
    return json_response({"status": "healthy", "clients": totals.connections})


@operations.get("/metrics", needs=PUBLIC, gives=PlainTextResponse, tag="metrics")
@operations.get("/api/metrics", needs=PUBLIC, gives=PlainTextResponse, tag="metrics")
async def metrics(call: Call[OperationsPorts]) -> Response:
    """The text format 0.0.4, the same from every replica."""
    return Response(await call.ports.metrics.exposition(), media_type=CONTENT_TYPE)


@operations.get("/api/agents/health", needs=PUBLIC, gives=Agents, refuses=(503,), tag="agents")
async def agents_health(call: Call[OperationsPorts]) -> Response:
    """Per agent: provider, model, breaker, last error, latencies. Wakes no agent."""
    return json_response({"agents": await call.ports.agents.agents()})


@operations.get("/api/ws/stats", needs=PUBLIC, gives=SocketStats, refuses=(503,))
async def websocket_stats(call: Call[OperationsPorts]) -> Response:
    """WebSocket figures over all replicas."""
    return json_response(await call.ports.connections.totals())


@operations.get("/api/circuit-breakers", needs=PUBLIC, gives=Breakers, refuses=(503,))
async def circuit_breakers(call: Call[OperationsPorts]) -> Response:
    """Every agent's circuit breaker."""
    return await _breakers(call.ports)


@operations.get("/api/system/circuit-breakers", needs=ADMIN, gives=Breakers)
async def system_circuit_breakers(call: Call[OperationsPorts]) -> Response:
    """The same for the admin console."""
    return await _breakers(call.ports)


@operations.get("/api/system/nodes", needs=ADMIN, gives=ClusterNodes)
async def nodes(call: Call[OperationsPorts]) -> Response:
    """Every node of the cluster: its address, whether it takes new traffic, whether it has a replica."""
    return json_response({"nodes": call.ports.nodes.nodes()})


@operations.get("/api/leaderboard/rankings", needs=PUBLIC, gives=Rankings, refuses=(503,), tag="leaderboard")
async def rankings(
    call: Call[OperationsPorts],
    domain: Annotated[Line | None, Query(max_length=limits.NAME_MAX_CHARS)] = None,
    limit: Annotated[int, Query(ge=1, le=1_000)] = 100,
) -> Response:
    """Best first; without a domain the overall rating."""
    return json_response({"agents": await call.ports.leaderboard.rankings(domain, limit)})


_TROUBLES: Final = {
    SET_ASIDE: "debates are set aside: not even their end could be written; they are tried again at the next start",
    WORK: "agents.toml is wrong: what it declared before stays in force; `aragora doctor` tells line and remedy, and so "
    "does the server's log (logs/server.log in the data directory, or ARAGORA_LOG_FILE)",
}


async def _breakers(ports: OperationsPorts) -> Response:
    return json_response({"circuit_breakers": await ports.agents.breakers()})


def _troubles(vitals: Vitals) -> tuple[str, ...]:
    """What does not work, for people; the log has the causes, which are nobody else's business."""
    database = () if vitals.store_up else (_NO_DATABASE,)
    return (
        *database,
        *(_TROUBLES.get(name, f"background work fails and is tried again: {name}") for name in vitals.troubled),
    )


def _counts(nodes: Sequence[NodeView]) -> dict[str, int]:
    """How many nodes there are of each kind. Their addresses are for administrators."""
    counts = Counter(node.state.value for node in nodes)
    idle = sum(node.state is NodeState.READY and not node.replica for node in nodes)
    return {**{state.value: counts[state.value] for state in NodeState}, "without_replica": idle}


def _missed(nodes: Sequence[NodeView]) -> tuple[str, ...]:
    gone = sum(node.state is NodeState.GONE for node in nodes)
    return (f"of {len(nodes)} nodes, {gone} left without being stopped",) if gone else ()


def _not_ready(call: Call[OperationsPorts], readiness: Readiness, view: Mapping[str, object]) -> Response:
    message = "; ".join(readiness.reasons) or f"The server is {readiness.state}. Try again shortly."
    return failure(call.request.scope, 503, "unavailable", message, retry_after_s=_RETRY_S, extra=dict(view))
