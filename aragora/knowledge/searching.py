"""Searching the mound: by words and by meaning, fused by rank, and shown as the store allows.

1. Two lists of `LISTED` items, or twice as many as are asked for, within the caller's scope: full text in the store,
   and the index of meanings. Where the index is away, late or loading, the words alone answer, and the answer says so.
2. Fusion by rank, with confidence and age as factors; then diversity (`aragora.knowledge.search.ranking`).
3. The store decides what of it may be shown. Where that leaves too few and the index has more, it is asked again: among
   the items that are wanted alone, or for more.

An answer may be kept for those who ask the same, as numbers of items (`aragora.knowledge.answers`): the third step is
taken for each of them.

A hit is relevant where it covers half of the query's words, where its meaning is surely near, or where its meaning is
near and it shares some of the words (`aragora.knowledge.relevance`). Where nothing is, the answer is empty, and that is
an answer.
"""

from __future__ import annotations

import asyncio
from collections.abc import Collection, Mapping, Sequence
from dataclasses import dataclass
from enum import StrEnum
from typing import Final, Protocol

from aragora.clock import Clock
from aragora.errors import AragoraError, InvalidInput, Unavailable
from aragora.knowledge import health
from aragora.knowledge.answers import KEPT_S, AnswerCache, KeptAnswer, KeptScore, key_of
from aragora.knowledge.counting import Operation, counted, searched
from aragora.knowledge.glimpse import Glimpse
from aragora.knowledge.health import OFF, Component
from aragora.knowledge.model import Item, ItemKind
from aragora.knowledge.near import Near
from aragora.knowledge.relevance import COVERED_LEAST, SHARED_LEAST, cover_of
from aragora.knowledge.search.ranking import Score, alike_tokens, by_total, diversified, fused, weighed
from aragora.knowledge.search.tokens import query_tokens
from aragora.knowledge.store.generations import Generations, Standing
from aragora.knowledge.store.lexical import found_in
from aragora.knowledge.wanted import Wanted
from aragora.scope import Scope

LISTED: Final = 100
"""Measured (benchmarks.knowledge_quality, benchmarks.knowledge): with 200 nothing more was found, in twice the time."""
RESULTS_MAX: Final = 100
QUERY_MAX_CHARS: Final = 2_000
ALLOWED_MAX: Final = 20_000
"""Up to so many wanted items an index searches among these alone. Beyond that it is asked for more of all, and what
is not wanted is left out afterwards."""

WORDS_COUNT: Final = 0.5
"""What a place among the hits by words counts for where there are hits by meaning, times the share of the query that
such a hit covers. Measured (benchmarks.knowledge_quality): with 1 for both lists, the one by words took more than it
gave."""

EVERYTHING: Final = Wanted()
DIVERSE: Final = 3  # candidates for each result

HALF_LIFE_DAYS: Final[Mapping[ItemKind, float | None]] = {
    ItemKind.DECISION: 365.0,
    ItemKind.DISSENT: 365.0,
    ItemKind.OPEN_QUESTION: 90.0,
    ItemKind.EVIDENCE: 180.0,
    ItemKind.INSIGHT: 90.0,
    ItemKind.OUTCOME: 90.0,
}
"""Until half of what age may take is taken. Kinds that are not named do not age. Judgement, not measurement."""


class Mode(StrEnum):
    """By what a search finds."""

    HYBRID = "hybrid"
    LEXICAL = "lexical"
    SEMANTIC = "semantic"


_MODES: Final = frozenset(Mode)


class Meanings(Protocol):
    """The index of meanings, wherever it runs."""

    async def nearest(self, scopes: Collection[str], question: str, k: int, allowed: Collection[int] | None) -> Near:
        """See `aragora.knowledge.indexing.MoundIndex`. Raises Unavailable, within a bounded time."""
        ...


class Reading(Protocol):
    """The store (`aragora.knowledge.store.reading.KnowledgeReader`)."""

    async def workspaces(self, scope: Scope) -> tuple[str, ...]: ...

    async def numbered(
        self, scope: Scope, wanted: Wanted, item_nos: Collection[int], now: float
    ) -> dict[int, Item]: ...

    async def glimpses(
        self, scope: Scope, wanted: Wanted, item_nos: Collection[int], now: float
    ) -> dict[int, Glimpse]: ...

    async def lexical(
        self, scope: Scope, wanted: Wanted, tokens: Sequence[str], limit: int, now: float
    ) -> list[tuple[int, float]]: ...

    async def allowed(self, scope: Scope, wanted: Wanted, limit: int, now: float) -> list[int] | None: ...


