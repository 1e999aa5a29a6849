"""What follows without another answer: rounds, measurements, deadlines, the decision, failure.

Each call gives the next step only; the driver applies it and calls again until there is none.
"""

from __future__ import annotations

from collections.abc import Callable, Sequence
from dataclasses import dataclass
from typing import Final

from aragora.debate.hints import OfferedCrux
from aragora.debate.machine import gate
from aragora.debate.machine.consensus import decide
from aragora.debate.machine.convergence import agreement, agreement_without_evidence, hollow_agreement
from aragora.debate.machine.money import out_of_turn, refused
from aragora.debate.machine.phases import agreement_stops, rounds_planned
from aragora.debate.machine.positions import Found, found, movers
from aragora.debate.machine.state import (
    ASKING,
    UNOPENED,
    DebateState,
    Phase,
    answer_holders,
    budget_spent,
    offer_due,
    quorum_of,
)
from aragora.debate.machine.wording import quoted
from aragora.debate.model import (
    DEADLINE,
    AgentFailed,
    AgreementChallenged,
    AnswerGiven,
    AskKind,
    ConsensusReached,
    ConvergenceMeasured,
    DebateEnded,
    DebateStatus,
    DecisionProposed,
    Event,
    RoundStarted,
)

NEXT_SIGN_S: Final = 3.0
"""Who works gives a sign of life every two seconds (`aragora.agents.signs`): later than this, it gives none."""


@dataclass(frozen=True, slots=True)
class Timing:
    """How long the open phase has been open, in seconds of the driver's monotonic clock; `since_quorum_s` is None
    before its quorum is met. The driver starts both anew when `phase_key` changes. `since_life_s`: since an agent of
    which an answer is still awaited gave its last sign of life; None where none did."""

    elapsed_s: float
    since_quorum_s: float | None = None
    since_life_s: float | None = None


def advance(state: DebateState, timing: Timing) -> tuple[Event, ...]:
    """The events that follow now without another answer; () where the debate waits for agents, or for what it is
    offered of knowledge, or is over."""
    if state.phase in ASKING:
        return _stragglers(state, timing)
    step = _STEPS.get(state.phase)
    return step(state) if step is not None and state.spec is not UNOPENED else ()


def quorum_met(state: DebateState) -> bool:
    """Whether enough of the open phase is answered to close it without the rest, after the grace."""
    if state.phase not in ASKING:
        return False
    return state.answered >= quorum_of(state, state.wanted)


def next_deadline_s(state: DebateState, timing: Timing) -> float | None:
    """Seconds after the opening of the phase at which `advance` must be called even if nothing arrives; None where
    no phase waits for agents."""
    if state.phase not in ASKING:
        return None
    deadline_s = _deadline_s(state)
    if timing.since_quorum_s is None:
        return deadline_s
    return min(deadline_s, timing.elapsed_s - _waited_s(timing.since_quorum_s, timing) + _grace_s(state, timing))


def _deadline_s(state: DebateState) -> float:
    """Seconds that the open phase may take. A grouping is a help, and one agent alone gives it: it gets half."""
    deadline_s = state.spec.protocol.phase_deadline_s
    return deadline_s / 2 if state.phase is Phase.GROUP else deadline_s


def _grace_s(state: DebateState, timing: Timing) -> float:
    """Seconds that stragglers have after the quorum: as long as the quorum itself took and half as long again, at
    least the protocol's grace. A server that answers one call at a time, or a model that thinks for a minute, needs
    for its last answer what it needed for the others. Whoever gave a sign of life has the time to give the next one."""
    quorum_took_s = timing.elapsed_s - (timing.since_quorum_s or 0.0)
    next_sign_s = 0.0 if timing.since_life_s is None else NEXT_SIGN_S
    return max(state.spec.protocol.grace_s, 1.5 * quorum_took_s, next_sign_s)


def _waited_s(since_quorum_s: float, timing: Timing) -> float:
    """How much of their grace the stragglers have used. A sign of life gives them all of it again: who reasons for a
    minute, or waits in the queue of a server, is not away."""
    return since_quorum_s if timing.since_life_s is None else min(since_quorum_s, timing.since_life_s)


