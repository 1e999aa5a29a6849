"""The words of a debate: specification, asks, answers, and the events its journal is made of.

Everything here is immutable data. An `Ask` is an answer the machine still wants; a `Reply` is what an agent gave back;
an event is what happened, in the past tense. Each event class has a wire name in `WIRE_NAMES`: the `type` of the
journal row and of the WebSocket envelope. It is one long file because the words refer to each other and are read
together.
"""

from __future__ import annotations

from dataclasses import dataclass, field
from enum import StrEnum
from typing import Final

from aragora.debate.hints import OfferedCrux, OfferedIssue, OfferedPrior
from aragora.debate.knowledge import NotOffered, OfferedItem
from aragora.ids import LOCAL_ORG
from aragora.scope import DEFAULT_WORKSPACE


class DebateStatus(StrEnum):
    """Where a debate stands."""

    QUEUED = "queued"
    ACTIVE = "active"
    WAITING = "waiting"  # for people, who must sign its decision
    COMPLETED = "completed"
    FAILED = "failed"
    CANCELLED = "cancelled"

    @property
    def ended(self) -> bool:
        """Whether the debate is over: it changes no more."""
        return self not in (DebateStatus.QUEUED, DebateStatus.ACTIVE, DebateStatus.WAITING)


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
    GROUP = "group"  # which answers come to the same conclusion?


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

    POSITIONS = "positions"  # each position the next one, by one spokesman each
    ALL_TO_ALL = "all_to_all"
    RING = "ring"
    STAR = "star"
    SPARSE = "sparse"


@dataclass(frozen=True, slots=True)
class Protocol:
    """The settings of the one machine; presets are in `aragora.debate.protocol`.

    Times are seconds. `quorum` is the share of a phase's asks that must be answered before the phase may close
    without the rest; from then on stragglers have `grace_s`. `threshold` is the share of weight that decides.
    `positions`: answers that come to the same conclusion are found and counted as one; without it each answer stands
    for itself, as in journals of versions that knew no positions. `settles`: no further round once no position moved.
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
    positions: bool = False
    settles: bool = False


START_ELO: Final = 1500.0
"""The rating of an agent that has not been rated yet."""


@dataclass(frozen=True, slots=True)
class Standing:
    """What is known of an agent when the debate opens; it weighs votes in the mode `weighted`."""

    elo: float = START_ELO
    calibration: float = 0.5  # 1 minus the Brier score, 0..1


@dataclass(frozen=True, slots=True)
class AgentPrice:
    """What an agent's tokens cost at most, its fallback's included: USD per million, and the tokens of one answer."""

    input_usd_per_mtok: float
    output_usd_per_mtok: float
    max_output_tokens: int


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
    options: tuple[str, ...] = ()  # what there is to choose from; empty: an open question
    needs: tuple[str, ...] = ()  # who must sign the decision: user:ID or role:NAME
    prices: dict[str, AgentPrice] = field(default_factory=dict)  # of agents that cost something
    created_by: str = "local"
    org_id: str = LOCAL_ORG
    workspace: str = DEFAULT_WORKSPACE
    knowledge: bool = False  # whether the opening looks for knowledge; no debate of earlier versions did
    suggested: tuple[str, ...] = ()  # settings of it that its opener left to what suits the workspace, each with why
    revalidates: str = ""  # the debate whose decision this server has debated again by itself; empty: a person asked
    serves: str = ""  # the step of a workflow that asked for it, as EXECUTION/ASK; empty: none did


# --- Asks and replies ------------------------------------------------------------------------------------


@dataclass(frozen=True, slots=True)
class Candidate:
    """One anonymous answer as a critic or voter sees it."""

    label: str
    text: str


@dataclass(frozen=True, slots=True)
class Known:
    """An offered item as an agent sees it: `about` says in our words what it is, of when, and how far to trust it."""

    label: str
    about: str
    text: str
    dissent: str = ""


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
    options: tuple[str, ...] = ()  # of which an answer names one; empty: an open question
    leading: str = ""  # for the chair: the label of the position that the votes put first
    left_out: tuple[str, ...] = ()  # what there is and the agent does not see, for the record
    knowledge: tuple[Known, ...] = ()  # what the debate was offered; of who judges answers: what these cite of it
    nothing_known: bool = False  # knowledge was looked for, and nothing belongs to the question
    unfounded: tuple[str, ...] = ()  # labels that the target cites though no such item was offered (critique)
    checklist: tuple[str, ...] = ()  # issues that earlier debates of the domain turned on (critique)
    priors: tuple[str, ...] = ()  # where earlier debates of the question stand, a line for each position (answers)
    cruxes: tuple[
        str, ...
    ] = ()  # claims that divided these debates (answers, but those to a challenge, which names them)


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
    """What travels to an agent: the ask, its material, how many seconds the answer is worth waiting for, and what all
    its calls together may cost in USD (None: no budget holds it)."""

    ask: Ask
    brief: Brief
    timeout_s: float
    reserved_usd: float | None = None


@dataclass(frozen=True, slots=True)
class Usage:
    """What one answer cost: tokens as the provider counted them, USD by the price table, seconds of latency.
    `estimated`: at least one call has no believable count of its provider."""

    provider: str
    model: str
    input_tokens: int = 0
    output_tokens: int = 0
    cost_usd: float = 0.0
    latency_s: float = 0.0
    estimated: bool = False


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
    """An answer to the question (propose, revise, challenge, synthesize). `option` is the one of the brief's options
    that it chooses; empty where there are none."""

    text: str
    confidence: float = 0.5
    evidence: tuple[str, ...] = ()
    option: str = ""


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


@dataclass(frozen=True, slots=True)
class Grouping:
    """Which of the brief's candidates come to the same conclusion: labels, each in one group."""

    groups: tuple[tuple[str, ...], ...]
    reason: str = ""


