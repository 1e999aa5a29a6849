"""Samples of declared metrics: made as `CounterDelta`s, checked against the declaration, and read back as quantiles.
Pure."""

from __future__ import annotations

import math
from bisect import bisect_left
from collections.abc import Iterable, Mapping, Sequence
from dataclasses import dataclass
from functools import lru_cache
from typing import Protocol

from aragora.encoding import encode_text
from aragora.observability.metrics import BY_NAME, Metric

Labels = tuple[tuple[str, str], ...]


@dataclass(frozen=True, slots=True)
class CounterDelta:
    """An increment of a durable metric, written in the transaction of what it counts: exact whatever dies.

    `sample` is the full sample name (`aragora_agent_latency_seconds_bucket`), `labels` sorted (name, value) pairs.
    """

    sample: str
    labels: tuple[tuple[str, str], ...]
    amount: float


class Row(Protocol):
    """A stored counter or a gauge reading: full sample name, label pairs, amount (`CounterDelta` is one)."""

    @property
    def sample(self) -> str: ...
    @property
    def labels(self) -> tuple[tuple[str, str], ...]: ...
    @property
    def amount(self) -> float: ...


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
        key = (delta.sample, _text_of(delta.labels))
        totals[key] = totals.get(key, 0.0) + delta.amount


@lru_cache(maxsize=10_000)  # as above
def _text_of(labels: Labels) -> str:
    return encode_text(labels)


# --- Read back ---------------------------------------------------------------------------------------------


def quantile(share: float, buckets: Mapping[float, float]) -> float | None:
    """The value below which `share` (0..1) of the observations lie, or None where there are none; estimated as
    Prometheus's `histogram_quantile` does.

    `buckets` maps every upper bound to its own (not cumulative) count. Inside a bucket observations count as evenly
    spread; in the bucket +Inf the highest finite bound is all that can be said.
    """
    total = math.fsum(buckets.values())
    if total <= 0:
        return None
    wanted, below, lower = share * total, 0.0, 0.0
    for bound, count in sorted(buckets.items()):
        if count > 0 and below + count >= wanted:
            return lower if math.isinf(bound) else lower + (bound - lower) * max(0.0, wanted - below) / count
        below += count
        if not math.isinf(bound):
            lower = bound
    return lower


def buckets_by(label: str, sample: str, rows: Iterable[Row]) -> dict[str, dict[float, float]]:
    """The buckets among the stored rows of `sample` (a declared histogram's name with `_bucket`), by `label`'s value.

    Empty buckets are there too, though only increments are stored: `quantile` needs their bounds.
    """
    declared = BY_NAME[sample.removesuffix("_bucket")].buckets
    found: dict[str, dict[float, float]] = {}
    for row in rows:
        if row.sample == sample:
            pairs = dict(row.labels)
            series = found.setdefault(pairs[label], dict.fromkeys(declared, 0.0))
            bound = float(pairs["le"])
            series[bound] = series.get(bound, 0.0) + row.amount
    return found
