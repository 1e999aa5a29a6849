"""What an agent may know for one ask: the material of its prompt, without the name of any other agent."""

from __future__ import annotations

from collections.abc import Callable, Iterator, Mapping
from dataclasses import replace
from typing import Final

from aragora.debate.hints import told
from aragora.debate.knowledge import NotOffered, about
from aragora.debate.machine.positions import position_of, positions_of
from aragora.debate.machine.readers import LABELS, shuffled, targets
from aragora.debate.machine.state import DebateState, answer_holders
from aragora.debate.model import AgentRequest, AnswerGiven, Ask, AskKind, Brief, Candidate, Known, Position, Topology
from aragora.texts import counted

_SUGGESTIONS_SHOWN: Final = 10
_EVIDENCE_ADDED: Final = 5
_ANSWERING: Final = frozenset({AskKind.PROPOSE, AskKind.REVISE, AskKind.CHALLENGE})


def request(state: DebateState, ask: Ask, timeout_s: float) -> AgentRequest:
    """The brief for `ask`; its answer is worth waiting for `timeout_s` seconds."""
    return AgentRequest(ask, brief_of(state, ask), timeout_s, state.reserved.get(ask.ask_id))


def brief_of(state: DebateState, ask: Ask) -> Brief:
    """All that the agent of `ask` may know for it."""
    brief = _informed(state, ask, _BRIEF[ask.kind](state, ask))
    unseen = len(state.suggestions) - len(brief.suggestions)
    if not brief.suggestions or unseen <= 0:
        return brief
    told = f"did not see {unseen} of {counted(len(state.suggestions), 'suggestion')} of people, the oldest"
    return replace(brief, left_out=(told,))


def _informed(state: DebateState, ask: Ask, brief: Brief) -> Brief:
    """The brief with what the debate was offered: all items, and what earlier debates make of the question, for who
    answers it; for others the items that the answers before them cite; the checklist for critics alone."""
    offered = state.offered
    if offered is None or ask.kind is AskKind.GROUP:
        return brief
    if ask.kind in _ANSWERING:
        nothing = offered.why is NotOffered.NONE and not offered.priors and not offered.cruxes
        cruxes = () if ask.kind is AskKind.CHALLENGE else tuple(crux.text for crux in offered.cruxes)
        priors = tuple(map(told, offered.priors))
        return replace(brief, knowledge=tuple(_known(state)), nothing_known=nothing, priors=priors, cruxes=cruxes)
    answers = [state.answers[agent] for agent in _read_by(state, ask)]
    cited = [state.cited[answer.ask_id] for answer in answers if answer.ask_id in state.cited]
    labels = {label for one in cited for label in one.labels}
    unfounded = dict.fromkeys(label for one in cited for label in one.unknown) if ask.kind is AskKind.CRITIQUE else ()
    shown = tuple(known for known in _known(state) if known.label in labels)
    checklist = tuple(issue.text for issue in offered.checklist) if ask.kind is AskKind.CRITIQUE else ()
    return replace(brief, knowledge=shown, unfounded=tuple(unfounded), checklist=checklist)


def _known(state: DebateState) -> Iterator[Known]:
    items = () if state.offered is None else state.offered.items
    return (Known(item.label, about(item), item.text, item.dissent) for item in items)


def _read_by(state: DebateState, ask: Ask) -> tuple[str, ...]:
    """Whose answers stand before the agent of `ask`: where one stands for a position, those of all its authors, for
    their evidence is named with it."""
    named = {AskKind.CRITIQUE: (ask.target or "",), AskKind.SYNTHESIZE: answer_holders(state)}.get(
        ask.kind, state.ballot
    )
    if state.spec.protocol.topology is Topology.POSITIONS:
        held = (position_of(positions_of(state), agent) for agent in named)
        named = (*named, *(author for one in held if one is not None for author in one.authors))
    return tuple(agent for agent in dict.fromkeys(named) if agent in state.answers)


def _propose(state: DebateState, ask: Ask) -> Brief:
    spec = state.spec
    return Brief(spec.question, spec.context, ask.round, suggestions=_suggestions(state), options=spec.options)


def _group(state: DebateState, ask: Ask) -> Brief:
    """Every answer as it is, without what people suggested: the question is only which of them say the same."""
    spec = state.spec
    order = shuffled(answer_holders(state), spec.seed, ask)
    texts = (state.answers[agent].content for agent in order)
    candidates = tuple(Candidate(label, text) for label, text in zip(LABELS, texts, strict=False))
    return Brief(spec.question, spec.context, ask.round, candidates=candidates)


def _critique(state: DebateState, ask: Ask) -> Brief:
    shown = () if ask.target not in state.answers else _labelled(state, (ask.target,))
    return Brief(state.spec.question, state.spec.context, ask.round, candidates=shown, suggestions=_suggestions(state))


def _revise(state: DebateState, ask: Ask) -> Brief:
    spec = state.spec
    order = shuffled(_reread(state, ask.agent), spec.seed, ask)
    texts = (_text_of(state, agent, state.shown, state.shown_positions) for agent in order)
    return Brief(
        spec.question,
        spec.context,
        ask.round,
        own=_own(state, ask),
        candidates=tuple(Candidate(label, text) for label, text in zip(LABELS, texts, strict=False)),
        critiques=_said_against_own(state, ask.agent),
        suggestions=_suggestions(state),
        options=spec.options,
    )


