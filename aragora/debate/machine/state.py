"""The state of one debate: what `apply` has made of its events so far, and where in the rules it stands.

Only `aragora.debate.machine.applying` changes it. Everything here is a function of the events: two states made of the
same events are equal.
"""

from __future__ import annotations

import math
from dataclasses import dataclass, field
from enum import StrEnum
from typing import Final

from aragora.debate.model import (
    Abstained,
    AgentFailed,
    AgreementChallenged,
    AnswerGiven,
    AnswersGrouped,
    Ask,
    AskKind,
    ConsensusMode,
    DebateEnded,
    DebateSpec,
    Decision,
    DecisionSigned,
    KnowledgeCited,
    KnowledgeOffered,
    PersonSuggested,
    PersonVoted,
    Position,
    Protocol,
    ReceiptIssued,
    Standing,
    VoteCast,
)


class Phase(StrEnum):
    """Where a debate stands. In asking phases it waits for agents, in the others for `advance`, at the end for
    nothing."""

    ROUND = "round"  # a round is due
    ANSWER = "answer"  # asking: propose or revise
    GROUP = "group"  # asking one agent: which answers come to the same conclusion?
    MEASURE = "measure"  # all answers of the round are in
    CHALLENGE = "challenge"  # asking
    CRITIQUE = "critique"  # asking
    RANK = "rank"  # asking
    VOTE = "vote"  # asking
    JUDGE = "judge"  # asking
    SYNTHESIZE = "synthesize"  # asking
    DECIDE = "decide"  # everything is counted that will be
    GATE = "gate"  # the decision is proposed, and waits for people's signatures
    SETTLED = "settled"  # the decision stands; the receipt may follow
    ENDED = "ended"


ASKING: Final = frozenset(
    {
        Phase.ANSWER,
        Phase.GROUP,
        Phase.CHALLENGE,
        Phase.CRITIQUE,
        Phase.RANK,
        Phase.VOTE,
        Phase.JUDGE,
        Phase.SYNTHESIZE,
    }
)

UNOPENED: Final = DebateSpec(debate_id="", question="", agents=(), protocol=Protocol("none"), seed=0)
_CLOSE: Final = 1e-9  # what rounding may add to a share of whole numbers
_NO_STANDING: Final = Standing()
_SMALLEST_WITH_SEPARATE_JUDGE: Final = 3


