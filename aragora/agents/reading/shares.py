"""A share from 0 to 1 (a confidence, a severity) in the notations that models use.

Rules
- A notation that names its whole is read: "9/10", "8 out of 10", "90%", "0,9", "~80%", "0.8 (sure)", "high (0.9)".
- A bare number up to 1 is a share, one above 10 and up to 100 a percentage. Above 1 and up to 10 it may be meant of 10
  or of 100, so it is not read.
- "50/50" means that both are as likely: a half.
- Words, ranges, several numbers, negative and other numbers are not read: None. Nothing here raises.
"""

from __future__ import annotations

import re
import unicodedata
from typing import Any, Final

from aragora.agents.reading.marks import EMPHASIS, QUOTES

_CHARS_MAX: Final = 200
_PERCENT: Final = 100.0
_EVEN: Final = 50.0  # of 50
_AMBIGUOUS_UP_TO: Final = 10.0

_NUMBER: Final = r"(?:\d{1,9}(?:[.,]\d{1,20})?|[.,]\d{1,20})"
_SHARE: Final = re.compile(
    rf"(?P<number>{_NUMBER})(?:\s*(?P<percent>%|percent\b|per cent\b)|\s*(?:[/\u2044\u2215]|out of|of|von|sur|de|su)\s*(?P<whole>{_NUMBER}))?",
    re.IGNORECASE,
)
_THOUSANDS: Final = re.compile(r"[1-9]\d*,\d{3}")
_BEFORE: Final = re.compile(
    r"(?:^|[\s~≈(:=])\+?$"
)  # what may stand before a number: no sign, no letter, no other number
_AFTER: Final = re.compile(r"$|[\s)\].,;:!]")


def share_of(value: Any) -> float | None:
    """The share that `value` names; None where it names none for certain."""
    if isinstance(value, bool):
        return None
    if isinstance(value, int | float):
        return _bare(value)
    if isinstance(value, str) and len(value) <= _CHARS_MAX:
        return _written(unicodedata.normalize("NFKC", value).strip())
    return None


def _written(text: str) -> float | None:
    text = text.strip(QUOTES + EMPHASIS[:-1] + " ")
    found = _SHARE.search(text)
    if found is None or not _BEFORE.search(text[: found.start()]) or not _AFTER.match(text, found.end()):
        return None
    if any(char.isdigit() for char in text[found.end() :]):  # a range, a date, a second opinion
        return None
    number = _number(found["number"])
    if number is None or found["whole"] is None:
        return number if number is None else _of(number, _PERCENT) if found["percent"] else _bare(number)
    whole = _number(found["whole"])
    if number == whole == _EVEN:
        return 0.5
    return None if whole is None else _of(number, whole)


def _number(text: str) -> float | None:
    """`text` as a number, with a decimal point or comma; None where the comma may part thousands."""
    return None if _THOUSANDS.fullmatch(text) else float(text.replace(",", "."))


def _of(number: float, whole: float) -> float | None:
    return number / whole if whole > 0.0 and 0.0 <= number <= whole else None


def _bare(number: float) -> float | None:
    if 0.0 <= number <= 1.0:
        return float(number) + 0.0  # -0.0 is 0.0, also in the digest of a receipt
    return number / _PERCENT if _AMBIGUOUS_UP_TO < number <= _PERCENT else None  # NaN is neither
