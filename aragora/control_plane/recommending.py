"""Which agents to give a kind of task to, from what came of the attempts before. Pure.

Rules:
    - What counts is an attempt that its agent completed (a success), failed, or left to lapse (both failures). One that
      was taken away from it says nothing.
    - An attempt weighs half as much every 30 days. With weighed successes s and failures f the rate is distributed as
      Beta(1 + s, 1 + f); what is shown is its mean and its middle 90 %.
    - The order is that of the lower bound, then of the median latency, then of the name: one success of one says less
      than 900 of 1,000.
    - An agent that never tried has Beta(1, 1) and is never left out. It is not first either while another one has
      tried: the best of those goes before it.
"""

from __future__ import annotations

import math
import statistics
from collections.abc import Collection, Iterable, Mapping
from dataclasses import dataclass
from typing import Final

from aragora.control_plane.model import Attempt, How

HALF_LIFE_S: Final = 30 * 86_400.0
TAIL: Final = 0.05  # beyond each bound

_TOLERANCE: Final = 1e-12
_STEPS_MAX: Final = 2_000  # of the continued fraction; the root of the larger parameter is enough


@dataclass(frozen=True, slots=True)
class Recommendation:
    """What is known of an agent for a kind of task.

    Attributes:
        successes, trials: counted, whatever their age.
        mean, low, high: of the rate at which it succeeds, newer attempts counting more; 90 % lie from `low` to `high`.
        latency_ms, mean_latency_ms: the median and the mean over its successes. cost_usd: the mean over its trials.
            None without any.
        last_seen: when its last attempt ended, in seconds since the epoch; None where it never tried.
    """

    agent_id: str
    successes: int
    trials: int
    mean: float
    low: float
    high: float
    latency_ms: float | None = None
    cost_usd: float | None = None
    last_seen: float | None = None
    mean_latency_ms: float | None = None


def concerns(attempt: Attempt, wanted: str) -> bool:
    """Whether an attempt tells of what is wanted: a type of task, or a capability that its task wanted."""
    return attempt.type == wanted or wanted in attempt.capabilities


def recommend(attempts: Iterable[Attempt], now: float, *, also: Collection[str] = ()) -> list[Recommendation]:
    """Agents, the best first, from attempts in whatever order that all tell of what is wanted (`concerns`). `also`
    names agents that are there even if they never tried."""
    of: dict[str, list[Attempt]] = {agent_id: [] for agent_id in also}
    for attempt in attempts:
        if attempt.how is not How.CANCELLED:
            of.setdefault(attempt.agent_id, []).append(attempt)
    found = _judged(of, now)
    tried = sorted((one for one in found if one.trials), key=_rank)
    untried = sorted((one for one in found if not one.trials), key=_rank)
    if not tried:
        return untried
    first, *rest = tried  # whoever has shown something goes before who has shown nothing
    return [first, *sorted([*rest, *untried], key=_rank)]


def unjudged(agent_id: str) -> Recommendation:
    """What is said of an agent of which nothing is known: Beta(1, 1), which any rate fits."""
    return _of_agent(agent_id, [], 0.0)


def beta_quantile(share: float, a: float, b: float) -> float:
    """The value that a Beta(a, b) stays below with the probability `share`; a, b > 0, to some 12 digits.

    By bisection over the regularised incomplete beta function: it does not depend on where it begins, and equal input
    gives equal output.
    """
    low, high = 0.0, 1.0
    while high - low > _TOLERANCE:
        middle = (low + high) / 2
        if beta_below(middle, a, b) < share:
            low = middle
        else:
            high = middle
    return (low + high) / 2


def beta_below(x: float, a: float, b: float) -> float:
    """The probability that a Beta(a, b) is below x: the regularised incomplete beta function I_x(a, b)."""
    if x <= 0.0:
        return 0.0
    if x >= 1.0:
        return 1.0
    if x > (a + 1) / (a + b + 2):  # the fraction converges quickly on the other side only
        return 1.0 - beta_below(1.0 - x, b, a)
    front = math.lgamma(a + b) - math.lgamma(a) - math.lgamma(b) + a * math.log(x) + b * math.log1p(-x)
    return min(1.0, math.exp(front) / a * _fraction(x, a, b))


def _fraction(x: float, a: float, b: float) -> float:
    """The continued fraction of I_x(a, b) (DLMF 8.17.22), by Lentz's method."""
    tiny = 1e-300
    c, d = 1.0, 1.0 / _away(1.0 - (a + b) * x / (a + 1), tiny)
    value = d
    for m in range(1, _STEPS_MAX):
        even = m * (b - m) * x / ((a + 2 * m - 1) * (a + 2 * m))
        odd = -(a + m) * (a + b + m) * x / ((a + 2 * m) * (a + 2 * m + 1))
        for term in (even, odd):
            d = 1.0 / _away(1.0 + term * d, tiny)
            c = _away(1.0 + term / c, tiny)
            value *= c * d
        if abs(c * d - 1.0) < _TOLERANCE:
            break
    return value


def _away(value: float, tiny: float) -> float:
    return tiny if abs(value) < tiny else value


def _judged(of: Mapping[str, list[Attempt]], now: float) -> list[Recommendation]:
    return [_of_agent(agent_id, mine, now) for agent_id, mine in of.items()]


def _of_agent(agent_id: str, mine: list[Attempt], now: float) -> Recommendation:
    good = [one for one in mine if one.how is How.COMPLETED]
    bad = [one for one in mine if one.how is not How.COMPLETED]
    a, b = 1.0 + _weight(good, now), 1.0 + _weight(bad, now)
    return Recommendation(
        agent_id,
        len(good),
        len(mine),
        a / (a + b),
        beta_quantile(TAIL, a, b),
        beta_quantile(1 - TAIL, a, b),
        latency_ms=statistics.median(one.latency_ms for one in good) if good else None,
        cost_usd=math.fsum(one.cost_usd for one in mine) / len(mine) if mine else None,
        last_seen=max((one.at for one in mine), default=None),
        mean_latency_ms=math.fsum(one.latency_ms for one in good) / len(good) if good else None,
    )


def _weight(attempts: list[Attempt], now: float) -> float:
    return math.fsum(0.5 ** (max(0.0, now - one.at) / HALF_LIFE_S) for one in attempts)


def _rank(one: Recommendation) -> tuple[float, float, str]:
    return -one.low, math.inf if one.latency_ms is None else one.latency_ms, one.agent_id
