"""Samples of a Prometheus page as numbers, by the names that stand there.

The parser of prometheus_client would not do: it gives counters the ending `_total` where theirs is another.
"""

from __future__ import annotations

import re
from dataclasses import dataclass
from typing import Final

_LINE: Final = re.compile(r"(?P<name>[a-zA-Z_:][a-zA-Z0-9_:]*)(?:\{(?P<labels>.*)\})? (?P<value>\S+)")
_LABEL: Final = re.compile(r'(\w+)="((?:[^"\\]|\\.)*)"')

Sample = tuple[str, tuple[tuple[str, str], ...]]


@dataclass(frozen=True)
class Figures:
    """`types` by family name as declared; `samples` by (name, sorted labels)."""

    types: dict[str, str]
    samples: dict[Sample, float]

    def value(self, name: str, **labels: str) -> float:
        """The sum over the samples of that name which carry these labels; 0 where there is none."""
        return sum(
            value for (sample, pairs), value in self.samples.items() if sample == name and labels.items() <= set(pairs)
        )

    def counters(self) -> dict[Sample, float]:
        """All that must never fall."""
        cumulative = ("counter", "histogram")
        return {
            sample: value for sample, value in self.samples.items() if self.types.get(family(sample[0])) in cumulative
        }


def figures(page: str) -> Figures:
    """Raises ValueError where the page is not the text format."""
    types = dict(line.split()[2:4] for line in page.splitlines() if line.startswith("# TYPE"))
    samples: dict[Sample, float] = {}
    for line in page.splitlines():
        if not line or line.startswith("#"):
            continue
        found = _LINE.fullmatch(line)
        if found is None:
            raise ValueError(f"not a sample: {line}")
        sample = (found["name"], tuple(sorted(_LABEL.findall(found["labels"] or ""))))
        if sample in samples:
            raise ValueError(f"told twice: {line}")
        samples[sample] = float(found["value"])
    return Figures(types, samples)


def family(sample: str) -> str:
    """The declared name a sample belongs to."""
    for suffix in ("_bucket", "_sum", "_count"):
        if sample.endswith(suffix):
            return sample.removesuffix(suffix)
    return sample
