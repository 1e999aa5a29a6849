"""What each position holds of the votes: pure arithmetic over casts, without a debate.

A cast names the position it goes to by that position's spokesman. A ranking of n positions shares its weight by Borda
points, (n-1) for the first down to 0 for the last, divided by their sum; positions that it leaves out share what is
left evenly. So no rule creates or loses weight. Of rankings a position's share is the smallest that prefers it to any
one other position (Condorcet).

Who was entitled to vote and did not weighs as much as the average of those who did, and stands behind nobody: a share
is one of all that could have been given.
"""

from __future__ import annotations

from dataclasses import dataclass


@dataclass(frozen=True, slots=True)
class Cast:
    """One vote as it counts; `ranking` is empty where the voter only chose. `confidence` is the voter's own word, and
    weighs nothing here."""

    voter: str
    choice: str
    ranking: tuple[str, ...]
    weight: float
    confidence: float
    reason: str


@dataclass(frozen=True, slots=True)
class Count:
    """What each position holds. `votes` and `voters` count first choices; `missing` is the weight of those who were
    entitled to vote and did not."""

    casts: tuple[Cast, ...]
    weight: dict[str, float]
    votes: dict[str, int]
    voters: dict[str, tuple[str, ...]]
    total: float
    missing: float

    @property
    def ranks(self) -> bool:
        """Whether any voter ranked."""
        return any(cast.ranking for cast in self.casts)

    def share_of(self, leader: str) -> float:
        """The share of weight behind `leader`, 0..1, among all that could have been given; of rankings the smallest in
        any pair with another position."""
        if not self.ranks:
            return self._share(self.weight[leader], self.total)
        pairs = [self._preferring(leader, other) for other in self.weight if other != leader]
        return min(pairs, default=self._share(self.total, self.total))

    def _preferring(self, leader: str, other: str) -> float:
        better = sum(cast.weight for cast in self.casts if _prefers(cast, leader, other))
        worse = sum(cast.weight for cast in self.casts if _prefers(cast, other, leader))
        return self._share(better, better + worse)

    def _share(self, part: float, given: float) -> float:
        whole = given + self.missing
        return part / whole if whole > 0 else 0.0


def count(casts: tuple[Cast, ...], positions: tuple[str, ...], missing: float = 0.0) -> Count:
    """What each of `positions` (their spokesmen) holds of the votes; every choice must be one of them."""
    ranks = any(cast.ranking for cast in casts)
    weight = dict.fromkeys(positions, 0.0)
    for cast in casts:
        if ranks:
            _share_out(cast, weight)
        else:
            weight[cast.choice] += cast.weight
    voters = {name: tuple(cast.voter for cast in casts if cast.choice == name) for name in positions}
    votes = {name: len(names) for name, names in voters.items()}
    return Count(casts, weight, votes, voters, sum(cast.weight for cast in casts), missing)


def _share_out(cast: Cast, weight: dict[str, float]) -> None:
    size = len(weight)
    points = size * (size - 1) / 2
    if points == 0:
        weight[cast.choice] += cast.weight
        return
    ranking = cast.ranking or (cast.choice,)
    left = points
    for place, name in enumerate(ranking):
        weight[name] += cast.weight * (size - 1 - place) / points
        left -= size - 1 - place
    unranked = [name for name in weight if name not in ranking]
    for name in unranked:
        weight[name] += cast.weight * left / points / len(unranked)


def _prefers(cast: Cast, one: str, other: str) -> bool:
    ranking = cast.ranking or (cast.choice,)
    if one not in ranking:
        return False
    return other not in ranking or ranking.index(one) < ranking.index(other)
