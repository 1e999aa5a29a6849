"""The insights adapter: how agents come to agree, and from that how far an agreement of theirs can be believed. Pure.

In:  of each debate that ended, of each agent: in how many rounds it could change sides, in how many it did, in how many
     of these without new evidence (a flip), how often its agreement was challenged, and how often it turned then.
Out: how often an agent flips, with its interval, and whether that speaks for or against the Trickster.

An agent can change sides in a round in which it answers and which both begins and ends with measured positions. It
flips where the answer names no evidence that nobody had named before that round: then it follows the others, and not a
reason that it found. Journals of versions that knew no positions say nothing here.
"""

from __future__ import annotations

from collections.abc import Iterable, Mapping
from dataclasses import dataclass, replace
from typing import Final

from aragora.debate.model import AgreementChallenged, AnswerGiven, AskKind, ConvergenceMeasured
from aragora.encoding import decode_as
from aragora.knowledge.calibration import wilson
from aragora.knowledge.mound.adapters.evidence import PIECE_MIN_CHARS
from aragora.knowledge.observations import Observation
from aragora.knowledge.sameness import folded
from aragora.knowledge.taught import TaughtDebate

NAME: Final = "insights"

LEAST: Final = 5
"""Rounds from which on it is told how often an agent flips."""
READ: Final = 100
"""Of the newest debates of an agent so many are looked at."""

FLIPS: Final = 0.2
"""From this rate on, surely reached, the Trickster is worth what it costs."""
IDLE: Final = 0.1
"""Where surely no more of the challenged change sides, it is not."""


@dataclass(frozen=True, slots=True)
class Sides:
    """What one agent did in one debate. Stored: a field's name never changes. Of `rounds` in which it could, it
    changed sides in `moves`, in `flips` of these without new evidence. Of its answers to `challenges`, `turned` did."""

    rounds: int = 0
    moves: int = 0
    flips: int = 0
    challenges: int = 0
    turned: int = 0


@dataclass(frozen=True, slots=True)
class Steadiness:
    """How often an agent flips: `rate` of the `rounds` of so many `debates`, with its 95 % interval."""

    agent: str
    debates: int
    rounds: int
    moves: int
    flips: int
    rate: float
    low: float
    high: float
    challenges: int
    turned: int


@dataclass(frozen=True, slots=True)
class Setting:
    """Whether a protocol of some agents should have the Trickster, and why."""

    trickster: bool
    reason: str


def observe(taught: TaughtDebate) -> tuple[Observation, ...]:
    """What each agent did that could change sides, or was challenged."""
    watch = _Watch()
    for _, event in taught.events:
        if isinstance(event, AnswerGiven):
            watch.answer(event)
        elif isinstance(event, AgreementChallenged):
            watch.challenge()
        elif isinstance(event, ConvergenceMeasured):
            watch.measure(event)
    return tuple(taught.noted(agent, sides) for agent, sides in sorted(watch.sides.items()) if sides != Sides())


def read(observation: Observation) -> Sides:
    """What an observation of this adapter says. Raises ValueError for one that is damaged."""
    return decode_as(observation.body, Sides)


def steadiness(agent: str, seen: Mapping[str, Sides]) -> Steadiness | None:
    """How often an agent flips, by the debates seen of it (by their ids); None where they have fewer than `LEAST`
    rounds."""
    whole = _sum(seen.values())
    if whole.rounds < LEAST:
        return None
    low, high = wilson(whole.flips, whole.rounds)
    return Steadiness(
        agent=agent,
        debates=len(seen),
        rounds=whole.rounds,
        moves=whole.moves,
        flips=whole.flips,
        rate=whole.flips / whole.rounds,
        low=low,
        high=high,
        challenges=whole.challenges,
        turned=whole.turned,
    )


def setting(known: Iterable[Steadiness]) -> Setting | None:
    """What is known of a team says of the Trickster; None where it says nothing for sure."""
    whole = _sum(Sides(one.rounds, one.moves, one.flips, one.challenges, one.turned) for one in known)
    flips, _ = wilson(whole.flips, whole.rounds)
    _, turned = wilson(whole.turned, whole.challenges)
    if flips >= FLIPS:
        return Setting(True, f"its agents change sides without new evidence in at least {flips:.2f} of rounds")
    if turned <= IDLE:
        return Setting(False, f"of its agents at most {turned:.2f} change sides where they are challenged")
    return None


def _sum(seen: Iterable[Sides]) -> Sides:
    whole = Sides()
    for one in seen:
        whole = Sides(
            whole.rounds + one.rounds,
            whole.moves + one.moves,
            whole.flips + one.flips,
            whole.challenges + one.challenges,
            whole.turned + one.turned,
        )
    return whole


class _Watch:
    """The sides of a debate's agents while its events go by."""

    def __init__(self) -> None:
        self.sides: dict[str, Sides] = {}
        self._stood: frozenset[str] = frozenset()  # who held a position when they were measured last
        self._named: set[str] = set()  # evidence of before the round
        self._brought: dict[str, set[str]] = {}  # since then, by whom
        self._options: dict[str, str] = {}
        self._challenged: dict[str, str] | None = None  # the options then, while a challenge waits for its measurement
        self._asked: set[str] = set()  # who answered it

    def answer(self, event: AnswerGiven) -> None:
        if event.kind is AskKind.SYNTHESIZE:  # the chair words what others have brought
            return
        pieces = {key for text in event.evidence if len(key := folded(text)) >= PIECE_MIN_CHARS}
        self._brought.setdefault(event.agent, set()).update(pieces)
        self._options[event.agent] = event.option
        if event.kind is AskKind.CHALLENGE:
            self._asked.add(event.agent)

    def challenge(self) -> None:
        self._challenged = dict(self._options)

    def measure(self, event: ConvergenceMeasured) -> None:
        stands = frozenset(author for position in event.positions for author in position.authors)
        if self._challenged is not None and stands:
            self._turn(event, self._challenged)
        for agent in sorted(stands & self._stood & self._brought.keys()):
            moved = agent in event.moved
            flipped = moved and not self._brought[agent] - self._named
            now = self.sides.get(agent, Sides())
            self.sides[agent] = replace(now, rounds=now.rounds + 1, moves=now.moves + moved, flips=now.flips + flipped)
        self._named.update(*self._brought.values())
        self._brought, self._challenged, self._asked, self._stood = {}, None, set(), stands

    def _turn(self, event: ConvergenceMeasured, before: Mapping[str, str]) -> None:
        """A challenge comes where all hold one position: who stands outside of the largest afterwards turned, or by the
        options where there are some."""
        stayed = event.positions[0].authors
        for agent in sorted(self._asked):
            option = self._options[agent]
            turned = option != before.get(agent, option) if option else agent not in stayed
            now = self.sides.get(agent, Sides())
            self.sides[agent] = replace(now, challenges=now.challenges + 1, turned=now.turned + turned)
