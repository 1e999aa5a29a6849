"""What the routes call: ports without Ray. `aragora.composition` fulfils them with actor handles and stores.

Reads go straight to the stores; commands and live events go through the ports of the coordinator. Every
method raises only `aragora.errors.AragoraError`s.
"""

from __future__ import annotations

from collections.abc import AsyncGenerator, AsyncIterator, Callable, Mapping
from dataclasses import dataclass
from typing import Any, Protocol

from aragora import limits
from aragora.debate.forecast import Forecast
from aragora.debate.machine.gate import Signer, Word
from aragora.debate.model import DebateSpec, DebateStatus
from aragora.debate.proposition import Idempotency, Proposition
from aragora.debate.records import DebateRecord, ReceiptRecord
from aragora.identity.audit import Outcome
from aragora.identity.parts import Visit
from aragora.scope import Scope
from aragora.server.nodes import NodeView
from aragora.storage.cursors import Page


@dataclass(frozen=True, slots=True)
class DebateTicket:
    """What the opener gets back. `created` is False where the idempotency key was already known; `budget_usd` is what
    the debate may cost, None where its agents cost nothing; `forecast` what it will take, of one that was opened;
    `suggested` the settings that were taken from what suits the workspace, each with why."""

    debate_id: str
    status: DebateStatus
    created: bool = True
    budget_usd: float | None = None
    forecast: Forecast | None = None
    suggested: tuple[str, ...] = ()


@dataclass(frozen=True, slots=True)
class BreakerView:
    """One circuit breaker as operators see it; times are seconds since the epoch."""

    agent: str
    state: str  # closed, half_open, open
    consecutive_failures: int = 0
    opened_at: float | None = None
    retry_at: float | None = None
    last_error: str | None = None


@dataclass(frozen=True, slots=True)
class CauseView:
    """Why an agent cannot be asked until a person acts: a code, what the provider said, and what to do."""

    code: str
    message: str
    remedy: str


@dataclass(frozen=True, slots=True)
class AgentView:
    """One available agent with its health; latencies in seconds over its recent answers, None before the first."""

    name: str
    provider: str
    model: str
    breaker: BreakerView
    last_error: str | None = None
    p50_latency_s: float | None = None
    p95_latency_s: float | None = None
    active: bool = False  # has a process now
    cause: CauseView | None = None  # None where it is fine


@dataclass(frozen=True, slots=True)
class Readiness:
    """Whether the server takes work. `state`: starting, ready, draining, degraded."""

    state: str
    reasons: tuple[str, ...] = ()

    @property
    def ready(self) -> bool:
        return self.state in ("ready", "degraded")


@dataclass(frozen=True, slots=True)
class Vitals:
    """Whether the store answers, and the names of what is in trouble: background work that fails, debates that are
    set aside."""

    store_up: bool = True
    troubled: tuple[str, ...] = ()


@dataclass(frozen=True, slots=True)
class Rating:
    """One row of the leaderboard."""

    name: str
    elo: float
    domain: str
    debates: int
    wins: float
    calibration: float | None = None


class DebateCommands(Protocol):
    """Commands to the coordinator."""

    async def plan(self, proposition: Proposition) -> DebateSpec:
        """The debate that the proposition would open. Raises InvalidInput as opening it does."""
        ...

    async def open(
        self, proposition: Proposition, idempotency: Idempotency | None = None, debate_id: str | None = None
    ) -> DebateTicket:
        """Open it, under `debate_id` where the caller has made one (`aragora.ids.new_id`). Raises InvalidInput (unknown
        agent, protocol ...), Conflict (idempotency key reused for another body), BudgetExhausted, Unavailable with
        retry_after_s (full, starting or draining)."""
        ...

    async def cancel(self, debate_id: str, by: str) -> DebateTicket:
        """Raises NotFound, Conflict where the debate has ended."""
        ...

    async def vote(self, debate_id: str, person: str, choice: str, intensity: int) -> int:
        """Record a person's vote for an agent's answer; returns its seq. Raises NotFound, Conflict, InvalidInput."""
        ...

    async def sign(self, debate_id: str, signer: Signer, word: Word) -> int:
        """Record what a person says to the proposed decision; returns its seq. Raises NotFound, Conflict, Forbidden,
        InvalidInput."""
        ...

    async def correct(self, debate_id: str, person: str, groups: tuple[tuple[str, ...], ...]) -> int:
        """Record which answers a person says are one position; returns its seq. Raises as `suggest`."""
        ...

    async def suggest(self, debate_id: str, person: str, text: str) -> int:
        """Record a person's suggestion; returns its seq. Raises NotFound, Conflict, InvalidInput."""
        ...


class DebateReader(Protocol):
    """Reads of debates, from the store. What is out of the scope is not there."""

    async def get(self, debate_id: str, scope: Scope) -> DebateRecord:
        """Raises NotFound."""
        ...

    async def page(
        self,
        scope: Scope,
        *,
        status: DebateStatus | None = None,
        limit: int = 50,
        cursor: str | None = None,
        beginning: str | None = None,
    ) -> Page[DebateRecord]:
        """Newest first; with `beginning` (`aragora.ids.beginning_of_id`) those whose ids begin so. Raises InvalidInput
        on a cursor that is not one of ours."""
        ...

    def export(self, scope: Scope) -> AsyncIterator[DebateRecord]:
        """Every debate, oldest first, in bounded memory."""
        ...

    async def events(self, debate_id: str, after: int = 0, limit: int = 500) -> list[str]:
        """Encoded envelopes with seq > after, in order."""
        ...

    async def receipt(self, debate_id: str) -> ReceiptRecord:
        """Raises NotFound where the debate has none (yet)."""
        ...