def _stragglers(state: DebateState, timing: Timing) -> tuple[Event, ...]:
    if unaffordable := refused(state):
        return unaffordable
    deadline_s, since_quorum_s = _deadline_s(state), timing.since_quorum_s
    if timing.elapsed_s >= deadline_s:
        message = f"no answer within {deadline_s:g} s"
    elif since_quorum_s is not None and _waited_s(since_quorum_s, timing) >= _grace_s(state, timing):
        message = f"the quorum had answered, and {since_quorum_s:.0f} s later this answer was still missing"
    else:
        return ()
    asked = (ask for ask_id, ask in state.open.items() if ask_id not in state.waiting)
    late = (AgentFailed(ask.round, ask.agent, ask.ask_id, DEADLINE, message) for ask in asked)
    return *out_of_turn(state), *late


def _next_round(state: DebateState) -> tuple[Event, ...]:
    if offer_due(state):
        return ()
    return (RoundStarted(state.round + 1, state.participants),)


def _measure(state: DebateState) -> tuple[Event, ...]:
    answers = [state.answers[agent] for agent in answer_holders(state)]
    if not answers:
        return (_failed(state),)
    similarity = round(agreement([answer.content for answer in answers]), 4)
    if not state.spec.protocol.positions:
        converged = len(answers) > 1 and similarity >= state.spec.protocol.convergence_threshold
        return (_challenge(state, answers, converged) or ConvergenceMeasured(state.round, similarity, converged),)
    now = found(state)
    converged = len(now.positions) == 1 and len(answers) > 1
    challenge = _challenge(state, answers, converged)
    return (challenge or _measured(state, now, similarity, converged),)


def _measured(state: DebateState, now: Found, similarity: float, converged: bool) -> ConvergenceMeasured:
    held = sum(len(position.authors) for position in now.positions)
    return ConvergenceMeasured(
        state.round,
        similarity,
        converged,
        agreement=round(len(now.positions[0].authors) / held, 4) if held > 1 else 0.0,
        positions=now.positions,
        found_by=now.found_by,
        moved=movers(state.positions, now.positions),
    )


def _challenge(state: DebateState, answers: list[AnswerGiven], converged: bool) -> AgreementChallenged | None:
    """Agreement is challenged once, just before it may count: at an early stop, or in the last round."""
    protocol = state.spec.protocol
    counts_now = agreement_stops(state, converged) or state.round >= rounds_planned(state)
    if not protocol.trickster or state.challenged is not None or not counts_now or budget_spent(state):
        return None
    if protocol.positions and not converged:
        return None
    hollow = agreement_without_evidence(answers) if protocol.positions else hollow_agreement(answers, converged)
    if hollow is None:
        return None
    cruxes = () if state.offered is None else state.offered.cruxes
    return AgreementChallenged(state.round, hollow.reasons, f"{hollow.challenge}{_divided(cruxes)}")


def _divided(cruxes: Sequence[OfferedCrux]) -> str:
    if not cruxes:
        return ""
    claims = "; ".join(quoted(crux.text) for crux in cruxes)
    return f" Earlier debates of this question were divided over these claims: {claims}. Say what you make of them."


def _decided(state: DebateState) -> tuple[Event, ...]:
    decision = decide(state)
    if state.spec.needs:
        return (DecisionProposed(state.round, decision, state.spec.needs),)
    return (ConsensusReached(state.round, decision),)


def _signed(state: DebateState) -> tuple[Event, ...]:
    return (ConsensusReached(state.round, gate.signed_decision(state)),) if gate.passed(state) else ()


def _failed(state: DebateState) -> DebateEnded:
    failed = [f"{agent}: {failure.code} ({failure.message})" for agent, failure in state.failures.items()]
    abstained = [
        f"{agent}: abstained ({quoted(event.reason)})"
        for kind in (AskKind.PROPOSE, AskKind.REVISE)
        for agent, event in state.abstained.get(kind, {}).items()
    ]
    causes = "; ".join((*failed, *abstained))
    reason = (
        f"No agent answered the question, so there is nothing to decide. {causes[:1_500]}. "
        "Run `aragora doctor` to see what is reachable, mend the keys or limits it names, and ask again."
    )
    return DebateEnded(DebateStatus.FAILED, reason, state.round, state.cost_usd)


_STEPS: Final[dict[Phase, Callable[[DebateState], tuple[Event, ...]]]] = {
    Phase.ROUND: _next_round,
    Phase.MEASURE: _measure,
    Phase.DECIDE: _decided,
    Phase.GATE: _signed,
}
