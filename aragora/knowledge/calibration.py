"""Calibration of decisions: how often those that had so much of the votes turned out to be right. Pure.

A decision's voted confidence is the share of the votes behind it. That is no probability of being right: outcomes show
what it is worth, and the curve of a workspace and domain says so.

Rules
- The fit is the isotonic regression of "right" on the voted confidence (pool adjacent violators): more votes never mean
  less. Between two voted confidences that were seen it is drawn straight, outside of them it stays level.
- With n outcomes the fit counts n / (n + `SHRINK`), and the rest is what the whole organisation's curve says; of that,
  in the same way, the rest is the voted confidence itself. So few outcomes move little.
- Under `OUTCOMES_MIN` outcomes a curve is not calibrated: `calibrated` gives the voted confidence back, unchanged.
- The Brier score is the mean of (confidence - right) squared: 0 is perfect, 0.25 what a coin earns. It is the sum
  reliability - resolution + uncertainty + within_bins (Murphy 1973, by bins; the last part is what bins do not see).
- Only what was decided and what came of it counts, not in which order it was told.
"""

from __future__ import annotations

import math
from bisect import bisect_right
from collections.abc import Iterable, Sequence
from dataclasses import dataclass
from typing import Final

OUTCOMES_MIN: Final = 20
SHRINK: Final = 20.0
BINS: Final = 10
_Z: Final = 1.959963984540054  # of a 95 % interval


@dataclass(frozen=True, slots=True)
class Tried:
    """So many decisions with one voted confidence (0..1; beyond that the nearest), and how many of them were right."""

    confidence: float
    outcomes: int
    right: int

    def __post_init__(self) -> None:
        if not 0 <= self.right <= self.outcomes or not math.isfinite(self.confidence):
            raise ValueError(f"{self.right} of {self.outcomes} decisions at {self.confidence} is no count")


@dataclass(frozen=True, slots=True)
class Bin:
    """The decisions whose voted confidence lies from `low` to below `high` (the last bin has 1 too): their mean voted
    confidence, the rate of right ones, and the 95 % interval of that rate (Wilson)."""

    low: float
    high: float
    outcomes: int
    right: int
    confidence: float
    rate: float
    rate_low: float
    rate_high: float


@dataclass(frozen=True, slots=True)
class Step:
    """A stretch of voted confidences, ends included, over which the fit is level at `rate`."""

    low: float
    high: float
    rate: float


@dataclass(frozen=True, slots=True)
class Brier:
    """The Brier score and its parts (the rules above)."""

    score: float
    reliability: float
    resolution: float
    uncertainty: float
    within_bins: float


@dataclass(frozen=True, slots=True)
class Curve:
    """What outcomes say of decisions. `bins` has those that are not empty, `brier` is None without an outcome,
    `organisation` is the curve that this one leans on, None for the organisation's own."""

    outcomes: int
    right: int
    brier: Brier | None
    bins: tuple[Bin, ...]
    steps: tuple[Step, ...]
    organisation: Curve | None = None

    @property
    def calibrated(self) -> bool:
        return self.outcomes >= OUTCOMES_MIN

    @property
    def missing(self) -> int:
        """How many outcomes must still be told until the curve counts."""
        return max(0, OUTCOMES_MIN - self.outcomes)

    @property
    def told(self) -> str:
        """For people: whether the curve counts."""
        if self.calibrated:
            return f"calibrated on {self.outcomes} outcomes"
        return f"not calibrated: {self.missing} more outcome{'s are' if self.missing != 1 else ' is'} needed"


def curve_of(tried: Iterable[Tried], organisation: Curve | None = None) -> Curve:
    """The curve of these decisions, in whatever order and however grouped they come."""
    groups = _grouped(tried)
    outcomes, right = sum(one.outcomes for one in groups), sum(one.right for one in groups)
    bins = _bins(groups)
    brier = _brier(groups, bins, outcomes, right) if outcomes else None
    return Curve(outcomes, right, brier, bins, _isotonic(groups), organisation)


def calibrated(confidence: float, curve: Curve) -> float:
    """What a voted confidence is worth by `curve`, 0..1; itself where the curve is not calibrated."""
    voted = _within(confidence)
    return _within(_leaning(voted, curve)) if curve.calibrated else voted


