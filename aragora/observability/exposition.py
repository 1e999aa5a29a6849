"""The text that Prometheus scrapes (format 0.0.4), from stored counters and live gauges. Pure.

prometheus_client's writer does not serve here: it names every counter `..._total`, and `aragora_debates_completed`
must keep its name. Its parser checks this text in the tests.
"""

from __future__ import annotations

from collections import defaultdict
from collections.abc import Callable, Iterable, Iterator
from typing import Final

from aragora.observability.metrics import METRICS, Kind, Merge, Metric
from aragora.observability.samples import Labels, Row, bucket_label

CONTENT_TYPE: Final = "text/plain; version=0.0.4; charset=utf-8"


_Series = dict[Labels, float]
_MERGE: Final[dict[Merge, Callable[[float, float], float]]] = {
    Merge.SUM: lambda one, other: one + other,
    Merge.MAX: max,
    Merge.MIN: min,
}


def render(counters: Iterable[Row] | None, gauges: Iterable[Row]) -> str:
    """Every declared metric. Counters and histograms that were never counted stand at 0 without labels, with labels as
    a heading; a gauge that nobody reads is a heading. `counters` None: they are not known, and left out as a whole.

    Rows of the same series are added up, gauges merged as declared. Histogram buckets come in one by one and go out
    cumulated. Rows of undeclared samples (of another version, say) are left out.
    """
    counted: defaultdict[str, _Series] = defaultdict(dict)
    for row in counters or ():
        series = counted[row.sample]
        series[row.labels] = series.get(row.labels, 0.0) + row.amount
    lines: list[str] = []
    read = _merged(gauges)
    for metric in METRICS:
        if counters is None and metric.kind is not Kind.GAUGE:
            continue
        for name in (metric.name, *metric.aliases):
            lines += (f"# HELP {name} {metric.help}", f"# TYPE {name} {metric.kind.value}")
            if metric.kind is Kind.HISTOGRAM:
                lines.extend(_histogram(name, metric, counted))
            else:
                values = counted[metric.name] if metric.kind is Kind.COUNTER else read[metric.name]
                lines.extend(_plain(name, metric, values))
    return "\n".join(lines) + "\n"


def _merged(gauges: Iterable[Row]) -> defaultdict[str, _Series]:
    merge = {metric.name: _MERGE[metric.merge] for metric in METRICS if metric.kind is Kind.GAUGE}
    read: defaultdict[str, _Series] = defaultdict(dict)
    for row in gauges:
        if row.sample in merge:
            series = read[row.sample]
            known = series.get(row.labels)
            series[row.labels] = row.amount if known is None else merge[row.sample](known, row.amount)
    return read


def _plain(name: str, metric: Metric, values: _Series) -> Iterator[str]:
    if not values and not metric.labels and metric.kind is Kind.COUNTER:
        values = {(): 0.0}
    for labels in sorted(values):
        yield _line(name, labels, values[labels])


def _histogram(name: str, metric: Metric, counted: defaultdict[str, _Series]) -> Iterator[str]:
    """Counts are those of the buckets, so that `_count` and the bucket +Inf always agree."""
    by_series: defaultdict[Labels, dict[float, float]] = defaultdict(dict)
    if not metric.labels:
        by_series[()] = {}
    for labels, amount in counted[f"{metric.name}_bucket"].items():
        rest = tuple(pair for pair in labels if pair[0] != "le")
        by_series[rest][float(dict(labels)["le"])] = amount
    sums = counted[f"{metric.name}_sum"]
    for labels in sorted(by_series):
        found, total = by_series[labels], 0.0
        for bound in sorted({*metric.buckets, float("inf"), *found}):
            total += found.get(bound, 0.0)
            yield _line(f"{name}_bucket", (*labels, ("le", bucket_label(bound))), total)
        yield _line(f"{name}_sum", labels, sums.get(labels, 0.0))
        yield _line(f"{name}_count", labels, total)


def _line(sample: str, labels: Labels, value: float) -> str:
    if not labels:
        return f"{sample} {_number(value)}"
    inside = ",".join(f'{name}="{_escaped(text)}"' for name, text in labels)
    return f"{sample}{{{inside}}} {_number(value)}"


def _escaped(text: str) -> str:
    return text.replace("\\", r"\\").replace("\n", r"\n").replace('"', r"\"")


def _number(value: float) -> str:
    return {"inf": "+Inf", "-inf": "-Inf", "nan": "NaN"}.get(text := repr(float(value)), text)