@dataclass(frozen=True, slots=True)
class FeedItem:
    """One journaled event on its way to clients: encoded once, sent to all."""

    journal_id: str
    seq: int
    type: str
    payload: str


@dataclass(frozen=True, slots=True)
class JournalState:
    """How far a journal goes, and whether nothing more comes by itself. One that is over may go on all the same where
    a person has it tried again."""

    last_seq: int
    over: bool


class Journals(Protocol):
    """The stored journals of one sort, of debates or of executions; a journal has the id of what it is of.

    Attributes:
        ends: the types of events after which nothing comes.
        may_end: the types of events after which `state` says whether anything more comes.
    """

    ends: frozenset[str]
    may_end: frozenset[str]

    async def state(self, journal_id: str, scope: Scope) -> JournalState:
        """Raises NotFound, in the same words where there is none and where it is out of the scope, and Unavailable."""
        ...

    async def events(self, journal_id: str, after: int = 0, limit: int = 500) -> list[str]:
        """The envelopes with seq > after in order and without a gap. Raises Unavailable."""
        ...

    def is_last(self, payload: str) -> bool:
        """Whether an envelope is of an event after which nothing comes."""
        ...


class EventFeed(Protocol):
    """Live events of one sort of journals with replay, and between them what agents are writing, where that is
    wanted."""

    def follow(self, journal_id: str, after_seq: int = 0) -> AsyncGenerator[FeedItem, None]:
        """Every event with seq > after_seq exactly once and in order: first what is stored, then live, until the
        journal is over: then the iterator ends. Raises NotFound for an unknown journal. Items with seq 0 are messages
        of what agents are writing: only after `show`, and some of them may be missing."""
        ...

    def show(self, journal_id: str) -> None:
        """Whoever follows this debate, now or soon, also wants what its agents are writing; called again, from its
        beginning."""
        ...

    def hide(self, journal_id: str) -> None:
        """Nobody wants that any more."""
        ...


class Leaderboard(Protocol):
    async def rankings(self, domain: str | None = None, limit: int = 100) -> list[Rating]:
        """Best first; None is the overall rating."""
        ...


class AgentBoard(Protocol):
    """What is known of the agents. Reading it starts no agent."""

    async def agents(self) -> list[AgentView]: ...

    async def breakers(self) -> list[BreakerView]: ...


class MetricsPage(Protocol):
    async def exposition(self) -> str:
        """The whole cluster's metrics in Prometheus text format 0.0.4, at most 1 s old."""
        ...


class Lifecycle(Protocol):
    async def readiness(self) -> Readiness: ...

    def uptime_s(self) -> float:
        """Seconds since the server (not this replica) started."""
        ...

    async def closing(self) -> str:
        """Return, once the server drains, the reason to tell WebSocket clients."""
        ...


class NodeBoard(Protocol):
    """The nodes of the cluster, as they were known last."""

    def behind(self, peer: str | None) -> NodeView:
        """The node whose proxy sent a request that came from `peer`; this replica's own where that is none of the
        cluster's."""
        ...

    def nodes(self) -> tuple[NodeView, ...]:
        """Those that live and those that are missed."""
        ...


class VitalSigns(Protocol):
    async def vitals(self) -> Vitals:
        """How the parts behind the server do; cheap, whoever asks how often."""
        ...


class AuditTrail(Protocol):
    """Where a feature writes what was done through it."""

    async def note(
        self,
        visit: Visit,
        action: str,
        actor: str,
        org_id: str,
        outcome: Outcome = Outcome.SUCCESS,
        *,
        subject: str = "",
        target: str = "",
        **details: str,
    ) -> None:
        """Write one entry; `details` hold no secrets. Raises Unavailable: what cannot be audited is not done."""
        ...


class ReceiptVerifier(Protocol):
    async def verify(self, document: Mapping[str, Any]) -> tuple[bool, list[dict[str, Any]]]:
        """(valid, checks); each check has name, passed, detail."""
        ...


# --- Counting ----------------------------------------------------------------------------------------------

RequestObserver = Callable[[str, str, int, float], None]
"""Called for every request that is over: method, path template (`unmatched` for none), status, seconds."""


@dataclass(frozen=True, slots=True)
class ConnectionTotals:
    """WebSocket figures of all replicas together; messages since each replica started."""

    connections: int = 0
    messages_sent: int = 0
    messages_dropped: int = 0


class ConnectionBoard(Protocol):
    """Replicas report their WebSocket figures here; the sum is read here too."""

    async def report(self, replica_id: str, connections: int, sent: int, dropped: int) -> None:
        """Replace what this replica reported before. `sent` and `dropped` only ever grow. Reported once a
        second while figures change and every 10 s otherwise: a replica silent for 30 s is gone."""
        ...

    async def totals(self) -> ConnectionTotals: ...


@dataclass(frozen=True)
class ServerConfig:
    """What the routes need of the settings."""

    version: str
    ws_url: str  # e.g. ws://127.0.0.1:8765/ws
    environment: str = "development"
    allowed_origins: tuple[str, ...] = ()
    max_body_bytes: int = limits.BODY_MAX_BYTES
    ws_max_message_bytes: int = limits.WS_MESSAGE_MAX_BYTES
    ws_max_connections: int = 10_000
    ws_send_queue: int = 1_000
    ws_heartbeat_s: float = 30.0
    ws_max_subscriptions: int = 100  # per connection
    max_connections_per_user: int = limits.CONNECTIONS_PER_USER  # of all transports, in this process
    max_connections_per_address: int = limits.CONNECTIONS_PER_ADDRESS
    body_deadline_s: float = limits.BODY_DEADLINE_S
    bind_host: str = "127.0.0.1"  # where the server listens; decides what development may assume
    allowed_hosts: tuple[str, ...] = ()  # Host names accepted in development besides those of loopback
    replica_id: str = "local"
