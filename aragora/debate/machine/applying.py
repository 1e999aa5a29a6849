"""How each event changes the state: one small function an event, found in a table.

Events that settle an ask count once: a second one for the same ask, or one for an ask of a closed phase, changes
nothing. When the last ask of a phase is settled, the phase closes and the next one opens.
"""

from __future__ import annotations

from collections.abc import Callable
from typing import Any, Final

from aragora.debate.machine import gate
from aragora.debate.machine.money import BUDGET, admit, unanswered
from aragora.debate.machine.phases import after_measure, enter, following
from aragora.debate.machine.positions import corrected
from aragora.debate.machine.state import DebateState, Phase, offer_due, participants_of
from aragora.debate.model import (
    DEADLINE,
    Abstained,
    AgentFailed,
    AgreementChallenged,
    AnswerGiven,
    AnswersGrouped,
    AskKind,
    ConsensusReached,
    ConvergenceMeasured,
    CritiqueGiven,
    DebateEnded,
    DebateOpened,
    DecisionProposed,
    DecisionSigned,
    Event,
    FallbackUsed,
    KnowledgeCited,
    KnowledgeOffered,
    LateAnswer,
    PersonSuggested,
    PersonVoted,
    PositionsCorrected,
    ReceiptIssued,
    RoundStarted,
    Usage,
    VoteCast,
)


def apply(state: DebateState, event: Event) -> None:
    """Change `state` by `event`: the only way a state changes. After the end nothing changes any more."""
    if state.ended is None:
        _APPLY[type(event)](state, event)


def _opened(state: DebateState, event: DebateOpened) -> None:
    state.spec = event.spec
    state.participants = participants_of(event.spec)


def _knowledge_offered(state: DebateState, event: KnowledgeOffered) -> None:
    if offer_due(state):
        state.offered = event


def _knowledge_cited(state: DebateState, event: KnowledgeCited) -> None:
    state.cited.setdefault(event.ask_id, event)


def _round_started(state: DebateState, event: RoundStarted) -> None:
    if state.phase is Phase.ROUND:
        state.round = event.round
        enter(state, Phase.ANSWER)


def _answers_grouped(state: DebateState, event: AnswersGrouped) -> None:
    if not _settled(state, event.ask_id, event.usage):
        return
    state.grouping = event
    _close_if_done(state)


def _abstained(state: DebateState, event: Abstained) -> None:
    if not _settled(state, event.ask_id, event.usage):
        return
    state.abstained.setdefault(event.kind, {})[event.agent] = event
    _close_if_done(state)


def _answer_given(state: DebateState, event: AnswerGiven) -> None:
    if not _settled(state, event.ask_id, event.usage):
        return
    if event.kind is AskKind.SYNTHESIZE:
        state.synthesis = event
    else:
        state.answers[event.agent] = event
    _close_if_done(state)


def _critique_given(state: DebateState, event: CritiqueGiven) -> None:
    if not _settled(state, event.ask_id, event.usage):
        return
    state.critiques.setdefault(event.target, []).append(_worded(event))
    _close_if_done(state)


def _worded(event: CritiqueGiven) -> str:
    said = "; ".join(event.issues) or "no issue found"
    return f"{said}. Suggested: {'; '.join(event.suggestions)}" if event.suggestions else said


def _vote_cast(state: DebateState, event: VoteCast) -> None:
    if not _settled(state, event.ask_id, event.usage):
        return
    if event.kind is AskKind.JUDGE:
        state.verdict = event
    else:
        state.ballots[event.agent] = event
    _close_if_done(state)


def _agent_failed(state: DebateState, event: AgentFailed) -> None:
    ask = state.open.pop(event.ask_id, None)
    if ask is None:
        return
    state.waiting.pop(event.ask_id, None)
    if event.code == BUDGET:
        state.stopped_by = "budget"
    if event.code == DEADLINE:
        state.late[event.ask_id] = ask
    else:
        state.reserved.pop(event.ask_id, None)
    state.failures[event.agent] = event
    state.failed.setdefault(ask.kind, {})[event.agent] = event
    if event.usage is not None:
        _pay(state, event.usage)
    elif event.code == DEADLINE:
        state.uncounted += 1
    _close_if_done(state)


