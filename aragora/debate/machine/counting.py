"""Counting: from weighted votes and rankings to what each answer holds.

A vote gives its whole weight to its choice. A ranking of n answers shares its weight by Borda points, (n-1) for the
first down to 0 for the last, divided by their sum; answers a ranking leaves out share what is left evenly.
"""

from __future__ import annotations

from dataclasses import dataclass


@dataclass(frozen=True, slots=True)
class Cast:
    """One vote as it counts; `ranking` is empty where the voter only chose."""

    voter: str
    choice: str
    ranking: tuple[str, ...]
    weight: float
    confidence: float
    reason: str


@dataclass(frozen=True, slots=True)
class Count:
    """What each answer holds. `votes` and `voters` count first choices."""

    casts: tuple[Cast, ...]
    weight: dict[str, float]
    votes: dict[str, int]
    voters: dict[str, tuple[str, ...]]
    total: float

    @property
    def ranks(self) -> bool:
        """Whether anybody ranked."""
        return any(cast.ranking for cast in self.casts)

    def share_of(self, leader: str) -> float:
        """The share of weight behind `leader`, 0..1; of rankings the smallest in any pair with another answer."""
        if not self.ranks:
            return self.weight[leader] / self.total
        pairs = [self._preferring(leader, other) for other in self.weight if other != leader]
        return min(pairs, default=1.0)

    def _preferring(self, leader: str, other: str) -> float:
        better = sum(cast.weight for cast in self.casts if _prefers(cast, leader, other))
        worse = sum(cast.weight for cast in self.casts if _prefers(cast, other, leader))
        return better / (better + worse) if better + worse > 0 else 0.0

    def conviction_of(self, leader: str) -> float:
        """How sure those who chose `leader` are, 0..1, by weight; of everybody where nobody put it first."""
        chosen = [cast for cast in self.casts if cast.choice == leader] or list(self.casts)
        weight = sum(cast.weight for cast in chosen)
        return sum(cast.weight * cast.confidence for cast in chosen) / weight if weight > 0 else 0.0


def count(casts: tuple[Cast, ...], answers: tuple[str, ...]) -> Count:
    """What each of `answers` holds of the votes; every choice must be one of them."""
    ranks = any(cast.ranking for cast in casts)
    weight = dict.fromkeys(answers, 0.0)
    for cast in casts:
        if ranks:
            _share(cast, weight)
        else:
            weight[cast.choice] += cast.weight
    voters = {agent: tuple(cast.voter for cast in casts if cast.choice == agent) for agent in answers}
    votes = {agent: len(names) for agent, names in voters.items()}
    return Count(casts, weight, votes, voters, sum(cast.weight for cast in casts))


def _share(cast: Cast, weight: dict[str, float]) -> None:
    size = len(weight)
    points = size * (size - 1) / 2
    if points == 0:
        weight[cast.choice] += cast.weight
        return
    ranking = cast.ranking or (cast.choice,)
    left = points
    for place, agent in enumerate(ranking):
        weight[agent] += cast.weight * (size - 1 - place) / points
        left -= size - 1 - place
    unranked = [agent for agent in weight if agent not in ranking]
    for agent in unranked:
        weight[agent] += cast.weight * left / points / len(unranked)


def _prefers(cast: Cast, one: str, other: str) -> bool:
    ranking = cast.ranking or (cast.choice,)
    if one not in ranking:
        return False
    return other not in ranking or ranking.index(one) < ranking.index(other)
