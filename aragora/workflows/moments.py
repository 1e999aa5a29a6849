"""A moment as people and expressions write it."""

from __future__ import annotations

from datetime import datetime
from typing import Any


def moment_of(value: Any) -> float | None:
    """Seconds since the epoch of a number, or of a text of RFC 3339 with its zone; None where it is neither."""
    if isinstance(value, bool):
        return None
    if isinstance(value, int | float):
        return float(value)
    if not isinstance(value, str):
        return None
    try:
        found = datetime.fromisoformat(value.strip())
    except ValueError:
        return None
    return None if found.tzinfo is None else found.timestamp()
