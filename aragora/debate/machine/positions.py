"""Which answers come to the same conclusion: the positions of a debate, a partition of those who hold an answer.

They are found by the first of these that can tell, and never by counting words alone:

    options   the question gives them: each answer names one
    texts     the conclusions are the same word by word, or each says yes or no to a question that asks for no more
    an agent  is asked once a round, and its grouping is checked: a partition of the answers, nothing invented
    texts     where that agent failed: equal texts together, all others alone

Rules
- Answers of which one says yes and the other no are never one position, whichever agent put them together.
- A person may correct what was found; it holds until the answers are compared anew, at the end of the next round.
- The spokesman of a position is its author with the most evidence, then the one that is surest, then the one listed
  first. Its answer stands for the position wherever one text must.
- A copy of an answer joins the position of its original and changes no other.
"""

from __future__ import annotations

import re
from collections.abc import Callable, Hashable, Iterable, Sequence
from dataclasses import dataclass
from typing import Final

from aragora.debate.machine.conclusions import stance, telling
from aragora.debate.machine.convergence import words
from aragora.debate.machine.state import DebateState, answer_holders
from aragora.debate.model import AnswerGiven, Position

NAME_MAX_CHARS: Final = 300
BY_OPTIONS: Final = "options"
BY_TEXTS: Final = "texts"

Groups = tuple[tuple[str, ...], ...]

_OFFERS_MORE: Final = re.compile(r"\b(?:or|vs|versus|what|which|who|whom|whose|when|where|why|how)\b", re.IGNORECASE)
"""Where the question has one of these words, two that say yes may still mean different things."""


@dataclass(frozen=True, slots=True)
class Found:
    """The positions, the one with most authors first; `found_by` as in `ConvergenceMeasured`."""

    positions: tuple[Position, ...]
    found_by: str


def found(state: DebateState) -> Found:
    """The positions of the answers that stand now; those of `state.grouping` where nothing else tells."""
    holders = answer_holders(state)
    answers = {agent: state.answers[agent] for agent in holders}
    told = told_without_asking(state)
    if told is not None:
        return told
    if state.grouping is not None and _is_partition(state.grouping.groups, holders):
        groups, by = state.grouping.groups, state.grouping.agent
    else:
        groups, by = _alike(answers), BY_TEXTS
    return Found(_positions(_unmixed(groups, answers), answers, holders), by)


def told_without_asking(state: DebateState) -> Found | None:
    """The positions where options or texts tell them; None where an agent must be asked."""
    holders = answer_holders(state)
    answers = {agent: state.answers[agent] for agent in holders}
    if state.spec.options:
        return Found(_positions(_by(holders, lambda one: answers[one].option), answers, holders), BY_OPTIONS)
    if len(holders) < 2:
        return Found(_positions(tuple((agent,) for agent in holders), answers, holders), BY_TEXTS)
    alike = _alike(answers)
    if len(alike) == 1:
        return Found(_positions(alike, answers, holders), BY_TEXTS)
    stances = {agent: stance(answer.content) for agent, answer in answers.items()}
    if all(stances.values()) and not _OFFERS_MORE.search(state.spec.question):
        return Found(_positions(_by(holders, lambda one: stances[one]), answers, holders), BY_TEXTS)
    return None


def positions_of(state: DebateState) -> tuple[Position, ...]:
    """The positions that are counted: as measured last, or each answer for itself where the protocol knows none."""
    holders = answer_holders(state)
    if state.spec.protocol.positions and {author for one in state.positions for author in one.authors} == set(holders):
        return state.positions
    answers = {agent: state.answers[agent] for agent in holders}
    return tuple(Position(name_of(state.answers[agent].content), agent, (agent,)) for agent in answers)


def agreed(state: DebateState) -> bool:
    """Whether at least two answers hold the only position there is: then there is nothing to vote on."""
    positions = positions_of(state) if state.spec.protocol.positions else ()
    return len(positions) == 1 and len(positions[0].authors) > 1


def spokesmen(state: DebateState) -> tuple[str, ...]:
    """One author for each position, in the order in which the participants are listed."""
    chosen = {position.spokesman for position in positions_of(state)}
    return tuple(agent for agent in state.participants if agent in chosen)


