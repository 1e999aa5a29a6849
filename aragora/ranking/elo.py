"""Elo ratings from the votes of a debate. Pure.

Every two agents whose final answers stood for the vote play one game: more weight of votes wins it, equal weight is
a draw, as it is between two of one position. The K factor is shared among an agent's games, so a debate moves no agent
by more than K, however many take part. What one agent gains another loses: the sum of all ratings stays. The caller
keeps one set of ratings overall and one per domain, and applies the same rule to each.
"""

from __future__ import annotations

from collections.abc import Mapping
from dataclasses import dataclass
from itertools import combinations
from typing import Final

from aragora.debate.model import START_ELO, Decision, Tally, Verdict
from aragora.ids import LOCAL_ORG

K: Final = 32.0
SCALE: Final = 400.0  # points of difference that mean ten to one
RATINGS: Final = "ratings"
"""The outbox topic whose payload is a `RatingsDue`."""


@dataclass(frozen=True, slots=True)
class RatingsDue:
    """What the ratings learn from a decided debate. Stored as JSON in outbox rows: a field's name never changes."""

    domain: str
    decision: Decision
    org_id: str = LOCAL_ORG


def expected(own: float, other: float) -> float:
    """The expected score (0..1) of a game; the other's is 1 minus this."""
    exponent = max(-10.0, min(10.0, (other - own) / SCALE))  # beyond that the score is 0 or 1 to ten digits
    return float(1.0 / (1.0 + 10.0**exponent))


def updates(ratings: Mapping[str, float], decision: Decision) -> dict[str, float]:
    """The change of each agent's rating; agents without one start at `START_ELO`.

    Empty where nothing was contested: fewer than two answers, or no vote at all. Ratings are read as they were before
    the debate, so the order of the games does not matter.
    """
    weights = _weights(decision)
    if len(decision.tallies) < 2 or not any(weights.values()):
        return {}
    share = K / (len(weights) - 1)
    deltas = dict.fromkeys(weights, 0.0)
    for one, other in combinations(weights, 2):
        chance = expected(ratings.get(one, START_ELO), ratings.get(other, START_ELO))
        change = share * (_score(weights[one], weights[other]) - chance)
        deltas[one] += change
        deltas[other] -= change
    return deltas


def wins(decision: Decision) -> dict[str, float]:
    """The win of a debate, shared where several answers lead together; empty where nothing was contested.

    A debate that missed its threshold has no winner, and one in which a person put other words in place of all answers
    neither: its leaders gain rating by their votes, but no win.
    """
    weights = _weights(decision)
    if _overruled(decision) or not decision.reached or len(decision.tallies) < 2 or not any(weights.values()):
        return {}
    winning = [tally for tally in decision.tallies if decision.winner in authors_of(tally)]
    best = max(weights.values())
    leaders = [*authors_of(winning[0])] if winning else [agent for agent, weight in weights.items() if weight == best]
    return dict.fromkeys(leaders, 1.0 / len(leaders))


def authors_of(tally: Tally) -> tuple[str, ...]:
    """Whose answers a tally counted; decisions of versions that knew no positions name one agent for each."""
    return tally.authors or (tally.agent,)


def _overruled(decision: Decision) -> bool:
    """Whether what stands are a person's words, and none of the agents' positions."""
    return decision.winner is None and any(one.verdict is Verdict.CHANGE for one in decision.signatures)


def _weights(decision: Decision) -> dict[str, float]:
    """What each agent's position holds."""
    return {author: tally.weight for tally in decision.tallies for author in authors_of(tally)}


def _score(own: float, other: float) -> float:
    if own == other:
        return 0.5
    return 1.0 if own > other else 0.0
