"""Samples of declared metrics as `CounterDelta`s, checked against the declaration. Pure."""

from __future__ import annotations

from bisect import bisect_left
from collections.abc import Sequence
from dataclasses import dataclass
from functools import lru_cache

from aragora.encoding import encode_text
from aragora.observability.metrics import Metric

Labels = tuple[tuple[str, str], ...]


@dataclass(frozen=True, slots=True)
class CounterDelta:
    """An increment of a durable metric, written in the transaction of what it counts: exact whatever dies.

    `sample` is the full sample name (`aragora_agent_latency_seconds_bucket`), `labels` sorted (name, value) pairs.
    """

    sample: str
    labels: tuple[tuple[str, str], ...]
    amount: float


def labels_of(metric: Metric, values: dict[str, str]) -> Labels:
    """The sorted label pairs of one series. Raises ValueError where the names are not those declared."""
    if len(values) != len(metric.labels) or any(name not in values for name in metric.labels):
        raise ValueError(f"{metric.name} has the labels {metric.labels}, not {tuple(values)}")
    return tuple(sorted(values.items()))


@lru_cache(maxsize=1_000)  # of the bounds that are declared
def bucket_label(bound: float) -> str:
    """The value of `le` for an upper bound, as Prometheus writes it: 0.5, 1.0, +Inf."""
    return "+Inf" if bound == float("inf") else repr(float(bound))


def bucket_of(metric: Metric, value: float) -> str:
    """The `le` of the one bucket (not cumulative) that `value` falls into."""
    place = bisect_left(metric.buckets, value)
    return bucket_label(metric.buckets[place]) if place < len(metric.buckets) else "+Inf"


def observation(metric: Metric, labels: Labels, value: float) -> tuple[CounterDelta, CounterDelta, CounterDelta]:
    """What one observed value adds to a histogram: its bucket, the sum, the count."""
    return (
        CounterDelta(f"{metric.name}_bucket", _in_bucket(labels, bucket_of(metric, value)), 1.0),
        CounterDelta(f"{metric.name}_sum", labels, value),
        CounterDelta(f"{metric.name}_count", labels, 1.0),
    )


@lru_cache(maxsize=10_000)  # the series of a process are few (see Registry), and each is counted often
def _in_bucket(labels: Labels, le: str) -> Labels:
    return tuple(sorted((*labels, ("le", le))))


def add_counters(totals: dict[tuple[str, str], float], deltas: Sequence[CounterDelta]) -> None:
    """Add deltas up by (sample, labels as JSON)."""
    for delta in deltas:
        key = (delta.sample, encode_text(delta.labels))
        totals[key] = totals.get(key, 0.0) + delta.amount
