"""What a decision rests on of what the debate was offered, and which earlier decision it contradicts.

Rules
- A decision rests on the items that the text which stands as its answer cites: the winner's, or the chair's. Words that
  a person put in their place cite nothing, and a decision that was not reached rests on nothing.
- Reused are those of them that come from another debate.
- A decision contradicts an offered one where both chose from this question's options, and chose differently. The
  offered one must be undisputed, and be of the same question: the same words, whatever their case and spacing.

What this does not see: a contradiction between open answers, whose names are sentences that two debates never word
alike; the same question in other words, or with other options; a decision that nobody offered; words that people put
in place of the agents' answer after it was proposed.
"""

from __future__ import annotations

from collections.abc import Iterable, Iterator

from aragora.debate.knowledge import DECISION, OfferedItem, question_digest
from aragora.debate.machine.state import DebateState
from aragora.debate.machine.wording import quoted
from aragora.debate.model import AnswerGiven, Decision


def grounds(state: DebateState) -> tuple[OfferedItem, ...]:
    """The offered items that the answer which stands cites; () before the decision."""
    decision = state.decision
    if state.offered is None or decision is None or not decision.reached:
        return ()
    standing = next((one for one in _candidates(state, decision) if one.content == decision.answer), None)
    cited = None if standing is None else state.cited.get(standing.ask_id)
    return () if cited is None else tuple(item for item in state.offered.items if item.label in cited.labels)


def reused(state: DebateState) -> tuple[OfferedItem, ...]:
    """Those of the decision's grounds that another debate has found."""
    own = state.spec.debate_id
    return tuple(item for item in grounds(state) if item.source_debate_id and item.source_debate_id != own)


def contradicted(state: DebateState, position: str) -> tuple[OfferedItem, ...]:
    """The offered decisions that a decision for the option `position` contradicts."""
    options = {_plain(option) for option in state.spec.options}
    chosen = _plain(position)
    if state.offered is None or chosen not in options:
        return ()
    asked = question_digest(state.spec.question)
    return tuple(
        item
        for item in state.offered.items
        if item.kind == DECISION
        and not item.disputed
        and item.question_digest == asked
        and _plain(item.position) in options - {chosen}
    )


def contradictions(state: DebateState, position: str) -> Iterator[str]:
    """What is to be said of a decision for `position` that contradicts others."""
    for item in contradicted(state, position):
        source = item.source_receipt_id or item.source_debate_id
        told = f" of {quoted(source)}" if source else ""
        yield f"It contradicts the earlier decision{told} that was offered as {item.label}: {quoted(item.position)}."


def _candidates(state: DebateState, decision: Decision) -> Iterable[AnswerGiven]:
    """The answers whose text may stand as the decision's."""
    if decision.winner is None:
        return
    if state.synthesis is not None:
        yield state.synthesis
    if decision.winner in state.answers:
        yield state.answers[decision.winner]


def _plain(option: str) -> str:
    return " ".join(option.casefold().split())