def _reread(state: DebateState, reader: str) -> tuple[str, ...]:
    """Whose answers `reader` weighs against its own: those it is linked to, or one for each other position."""
    topology = state.spec.protocol.topology
    if topology is not Topology.POSITIONS:
        return tuple(agent for agent in targets(topology, state.participants, reader) if agent in state.shown)
    own = position_of(state.shown_positions, reader)
    spokesmen = {position.spokesman for position in state.shown_positions if position is not own}
    return tuple(agent for agent in state.participants if agent in spokesmen)


def _said_against_own(state: DebateState, reader: str) -> tuple[str, ...]:
    """What was said against the reader's answer, and against that of its position's spokesman."""
    own = position_of(state.shown_positions, reader)
    named = (reader,) if own is None or own.spokesman == reader else (reader, own.spokesman)
    return tuple(said for agent in named for said in state.critiques.get(agent, ()))


def _challenge(state: DebateState, ask: Ask) -> Brief:
    return Brief(
        state.spec.question,
        state.spec.context,
        ask.round,
        own=_own(state, ask),
        suggestions=_suggestions(state),
        challenge=state.challenged.challenge if state.challenged else "",
        options=state.spec.options,
    )


def _ballot(state: DebateState, ask: Ask) -> Brief:
    """The ballot shows an answer for each position, the reader's own unmarked among them, and what was said against
    each."""
    spec = state.spec
    order = shuffled(state.ballot, spec.seed, ask)
    return Brief(
        spec.question,
        spec.context,
        ask.round,
        candidates=_labelled(state, order),
        critiques=_said_against(state, order),
        suggestions=_suggestions(state),
    )


def _synthesis(state: DebateState, ask: Ask) -> Brief:
    """The chair sees every answer, and which one the votes put first: it words that position, and none of its own."""
    spec = state.spec
    order = shuffled(answer_holders(state), spec.seed, ask)
    return Brief(
        spec.question,
        spec.context,
        ask.round,
        candidates=_labelled(state, order),
        critiques=_said_against(state, order),
        suggestions=_suggestions(state),
        options=spec.options,
        leading=next((label for label, agent in zip(LABELS, order, strict=False) if agent == state.leading), ""),
    )


def _labelled(state: DebateState, order: tuple[str, ...]) -> tuple[Candidate, ...]:
    wanted = state.spec.protocol.topology is Topology.POSITIONS  # else each critique would find them for nothing
    positions = positions_of(state) if wanted else ()
    texts = (_text_of(state, agent, state.answers, positions) for agent in order)
    return tuple(Candidate(label, text) for label, text in zip(LABELS, texts, strict=False))


def _text_of(
    state: DebateState, agent: str, answers: Mapping[str, AnswerGiven], positions: tuple[Position, ...]
) -> str:
    """An answer as others read it: with the option it is for, and what else its position's other authors name as
    evidence, so that each position is read with its best reasons."""
    answer = answers[agent]
    text = f"{answer.option}: {answer.content}" if answer.option else answer.content
    if state.spec.protocol.topology is not Topology.POSITIONS:
        return text
    more = _evidence_of_others(agent, answers, positions)
    return text if not more else "\n".join((text, "Named as evidence by others who say the same:", *more))


def _evidence_of_others(agent: str, answers: Mapping[str, AnswerGiven], positions: tuple[Position, ...]) -> list[str]:
    own = position_of(positions, agent)
    others = () if own is None or own.spokesman != agent else (one for one in own.authors if one != agent)
    known = dict.fromkeys(fact for other in others for fact in answers[other].evidence)
    more = [f"- {fact}" for fact in known if fact not in answers[agent].evidence]
    unseen = len(more) - _EVIDENCE_ADDED
    return more if unseen <= 0 else [*more[:_EVIDENCE_ADDED], f"- and {unseen} more"]


def _said_against(state: DebateState, order: tuple[str, ...]) -> tuple[str, ...]:
    if state.critiques_round != state.round:  # those of an earlier round were said of other answers
        return ()
    return tuple(
        f"{label}: {said}"
        for label, agent in zip(LABELS, order, strict=False)
        for said in state.critiques.get(agent, ())
    )


def _own(state: DebateState, ask: Ask) -> str:
    answer: AnswerGiven | None = state.answers.get(ask.agent)
    return "" if answer is None else answer.content


def _suggestions(state: DebateState) -> tuple[str, ...]:
    return tuple(state.suggestions.values())[-_SUGGESTIONS_SHOWN:] if state.suggestions else ()


_BRIEF: Final[dict[AskKind, Callable[[DebateState, Ask], Brief]]] = {
    AskKind.PROPOSE: _propose,
    AskKind.GROUP: _group,
    AskKind.CRITIQUE: _critique,
    AskKind.REVISE: _revise,
    AskKind.CHALLENGE: _challenge,
    AskKind.RANK: _ballot,
    AskKind.VOTE: _ballot,
    AskKind.JUDGE: _ballot,
    AskKind.SYNTHESIZE: _synthesis,
}
