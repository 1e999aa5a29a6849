"""Calibration: how far an agent's stated confidence can be believed, where it is known who was right. Pure.

The Brier score is the mean of (confidence - outcome) squared, outcome 1 where the agent was right and 0 where not: 0
is perfect, 0.25 what a coin earns, 1 always sure and always wrong. Calibration is 1 minus it, as `Standing` has it.
"""

from __future__ import annotations

from collections.abc import Iterable
from dataclasses import dataclass

from aragora.debate.model import Event, VoteCast


@dataclass(frozen=True, slots=True)
class Forecast:
    """One stated confidence (0..1) and whether what it was stated for turned out to be right."""

    agent: str
    confidence: float
    right: bool


@dataclass(frozen=True, slots=True)
class Calibration:
    """An agent's record so far; keep it and add to it, the single forecasts are not needed again."""

    forecasts: int = 0
    squared_error: float = 0.0

    def after(self, forecast: Forecast) -> Calibration:
        """The record with one more forecast. A confidence outside 0..1 counts as the nearest of them."""
        confidence = max(0.0, min(1.0, forecast.confidence))
        return Calibration(self.forecasts + 1, self.squared_error + (confidence - float(forecast.right)) ** 2)

    @property
    def brier(self) -> float | None:
        """The Brier score, or None before the first forecast."""
        return self.squared_error / self.forecasts if self.forecasts else None

    @property
    def value(self) -> float | None:
        """1 minus the Brier score, or None before the first forecast."""
        brier = self.brier
        return None if brier is None else 1.0 - brier


def forecasts_of(events: Iterable[Event], right_answer: str) -> tuple[Forecast, ...]:
    """What a debate's votes foretold, once it is known that the answer of the agent `right_answer` was right.

    A vote states how sure the voter was that its choice is the right answer; of two votes of one agent the last counts.
    """
    last = {event.agent: event for event in events if isinstance(event, VoteCast)}
    return tuple(Forecast(vote.agent, vote.confidence, vote.choice == right_answer) for vote in last.values())
