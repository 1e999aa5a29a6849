"""The words of a debate: specification, asks, answers, and the events its journal is made of.

Everything here is immutable data. An `Ask` is an answer the machine still wants; a `Reply`
is what an agent gave back; an event is what happened, in the past tense. It is one long file because the words
refer to each other and are read together. Each event class has a wire name in
`WIRE_NAMES`: the `type` of the journal row and of the WebSocket envelope.
"""

from __future__ import annotations

from dataclasses import dataclass, field
from enum import StrEnum
from typing import Final

from aragora.ids import LOCAL_ORG


class DebateStatus(StrEnum):
    """Where a debate stands."""

    QUEUED = "queued"
    ACTIVE = "active"
    COMPLETED = "completed"
    FAILED = "failed"
    CANCELLED = "cancelled"

    @property
    def ended(self) -> bool:
        """Whether the debate is over: it changes no more."""
        return self not in (DebateStatus.QUEUED, DebateStatus.ACTIVE)


class AskKind(StrEnum):
    """What an agent is asked to do."""

    PROPOSE = "propose"
    CRITIQUE = "critique"
    REVISE = "revise"
    CHALLENGE = "challenge"  # the Trickster's: give your own reasons, or change your mind
    RANK = "rank"  # order all anonymous answers (council)
    VOTE = "vote"
    SYNTHESIZE = "synthesize"  # the chair's (council)
    JUDGE = "judge"  # the judge's (duel, consensus mode judge)


class ConsensusMode(StrEnum):
    """How votes become a decision."""

    MAJORITY = "majority"
    SUPERMAJORITY = "supermajority"
    UNANIMOUS = "unanimous"
    WEIGHTED = "weighted"
    JUDGE = "judge"
    NONE = "none"


class Topology(StrEnum):
    """Who criticises whom."""

    ALL_TO_ALL = "all_to_all"
    RING = "ring"
    STAR = "star"
    SPARSE = "sparse"


@dataclass(frozen=True, slots=True)
class Protocol:
    """The settings of the one machine; presets are in `aragora.debate.protocol`.

    Times are seconds. `quorum` is the share of a phase's asks that must be answered before the phase may close
    without the rest; from then on stragglers have `grace_s`. `threshold` is the share of weight that decides.
    """

    name: str
    rounds: int = 3
    critique: bool = True
    revise: bool = True
    rank: bool = False
    synthesize: bool = False
    judged: bool = False
    consensus: ConsensusMode = ConsensusMode.MAJORITY
    threshold: float = 0.5
    topology: Topology = Topology.ALL_TO_ALL
    convergence_threshold: float = 0.85
    early_stop: bool = True
    trickster: bool = True
    quorum: float = 0.5
    phase_deadline_s: float = 120.0
    grace_s: float = 10.0
    self_vote_weight: float = 0.5


START_ELO: Final = 1500.0
"""The rating of an agent that has not been rated yet."""


@dataclass(frozen=True, slots=True)
class Standing:
    """What is known of an agent when the debate opens; it weighs votes in the mode `weighted`."""

    elo: float = START_ELO
    calibration: float = 0.5  # 1 minus the Brier score, 0..1


@dataclass(frozen=True, slots=True)
class DebateSpec:
    """What was asked: everything the machine needs besides answers, fixed when the debate opens."""

    debate_id: str
    question: str
    agents: tuple[str, ...]
    protocol: Protocol
    seed: int  # source of every shuffle, so that a replay shuffles alike
    context: str = ""
    domain: str = "general"
    budget_usd: float | None = None
    standings: dict[str, Standing] = field(default_factory=dict)
    judge: str | None = None  # who judges or chairs; None: the agent with the highest elo
    created_by: str = "local"
    org_id: str = LOCAL_ORG


# --- Asks and replies ------------------------------------------------------------------------------------


@dataclass(frozen=True, slots=True)
class Candidate:
    """One anonymous answer as a critic or voter sees it."""

    label: str
    text: str


