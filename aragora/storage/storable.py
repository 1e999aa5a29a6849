"""What both databases can hold: checked before a value can spoil the transaction of others."""

from __future__ import annotations

import math
from collections.abc import Iterable
from typing import Final

from aragora.errors import InvalidInput
from aragora.observability.samples import CounterDelta

MOST: Final = 2**31 - 1
"""The largest number that an integer column of both databases holds."""


def check_values(kind: str, name: str, values: Iterable[object]) -> None:
    """Raises InvalidInput for a text with NUL or half a character, a number that is not finite, or one that is too
    large for an integer column. The text says of which thing: its `kind` and `name`."""
    for value in values:
        if isinstance(value, str):
            if "\0" in value or not (value.isascii() or _is_unicode(value)):
                raise InvalidInput(f"{kind} {name}: the database cannot hold a control character in one of its texts")
        elif isinstance(value, float):
            if not math.isfinite(value):
                raise InvalidInput(f"{kind} {name}: one of its numbers is not finite")
        elif isinstance(value, int) and not -MOST <= value <= MOST:
            raise InvalidInput(f"{kind} {name}: one of its numbers is too large for the database")


def check_counters(kind: str, name: str, counters: Iterable[CounterDelta]) -> None:
    """Raises InvalidInput where a counter would not grow by a finite amount: it would be lost for ever."""
    for counter in counters:
        if not 0.0 <= counter.amount < math.inf:
            raise InvalidInput(f"{kind} {name}: {counter.sample} cannot grow by {counter.amount}")


def _is_unicode(text: str) -> bool:
    try:
        text.encode()
    except UnicodeEncodeError:
        return False
    return True
