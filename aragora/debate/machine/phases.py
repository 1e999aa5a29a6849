"""The order of the phases: what each asks, and which one follows. Tables first, their rules below."""

from __future__ import annotations

from collections.abc import Callable, Iterable
from typing import Final

from aragora.debate.machine.consensus import decide
from aragora.debate.machine.money import admit
from aragora.debate.machine.positions import agreed, positions_of, spokesmen, told_without_asking
from aragora.debate.machine.readers import targets
from aragora.debate.machine.state import (
    ASKING,
    DebateState,
    Phase,
    answer_holders,
    judge_of,
    judged,
    nobody_may_be_asked,
    quorum_of,
)
from aragora.debate.model import Ask, AskKind, ConsensusMode, Protocol, Topology


def enter(state: DebateState, phase: Phase) -> None:
    """Open `phase`, or the first one after it that has something to ask or to wait for."""
    while True:
        state.phase = phase
        state.phases_opened += 1
        state.open = {}
        state.waiting = {}
        state.wanted = state.answered = 0
        if phase not in ASKING:
            return
        state.open = {ask.ask_id: ask for ask in _ASKS[phase](state)}
        if state.open:
            state.wanted = len(state.open)
            state.waiting = dict.fromkeys(state.open)
            _ON_OPENING.get(phase, _nothing_more)(state)
            admit(state)
            return
        phase = following(state)


def following(state: DebateState) -> Phase:
    """The phase after the open one, now that it has closed."""
    return _FOLLOWING[state.phase](state)


def ask_id_of(debate_id: str, round_number: int, kind: AskKind, agent: str, target: str | None) -> str:
    """The id of an ask: a pure function of what it asks, so that no crash makes a second one of it."""
    if target is None:
        return f"{debate_id}/{round_number}/{kind}/{agent}"
    return f"{debate_id}/{round_number}/{kind}/{agent}>{target}"


# --- What each phase asks ---------------------------------------------------------------------------------


def _each(state: DebateState, kind: AskKind, agents: Iterable[str]) -> list[Ask]:
    return [_ask(state, kind, agent) for agent in agents]


def _ask(state: DebateState, kind: AskKind, agent: str, target: str | None = None) -> Ask:
    debate_id = state.spec.debate_id
    return Ask(ask_id_of(debate_id, state.round, kind, agent, target), debate_id, agent, kind, state.round, target)


def _answers(state: DebateState) -> list[Ask]:
    return _each(state, AskKind.PROPOSE if state.round == 1 else AskKind.REVISE, state.participants)


def _grouping(state: DebateState) -> list[Ask]:
    """One agent is asked which answers come to the same conclusion, where that matters now and nothing else tells it.
    After a challenge the answers are others, and so is the ask."""
    if not _wants_positions(state) or nobody_may_be_asked(state) or told_without_asking(state) is not None:
        return []
    after = "challenge" if state.challenged is not None and state.challenged.round == state.round else None
    return [_ask(state, AskKind.GROUP, _reader_of(state), after)]


def _wants_positions(state: DebateState) -> bool:
    """Whether the positions of this round decide anything: how the debate goes on, or what is counted."""
    protocol = state.spec.protocol
    between_rounds = protocol.early_stop or protocol.settles or protocol.topology is Topology.POSITIONS
    return protocol.positions and (between_rounds or state.round >= rounds_planned(state))


def _reader_of(state: DebateState) -> str:
    """Who groups the answers: the judge or chair where it gives none itself, else the participants in turn, first
    those that answered in this round."""
    judge = judge_of(state.spec)
    if judge not in state.participants:
        return judge
    turn = state.spec.seed + state.round
    count = len(state.participants)
    order = [state.participants[(turn + step) % count] for step in range(count)]
    return next((agent for agent in order if _answered_now(state, agent)), order[0])


def _answered_now(state: DebateState, agent: str) -> bool:
    answer = state.answers.get(agent)
    return answer is not None and answer.round == state.round


def _critiques(state: DebateState) -> list[Ask]:
    topology = state.spec.protocol.topology
    if topology is Topology.POSITIONS:
        return _critiques_between_positions(state)
    return [
        _ask(state, AskKind.CRITIQUE, critic, target)
        for critic in state.participants
        for target in targets(topology, state.participants, critic)
        if target in state.answers
    ]


def _critiques_between_positions(state: DebateState) -> list[Ask]:
    """Each position is criticised once, by the spokesman of another one."""
    names = spokesmen(state)
    if len(names) < 2:
        return []
    return [
        _ask(state, AskKind.CRITIQUE, critic, names[(place + 1) % len(names)]) for place, critic in enumerate(names)
    ]


_ASKS: Final[dict[Phase, Callable[[DebateState], list[Ask]]]] = {
    Phase.ANSWER: _answers,
    Phase.GROUP: _grouping,
    Phase.CHALLENGE: lambda state: _each(state, AskKind.CHALLENGE, answer_holders(state)),
    Phase.CRITIQUE: _critiques,
    Phase.RANK: lambda state: _each(state, AskKind.RANK, state.participants),
    Phase.VOTE: lambda state: _each(state, AskKind.VOTE, state.participants),
    Phase.JUDGE: lambda state: _each(state, AskKind.JUDGE, (judge_of(state.spec),)),
    Phase.SYNTHESIZE: lambda state: _each(state, AskKind.SYNTHESIZE, (judge_of(state.spec),)),
}


