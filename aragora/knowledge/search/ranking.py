"""How several lists of hits become one, and why each hit stands where it stands. Pure.

1. Fusion by rank (reciprocal rank fusion, Cormack et al. 2009): a hit scores 1 / (60 + its place) in each list. Scores
   of full text and cosines of vectors are of different kinds, places are not. A place may count for less.
2. Factors: confidence and age set back by no more than half each, so that an old or doubtful hit stays findable. They
   change the rank and never what is stored. What does not hold at the moment asked about, the store leaves out.
3. Diversity (maximal marginal relevance, Carbonell and Goldstein 1998): of hits that say the same, the first stands
   high and the others further down.

Scores are comparable within one answer only.
"""

from __future__ import annotations

from collections.abc import Callable, Hashable, Mapping, Sequence
from dataclasses import dataclass, replace
from typing import TYPE_CHECKING, Final, Generic, TypeVar

if TYPE_CHECKING:
    from aragora.knowledge.search.vectors import Vector

Key = TypeVar("Key", bound=Hashable)

RRF_K: Final = 60
"""Damps the first places: with 60 the tenth place is worth 87 % of the first."""
MMR_RELEVANCE: Final = 0.7
"""Share of the score against the likeness to what was chosen already."""
LEAST_FACTOR: Final = 0.5
"""What age, and doubt, each leave of a score at the least."""
_SECONDS_PER_DAY: Final = 86_400.0


@dataclass(frozen=True, slots=True)
class Score(Generic[Key]):
    """One hit with the parts of its score, for `explain`.

    Args:
        places: the place (1 is the first) in each list that has it, by the name of the list.
        fused: the sum over the lists; 1 is the first place in every list.
        confidence, decay: factors, LEAST_FACTOR to 1.
        likeness: to the most similar hit that was chosen before it, 0 to 1; None until `diversified`.
    """

    key: Key
    places: Mapping[str, int]
    fused: float
    confidence: float = 1.0
    decay: float = 1.0
    likeness: float | None = None

    @property
    def total(self) -> float:
        """What hits are ordered by."""
        return self.fused * self.confidence * self.decay


def fused(
    lists: Mapping[str, Sequence[Key]],
    order: Callable[[Key], object] = str,
    counts: Callable[[str, Key], float] = lambda _name, _key: 1.0,
) -> list[Score[Key]]:
    """The hits of several lists, the best first; ties by `order`. A repetition within a list counts once, at its first
    place. Empty lists count as lists: a hit of the only list with hits is not the best there can be.

    Args:
        counts: what a place of a hit in a list counts for, 0 to 1.
    """
    places: dict[Key, dict[str, int]] = {}
    for name, keys in lists.items():
        for place, key in enumerate(dict.fromkeys(keys), 1):
            places.setdefault(key, {})[name] = place
    best = len(lists) / (RRF_K + 1)
    scores = [
        Score(key, found, sum(counts(name, key) / (RRF_K + place) for name, place in found.items()) / best)
        for key, found in places.items()
    ]
    return by_total(scores, order)


def by_total(scores: Sequence[Score[Key]], order: Callable[[Key], object] = str) -> list[Score[Key]]:
    """The highest total first; ties by `order`."""
    return sorted(scores, key=lambda score: (-score.total, order(score.key)))


def weighed(score: Score[Key], *, confidence: float, age_s: float, half_life_days: float | None) -> Score[Key]:
    """The hit with its factors: `confidence` in what it says (0 to 1), and the decay of its age."""
    return replace(score, confidence=doubt(confidence), decay=decay(age_s, half_life_days))


def doubt(confidence: float) -> float:
    """The factor of a confidence: 1 where that is 1, LEAST_FACTOR where it is 0 (or no number)."""
    held = min(1.0, max(0.0, confidence)) if confidence == confidence else 0.0  # noqa: PLR0124  NaN
    return LEAST_FACTOR + (1.0 - LEAST_FACTOR) * held


def decay(age_s: float, half_life_days: float | None) -> float:
    """The factor of an age in seconds: 1 at age 0 or in the future, halfway to LEAST_FACTOR after each half life. Kinds
    that do not age have no half life."""
    if half_life_days is None or half_life_days <= 0.0:
        return 1.0
    lives = max(0.0, age_s) / (half_life_days * _SECONDS_PER_DAY)
    return float(LEAST_FACTOR + (1.0 - LEAST_FACTOR) * 0.5 ** min(lives, 1_000.0))


def diversified(
    scores: Sequence[Score[Key]], k: int, alike: Callable[[Key, Key], float], relevance: float = MMR_RELEVANCE
) -> list[Score[Key]]:
    """The `k` hits of which each has the highest `relevance` * total - (1 - relevance) * likeness to those before it.

    Args:
        scores: the highest total first, as `by_total` gives them. The first one stays the first.
        alike: how alike two hits are, 0 to 1; asked about k * len(scores) times.
    """
    left = list(scores)
    best = left[0].total if left and left[0].total > 0.0 else 1.0
    likeness = [0.0] * len(left)
    chosen: list[Score[Key]] = []
    while left and len(chosen) < k:
        worth = [
            relevance * score.total / best - (1.0 - relevance) * like
            for score, like in zip(left, likeness, strict=True)
        ]
        at = worth.index(max(worth))
        chosen.append(replace(left.pop(at), likeness=likeness.pop(at)))
        newest = chosen[-1].key
        likeness = [max(like, alike(newest, score.key)) for like, score in zip(likeness, left, strict=True)]
    return chosen


def alike_vectors(one: Vector, other: Vector, floor: float = 0.0) -> float:
    """How alike two texts are by their vectors: their cosine, where `floor` (that of unrelated texts) counts as 0."""
    if floor >= 1.0:
        return 0.0
    return min(1.0, max(0.0, (float(one @ other) - floor) / (1.0 - floor)))


def alike_tokens(one: frozenset[str], other: frozenset[str]) -> float:
    """How alike two texts are by their tokens: the share that both have (Jaccard). Texts without tokens are not."""
    together = len(one | other)
    return len(one & other) / together if together else 0.0
