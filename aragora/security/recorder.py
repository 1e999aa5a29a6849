"""The port through which this package counts. Whoever composes the process hands in the real registry."""

from __future__ import annotations

from collections.abc import Mapping
from typing import Protocol

NO_LABELS: Mapping[str, str] = {}


class Recorder(Protocol):
    """What the metrics registry offers: both methods are cheap, never wait and never raise."""

    def inc(self, name: str, labels: Mapping[str, str] = ..., amount: float = ...) -> None:
        """Add `amount` to the counter `name`."""
        ...

    def observe(self, name: str, value: float, labels: Mapping[str, str] = ...) -> None:
        """Put `value` (seconds) into the histogram `name`."""
        ...


class Unrecorded:
    """Counts nothing: for commands and tests that look at results instead."""

    def inc(self, name: str, labels: Mapping[str, str] = NO_LABELS, amount: float = 1.0) -> None:
        del name, labels, amount

    def observe(self, name: str, value: float, labels: Mapping[str, str] = NO_LABELS) -> None:
        del name, value, labels


class Tally:
    """Counts in a dictionary: for one-shot commands that print their figures, and for tests."""

    def __init__(self) -> None:
        self.counts: dict[tuple[str, tuple[tuple[str, str], ...]], float] = {}
        self.observed: dict[tuple[str, tuple[tuple[str, str], ...]], list[float]] = {}

    def inc(self, name: str, labels: Mapping[str, str] = NO_LABELS, amount: float = 1.0) -> None:
        key = (name, tuple(sorted(labels.items())))
        self.counts[key] = self.counts.get(key, 0.0) + amount

    def observe(self, name: str, value: float, labels: Mapping[str, str] = NO_LABELS) -> None:
        self.observed.setdefault((name, tuple(sorted(labels.items()))), []).append(value)

    def count(self, name: str, **labels: str) -> float:
        """The counter's value with exactly these labels."""
        return self.counts.get((name, tuple(sorted(labels.items()))), 0.0)
