"""What follows without another answer: rounds, measurements, deadlines, the decision, failure.

Each call gives the next step only; the driver applies it and calls again until there is none.
"""

from __future__ import annotations

import math
from collections.abc import Callable
from dataclasses import dataclass
from typing import Final

from aragora.debate.machine.consensus import decide
from aragora.debate.machine.convergence import agreement, hollow_agreement
from aragora.debate.machine.phases import rounds_planned
from aragora.debate.machine.state import ASKING, UNOPENED, DebateState, Phase, answer_holders, budget_spent
from aragora.debate.model import (
    DEADLINE,
    AgentFailed,
    AgreementChallenged,
    AnswerGiven,
    ConsensusReached,
    ConvergenceMeasured,
    DebateEnded,
    DebateStatus,
    Event,
    RoundStarted,
)


@dataclass(frozen=True, slots=True)
class Timing:
    """How long the open phase has been open, in seconds of the driver's monotonic clock; `since_quorum_s` is None
    before its quorum is met. The driver starts both anew when `phase_key` changes."""

    elapsed_s: float
    since_quorum_s: float | None = None


def advance(state: DebateState, timing: Timing) -> tuple[Event, ...]:
    """The events that follow now without another answer; () where the debate waits for agents or is over."""
    if state.phase in ASKING:
        return _stragglers(state, timing)
    step = _STEPS.get(state.phase)
    return step(state) if step is not None and state.spec is not UNOPENED else ()


def quorum_met(state: DebateState) -> bool:
    """Whether enough of the open phase is answered to close it without the rest, after the grace."""
    if state.phase not in ASKING:
        return False
    return state.answered >= max(1, math.ceil(state.spec.protocol.quorum * state.wanted - 1e-9))


def next_deadline_s(state: DebateState, timing: Timing) -> float | None:
    """Seconds after the opening of the phase at which `advance` must be called even if nothing arrives; None where
    no phase waits for agents."""
    if state.phase not in ASKING:
        return None
    protocol = state.spec.protocol
    if timing.since_quorum_s is None:
        return protocol.phase_deadline_s
    return min(protocol.phase_deadline_s, timing.elapsed_s - timing.since_quorum_s + protocol.grace_s)


def _stragglers(state: DebateState, timing: Timing) -> tuple[Event, ...]:
    protocol = state.spec.protocol
    if timing.elapsed_s >= protocol.phase_deadline_s:
        message = f"no answer within {protocol.phase_deadline_s:g} s"
    elif timing.since_quorum_s is not None and timing.since_quorum_s >= protocol.grace_s:
        message = f"the quorum had answered, and {protocol.grace_s:g} s later this answer was still missing"
    else:
        return ()
    return tuple(AgentFailed(ask.round, ask.agent, ask.ask_id, DEADLINE, message) for ask in state.open.values())


def _next_round(state: DebateState) -> tuple[Event, ...]:
    return (RoundStarted(state.round + 1, state.participants),)


def _measure(state: DebateState) -> tuple[Event, ...]:
    answers = [state.answers[agent] for agent in answer_holders(state)]
    if not answers:
        return (_failed(state),)
    protocol = state.spec.protocol
    similarity = agreement([answer.content for answer in answers])
    converged = len(answers) > 1 and similarity >= protocol.convergence_threshold
    challenge = _challenge(state, answers, converged)
    return (challenge or ConvergenceMeasured(state.round, round(similarity, 4), converged),)


def _challenge(state: DebateState, answers: list[AnswerGiven], converged: bool) -> AgreementChallenged | None:
    """Agreement is challenged once, just before it may count: at an early stop, or in the last round."""
    protocol = state.spec.protocol
    counts_now = (converged and protocol.early_stop) or state.round >= rounds_planned(state)
    if not protocol.trickster or state.challenged is not None or not counts_now or budget_spent(state):
        return None
    hollow = hollow_agreement(answers, converged)
    return None if hollow is None else AgreementChallenged(state.round, hollow.reasons, hollow.challenge)


def _decided(state: DebateState) -> tuple[Event, ...]:
    return (ConsensusReached(state.round, decide(state)),)


def _failed(state: DebateState) -> DebateEnded:
    causes = "; ".join(f"{agent}: {failed.code} ({failed.message})" for agent, failed in state.failures.items())
    reason = (
        f"No agent answered the question, so there is nothing to decide. {causes[:1_500]}. "
        "Run `aragora doctor` to see what is reachable, mend the keys or limits it names, and ask again."
    )
    return DebateEnded(DebateStatus.FAILED, reason, state.round, state.cost_usd)


_STEPS: Final[dict[Phase, Callable[[DebateState], tuple[Event, ...]]]] = {
    Phase.ROUND: _next_round,
    Phase.MEASURE: _measure,
    Phase.DECIDE: _decided,
}