@dataclass(frozen=True, slots=True)
class Result:
    """One hit; `score` orders the hits of one answer and says nothing beyond it. `parts` explain it."""

    item: Item
    score: float
    parts: Score[int]


@dataclass(frozen=True, slots=True)
class Answer:
    """What a search found. `mode` is what really ran, `degraded` why that is not what was asked for; `exact`, whether
    every vector was compared; `waiting`, how many items have no vector yet."""

    results: tuple[Result, ...]
    mode: Mode
    degraded: str = ""
    exact: bool = True
    waiting: int = 0


@dataclass(frozen=True, slots=True)
class Keeping:
    """Where answers are kept, and by what generations."""

    answers: AnswerCache
    generations: Generations


class Searching:
    """Searches of one process; `keeping`: None where no answer is kept."""

    def __init__(self, reader: Reading, meanings: Meanings, clock: Clock, keeping: Keeping | None = None) -> None:
        self._reader = reader
        self._meanings = meanings
        self._clock = clock
        self._keeping = keeping

    @counted(Operation.SEARCH)
    async def search(
        self, scope: Scope, query: str, *, k: int = 10, mode: Mode = Mode.HYBRID, wanted: Wanted = EVERYTHING
    ) -> Answer:
        """The best `k` items for a query. Raises InvalidInput for a blank or too long one, or a `k` beyond 1 to
        `RESULTS_MAX`; Unavailable where the store is away, or in mode `semantic` the index."""
        _check(query, k)
        asked = _Asked(scope, query, mode, wanted, self._clock.now(), k)
        if self._keeping is None or not scope.org_id:  # health looks as nobody, and is to look each time
            return (await self._searched(asked))[0]
        return await self._kept(asked, scope.org_id, self._keeping)

    async def look_at_cache(self) -> Mapping[Component, health.Reading]:
        """Uses the cache of answers, for health."""
        if self._keeping is None:
            return {Component.CACHE: OFF}
        return await self._keeping.answers.look()

    async def _kept(self, asked: _Asked, org_id: str, keeping: Keeping) -> Answer:
        """The answer that is kept, or else a new one, which is kept where it may be."""
        places = found_in(org_id, await self._reader.workspaces(asked.scope))
        standing = await keeping.generations.standing(places)  # before the search: it sees at least as much
        request = (asked.query, asked.mode, asked.wanted, asked.k)
        key = key_of(org_id, standing.generations, standing.embedder_id, request)
        kept = await keeping.answers.get(key)
        shown = None if kept is None else await self._shown(asked, kept)
        keeping.answers.count(hit=shown is not None)
        if shown is not None:
            return shown
        answer, near = await self._searched(asked)
        if not answer.degraded and (near is None or _had_followed(near, standing)):
            begins = None if asked.wanted.as_of is not None else await keeping.generations.next_begin(org_id, asked.now)
            for_s = KEPT_S if begins is None else begins - asked.now
            await keeping.answers.put(key, _to_keep(answer), for_s)
        return answer

    async def _shown(self, asked: _Asked, kept: KeptAnswer) -> Answer | None:
        """The kept answer as the store allows it; None where it allows less of it: some of it has ended by now."""
        numbers = [score.item_no for score in kept.scores]
        found = await self._reader.numbered(asked.scope, asked.wanted, numbers, asked.now)
        if len(found) < len(numbers) or len(numbers) > asked.k or kept.mode not in _MODES:
            return None
        results = []
        for one in kept.scores:
            score = Score(one.item_no, one.places, one.fused, one.confidence, one.decay, one.likeness)
            results.append(Result(found[one.item_no], score.total, score))
        searched(Mode(kept.mode), "")
        return Answer(tuple(results), Mode(kept.mode), "", kept.exact, kept.waiting)

    async def _searched(self, asked: _Asked) -> tuple[Answer, Near | None]:
        words, (near, away) = await asyncio.gather(self._words(asked), self._near(asked, asked.listed))
        found = await self._found(asked, words, near)
        kept = sum(number in found for number, _ in near.found) if near is not None else 0
        if near is not None and len(near.found) >= asked.listed and kept < asked.k:
            near, away = await self._further(asked)
            found = await self._found(asked, words, near)
        best = _ranked(asked, found, words, near)
        numbers = [score.key for score in best]
        items = await self._reader.numbered(asked.scope, asked.wanted, numbers, asked.now)  # what was found may be gone
        results = tuple(Result(items[score.key], score.total, score) for score in best if score.key in items)
        ran = Mode.LEXICAL if near is None else asked.mode
        searched(ran, "" if away is None else away.code)
        if near is None:
            return Answer(results, ran, "" if away is None else away.message), None
        return Answer(results, ran, "", near.exact, near.waiting), near

    async def _words(self, asked: _Asked) -> list[int]:
        if asked.mode is Mode.SEMANTIC:
            return []
        tokens = query_tokens(asked.query)
        ranked = await self._reader.lexical(asked.scope, asked.wanted, tokens, asked.listed, asked.now)
        return [number for number, _ in ranked]

    async def _near(
        self, asked: _Asked, limit: int, allowed: Collection[int] | None = None
    ) -> tuple[Near | None, AragoraError | None]:
        """What the index has, of `allowed` where given, and why it has nothing to say."""
        if asked.mode is Mode.LEXICAL:
            return None, None
        try:
            places = found_in(asked.scope.org_id or "", await self._reader.workspaces(asked.scope))
            return await self._meanings.nearest(places, asked.query, limit, allowed), None
        except (Unavailable, InvalidInput) as away:  # the second: it has words, and no meaning
            if asked.mode is Mode.SEMANTIC:
                raise
            return None, away

    async def _further(self, asked: _Asked) -> tuple[Near | None, AragoraError | None]:
        """What the index has where too little of its nearest is wanted: among what is wanted alone, unless that is
        much."""
        wanted = asked.wanted
        allowed = await self._reader.allowed(asked.scope, wanted, ALLOWED_MAX, asked.now) if wanted.narrow else None
        return await self._near(asked, asked.listed if allowed is not None else asked.listed * 10, allowed)

    async def _found(self, asked: _Asked, words: Sequence[int], near: Near | None) -> dict[int, Glimpse]:
        meant = () if near is None else (number for number, _ in near.found)
        numbers = dict.fromkeys((*words, *meant))
        return await self._reader.glimpses(asked.scope, asked.wanted, numbers, asked.now)