def _forget_old_critiques(state: DebateState) -> None:
    state.critiques = {}
    state.critiques_round = state.round


def _forget_old_grouping(state: DebateState) -> None:
    state.grouping = None


def _begin_answers(state: DebateState) -> None:
    """Whoever revises is shown the answers as they stand now, whenever it is asked: none that is revised already."""
    _forget_old_grouping(state)
    state.shown = dict(state.answers)
    state.shown_positions = positions_of(state)


def _hand_out_ballots(state: DebateState) -> None:
    """The ballot stays as it was handed out, also where a person corrects the positions meanwhile."""
    state.ballot = spokesmen(state)


def _expect_ballots(state: DebateState) -> None:
    _hand_out_ballots(state)
    state.ballots_wanted = state.wanted


def _name_the_leader(state: DebateState) -> None:
    """The chair words what leads now. Where people turn the count after that, its text is not the winner's."""
    state.leading = decide(state).winner or ""


def _nothing_more(_state: DebateState) -> None:
    """No extra step on opening."""


_ON_OPENING: Final[dict[Phase, Callable[[DebateState], None]]] = {
    Phase.ANSWER: _begin_answers,
    Phase.CHALLENGE: _forget_old_grouping,
    Phase.CRITIQUE: _forget_old_critiques,
    Phase.JUDGE: _hand_out_ballots,
    Phase.RANK: _expect_ballots,
    Phase.SYNTHESIZE: _name_the_leader,
    Phase.VOTE: _expect_ballots,
}


# --- What follows -----------------------------------------------------------------------------------------


def after_measure(state: DebateState) -> Phase:
    """The answers are measured: stop where they agree or nobody moves any more, else criticise them."""
    protocol = state.spec.protocol
    if agreement_stops(state, state.converged):
        _stop(state, "agreement" if protocol.positions else "convergence")
        return _to_decision(state)
    if protocol.settles and state.round > 1 and not state.moved:
        _stop(state, "unmoved")
        return _to_decision(state)
    if not protocol.critique or _nothing_left_to_revise(state):
        return _after_round(state)
    return _unless_spent(state, Phase.CRITIQUE, otherwise=_to_decision)


def agreement_stops(state: DebateState, converged: bool) -> bool:
    """Whether an agreement of the answers ends the rounds. One of fewer than the quorum does not: who failed may answer
    in the next round."""
    protocol = state.spec.protocol
    enough = len(answer_holders(state)) >= quorum_of(state, len(state.participants))
    return converged and protocol.early_stop and (enough or not protocol.positions)


def _stop(state: DebateState, why: str) -> None:
    """A debate that the budget has held back is stopped by the budget, whatever follows."""
    if state.stopped_by != "budget":
        state.stopped_by = why


def _nothing_left_to_revise(state: DebateState) -> bool:
    """Whether a critique between positions would come too late: in the last round of several."""
    return state.spec.protocol.topology is Topology.POSITIONS and 1 < state.round >= rounds_planned(state)


def rounds_planned(state: DebateState) -> int:
    """Rounds the debate has at most."""
    return rounds_of(state.spec.protocol)


def rounds_of(protocol: Protocol) -> int:
    """Rounds at most by `protocol`: without revision a second one would change nothing."""
    return protocol.rounds if protocol.revise else 1


def _after_round(state: DebateState) -> Phase:
    if state.round >= rounds_planned(state):
        return _to_decision(state)
    return _unless_spent(state, Phase.ROUND, otherwise=_to_decision)


def _to_decision(state: DebateState) -> Phase:
    protocol = state.spec.protocol
    if len(answer_holders(state)) < 2 or agreed(state):
        return _after_ballots(state)
    if judged(protocol):
        return _unless_spent(state, Phase.JUDGE)
    if protocol.rank:
        return _unless_spent(state, Phase.RANK)
    if protocol.consensus is ConsensusMode.NONE:
        return _after_ballots(state)
    return _unless_spent(state, Phase.VOTE)


def _after_verdict(state: DebateState) -> Phase:
    """Where the judge is silent the participants vote."""
    return _after_ballots(state) if state.verdict is not None else _unless_spent(state, Phase.VOTE)


def _after_ballots(state: DebateState) -> Phase:
    if not state.spec.protocol.synthesize:
        return Phase.DECIDE
    return _unless_spent(state, Phase.SYNTHESIZE)


def _decide(_state: DebateState) -> Phase:
    return Phase.DECIDE


def _unless_spent(state: DebateState, phase: Phase, *, otherwise: Callable[[DebateState], Phase] = _decide) -> Phase:
    """`phase`, or what comes otherwise where the budget does not allow another ask."""
    if not nobody_may_be_asked(state):
        return phase
    state.stopped_by = "budget"
    return otherwise(state)


_FOLLOWING: Final[dict[Phase, Callable[[DebateState], Phase]]] = {
    Phase.ANSWER: lambda _state: Phase.GROUP,
    Phase.CHALLENGE: lambda _state: Phase.GROUP,
    Phase.GROUP: lambda _state: Phase.MEASURE,
    Phase.CRITIQUE: _after_round,
    Phase.RANK: _after_ballots,
    Phase.VOTE: _after_ballots,
    Phase.JUDGE: _after_verdict,
    Phase.SYNTHESIZE: _decide,
}
