"""Quantiles from histogram buckets, estimated as Prometheus's `histogram_quantile` does. Pure."""

from __future__ import annotations

import math
from collections.abc import Iterable, Mapping

from aragora.observability.exposition import Row
from aragora.observability.metrics import BY_NAME


def quantile(share: float, buckets: Mapping[float, float]) -> float | None:
    """The value below which `share` (0..1) of the observations lie, or None where there are none.

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