@dataclass(frozen=True, slots=True)
class Abstention:
    """The agent gave no answer, or no vote, of its own will: it refused, or said that it cannot tell."""

    reason: str


ABSTAIN: Final = "ABSTAIN"
"""What an agent writes in place of a choice or an answer where it gives none."""

Content = Proposal | Critique | Ballot | Grouping | Abstention


@dataclass(frozen=True, slots=True)
class AgentAnswer:
    """An agent's valid answer to one ask. `remarks` say what a reader of the record must know about how it came to
    be: a confidence that could not be read, a text that was shortened, material that the agent did not see."""

    ask_id: str
    agent: str
    content: Content
    usage: Usage
    fallback: Fallback | None = None
    remarks: tuple[str, ...] = ()


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
class Position:
    """One conclusion and those who came to it. `name` is the option, or the first sentence of the spokesman's answer;
    the spokesman is the author whose answer stands for the position on ballots."""

    name: str
    spokesman: str
    authors: tuple[str, ...]


@dataclass(frozen=True, slots=True)
class Tally:
    """How one position fared: `agent` is its spokesman; voters by name, and the weight their votes carried. Decisions
    of versions that knew no positions have no `authors`: `agent` was the only one."""

    agent: str
    votes: int
    weight: float
    voters: tuple[str, ...] = ()
    position: str = ""
    authors: tuple[str, ...] = ()


@dataclass(frozen=True, slots=True)
class Dissent:
    """Who preferred another answer, and why."""

    agent: str
    choice: str
    reason: str


@dataclass(frozen=True, slots=True)
class Absence:
    """An agent that gave no answer, or no vote: `code` is that of its failure, or `abstained`; `wanted` what was asked
    of it."""

    agent: str
    wanted: str  # answer, vote, verdict, synthesis
    code: str
    message: str


@dataclass(frozen=True, slots=True)
class Participation:
    """Who took part in a decision. `entitled` could vote; `voted` did, by a ballot or, where no vote was asked because
    all answers came to one conclusion, by their answers. `models` are those that answered, as `provider/model`.
    `degraded` says what was missing; empty where nothing was."""

    asked: tuple[str, ...]
    answered: tuple[str, ...]
    entitled: tuple[str, ...]
    voted: tuple[str, ...]
    absent: tuple[Absence, ...]
    providers: tuple[str, ...]
    models: tuple[str, ...]
    degraded: tuple[str, ...] = ()


class Verdict(StrEnum):
    """What a person says to a proposed decision."""

    APPROVE = "approve"
    CHANGE = "change"
    VETO = "veto"


@dataclass(frozen=True, slots=True)
class Signature:
    """Who signed a decision, for which need, and what for."""

    need: str
    person: str
    verdict: Verdict
    note: str = ""


@dataclass(frozen=True, slots=True)
class Decision:
    """What the debate settled. `reached` is False where the mode's threshold was missed: then `answer` is the
    leading answer.

    `headline` says in one line what was decided, by how many, and whether the result is degraded. `confidence` (0..1)
    is the share of those entitled to vote that stands behind the answer, weighed as votes are; `support` says it in
    words. `stated_confidence` is what those who stand behind it say of themselves, on average, and counts for nothing;
    None where none of them said it.
    """

    reached: bool
    answer: str
    winner: str | None
    confidence: float
    mode: ConsensusMode
    tallies: tuple[Tally, ...]
    dissent: tuple[Dissent, ...]
    rounds: int
    cost_usd: float
    stopped_by: str = "rounds"  # rounds, agreement, unmoved, budget; in old journals also convergence
    explanation: str = ""  # one or two sentences for people: how it was counted, how a tie was broken, what was missing
    headline: str = ""
    position: str = ""  # the option, or the conclusion of the winning position
    support: str = ""
    stated_confidence: float | None = None
    estimated_usd: float = 0.0  # the part of `cost_usd` that no provider counted
    unsettled_usd: float = 0.0  # what answers that never came may be billed besides, at most
    participation: Participation | None = None
    signatures: tuple[Signature, ...] = ()


# --- Events ----------------------------------------------------------------------------------------------


@dataclass(frozen=True, slots=True)
class DebateOpened:
    spec: DebateSpec


