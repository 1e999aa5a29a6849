"""Calibration: how far an agent's stated confidence can be believed, where it is known who was right. Pure.

The Brier score is the mean of (confidence - outcome) squared, outcome 1 where the agent was right and 0 where not: 0
is perfect, 0.25 what a coin earns, 1 always sure and always wrong. Calibration is 1 minus it, as `Standing` has it.
"""

from __future__ import annotations

from collections.abc import Iterable
from collections.abc import Set as AbstractSet
from dataclasses import dataclass
from typing import Final

from aragora.debate.model import Event, VoteCast

NANOS: Final = 1_000_000_000
"""Stores keep squared errors as whole numbers of 1e-9: their sums are exact, in whatever order."""


@dataclass(frozen=True, slots=True)
class Forecast:
    """One stated confidence (0..1) and whether what it was stated for turned out to be right. A confidence outside of
    0..1 counts as the nearest of them. Stored as JSON: a field's name never changes."""

    agent: str
    confidence: float
    right: bool

    @property
    def squared_error(self) -> float:
        return (max(0.0, min(1.0, self.confidence)) - float(self.right)) ** 2

    @property
    def squared_nanos(self) -> int:
        """The squared error as stores keep it."""
        return round(self.squared_error * NANOS)


@dataclass(frozen=True, slots=True)
class Calibration:
    """An agent's record so far; keep it and add to it, the single forecasts are not needed again."""

    forecasts: int = 0
    squared_error: float = 0.0

    @classmethod
    def of(cls, forecasts: int, squared_nanos: int) -> Calibration:
        """The record of so many forecasts, whose squared errors a store has summed up."""
        return cls(forecasts, squared_nanos / NANOS)

    def after(self, forecast: Forecast) -> Calibration:
        """The record with one more forecast."""
        return Calibration(self.forecasts + 1, self.squared_error + forecast.squared_error)

    @property
    def brier(self) -> float | None:
        """The Brier score, or None before the first forecast."""
        return self.squared_error / self.forecasts if self.forecasts else None

    @property
    def value(self) -> float | None:
        """1 minus the Brier score, or None before the first forecast."""
        brier = self.brier
        return None if brier is None else 1.0 - brier


def forecasts_of(events: Iterable[Event], right: AbstractSet[str]) -> tuple[Forecast, ...]:
    """What a debate's votes foretold, once it is known that the answer that the agents `right` gave was right; none of
    them where no answer was.

    A vote states how sure the voter was that its choice is the right answer; of two votes of one agent the last counts.
    """
    last = {event.agent: event for event in events if isinstance(event, VoteCast)}
    return tuple(Forecast(vote.agent, vote.confidence, vote.choice in right) for vote in last.values())