def position_of(positions: Iterable[Position], agent: str) -> Position | None:
    """The position that `agent` holds; None where it holds none."""
    return next((position for position in positions if agent in position.authors), None)


def name_of(text: str) -> str:
    """What a position is called whose answer is `text`: its conclusion on one line."""
    name = " ".join(telling(text).split())
    return name if len(name) <= NAME_MAX_CHARS else name[: NAME_MAX_CHARS - 1] + "…"


def movers(before: Sequence[Position], now: Sequence[Position]) -> tuple[str, ...]:
    """Who holds another position than before, and who brings a new one. Positions are the same where they share most
    authors, each with one other at most; of options, where they have the same name."""
    same = _same(before, now)
    places = {author: then for then, position in enumerate(before) for author in position.authors}
    return tuple(
        sorted(
            author
            for here, position in enumerate(now)
            for author in position.authors
            if (places[author] != same.get(here) if author in places else here not in same)
        )
    )


def _same(before: Sequence[Position], now: Sequence[Position]) -> dict[int, int]:
    """For each position of `now`, by its place, that of `before` which it is."""
    likeness = [
        (old.name == new.name, len(set(old.authors).intersection(new.authors)), -then, -here)
        for then, old in enumerate(before)
        for here, new in enumerate(now)
    ]
    same: dict[int, int] = {}
    for named_alike, shared, then, here in sorted(likeness, reverse=True):
        if (named_alike or shared) and -here not in same and -then not in same.values():
            same[-here] = -then
    return same


def corrected(state: DebateState, groups: Groups) -> tuple[Position, ...]:
    """The positions with the authors of `groups` put together as these say; all others stay where they are."""
    holders = answer_holders(state)
    named = {agent for group in groups for agent in group}
    rest = [tuple(author for author in one.authors if author not in named) for one in positions_of(state)]
    kept = tuple(tuple(agent for agent in group if agent in holders) for group in groups)
    answers = {agent: state.answers[agent] for agent in holders}
    return _positions(tuple(group for group in (*kept, *rest) if group), answers, holders)


# --- Finding ----------------------------------------------------------------------------------------------


def _by(holders: Iterable[str], key: Callable[[str], Hashable]) -> Groups:
    groups: dict[Hashable, list[str]] = {}
    for agent in holders:
        groups.setdefault(key(agent), []).append(agent)
    return tuple(tuple(group) for group in groups.values())


def _alike(answers: dict[str, AnswerGiven]) -> Groups:
    """The answers whose conclusions are the same word by word; all others alone. A word more or less may turn a
    conclusion around, so nothing but the same is alike."""
    return _by(answers, lambda agent: words(telling(answers[agent].content)) or (agent, None))


def _is_partition(groups: Groups, holders: tuple[str, ...]) -> bool:
    named = [agent for group in groups for agent in group]
    return len(named) == len(set(named)) and set(named) == set(holders)


def _unmixed(groups: Groups, answers: dict[str, AnswerGiven]) -> Groups:
    """`groups` with those parted that hold both a yes and a no; who says neither stays with the larger side."""
    parted: list[tuple[str, ...]] = []
    for group in groups:
        sides: dict[str, list[str]] = {"yes": [], "no": [], "": []}
        for agent in group:
            sides[stance(answers[agent].content)].append(agent)
        if not sides["yes"] or not sides["no"]:
            parted.append(group)
            continue
        larger = "no" if len(sides["no"]) > len(sides["yes"]) else "yes"
        sides[larger] += sides.pop("")
        parted.extend(tuple(side) for side in sides.values() if side)
    return tuple(parted)


# --- Making -----------------------------------------------------------------------------------------------


def _positions(groups: Groups, answers: dict[str, AnswerGiven], holders: tuple[str, ...]) -> tuple[Position, ...]:
    place = {agent: number for number, agent in enumerate(holders)}
    made: list[Position] = []
    for group in filter(None, groups):
        authors = tuple(sorted(group, key=place.__getitem__))
        spokesman = min(authors, key=lambda one: (-len(answers[one].evidence), -answers[one].confidence, place[one]))
        made.append(Position(answers[spokesman].option or name_of(answers[spokesman].content), spokesman, authors))
    return tuple(sorted(made, key=lambda one: (-len(one.authors), place[one.authors[0]])))
