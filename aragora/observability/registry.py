"""Counting outside debates: requests, permission checks, deliveries, caches. One registry a process, thread-safe.

A process drains its registry into the counter store at most every second: `drain` hands out what was counted since
the last drain, once. If writing it fails, `restore` puts it back. Gauges are read, never drained.
"""

from __future__ import annotations

import threading
from collections.abc import Iterable
from typing import Final

from aragora.observability.metrics import BY_NAME, Kind, Metric
from aragora.observability.samples import CounterDelta, Labels, labels_of, observation

SERIES_CAP: Final = 1_000  # series of one metric in one process; beyond it labels fold into OTHER
OTHER: Final = "other"


class Registry:
    """The counters and gauges of one process. Names and labels must be declared in `metrics`; others are a
    programming error and raise KeyError or ValueError."""

    def __init__(self) -> None:
        self._lock = threading.Lock()
        self._counted: dict[tuple[str, Labels], float] = {}
        self._gauges: dict[tuple[str, Labels], float] = {}
        self._known: dict[str, set[Labels]] = {}

    def inc(self, name: str, amount: float = 1.0, /, **labels: str) -> None:
        """Add `amount` (never negative) to a counter."""
        metric = _declared(name, Kind.COUNTER)
        if amount < 0:
            raise ValueError(f"{name} is a counter: it never goes down")
        pairs = labels_of(metric, labels)
        with self._lock:
            self._add(name, self._capped(metric, pairs), amount)

    def observe(self, name: str, value: float, /, **labels: str) -> None:
        """Add one observation (seconds) to a histogram."""
        metric = _declared(name, Kind.HISTOGRAM)
        pairs = labels_of(metric, labels)
        with self._lock:
            for delta in observation(metric, self._capped(metric, pairs), value):
                self._add(delta.sample, delta.labels, delta.amount)

    def set(self, name: str, value: float, /, **labels: str) -> None:
        """Set a gauge."""
        metric = _declared(name, Kind.GAUGE)
        pairs = labels_of(metric, labels)
        with self._lock:
            self._gauges[name, self._capped(metric, pairs)] = value

    @property
    def counted(self) -> bool:
        """Whether anything was counted since the last drain."""
        return bool(self._counted)

    def drain(self) -> tuple[CounterDelta, ...]:
        """All increments since the last drain; from now on they are the caller's."""
        with self._lock:
            counted, self._counted = self._counted, {}
        return tuple(CounterDelta(sample, labels, amount) for (sample, labels), amount in counted.items())

    def restore(self, deltas: Iterable[CounterDelta]) -> None:
        """Take back drained increments that were not written."""
        with self._lock:
            for delta in deltas:
                self._add(delta.sample, delta.labels, delta.amount)

    def gauges(self) -> tuple[CounterDelta, ...]:
        """The current readings; `amount` is the reading."""
        with self._lock:
            return tuple(CounterDelta(name, labels, value) for (name, labels), value in self._gauges.items())

    def _add(self, sample: str, labels: Labels, amount: float) -> None:
        key = (sample, labels)
        self._counted[key] = self._counted.get(key, 0.0) + amount

    def _capped(self, metric: Metric, labels: Labels) -> Labels:
        known = self._known.setdefault(metric.name, set())
        if labels in known:
            return labels
        if len(known) >= SERIES_CAP:
            return tuple((name, OTHER) for name, _ in labels)
        known.add(labels)
        return labels


def _declared(name: str, kind: Kind) -> Metric:
    metric = BY_NAME[name]
    if metric.kind is not kind:
        raise ValueError(f"{name} is a {metric.kind}, not a {kind}")
    return metric


REGISTRY: Final = Registry()
"""The registry of this process."""