@dataclass(frozen=True, slots=True)
class _Asked:
    """One search."""

    scope: Scope
    query: str
    mode: Mode
    wanted: Wanted
    now: float
    k: int

    @property
    def listed(self) -> int:
        """How many items each list has."""
        return max(LISTED, 2 * self.k)


def _had_followed(near: Near, standing: Standing) -> bool:
    """Whether the index knew all that had changed by then."""
    known = all(near.known.get(scope, -1) >= generation for scope, generation in standing.generations)
    return known and near.embedder_id == standing.embedder_id


def _to_keep(answer: Answer) -> KeptAnswer:
    parts = [result.parts for result in answer.results]
    scores = (KeptScore(one.key, one.places, one.fused, one.confidence, one.decay, one.likeness) for one in parts)
    return KeptAnswer(tuple(scores), answer.mode, answer.exact, answer.waiting)


def _ranked(asked: _Asked, found: Mapping[int, Glimpse], words: Sequence[int], near: Near | None) -> list[Score[int]]:
    cover = cover_of(query_tokens(asked.query))
    held = {number: cover(glimpse.tokens) for number, glimpse in found.items()}
    meant = [] if near is None else [(number, cosine) for number, cosine in near.found if number in found]
    said = [number for number in words if number in found]
    relevant = set(found)
    if asked.mode is Mode.HYBRID:  # neither a common word nor a cosine of the middle makes an item relevant by itself
        sure = {number for number, cosine in meant if near is not None and cosine >= near.sure}
        near_by = {number for number, _ in meant if held[number] >= SHARED_LEAST}
        relevant = sure | near_by | {number for number in said if held[number] >= COVERED_LEAST}

    def counts(name: str, number: int) -> float:
        return WORDS_COUNT * held[number] if name == "lexical" and meant and said else 1.0

    scores = [
        weighed(
            score,
            confidence=found[score.key].confidence,
            age_s=asked.now - found[score.key].changed_at,
            half_life_days=HALF_LIFE_DAYS.get(found[score.key].kind),
        )
        for score in fused({"lexical": said, "semantic": [number for number, _ in meant]}, counts=counts)
        if score.key in relevant
    ]
    best = by_total(scores)[: asked.k * DIVERSE]
    return diversified(best, asked.k, lambda one, other: alike_tokens(found[one].tokens, found[other].tokens))


def _check(query: str, k: int) -> None:
    if not query.strip():
        raise InvalidInput("the query is empty: say what to look for", code="empty_query")
    if len(query) > QUERY_MAX_CHARS:
        raise InvalidInput(f"the query has {len(query)} characters: at most {QUERY_MAX_CHARS} are read; shorten it")
    if not 1 <= k <= RESULTS_MAX:
        raise InvalidInput(f"limit is {k}: ask for 1 to {RESULTS_MAX} results")
