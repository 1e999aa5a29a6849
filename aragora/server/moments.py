"""Points in time as callers write them: seconds since the epoch, or a text of ISO 8601."""

from __future__ import annotations

import math
import re
from datetime import datetime
from typing import Annotated, Any, Final

from pydantic import BeforeValidator, WithJsonSchema

from aragora.limits import MOMENT_MAX_S

_SCHEMA: Final[dict[str, Any]] = {
    "anyOf": [
        {"type": "number", "minimum": -MOMENT_MAX_S, "maximum": MOMENT_MAX_S},
        {"type": "string", "maxLength": 40},
    ],
    "description": "seconds since the epoch, or ISO 8601; without a zone it is read as the server's",
}
_TEXT_MAX_CHARS: Final = 40
_SECONDS: Final = re.compile(r"-?[0-9]+(\.[0-9]+)?")


def moment(value: object) -> float:
    """Seconds since the epoch. A text without a zone is read as the server's. Raises ValueError."""
    if isinstance(value, bool) or not isinstance(value, int | float | str):
        # ValueError: pydantic makes an answer of it.
        raise ValueError(  # noqa: TRY004
            "give seconds since the epoch, or a date and time as in 2026-01-31T12:00:00Z"
        )
    seconds = _of_text(value) if isinstance(value, str) else _number(value)
    if not (math.isfinite(seconds) and abs(seconds) <= MOMENT_MAX_S):
        raise ValueError("the time is out of range: give seconds since the epoch, not milliseconds")
    return seconds + 0.0  # no negative zero: it would make another statement


def _of_text(text: str) -> float:
    wrong = ValueError("this is no time: write it as in 2026-01-31T12:00:00Z, or in seconds since the epoch")
    text = text.strip()
    if len(text) > _TEXT_MAX_CHARS:
        raise wrong
    try:
        return float(text) if _SECONDS.fullmatch(text) else datetime.fromisoformat(text).timestamp()
    except (ValueError, OverflowError, OSError):  # the last two: beyond what the machine's calendar has
        raise wrong from None


def _number(value: float) -> float:
    try:
        return float(value)
    except OverflowError:
        return math.inf


Moment = Annotated[float, BeforeValidator(moment), WithJsonSchema(_SCHEMA)]
MomentText = Annotated[
    float,
    BeforeValidator(moment),
    WithJsonSchema({"type": "string", "maxLength": _TEXT_MAX_CHARS, "description": _SCHEMA["description"]}),
]
"""The same in a query, where everything is text."""