@dataclass(frozen=True, slots=True)
class KnowledgeOffered:
    """What the debate was offered before its first ask; without items, `why` says why. It is never looked for again.
    `checklist` is for critics, `priors` and `cruxes` for those who answer; journals of earlier versions have none."""

    items: tuple[OfferedItem, ...] = ()
    why: NotOffered | None = None
    checklist: tuple[OfferedIssue, ...] = ()
    priors: tuple[OfferedPrior, ...] = ()
    cruxes: tuple[OfferedCrux, ...] = ()


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
    option: str = ""
    remarks: tuple[str, ...] = ()


@dataclass(frozen=True, slots=True)
class KnowledgeCited:
    """An answer, told by the event before, cites what the debate was offered: `labels` in the order in which they come.
    `unknown` are labels that it cites though nobody was offered such an item."""

    round: int
    agent: str
    ask_id: str
    labels: tuple[str, ...]
    unknown: tuple[str, ...] = ()


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
    remarks: tuple[str, ...] = ()


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
    remarks: tuple[str, ...] = ()


@dataclass(frozen=True, slots=True)
class AnswersGrouped:
    """Which answers come to the same conclusion, as one agent read them: names, each holder of an answer once."""

    round: int
    agent: str
    ask_id: str
    groups: tuple[tuple[str, ...], ...]
    reason: str
    usage: Usage
    fallback: Fallback | None = None
    remarks: tuple[str, ...] = ()


@dataclass(frozen=True, slots=True)
class Abstained:
    """The agent answered an ask by not answering it; `kind` says what it was asked for."""

    round: int
    agent: str
    ask_id: str
    kind: AskKind
    reason: str
    usage: Usage
    fallback: Fallback | None = None
    remarks: tuple[str, ...] = ()


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
class LateAnswer:
    """The answer to an ask whose phase had closed: it counts for nothing, and what it cost counts."""

    round: int
    agent: str
    ask_id: str
    usage: Usage


@dataclass(frozen=True, slots=True)
class FallbackUsed:
    round: int
    agent: str
    ask_id: str
    fallback: Fallback
    succeeded: bool


@dataclass(frozen=True, slots=True)
class ConvergenceMeasured:
    """How far the answers of a round agree. `agreement` is the share of the answers in the largest position;
    `similarity` that of their words. `found_by` says how the positions were found: `options`, `texts`, or the agent
    that was asked; empty in journals of versions that knew none. `moved`: who stands elsewhere than a round ago."""

    round: int
    similarity: float
    converged: bool
    agreement: float = 0.0
    positions: tuple[Position, ...] = ()
    found_by: str = ""
    moved: tuple[str, ...] = ()


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
class PositionsCorrected:
    """A person says which answers come to the same conclusion: names of agents, each once. Who is not named stays
    where the machine put it."""

    round: int
    person: str
    groups: tuple[tuple[str, ...], ...]
    correction_id: str = ""


@dataclass(frozen=True, slots=True)
class DecisionProposed:
    """The agents decided, and people must sign: `missing` are the needs."""

    round: int
    decision: Decision
    missing: tuple[str, ...]


@dataclass(frozen=True, slots=True)
class DecisionSigned:
    """A person's word at the gate. `answer` and `option` are those of a change."""

    round: int
    person: str
    need: str
    verdict: Verdict
    note: str = ""
    answer: str = ""
    option: str = ""
    signature_id: str = ""


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


Replied = AnswerGiven | CritiqueGiven | VoteCast | AnswersGrouped | Abstained
"""The events of an answer that came in time, whatever it says."""

Event = (
    DebateOpened
    | KnowledgeOffered
    | RoundStarted
    | AnswerGiven
    | KnowledgeCited
    | CritiqueGiven
    | VoteCast
    | AnswersGrouped
    | Abstained
    | AgentFailed
    | LateAnswer
    | FallbackUsed
    | ConvergenceMeasured
    | AgreementChallenged
    | PersonVoted
    | PersonSuggested
    | PositionsCorrected
    | DecisionProposed
    | DecisionSigned
    | ConsensusReached
    | ReceiptIssued
    | DebateEnded
)

WIRE_NAMES: Final[dict[type, str]] = {
    DebateOpened: "debate_start",
    KnowledgeOffered: "knowledge_offered",
    RoundStarted: "round_start",
    AnswerGiven: "agent_message",
    KnowledgeCited: "knowledge_cited",
    CritiqueGiven: "critique",
    VoteCast: "vote",
    AnswersGrouped: "grouping",
    Abstained: "abstention",
    AgentFailed: "agent_error",
    LateAnswer: "late_answer",
    FallbackUsed: "fallback",
    ConvergenceMeasured: "convergence",
    AgreementChallenged: "trickster",
    PersonVoted: "user_vote",
    PersonSuggested: "user_suggestion",
    PositionsCorrected: "user_positions",
    DecisionProposed: "decision_proposed",
    DecisionSigned: "signature",
    ConsensusReached: "consensus",
    ReceiptIssued: "receipt",
    DebateEnded: "debate_end",
}
