"""How each event changes the state: one small function an event, found in a table.

Events that settle an ask count once: a second one for the same ask, or one for an ask of a closed phase, changes
nothing. When the last ask of a phase is settled, the phase closes and the next one opens.
"""

from __future__ import annotations

from collections.abc import Callable
from typing import Any, Final

from aragora.debate.machine.phases import after_measure, enter, following
from aragora.debate.machine.state import DebateState, Phase, participants_of
from aragora.debate.model import (
    DEADLINE,
    AgentFailed,
    AgreementChallenged,
    AnswerGiven,
    AskKind,
    ConsensusReached,
    ConvergenceMeasured,
    CritiqueGiven,
    DebateEnded,
    DebateOpened,
    Event,
    FallbackUsed,
    PersonSuggested,
    PersonVoted,
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


def _round_started(state: DebateState, event: RoundStarted) -> None:
    if state.phase is Phase.ROUND:
        state.round = event.round
        enter(state, Phase.ANSWER)


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
    if state.open.pop(event.ask_id, None) is None:
        return
    state.failures[event.agent] = event
    if event.usage is not None:
        state.cost_usd += event.usage.cost_usd
    elif event.code == DEADLINE:
        state.uncounted += 1
    _close_if_done(state)


def _settled(state: DebateState, ask_id: str, usage: Usage) -> bool:
    if state.open.pop(ask_id, None) is None:
        return False
    state.answered += 1
    state.cost_usd += usage.cost_usd
    state.uncounted += not (usage.cost_usd or usage.input_tokens or usage.output_tokens)
    return True


def _close_if_done(state: DebateState) -> None:
    if not state.open:
        enter(state, following(state))


def _fallback_used(_state: DebateState, _event: FallbackUsed) -> None:
    """Told for people and metrics; the answer or failure that follows counts."""


def _convergence_measured(state: DebateState, event: ConvergenceMeasured) -> None:
    if state.phase is Phase.MEASURE:
        state.converged = event.converged
        enter(state, after_measure(state))


def _agreement_challenged(state: DebateState, event: AgreementChallenged) -> None:
    if state.phase is Phase.MEASURE:
        state.challenged = event
        enter(state, Phase.CHALLENGE)


def _person_voted(state: DebateState, event: PersonVoted) -> None:
    state.persons[event.person] = event
    state.votes_by[event.person] = state.votes_by.get(event.person, 0) + 1


def _person_suggested(state: DebateState, event: PersonSuggested) -> None:
    key = event.suggestion_id or f"{event.person}/{len(state.suggestions)}"
    state.suggestions.setdefault(key, event.text)
    state.suggested_by.setdefault(event.person, {}).setdefault(event.text, event)


def _consensus_reached(state: DebateState, event: ConsensusReached) -> None:
    if state.phase is Phase.DECIDE:
        state.decision = event.decision
        enter(state, Phase.SETTLED)


def _receipt_issued(state: DebateState, event: ReceiptIssued) -> None:
    state.receipt = event


def _ended(state: DebateState, event: DebateEnded) -> None:
    state.ended = event
    state.cut_off = len(state.open)
    enter(state, Phase.ENDED)


_APPLY: Final[dict[type, Callable[[DebateState, Any], None]]] = {
    DebateOpened: _opened,
    RoundStarted: _round_started,
    AnswerGiven: _answer_given,
    CritiqueGiven: _critique_given,
    VoteCast: _vote_cast,
    AgentFailed: _agent_failed,
    FallbackUsed: _fallback_used,
    ConvergenceMeasured: _convergence_measured,
    AgreementChallenged: _agreement_challenged,
    PersonVoted: _person_voted,
    PersonSuggested: _person_suggested,
    ConsensusReached: _consensus_reached,
    ReceiptIssued: _receipt_issued,
    DebateEnded: _ended,
}