@dataclass(frozen=True, slots=True)
class Brief:
    """All an agent may know for one ask: the material of its prompt. Names of other agents never appear."""

    question: str
    context: str = ""
    round: int = 1
    own: str = ""  # the agent's own latest proposal
    candidates: tuple[Candidate, ...] = ()  # the target (critique), the others (revise), the ballot (vote)
    critiques: tuple[str, ...] = ()  # what was said against `own`; on a ballot, against each label ("A: ...")
    suggestions: tuple[str, ...] = ()  # what people suggested
    challenge: str = ""  # the Trickster's words


@dataclass(frozen=True, slots=True)
class Ask:
    """One answer the debate still wants. `ask_id` is a pure function of debate, round, kind, agent, target."""

    ask_id: str
    debate_id: str
    agent: str
    kind: AskKind
    round: int
    target: str | None = None  # the agent criticised


@dataclass(frozen=True, slots=True)
class AgentRequest:
    """What travels to an agent: the ask, its material, and how many seconds the answer is worth waiting for."""

    ask: Ask
    brief: Brief
    timeout_s: float


@dataclass(frozen=True, slots=True)
class Usage:
    """What one answer cost: tokens as the provider counted them, USD by the price table, seconds of latency."""

    provider: str
    model: str
    input_tokens: int = 0
    output_tokens: int = 0
    cost_usd: float = 0.0
    latency_s: float = 0.0


@dataclass(frozen=True, slots=True)
class Fallback:
    """The answer came from another provider than the agent's own, and why."""

    from_provider: str
    to_provider: str
    model: str
    reason: str  # error code of the failure that caused it, e.g. rate_limited, overloaded, breaker_open
    latency_s: float = 0.0


@dataclass(frozen=True, slots=True)
class Proposal:
    """An answer to the question (propose, revise, challenge, synthesize)."""

    text: str
    confidence: float = 0.5
    evidence: tuple[str, ...] = ()


@dataclass(frozen=True, slots=True)
class Critique:
    """What is wrong with another's answer. `severity` 0 (fine) to 1 (fatal)."""

    issues: tuple[str, ...]
    suggestions: tuple[str, ...] = ()
    severity: float = 0.5


@dataclass(frozen=True, slots=True)
class Ballot:
    """A vote, a ranking or a verdict over the labels of the brief's candidates."""

    choice: str
    confidence: float = 0.5
    reason: str = ""
    ranking: tuple[str, ...] = ()


Content = Proposal | Critique | Ballot


@dataclass(frozen=True, slots=True)
class AgentAnswer:
    """An agent's valid answer to one ask."""

    ask_id: str
    agent: str
    content: Content
    usage: Usage
    fallback: Fallback | None = None


MALFORMED_ANSWER: Final = "malformed_answer"
"""The code of a failure: the agent answered, but not in the form that was asked for."""
MALFORMED_ASK: Final = "malformed_ask"
"""The code of a failure: the ask itself could not be sent to the agent, or not be read there."""
AGENT_LOST: Final = "agent_lost"
"""The code of a failure: the agent's process, or the way to it, was lost each time that the ask was sent."""


DEADLINE: Final = "deadline"
"""The code of a failure: the phase closed before the agent answered. Its answer may come later, and cost something."""


@dataclass(frozen=True, slots=True)
class AgentFailure:
    """An agent could not answer. `usage` is what the attempt cost, `fallback` a fallback that failed too."""

    ask_id: str
    agent: str
    code: str
    message: str
    usage: Usage | None = None
    fallback: Fallback | None = None


Reply = AgentAnswer | AgentFailure


# --- Decision --------------------------------------------------------------------------------------------


@dataclass(frozen=True, slots=True)
class Tally:
    """How one final answer fared: voters by name, and the weight their votes carried."""

    agent: str
    votes: int
    weight: float
    voters: tuple[str, ...] = ()


@dataclass(frozen=True, slots=True)
class Dissent:
    """Who preferred another answer, and why."""

    agent: str
    choice: str
    reason: str


@dataclass(frozen=True, slots=True)
class Decision:
    """What the debate settled. `reached` is False where the mode's threshold was missed: then `answer` is the
    leading answer and `confidence` says how weakly it leads (0..1)."""

    reached: bool
    answer: str
    winner: str | None
    confidence: float
    mode: ConsensusMode
    tallies: tuple[Tally, ...]
    dissent: tuple[Dissent, ...]
    rounds: int
    cost_usd: float
    stopped_by: str = "rounds"  # rounds, convergence, budget
    explanation: str = ""  # one or two sentences for people: how it was counted, how a tie was broken, what was missing