def _settled(state: DebateState, ask_id: str, usage: Usage) -> bool:
    if state.open.pop(ask_id, None) is None:
        return False
    state.waiting.pop(ask_id, None)  # the version that asked it may have reckoned less for it than this one
    state.answered += 1
    state.reserved.pop(ask_id, None)
    _pay(state, usage)
    state.uncounted += not (usage.cost_usd or usage.input_tokens or usage.output_tokens)
    return True


def _pay(state: DebateState, usage: Usage) -> None:
    state.cost_usd += usage.cost_usd
    if usage.estimated:
        state.estimated_usd += usage.cost_usd


def _late_answer(state: DebateState, event: LateAnswer) -> None:
    if state.late.pop(event.ask_id, None) is None:
        return
    state.reserved.pop(event.ask_id, None)
    state.uncounted -= 1
    _pay(state, event.usage)
    admit(state)


def _close_if_done(state: DebateState) -> None:
    if state.open:
        admit(state)
    else:
        enter(state, following(state))


def _fallback_used(_state: DebateState, _event: FallbackUsed) -> None:
    """Told for people and metrics; the answer or failure that follows counts."""


def _convergence_measured(state: DebateState, event: ConvergenceMeasured) -> None:
    if _to_be_measured(state):
        state.converged = event.converged
        state.positions = event.positions
        state.moved = event.moved
        state.corrected_by = ""
        enter(state, after_measure(state))


def _agreement_challenged(state: DebateState, event: AgreementChallenged) -> None:
    if _to_be_measured(state):
        state.challenged = event
        enter(state, Phase.CHALLENGE)


def _to_be_measured(state: DebateState) -> bool:
    """Whether a measurement comes in its phase. One that comes before the grouping is of a journal whose version read
    the positions from the texts where this one would ask: what is journaled stands, and nobody is asked any more."""
    if state.phase is Phase.GROUP:
        for ask_id in state.open:
            state.reserved.pop(ask_id, None)
        return True
    return state.phase is Phase.MEASURE


def _person_voted(state: DebateState, event: PersonVoted) -> None:
    state.persons[event.person] = event
    state.votes_by[event.person] = state.votes_by.get(event.person, 0) + 1
    gate.reopen(state)


def _person_suggested(state: DebateState, event: PersonSuggested) -> None:
    key = event.suggestion_id or f"{event.person}/{len(state.suggestions)}"
    state.suggestions.setdefault(key, event.text)
    state.suggested_by.setdefault(event.person, {}).setdefault(event.text, event)


def _positions_corrected(state: DebateState, event: PositionsCorrected) -> None:
    state.positions = corrected(state, event.groups)
    state.corrected_by = event.person
    state.corrections += 1
    gate.reopen(state)


def _decision_proposed(state: DebateState, event: DecisionProposed) -> None:
    if state.phase is Phase.DECIDE:
        state.proposed = event.decision
        enter(state, Phase.GATE)


def _consensus_reached(state: DebateState, event: ConsensusReached) -> None:
    if state.phase in (Phase.DECIDE, Phase.GATE):
        state.decision = event.decision
        enter(state, Phase.SETTLED)


def _receipt_issued(state: DebateState, event: ReceiptIssued) -> None:
    state.receipt = event


def _ended(state: DebateState, event: DebateEnded) -> None:
    state.ended = event
    state.cut_off = unanswered(state)
    enter(state, Phase.ENDED)


_APPLY: Final[dict[type, Callable[[DebateState, Any], None]]] = {
    DebateOpened: _opened,
    KnowledgeOffered: _knowledge_offered,
    RoundStarted: _round_started,
    AnswerGiven: _answer_given,
    KnowledgeCited: _knowledge_cited,
    CritiqueGiven: _critique_given,
    VoteCast: _vote_cast,
    AnswersGrouped: _answers_grouped,
    Abstained: _abstained,
    AgentFailed: _agent_failed,
    LateAnswer: _late_answer,
    FallbackUsed: _fallback_used,
    ConvergenceMeasured: _convergence_measured,
    AgreementChallenged: _agreement_challenged,
    PersonVoted: _person_voted,
    PersonSuggested: _person_suggested,
    PositionsCorrected: _positions_corrected,
    DecisionProposed: _decision_proposed,
    DecisionSigned: gate.take,
    ConsensusReached: _consensus_reached,
    ReceiptIssued: _receipt_issued,
    DebateEnded: _ended,
}
