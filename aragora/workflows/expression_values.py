"""What expressions do with JSON values: arithmetic, comparison, equality; and the budget that bounds them. Pure.

A charge stands before what it pays for. A unit is about half a microsecond of work, or `CHARS_PER_UNIT` characters of a
new text: so what an expression may build is bounded too.
"""

from __future__ import annotations

import math
from collections.abc import Mapping, Sequence
from typing import Any, Final

from aragora.errors import InvalidInput
from aragora.workflows.definition import PAYLOAD_MAX_BYTES

UNITS_MAX: Final = 60_000
CHARS_PER_UNIT: Final = 256
INT_MAX: Final = 2**63 - 1
INT_MIN: Final = -(2**63)

_KINDS: Final = ((bool, "a boolean"), (int, "an integer"), (float, "a double"), (str, "a text"), (Mapping, "a map"))


class ExpressionError(InvalidInput):
    """The expression cannot be read, or gives nothing with these values. `column` is its place in the text, from 1, or
    0 where it has none."""

    default_code = "invalid_expression"

    def __init__(
        self, message: str, *, column: int = 0, code: str | None = None, retry_after_s: float | None = None
    ) -> None:
        super().__init__(f"{message} (column {column})" if column else message, code=code, retry_after_s=retry_after_s)
        self.column = column


class SpentError(Exception):
    """The budget of an expression is spent. No operator goes on after it."""


class Budget:
    """What one evaluation may still do."""

    __slots__ = ("left",)

    def __init__(self, units: int = UNITS_MAX) -> None:
        self.left = units

    def spend(self, units: int) -> None:
        """Raises SpentError where it is not enough."""
        self.left -= units
        if self.left < 0:
            raise SpentError


def kind_of(value: Any) -> str:
    """The type of a JSON value, as errors name it: `a text`, `an integer`."""
    for kind, name in _KINDS:
        if isinstance(value, kind):
            return name
    return "null" if value is None else "a list" if is_list(value) else "a value that is not of JSON"


def is_list(value: Any) -> bool:
    """Whether a value is a list."""
    return isinstance(value, Sequence) and not isinstance(value, str | bytes)


def is_number(value: Any) -> bool:
    """Whether a value is a number; true and false are none."""
    return isinstance(value, int | float) and not isinstance(value, bool)


def added(left: Any, right: Any, budget: Budget) -> Any:
    """The sum of numbers, or the concatenation of texts or lists. Raises TypeError, OverflowError."""
    if isinstance(left, str) and isinstance(right, str):
        _check_length(len(left) + len(right))
        budget.spend((len(left) + len(right)) // CHARS_PER_UNIT)
        return left + right
    if is_list(left) and is_list(right):
        _check_length(len(left) + len(right))
        budget.spend((len(left) + len(right)) // 8)
        return [*left, *right]
    _check_numbers(left, right)
    return bounded(left + right)


def subtracted(left: Any, right: Any) -> Any:
    """Raises TypeError, OverflowError."""
    _check_numbers(left, right)
    return bounded(left - right)


def multiplied(left: Any, right: Any) -> Any:
    """Raises TypeError, OverflowError."""
    _check_numbers(left, right)
    return bounded(left * right)


def divided(left: Any, right: Any) -> Any:
    """Of integers, rounded towards zero. Raises TypeError, ZeroDivisionError, OverflowError."""
    _check_numbers(left, right)
    if right == 0:
        raise ZeroDivisionError
    if isinstance(left, float) or isinstance(right, float):
        return bounded(left / right)
    whole = abs(left) // abs(right)
    return bounded(whole if (left < 0) == (right < 0) else -whole)


def remainder(left: Any, right: Any) -> int:
    """What a division of integers leaves, with the sign of `left`. Raises TypeError, ZeroDivisionError."""
    _check_numbers(left, right)
    if isinstance(left, float) or isinstance(right, float):
        raise TypeError
    if right == 0:
        raise ZeroDivisionError
    rest: int = abs(left) % abs(right)
    return -rest if left < 0 else rest


def compared(left: Any, right: Any, budget: Budget) -> int:
    """-1, 0 or 1. Raises TypeError where the two have no order."""
    if isinstance(left, str) and isinstance(right, str):
        budget.spend(min(len(left), len(right)) // CHARS_PER_UNIT)
    elif not (isinstance(left, bool) and isinstance(right, bool)):
        _check_numbers(left, right)
    return int(left > right) - int(left < right)


def same(left: Any, right: Any, budget: Budget) -> bool:
    """Whether two values are equal. Numbers are by their value; values of different types are not."""
    budget.spend(1)
    if is_number(left) and is_number(right):
        return bool(left == right)
    if isinstance(left, str) and isinstance(right, str):
        budget.spend(min(len(left), len(right)) // CHARS_PER_UNIT)
        return left == right
    if isinstance(left, Mapping) and isinstance(right, Mapping):
        return len(left) == len(right) and all(key in right and same(left[key], right[key], budget) for key in left)
    if is_list(left) and is_list(right):
        return len(left) == len(right) and all(same(*pair, budget) for pair in zip(left, right, strict=True))
    return type(left) is type(right) and bool(left == right)


def contains(item: Any, container: Any, budget: Budget) -> bool:
    """`item in container`, of a list or of the keys of a map. Raises TypeError."""
    if isinstance(container, Mapping):
        return isinstance(item, str) and item in container
    if not is_list(container):
        raise TypeError
    return any(same(item, each, budget) for each in container)


def item_of(container: Any, index: Any) -> Any:
    """`container[index]`. Raises TypeError, KeyError, IndexError."""
    if isinstance(container, Mapping) and isinstance(index, str):
        return container[index]
    if not is_list(container) or not isinstance(index, int) or isinstance(index, bool):
        raise TypeError
    if not 0 <= index < len(container):
        raise IndexError
    return container[index]


def bounded(number: Any) -> Any:
    """A number, where JSON and CEL have it. Raises OverflowError."""
    if not (math.isfinite(number) if isinstance(number, float) else INT_MIN <= number <= INT_MAX):
        raise OverflowError
    return number


def check_result(value: Any, budget: Budget) -> None:
    """Raises ExpressionError where a value is over PAYLOAD_MAX_BYTES or holds what JSON does not; SpentError."""
    left = PAYLOAD_MAX_BYTES
    waiting = [value]
    while waiting:
        budget.spend(1)
        one = waiting.pop()
        left -= len(one) + 2 if isinstance(one, str) else 2
        if isinstance(one, Mapping):
            left -= sum(len(key) for key in one)
            waiting.extend(one.values())
        elif is_list(one):
            waiting.extend(one)
        elif is_number(one):
            bounded_result(one)
        elif one is not None and not isinstance(one, str | bool):
            raise ExpressionError(f"It gives {kind_of(one)}.")
        if left < len(waiting):
            raise ExpressionError(f"It gives more than {PAYLOAD_MAX_BYTES} bytes.", code="too_large")


def bounded_result(number: Any) -> None:
    """Raises ExpressionError where a number that came from outside is none of CEL."""
    try:
        bounded(number)
    except OverflowError:
        raise ExpressionError("It gives a number that is not finite, or an integer of over 64 bits.") from None


def _check_numbers(left: Any, right: Any) -> None:
    if not (is_number(left) and is_number(right)):
        raise TypeError


def _check_length(length: int) -> None:
    if length > PAYLOAD_MAX_BYTES:
        raise OverflowError