# --- Events ----------------------------------------------------------------------------------------------


@dataclass(frozen=True, slots=True)
class DebateOpened:
    spec: DebateSpec


@dataclass(frozen=True, slots=True)
class RoundStarted:
    round: int
    agents: tuple[str, ...]


@dataclass(frozen=True, slots=True)
class AnswerGiven:
    """A proposal, revision, challenge answer or synthesis."""

    round: int
    agent: str
    ask_id: str
    kind: AskKind
    content: str
    confidence: float
    evidence: tuple[str, ...]
    usage: Usage
    fallback: Fallback | None = None


@dataclass(frozen=True, slots=True)
class CritiqueGiven:
    round: int
    agent: str
    target: str
    ask_id: str
    issues: tuple[str, ...]
    suggestions: tuple[str, ...]
    severity: float
    usage: Usage
    fallback: Fallback | None = None


@dataclass(frozen=True, slots=True)
class VoteCast:
    """A vote, ranking or verdict, with the labels already turned back into names."""

    round: int
    agent: str
    ask_id: str
    kind: AskKind
    choice: str
    confidence: float
    reason: str
    ranking: tuple[str, ...]
    usage: Usage
    fallback: Fallback | None = None


@dataclass(frozen=True, slots=True)
class AgentFailed:
    """An ask is settled without an answer: the agent failed, or the phase closed without it (code deadline)."""

    round: int
    agent: str
    ask_id: str
    code: str
    message: str
    usage: Usage | None = None


@dataclass(frozen=True, slots=True)
class FallbackUsed:
    round: int
    agent: str
    ask_id: str
    fallback: Fallback
    succeeded: bool


@dataclass(frozen=True, slots=True)
class ConvergenceMeasured:
    round: int
    similarity: float
    converged: bool


@dataclass(frozen=True, slots=True)
class AgreementChallenged:
    """The Trickster found an agreement without shared reasons."""

    round: int
    reasons: tuple[str, ...]
    challenge: str


@dataclass(frozen=True, slots=True)
class PersonVoted:
    round: int
    person: str
    choice: str  # the name of an agent whose answer the person prefers
    intensity: int  # 1..10
    vote_id: str = ""


@dataclass(frozen=True, slots=True)
class PersonSuggested:
    round: int
    person: str
    text: str
    suggestion_id: str = ""


@dataclass(frozen=True, slots=True)
class ConsensusReached:
    """The votes are counted; `decision.reached` tells whether the mode's threshold was met."""

    round: int
    decision: Decision


@dataclass(frozen=True, slots=True)
class ReceiptIssued:
    receipt_id: str
    position: int
    hash: str
    previous_hash: str
    signature: str
    key_id: str


@dataclass(frozen=True, slots=True)
class DebateEnded:
    status: DebateStatus
    reason: str  # "decided", or what stopped it and what to do
    rounds: int = 0
    cost_usd: float = 0.0


Event = (
    DebateOpened
    | RoundStarted
    | AnswerGiven
    | CritiqueGiven
    | VoteCast
    | AgentFailed
    | FallbackUsed
    | ConvergenceMeasured
    | AgreementChallenged
    | PersonVoted
    | PersonSuggested
    | ConsensusReached
    | ReceiptIssued
    | DebateEnded
)

WIRE_NAMES: Final[dict[type, str]] = {
    DebateOpened: "debate_start",
    RoundStarted: "round_start",
    AnswerGiven: "agent_message",
    CritiqueGiven: "critique",
    VoteCast: "vote",
    AgentFailed: "agent_error",
    FallbackUsed: "fallback",
    ConvergenceMeasured: "convergence",
    AgreementChallenged: "trickster",
    PersonVoted: "user_vote",
    PersonSuggested: "user_suggestion",
    ConsensusReached: "consensus",
    ReceiptIssued: "receipt",
    DebateEnded: "debate_end",
}
