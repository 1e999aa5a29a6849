"""The questions of a world, asked in each mode, and what came of them."""

from __future__ import annotations

from collections.abc import Iterator, Mapping, Sequence
from dataclasses import dataclass, field
from typing import Final

from aragora.errors import AragoraError
from aragora.knowledge.searching import Mode, Searching
from aragora.scope import Scope
from benchmarks.knowledge_quality.worlds import Kind, Question, World
from benchmarks.webhooks.options import Line

K: Final = 10
PRECEDENTS: Final = 5
SILENCE: Final = 0.95
PRECEDENT: Final = 0.9
ANSWERED: Final = (Kind.FACT, Kind.WORDED, Kind.PRECEDENT)
MODES: Final = (Mode.HYBRID, Mode.LEXICAL, Mode.SEMANTIC)


@dataclass
class Asked:
    """What one mode found: of each question with an answer its place (0: not found), of the others the number of
    hits; and what it must never show."""

    places: dict[Kind, list[int]] = field(default_factory=dict)
    silent: dict[Kind, list[bool]] = field(default_factory=dict)
    stale: int = 0
    foreign: int = 0

    def within(self, kind: Kind, k: int) -> float:
        """The share of the answers that stand among the first `k`."""
        return _share([0 < place <= k for place in self.places[kind]])

    def reciprocal(self) -> float:
        """Mean of 1 / place over all questions that have an answer."""
        places = [place for kind in ANSWERED for place in self.places[kind]]
        return sum(1 / place for place in places if place) / len(places)


async def ask_all(searching: Searching, scope: Scope, world: World, foreign: frozenset[str]) -> dict[Mode, Asked]:
    """Ask all questions of a world in all modes; `foreign` are texts of other workspaces."""
    told = {mode: Asked() for mode in MODES}
    for question in world.questions:
        for mode, asked in told.items():
            await _ask(searching, scope, world, foreign, question, mode, asked)
    return told


async def _ask(  # noqa: PLR0917  one question in one mode
    searching: Searching,
    scope: Scope,
    world: World,
    foreign: frozenset[str],
    question: Question,
    mode: Mode,
    asked: Asked,
) -> None:
    answer = await searching.search(scope, question.text, k=K, mode=mode)
    if answer.degraded:
        raise AragoraError(f"the index of meanings did not answer: {answer.degraded}")
    texts = [result.item.statement.content for result in answer.results]
    asked.stale += len(world.stale.intersection(texts))
    asked.foreign += len(foreign.intersection(texts))
    if question.answer is None:
        asked.silent.setdefault(question.kind, []).append(not texts)
    else:
        place = texts.index(question.answer) + 1 if question.answer in texts else 0
        asked.places.setdefault(question.kind, []).append(place)


def lines_of(world: World, told: Mapping[Mode, Asked]) -> Iterator[Line]:
    """A line for each goal."""
    hybrid = told[Mode.HYBRID]
    mrr = {f"mrr_{mode}": told[mode].reciprocal() for mode in MODES}
    found = {
        f"{kind} in first {k}": {str(mode): round(told[mode].within(kind, k), 3) for mode in MODES}
        for kind, k in ((Kind.FACT, 1), (Kind.FACT, 5), (Kind.WORDED, 1), (Kind.PRECEDENT, PRECEDENTS))
    }
    of: dict[str, object] = {"language": world.language, "script": world.script}
    best = max(told[Mode.LEXICAL].reciprocal(), told[Mode.SEMANTIC].reciprocal())
    yield Line("hybrid", {**of, **mrr, **found}, "hybrid at least the best single list", hybrid.reciprocal() >= best)
    precedent = hybrid.within(Kind.PRECEDENT, PRECEDENTS)
    yield Line("precedent", {**of, "in_first_5": precedent}, f"at least {PRECEDENT:g}", precedent >= PRECEDENT)
    shown = {"stale": sum(one.stale for one in told.values()), "foreign": sum(one.foreign for one in told.values())}
    yield Line("never shown", {**of, **shown}, "none", not any(shown.values()))
    silent = _share(hybrid.silent[Kind.UNKNOWN])
    near = _share(hybrid.silent[Kind.STRANGER])
    goal = f"answered with nothing at least {SILENCE:g}"
    yield Line("nobody knows", {**of, "silent": silent, "silent_near_miss": near}, goal, silent >= SILENCE)


def together(all_told: Sequence[Mapping[Mode, Asked]]) -> dict[Mode, Asked]:
    """What was found in all worlds."""
    whole = {mode: Asked() for mode in MODES}
    for told in all_told:
        for mode, asked in told.items():
            for kind, places in asked.places.items():
                whole[mode].places.setdefault(kind, []).extend(places)
            for kind, silent in asked.silent.items():
                whole[mode].silent.setdefault(kind, []).extend(silent)
            whole[mode].stale += asked.stale
            whole[mode].foreign += asked.foreign
    return whole


def _share(held: Sequence[bool]) -> float:
    return sum(held) / len(held) if held else 0.0
