"""What an agent may know for one ask: the material of its prompt, without the name of any other agent."""

from __future__ import annotations

from collections.abc import Callable
from typing import Final

from aragora.debate.machine.readers import LABELS, shuffled, targets
from aragora.debate.machine.state import DebateState, answer_holders
from aragora.debate.model import AgentRequest, AnswerGiven, Ask, AskKind, Brief, Candidate

_SUGGESTIONS_SHOWN: Final = 10


def request(state: DebateState, ask: Ask, timeout_s: float) -> AgentRequest:
    """The brief for `ask`; its answer is worth waiting for `timeout_s` seconds."""
    return AgentRequest(ask, _BRIEF[ask.kind](state, ask), timeout_s)


def _propose(state: DebateState, ask: Ask) -> Brief:
    return Brief(state.spec.question, state.spec.context, ask.round, suggestions=_suggestions(state))


def _critique(state: DebateState, ask: Ask) -> Brief:
    answer = state.answers.get(ask.target or "")
    shown = () if answer is None else (Candidate(LABELS[0], answer.content),)
    return Brief(state.spec.question, state.spec.context, ask.round, candidates=shown, suggestions=_suggestions(state))


def _revise(state: DebateState, ask: Ask) -> Brief:
    spec = state.spec
    linked = targets(spec.protocol.topology, state.participants, ask.agent)
    order = shuffled(tuple(agent for agent in linked if agent in state.answers), spec.seed, ask)
    return Brief(
        spec.question,
        spec.context,
        ask.round,
        own=_own(state, ask),
        candidates=_labelled(state, order),
        critiques=tuple(state.critiques.get(ask.agent, ())),
        suggestions=_suggestions(state),
    )


def _challenge(state: DebateState, ask: Ask) -> Brief:
    return Brief(
        state.spec.question,
        state.spec.context,
        ask.round,
        own=_own(state, ask),
        suggestions=_suggestions(state),
        challenge=state.challenged.challenge if state.challenged else "",
    )


def _ballot(state: DebateState, ask: Ask) -> Brief:
    """The ballot shows every answer, the reader's own unmarked among them, and what was said against each."""
    spec = state.spec
    order = shuffled(answer_holders(state), spec.seed, ask)
    return Brief(
        spec.question,
        spec.context,
        ask.round,
        candidates=_labelled(state, order),
        critiques=_said_against(state, order),
        suggestions=_suggestions(state),
    )


def _synthesis(state: DebateState, ask: Ask) -> Brief:
    """The chair sees every answer and how the others ranked it."""
    spec = state.spec
    order = shuffled(answer_holders(state), spec.seed, ask)
    return Brief(
        spec.question,
        spec.context,
        ask.round,
        candidates=_labelled(state, order),
        critiques=(*_standing(state, order), *_said_against(state, order)),
        suggestions=_suggestions(state),
    )


def _labelled(state: DebateState, order: tuple[str, ...]) -> tuple[Candidate, ...]:
    return tuple(Candidate(label, state.answers[agent].content) for label, agent in zip(LABELS, order, strict=False))


def _said_against(state: DebateState, order: tuple[str, ...]) -> tuple[str, ...]:
    if state.critiques_round != state.round:  # those of an earlier round were said of other answers
        return ()
    return tuple(
        f"{label}: {said}"
        for label, agent in zip(LABELS, order, strict=False)
        for said in state.critiques.get(agent, ())
    )


def _standing(state: DebateState, order: tuple[str, ...]) -> tuple[str, ...]:
    if not state.ballots:
        return ()
    chosen = [ballot.choice for ballot in state.ballots.values()]
    return tuple(
        f"{label}: put first by {chosen.count(agent)} of {len(chosen)}"
        for label, agent in zip(LABELS, order, strict=False)
    )


def _own(state: DebateState, ask: Ask) -> str:
    answer: AnswerGiven | None = state.answers.get(ask.agent)
    return "" if answer is None else answer.content


def _suggestions(state: DebateState) -> tuple[str, ...]:
    return tuple(state.suggestions.values())[-_SUGGESTIONS_SHOWN:] if state.suggestions else ()


_BRIEF: Final[dict[AskKind, Callable[[DebateState, Ask], Brief]]] = {
    AskKind.PROPOSE: _propose,
    AskKind.CRITIQUE: _critique,
    AskKind.REVISE: _revise,
    AskKind.CHALLENGE: _challenge,
    AskKind.RANK: _ballot,
    AskKind.VOTE: _ballot,
    AskKind.JUDGE: _ballot,
    AskKind.SYNTHESIZE: _synthesis,
}
