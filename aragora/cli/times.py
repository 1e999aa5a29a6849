"""Times as people write them at a command: an age, or a moment in ISO 8601. Pure."""

from __future__ import annotations

import re
from datetime import UTC, datetime
from typing import Final

from aragora.errors import InvalidInput

_SECONDS: Final = {"s": 1.0, "m": 60.0, "h": 3_600.0, "d": 86_400.0, "w": 7 * 86_400.0}
_AGE: Final = re.compile(r"(\d{1,6}(?:\.\d{1,6})?)([smhdw])", re.ASCII)


def moment_of(option: str, value: str, now: float) -> float:
    """The time that `value` names, in seconds since the epoch: `24h` and `7d` are so long before `now`; a moment in ISO
    8601 without an offset is in UTC. Raises InvalidInput, which names the option."""
    if (age := _AGE.fullmatch(value.strip())) is not None:
        return now - float(age[1]) * _SECONDS[age[2]]
    try:
        at = datetime.fromisoformat(value.strip())
        return (at if at.tzinfo is not None else at.replace(tzinfo=UTC)).timestamp()
    except (ValueError, OverflowError):
        raise InvalidInput(
            f"{option} {value!r} is no time: write an age such as 90m, 24h or 7d, or a moment such as 2026-03-01T12:00Z."
        ) from None
