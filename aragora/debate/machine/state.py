"""The state of one debate: what `apply` has made of its events so far, and where in the rules it stands.

Only `aragora.debate.machine.applying` changes it. Everything here is a function of the events: two states made of the
same events are equal.
"""

from __future__ import annotations

from dataclasses import dataclass, field
from enum import StrEnum
from typing import Final

from aragora.debate.model import (
    AgentFailed,
    AgreementChallenged,
    AnswerGiven,
    Ask,
    ConsensusMode,
    DebateEnded,
    DebateSpec,
    Decision,
    PersonSuggested,
    PersonVoted,
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
    MEASURE = "measure"  # all answers of the round are in
    CHALLENGE = "challenge"  # asking
    CRITIQUE = "critique"  # asking
    RANK = "rank"  # asking
    VOTE = "vote"  # asking
    JUDGE = "judge"  # asking
    SYNTHESIZE = "synthesize"  # asking
    DECIDE = "decide"  # everything is counted that will be
    SETTLED = "settled"  # the decision stands; the receipt may follow
    ENDED = "ended"


ASKING: Final = frozenset(
    {Phase.ANSWER, Phase.CHALLENGE, Phase.CRITIQUE, Phase.RANK, Phase.VOTE, Phase.JUDGE, Phase.SYNTHESIZE}
)

UNOPENED: Final = DebateSpec(debate_id="", question="", agents=(), protocol=Protocol("none"), seed=0)
_NO_STANDING: Final = Standing()
_SMALLEST_WITH_SEPARATE_JUDGE: Final = 3


@dataclass(slots=True)
class DebateState:
    """Mutable, and changed by `apply` alone. Constructed empty; the first event is `DebateOpened`."""

    spec: DebateSpec = UNOPENED
    participants: tuple[str, ...] = ()  # who answers: the agents, without the judge where there are enough others
    phase: Phase = Phase.ROUND
    phases_opened: int = 0
    round: int = 0
    open: dict[str, Ask] = field(default_factory=dict)  # asks of the open phase without a reply
    wanted: int = 0  # asks of the open phase
    answered: int = 0  # of them, those with an answer
    answers: dict[str, AnswerGiven] = field(default_factory=dict)  # the latest of each agent
    critiques: dict[str, list[str]] = field(default_factory=dict)  # by the agent criticised
    critiques_round: int = 0
    ballots: dict[str, VoteCast] = field(default_factory=dict)  # votes or rankings, by voter
    ballots_wanted: int = 0
    verdict: VoteCast | None = None
    synthesis: AnswerGiven | None = None
    persons: dict[str, PersonVoted] = field(default_factory=dict)  # the latest vote of each
    votes_by: dict[str, int] = field(default_factory=dict)  # how often each person voted
    suggestions: dict[str, str] = field(default_factory=dict)  # by id
    suggested_by: dict[str, dict[str, PersonSuggested]] = field(default_factory=dict)  # by person, then text
    failures: dict[str, AgentFailed] = field(default_factory=dict)  # the latest of each agent
    challenged: AgreementChallenged | None = None
    converged: bool = False
    stopped_by: str = "rounds"
    cost_usd: float = 0.0
    uncounted: int = 0  # answers without a count of tokens, or too late: what they cost is not in `cost_usd`
    decision: Decision | None = None
    receipt: ReceiptIssued | None = None
    ended: DebateEnded | None = None
    cut_off: int = 0  # asks that had no reply when the debate ended: what their agents do costs something all the same


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


def budget_spent(state: DebateState) -> bool:
    """Whether the debate has cost what it may cost."""
    budget = state.spec.budget_usd
    return budget is not None and state.cost_usd >= budget