@dataclass(slots=True)
class DebateState:
    """Mutable, and changed by `apply` alone. Constructed empty; the first event is `DebateOpened`."""

    spec: DebateSpec = UNOPENED
    participants: tuple[str, ...] = ()  # who answers: the agents, without the judge where there are enough others
    offered: KnowledgeOffered | None = None
    cited: dict[str, KnowledgeCited] = field(default_factory=dict)  # by the ask that the answer settled
    phase: Phase = Phase.ROUND
    phases_opened: int = 0
    round: int = 0
    open: dict[str, Ask] = field(default_factory=dict)  # asks of the open phase without a reply
    waiting: dict[str, None] = field(default_factory=dict)  # asks of the open phase that the budget holds back, by id
    reserved: dict[str, float] = field(default_factory=dict)  # USD, by ask, until its answer comes
    late: dict[str, Ask] = field(default_factory=dict)  # asks whose phase closed without their answer
    wanted: int = 0  # asks of the open phase
    answered: int = 0  # of them, those with an answer
    answers: dict[str, AnswerGiven] = field(default_factory=dict)  # the latest of each agent
    shown: dict[str, AnswerGiven] = field(default_factory=dict)  # the answers that those who revise are shown
    shown_positions: tuple[Position, ...] = ()
    grouping: AnswersGrouped | None = None  # of the answers that stand now
    positions: tuple[Position, ...] = ()  # as they were measured last, or corrected since
    corrections: int = 0  # by people
    corrected_by: str = ""  # the person whose correction is in force
    moved: tuple[str, ...] = ()  # who stands elsewhere than a round ago
    critiques: dict[str, list[str]] = field(default_factory=dict)  # by the agent criticised
    critiques_round: int = 0
    ballot: tuple[str, ...] = ()  # the spokesmen whose answers stand on the ballot, as it was handed out
    ballots: dict[str, VoteCast] = field(default_factory=dict)  # votes or rankings, by voter
    ballots_wanted: int = 0
    abstained: dict[AskKind, dict[str, Abstained]] = field(default_factory=dict)  # the latest, by agent
    verdict: VoteCast | None = None
    leading: str = ""  # the spokesman of the position that the chair is asked to word
    synthesis: AnswerGiven | None = None
    persons: dict[str, PersonVoted] = field(default_factory=dict)  # the latest vote of each
    votes_by: dict[str, int] = field(default_factory=dict)  # how often each person voted
    suggestions: dict[str, str] = field(default_factory=dict)  # by id
    suggested_by: dict[str, dict[str, PersonSuggested]] = field(default_factory=dict)  # by person, then text
    failures: dict[str, AgentFailed] = field(default_factory=dict)  # the latest of each agent
    failed: dict[AskKind, dict[str, AgentFailed]] = field(default_factory=dict)  # the latest, by what was asked
    challenged: AgreementChallenged | None = None
    converged: bool = False
    stopped_by: str = "rounds"
    cost_usd: float = 0.0
    estimated_usd: float = 0.0  # the part of `cost_usd` that no provider counted
    uncounted: int = 0  # answers without a count of tokens, or too late: what they cost is not in `cost_usd`
    proposed: Decision | None = None  # what stands at the gate
    signatures: dict[str, DecisionSigned] = field(default_factory=dict)  # those in force, by need
    change: DecisionSigned | None = None  # the words that stand at the gate in place of the agents' answer
    signed_by: dict[str, str] = field(default_factory=dict)  # every signature ever given, by id
    decision: Decision | None = None
    receipt: ReceiptIssued | None = None
    ended: DebateEnded | None = None
    cut_off: int = 0  # asks that had no reply when the debate ended: what their agents do costs something all the same


def offer_due(state: DebateState) -> bool:
    """Whether the debate waits for what its opening finds of knowledge. Once a round has begun it never does: agents
    may have been asked without."""
    return state.spec.knowledge and state.offered is None and state.round == 0 and state.ended is None


def judge_of(spec: DebateSpec) -> str:
    """The agent that judges or chairs: the one named, or the one with the highest elo (of equals the last listed)."""
    if spec.judge is not None:
        return spec.judge
    return max(reversed(spec.agents), key=lambda agent: standing_of(spec, agent).elo)


def participants_of(spec: DebateSpec) -> tuple[str, ...]:
    """The agents that answer. A judge gives no answer of its own where two others are left to differ."""
    if not judged(spec.protocol) or len(spec.agents) < _SMALLEST_WITH_SEPARATE_JUDGE:
        return spec.agents
    judge = judge_of(spec)
    return tuple(agent for agent in spec.agents if agent != judge)


def judged(protocol: Protocol) -> bool:
    """Whether one judge decides instead of votes."""
    return protocol.judged or protocol.consensus is ConsensusMode.JUDGE


def standing_of(spec: DebateSpec, agent: str) -> Standing:
    """What was known of `agent` when the debate opened; the start values where nothing was."""
    return spec.standings.get(agent, _NO_STANDING)


def answer_holders(state: DebateState) -> tuple[str, ...]:
    """The participants with an answer to their name, in the order they are listed."""
    return tuple(agent for agent in state.participants if agent in state.answers)


def quorum_of(state: DebateState, wanted: int) -> int:
    """How many of `wanted` are the protocol's quorum."""
    return max(1, math.ceil(state.spec.protocol.quorum * wanted - _CLOSE))


def nobody_may_be_asked(state: DebateState) -> bool:
    """Whether the budget is spent, and no agent is there that costs nothing."""
    prices = state.spec.prices
    free = bool(prices) and any(agent not in prices for agent in state.spec.agents)
    return budget_spent(state) and not free


def budget_spent(state: DebateState) -> bool:
    """Whether the debate has cost what it may cost."""
    budget = state.spec.budget_usd
    return budget is not None and state.cost_usd >= budget


def unsettled_usd(state: DebateState) -> float:
    """What asks without an answer may still be billed, in USD."""
    return sum(state.reserved.values())