def wilson(right: int, outcomes: int) -> tuple[float, float]:
    """The 95 % interval of the rate `right` / `outcomes` (Wilson 1927). All there is, 0..1, without an outcome."""
    if outcomes == 0:
        return 0.0, 1.0
    rate, square = right / outcomes, _Z * _Z
    middle = (rate + square / (2 * outcomes)) / (1 + square / outcomes)
    half = _Z * math.sqrt(rate * (1 - rate) / outcomes + square / (4 * outcomes**2)) / (1 + square / outcomes)
    return min(rate, _within(middle - half)), max(rate, _within(middle + half))


def _within(number: float) -> float:
    return max(0.0, min(1.0, number))


def _grouped(tried: Iterable[Tried]) -> tuple[Tried, ...]:
    """One group for each voted confidence, in their order."""
    counts: dict[float, tuple[int, int]] = {}
    for one in tried:
        confidence = _within(one.confidence) + 0.0  # -0.0 is 0.0
        outcomes, right = counts.get(confidence, (0, 0))
        counts[confidence] = (outcomes + one.outcomes, right + one.right)
    return tuple(Tried(at, *counts[at]) for at in sorted(counts) if counts[at][0])


def _isotonic(groups: Sequence[Tried]) -> tuple[Step, ...]:
    """Pool adjacent violators, in whole numbers: no rounding decides what is pooled."""
    pools: list[tuple[float, float, int, int]] = []  # low, high, outcomes, right
    for one in groups:
        pool = (one.confidence, one.confidence, one.outcomes, one.right)
        while pools and pools[-1][3] * pool[2] >= pool[3] * pools[-1][2]:
            low, _, outcomes, right = pools.pop()
            pool = (low, pool[1], outcomes + pool[2], right + pool[3])
        pools.append(pool)
    return tuple(Step(low, high, right / outcomes) for low, high, outcomes, right in pools)


def _fitted(confidence: float, steps: Sequence[Step]) -> float:
    """The fit at a voted confidence; there is at least one step."""
    after = bisect_right(steps, confidence, key=lambda step: step.low)
    if after == 0:
        return steps[0].rate
    here = steps[after - 1]
    if confidence <= here.high or after == len(steps):
        return here.rate
    there = steps[after]
    share = (confidence - here.high) / (there.low - here.high)
    return max(here.rate, min(there.rate, here.rate + share * (there.rate - here.rate)))


def _leaning(voted: float, curve: Curve) -> float:
    rest = voted if curve.organisation is None else _leaning(voted, curve.organisation)
    if not curve.steps:
        return rest
    weight = curve.outcomes / (curve.outcomes + SHRINK)
    return weight * _fitted(voted, curve.steps) + (1.0 - weight) * rest


def _bins(groups: Sequence[Tried]) -> tuple[Bin, ...]:
    found: dict[int, list[Tried]] = {}
    for one in groups:
        found.setdefault(min(BINS - 1, int(one.confidence * BINS)), []).append(one)
    return tuple(_bin(number, members) for number, members in found.items())


def _bin(number: int, members: Sequence[Tried]) -> Bin:
    outcomes, right = sum(one.outcomes for one in members), sum(one.right for one in members)
    mean = math.fsum(one.confidence * one.outcomes for one in members) / outcomes
    return Bin(number / BINS, (number + 1) / BINS, outcomes, right, mean, right / outcomes, *wilson(right, outcomes))


def _brier(groups: Sequence[Tried], bins: Sequence[Bin], outcomes: int, right: int) -> Brier:
    base = right / outcomes
    squares = (
        one.right * (one.confidence - 1.0) ** 2 + (one.outcomes - one.right) * one.confidence**2 for one in groups
    )
    score = math.fsum(squares) / outcomes
    reliability = math.fsum(one.outcomes * (one.confidence - one.rate) ** 2 for one in bins) / outcomes
    resolution = math.fsum(one.outcomes * (one.rate - base) ** 2 for one in bins) / outcomes
    uncertainty = base * (1.0 - base)
    return Brier(score, reliability, resolution, uncertainty, score - (reliability - resolution + uncertainty))
