"""The shapes of requests and responses at the edge; the OpenAPI document is made of them.

Requests are validated by these models. Responses are encoded straight from records (`aragora.server.views`) and
only described here; a test holds the two together.
"""

from __future__ import annotations

from typing import Annotated, Any, Literal

from pydantic import BaseModel, ConfigDict, Field, model_validator

from aragora import limits
from aragora.debate.model import ConsensusMode, DebateStatus, Topology
from aragora.debate.proposition import Proposition

_Name = Annotated[str, Field(min_length=1, max_length=limits.NAME_MAX_CHARS)]


class _Request(BaseModel):
    model_config = ConfigDict(extra="forbid", str_strip_whitespace=True, allow_inf_nan=False)


class CreateDebate(_Request):
    """A question to settle. Without `agents` the server chooses from those available."""

    question: Annotated[str, Field(min_length=1, max_length=limits.QUESTION_MAX_CHARS)]
    agents: Annotated[tuple[_Name, ...], Field(max_length=limits.AGENTS_MAX)] = ()
    protocol: _Name = "structured"
    rounds: Annotated[int, Field(ge=limits.ROUNDS_MIN, le=limits.ROUNDS_MAX)] | None = None
    consensus: ConsensusMode | None = None
    topology: Topology | None = None
    context: Annotated[str, Field(max_length=limits.CONTEXT_MAX_CHARS)] = ""
    domain: _Name = "general"
    budget_usd: Annotated[float, Field(gt=0, le=limits.BUDGET_MAX_USD)] | None = None

    def proposition(self, *, created_by: str, org_id: str) -> Proposition:
        """What is asked for, and by whom. The fields here bear the names that they have there."""
        return Proposition(**dict(self), created_by=created_by, org_id=org_id)


class CastVote(_Request):
    """A person's vote for an agent's answer, or a suggestion to all agents: one of the two."""

    choice: _Name | None = None
    intensity: Annotated[int, Field(ge=limits.INTENSITY_MIN, le=limits.INTENSITY_MAX)] = 5
    suggestion: Annotated[str, Field(min_length=1, max_length=limits.SUGGESTION_MAX_CHARS)] | None = None

    @model_validator(mode="after")
    def _one_of_two(self) -> CastVote:
        if (self.choice is None) == (self.suggestion is None):
            raise ValueError("send either 'choice' or 'suggestion'")
        return self


class ErrorDetail(BaseModel):
    code: str
    message: str


class Failure(BaseModel):
    """Every failure of every route."""

    error: ErrorDetail
    request_id: str


class Health(BaseModel):
    status: Literal["healthy", "degraded", "unhealthy"]
    version: str
    uptime: Annotated[int, Field(description="whole seconds since the server started")]


class WebSocketHealth(BaseModel):
    status: Literal["healthy", "unavailable"]
    clients: int
    message: str | None = None


class ReadyState(BaseModel):
    status: str
    reasons: list[str]


class Breaker(BaseModel):
    agent: str
    state: Literal["closed", "half_open", "open"]
    consecutive_failures: int
    opened_at: float | None
    retry_at: float | None
    last_error: str | None


class Breakers(BaseModel):
    circuit_breakers: list[Breaker]


class Agent(BaseModel):
    name: str
    provider: str
    model: str
    breaker: Breaker
    last_error: str | None
    p50_latency_s: float | None
    p95_latency_s: float | None
    active: bool


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


class Ticket(BaseModel):
    debate_id: str
    status: DebateStatus
    ws_url: str


class CancelledDebate(BaseModel):
    debate_id: str
    status: DebateStatus


class Recorded(BaseModel):
    debate_id: str
    seq: Annotated[int, Field(description="the journal's number of this vote or suggestion")]


class DebateSummary(BaseModel):
    debate_id: str
    question: str
    status: DebateStatus
    rounds: int
    agents: list[str]
    protocol: str
    domain: str
    created_at: float
    updated_at: float
    cost_usd: float
    reason: str | None
    receipt_id: str | None
    last_seq: int


class DebateDetail(DebateSummary):
    context: str
    decision: dict[str, Any] | None


class DebateList(BaseModel):
    debates: list[DebateSummary]
    next_cursor: str | None


class EventPage(BaseModel):
    events: Annotated[list[dict[str, Any]], Field(description="envelopes in the order of seq")]
    next_after: Annotated[int, Field(description="pass as `after` to read on")]


class Check(BaseModel):
    name: str
    passed: bool
    detail: str


class Verification(BaseModel):
    valid: bool
    checks: list[Check]


_FAILURES = {
    401: "the caller has not shown who it is",
    403: "the caller may not do this",
    404: "there is no such thing",
    409: "the state of the thing does not allow this",
    413: "the body is too large",
    422: "the input is wrong",
    429: "too many requests; Retry-After says when to come back",
    503: "not now; Retry-After says when to come back",
}


def failures(*statuses: int) -> dict[int | str, dict[str, Any]]:
    """The `responses` of a route: its failures, all of one shape."""
    return {status: {"model": Failure, "description": _FAILURES[status]} for status in statuses}
