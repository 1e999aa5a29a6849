"""How figures are read and written."""

from __future__ import annotations

from collections.abc import Sequence


def percentile(ascending: Sequence[float], share: float) -> float:
    """The value below which `share` (0 to 1) of them lie; of none, 0."""
    return ascending[min(len(ascending) - 1, int(len(ascending) * share))] if ascending else 0.0


def rounded(figures: dict[str, object]) -> dict[str, object]:
    """For one JSON line: four decimals are more than a benchmark knows."""
    return {name: round(value, 4) if isinstance(value, float) else value for name, value in figures.items()}
