"""The debate machine: every rule of a debate, without a clock, a network, or chance.

Theory of operation
    A debate is the list of its events. `apply` folds one event into the `DebateState`; nothing else changes it, so
    a state is rebuilt exactly by replaying its journal. A driver owns the world: it sends what `asks` wants as the
    `request` describes it, turns each reply into events by `settle`, measures time, and calls `advance` until it
    gives nothing more. It journals events before it acts on them.

    Asking phases wait for agents and close by themselves when their last ask is settled: by an answer, a failure, or
    a deadline that `advance` declares. The other phases wait for the one event that `advance` gives in them.

    phase       asks                                  closes into
    ROUND       -            KnowledgeOffered         ROUND       (before the first, where the debate takes knowledge)
                             RoundStarted             ANSWER
    ANSWER      propose, later revise: each           GROUP
    GROUP       one agent, where nothing else tells   MEASURE
                which answers are one position
    MEASURE     -            AgreementChallenged      CHALLENGE   (hollow agreement, once)
                             ConvergenceMeasured      CRITIQUE; ROUND; decision phases where the answers of a quorum
                                                      agree, or nobody moved since the last round
                             DebateEnded (failed)     ENDED       (no agent has answered)
    CHALLENGE   each with an answer                   GROUP
    CRITIQUE    each critic and target, by topology   ROUND; decision phases after the last round
    JUDGE       the judge                             DECIDE, or VOTE where the judge is silent
    RANK, VOTE  each                                  SYNTHESIZE where the protocol has a chair, else DECIDE
    SYNTHESIZE  the chair                             DECIDE
    DECIDE      -            ConsensusReached         SETTLED     (the driver issues the receipt and applies `ended`)
                             DecisionProposed         GATE        (where people must sign)
    GATE        -            ConsensusReached         SETTLED     (once all have signed, or one vetoed)
    ENDED       nothing changes any more

Rules
    - A phase may close without its stragglers once its quorum is answered and the grace is over, and must at its
      deadline. An agent that fails one ask is still asked the next. An answer stands until its
      author gives another.
    - A debate fails only where no agent answers in the first round. Missing critiques or votes weaken it, and the
      decision says so.
    - What an ask can cost is reserved before it goes out (`money`), so the budget is overrun by one ask at most. Once
      it is spent nothing more is asked: what is in flight may finish, and the decision counts what there is.
    - Answers that come to the same conclusion are one position, and what is counted are positions. With fewer than two
      answers, or one position, there is nothing to vote on, and no vote is asked.
    - An abstention settles its ask: it is no answer and no vote, and no failure either.
    - What is offered of knowledge is looked for once, before the first round, by the driver: `offer_due` tells it to.
      Agents who answer see all of it, those who judge answers only what these cite (`citations`).
    - `ask_id` is a pure function of debate, round, kind, agent and target: a crash never makes a second ask of it.
"""

from __future__ import annotations

from collections.abc import Iterable

from aragora.debate.machine.applying import apply
from aragora.debate.machine.briefs import request
from aragora.debate.machine.gate import passed, sign
from aragora.debate.machine.people import cancel, check_spec, correct, ended, first_event, suggest, vote
from aragora.debate.machine.progress import Timing, advance, next_deadline_s, quorum_met
from aragora.debate.machine.replies import settle
from aragora.debate.machine.state import DebateState, Phase, offer_due
from aragora.debate.model import Ask, DebateOpened, DebateStatus, Event

__all__ = [
    "DebateState",
    "Timing",
    "advance",
    "apply",
    "asks",
    "cancel",
    "check_spec",
    "correct",
    "ended",
    "first_event",
    "next_deadline_s",
    "offer_due",
    "phase_key",
    "quorum_met",
    "replay",
    "request",
    "rounds",
    "settle",
    "sign",
    "status",
    "suggest",
    "vote",
]


def replay(events: Iterable[Event]) -> DebateState:
    """The state that `events` make. Raises ValueError where they do not begin with `DebateOpened`."""
    state = DebateState()
    for number, event in enumerate(events):
        if (number == 0) != isinstance(event, DebateOpened):
            raise ValueError(f"event {number + 1} of the debate is a {type(event).__name__}: DebateOpened comes first")
        apply(state, event)
    return state


def asks(state: DebateState) -> tuple[Ask, ...]:
    """The answers of the open phase that are still wanted, and may be asked for."""
    if not state.waiting:
        return tuple(state.open.values())
    return tuple(ask for ask_id, ask in state.open.items() if ask_id not in state.waiting)


def phase_key(state: DebateState) -> tuple[int, str, int]:
    """Changes whenever another phase opens: the driver then starts its timing anew."""
    return state.round, state.phase.value, state.phases_opened


def rounds(state: DebateState) -> int:
    """The number of the round that runs or ran last; 0 before the first."""
    return state.round


def status(state: DebateState) -> DebateStatus:
    """Where the debate stands for its readers; it is active from its first round on."""
    if state.ended is not None:
        return state.ended.status
    if state.phase is Phase.GATE and not passed(state):
        return DebateStatus.WAITING
    return DebateStatus.QUEUED if state.round == 0 else DebateStatus.ACTIVE
