"""The functions and methods of expressions, each with the number of values it takes. Pure.

Each gets the budget first, and charges to it what depends on the length of its values. They raise TypeError for a value
of the wrong type, ValueError for a wrong one.
"""

from __future__ import annotations

import re
import string
from collections.abc import Callable, Mapping
from functools import lru_cache
from typing import Any, Final

from aragora.workflows import expression_values as values
from aragora.workflows.definition import EXPRESSION_MAX_CHARS, PAYLOAD_MAX_BYTES
from aragora.workflows.expression_values import CHARS_PER_UNIT, Budget

PATTERN_UNITS: Final = 4_000
"""What it costs to read a regular expression: some 2 ms at the most."""
PATTERN_MEMORY_BYTES: Final = 1 << 18
_NUMBER_CHARS: Final = 64
_NUMBER: Final = re.compile(r"[+-]?(?:[0-9]+\.?[0-9]*|\.[0-9]+)(?:[eE][+-]?[0-9]+)?")

_LOWER: Final = str.maketrans(string.ascii_uppercase, string.ascii_lowercase)
_UPPER: Final = str.maketrans(string.ascii_lowercase, string.ascii_uppercase)


def _size(_budget: Budget, value: Any) -> int:
    if not isinstance(value, str | Mapping) and not values.is_list(value):
        raise TypeError
    return len(value)


def _string(_budget: Budget, value: Any) -> str:
    if isinstance(value, bool):
        return "true" if value else "false"
    if not isinstance(value, str | int | float):
        raise TypeError
    return str(values.bounded(value)) if not isinstance(value, str) else value


def _int(_budget: Budget, value: Any) -> int:
    if isinstance(value, str):
        if len(value) > _NUMBER_CHARS or not value.removeprefix("-").isdecimal() or not value.isascii():
            raise ValueError("the text is no integer")
        return int(values.bounded(int(value)))
    if not values.is_number(value):
        raise TypeError
    return int(values.bounded(int(values.bounded(value))))


def _double(_budget: Budget, value: Any) -> float:
    if isinstance(value, str):
        if len(value) > _NUMBER_CHARS or _NUMBER.fullmatch(value) is None:
            raise ValueError("the text is no number")
        return float(values.bounded(float(value)))
    if not values.is_number(value):
        raise TypeError
    return float(values.bounded(float(values.bounded(value))))


def _bool(_budget: Budget, value: Any) -> bool:
    if isinstance(value, bool):
        return value
    if not isinstance(value, str):
        raise TypeError
    if value not in ("true", "false"):
        raise ValueError("the text is neither true nor false")
    return value == "true"


def _dyn(_budget: Budget, value: Any) -> Any:
    return value


def _contains(budget: Budget, text: Any, part: Any) -> bool:
    _check_texts(budget, text, part)
    return part in text


def _starts_with(budget: Budget, text: Any, part: Any) -> bool:
    _check_texts(budget, text, part)
    return bool(text.startswith(part))


def _ends_with(budget: Budget, text: Any, part: Any) -> bool:
    _check_texts(budget, text, part)
    return bool(text.endswith(part))


def _matches(budget: Budget, text: Any, pattern: Any) -> bool:
    _check_texts(budget, text, pattern)
    if len(pattern) > EXPRESSION_MAX_CHARS:
        raise ValueError(f"the pattern has over {EXPRESSION_MAX_CHARS} characters")
    budget.spend(PATTERN_UNITS + len(text) // 4)
    return _pattern(pattern).search(text) is not None


def _lower(budget: Budget, text: Any) -> str:
    _check_texts(budget, text)
    return str(text.translate(_LOWER))


def _upper(budget: Budget, text: Any) -> str:
    _check_texts(budget, text)
    return str(text.translate(_UPPER))


def _trim(budget: Budget, text: Any) -> str:
    _check_texts(budget, text)
    return str(text.strip())


def _join(budget: Budget, items: Any, between: Any) -> str:
    if not values.is_list(items) or not isinstance(between, str):
        raise TypeError
    budget.spend(len(items))
    if not all(isinstance(item, str) for item in items):
        raise ValueError("the list holds more than texts")
    length = sum(len(item) + len(between) for item in items)
    if length > PAYLOAD_MAX_BYTES:
        raise OverflowError
    budget.spend(length // CHARS_PER_UNIT)
    return between.join(items)


def _check_texts(budget: Budget, *given: Any) -> None:
    if not all(isinstance(one, str) for one in given):
        raise TypeError
    budget.spend(sum(len(one) for one in given) // 64)


@lru_cache(maxsize=128)
def _pattern(pattern: str) -> Any:
    """RE2 takes time in proportion to the text, whatever the pattern. Raises ValueError."""
    import re2  # noqa: PLC0415  few expressions have one

    options = re2.Options()
    options.max_mem = PATTERN_MEMORY_BYTES
    options.log_errors = False
    try:
        return re2.compile(pattern, options)
    except re2.error:
        raise ValueError("the pattern cannot be read, or is too large") from None


FUNCTIONS: Final[dict[str, tuple[int, Callable[..., Any]]]] = {
    "bool": (1, _bool),
    "double": (1, _double),
    "dyn": (1, _dyn),
    "int": (1, _int),
    "matches": (2, _matches),
    "size": (1, _size),
    "string": (1, _string),
}
METHODS: Final[dict[str, tuple[int, Callable[..., Any]]]] = {
    "contains": (2, _contains),
    "endsWith": (2, _ends_with),
    "join": (2, _join),
    "lowerAscii": (1, _lower),
    "matches": (2, _matches),
    "size": (1, _size),
    "startsWith": (2, _starts_with),
    "trim": (1, _trim),
    "upperAscii": (1, _upper),
}
