"""The evidence adapter: what answers rested on, and how well it fared. Pure.

In:  each piece of evidence that an answer names becomes an item of kind `evidence`, once a debate: named by several
     agents of one debate it still has one root. Its quality begins low and grows where the answer won and where several
     agents named it on their own; it falls where the answer was found badly wrong. What an agent only repeats of an
     offered item is no evidence.
Out: evidence for a question with its quality and date, and what was refuted (`aragora.knowledge.offering`).
"""

from __future__ import annotations

from dataclasses import dataclass, field
from typing import Final

from aragora.debate.model import AnswerGiven, AskKind, CritiqueGiven
from aragora.knowledge.ledger import Added
from aragora.knowledge.model import Basis, ItemKind, Link, LinkKind, Statement
from aragora.knowledge.mound.adapters.consensus import decided
from aragora.knowledge.planning import Addition
from aragora.knowledge.sameness import folded, item_id_of
from aragora.knowledge.taught import TaughtDebate

NAME: Final = "evidence"

PIECES_MAX: Final = 30  # of one debate, those with the best quality
PIECE_MIN_CHARS: Final = 12  # "yes", "see above" and the like teach nothing

NAMED: Final = 0.3  # by one agent
WON: Final = 0.2  # more where it stands in the answer that won
AGAIN: Final = 0.05  # more for each further agent that names it
AGAIN_MAX: Final = 2
ATTACKED: Final = 0.15  # less where an answer that names it was found badly wrong
BAD: Final = 0.7  # the severity from which a critique says so


@dataclass(slots=True)
class _Piece:
    text: str
    first: tuple[int, AnswerGiven]
    agents: set[str] = field(default_factory=set)


def gather(taught: TaughtDebate) -> tuple[Addition, ...]:
    """The items that a debate gives."""
    winners = taught.winners
    return tuple(_addition(taught, quality, piece, winners) for quality, piece in _pieces(taught))


def claims(taught: TaughtDebate) -> dict[str, frozenset[str]]:
    """The agents that name each of them, by the item's id."""
    return {item_id_of(taught.home, _statement(taught, piece)): frozenset(piece.agents) for _, piece in _pieces(taught)}


def _pieces(taught: TaughtDebate) -> list[tuple[float, _Piece]]:
    """The pieces that a debate gives, the best first, with their quality."""
    recalled = {folded(text) for text in taught.offered.texts}
    pieces: dict[str, _Piece] = {}
    for seq, answer in taught.answers:
        if answer.kind is AskKind.SYNTHESIZE:  # the chair words what others have brought
            continue
        for text in answer.evidence:
            key = folded(text)
            if len(key) >= PIECE_MIN_CHARS and key not in recalled:
                pieces.setdefault(key, _Piece(text, (seq, answer))).agents.add(answer.agent)
    winners, attacked = taught.winners, _attacked(taught)
    rated = [(_quality(piece, winners, attacked), piece) for piece in pieces.values()]
    rated.sort(key=lambda one: (-one[0], one[1].first[0]))
    return rated[:PIECES_MAX]


def _quality(piece: _Piece, winners: frozenset[str], attacked: frozenset[str]) -> float:
    won = WON if piece.agents & winners else 0.0
    again = AGAIN * min(len(piece.agents) - 1, AGAIN_MAX)
    against = ATTACKED if piece.agents & attacked else 0.0
    return NAMED + won + again - against


def _attacked(taught: TaughtDebate) -> frozenset[str]:
    events = (event for _, event in taught.events if isinstance(event, CritiqueGiven))
    return frozenset(event.target for event in events if event.severity >= BAD)


def _addition(taught: TaughtDebate, quality: float, piece: _Piece, winners: frozenset[str]) -> Addition:
    seq, answer = piece.first
    statement = _statement(taught, piece)
    source = taught.source(seq, agent=answer.agent, model=answer.usage.model, stated_confidence=quality)
    decision = decided(taught) if piece.agents & winners else None
    links = () if decision is None else (Link(LinkKind.SUPPORTS, item_id_of(taught.home, decision), taught.at),)
    return Addition(Added(statement, (source,), quality, Basis.DERIVED, links=links))


def _statement(taught: TaughtDebate, piece: _Piece) -> Statement:
    domain = taught.spec.domain
    return Statement(
        kind=ItemKind.EVIDENCE,
        content=piece.text.strip(),
        domain=domain,
        topics=() if domain == "general" else (domain,),
    )
