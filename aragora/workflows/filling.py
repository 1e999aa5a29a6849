"""Texts with `{{ expression }}` in them, filled in. Pure.

A text that is one expression and nothing else keeps what this gives, of whatever type; else each expression stands as
text: a text as it is, null as nothing, true, false and numbers as JSON has them, lists and maps as JSON. An expression
may hold `}}` within its own texts and brackets. There is no escape: `{{ "{{" }}` gives two braces.
"""

from __future__ import annotations

import re
from collections.abc import Iterable, Iterator, Mapping
from contextlib import suppress
from dataclasses import dataclass
from functools import lru_cache
from typing import Any, Final

from aragora import texts
from aragora.encoding import encode_text
from aragora.workflows.definition import PAYLOAD_MAX_BYTES
from aragora.workflows.expression_values import Budget
from aragora.workflows.expressions import Expression, ExpressionError, compiled, evaluate

PARTS_MAX: Final = 100  # of one text
DEPTH_MAX: Final = 20  # of a value with texts in it
VALUES_MAX: Final = 2_000  # within it
_LENGTH_OF_TAGS: Final = 2

_WITHIN: Final = re.compile(r"\"\"\"|'''|[\"'{}]")


@dataclass(frozen=True, slots=True)
class Part:
    """A piece of a text: an expression, or else what stands there as it is."""

    text: str
    expression: Expression | None = None


@lru_cache(maxsize=256)
def parts(text: str) -> tuple[Part, ...]:
    """The pieces of a text. Raises ExpressionError, with the place in the text, where an expression does not end or
    cannot be read, or where there are over PARTS_MAX."""
    found: list[Part] = []
    for piece, at in _pieces(text):
        if at is None:
            found.append(Part(piece))
            continue
        try:
            found.append(Part(piece, compiled(piece.strip())))
        except ExpressionError as error:
            raise ExpressionError(f"In {{{{ }}}} at character {at}: {error.message}") from None
    return tuple(found)


def unread(value: Any) -> tuple[str, ...]:
    """The expressions in all texts of a value, none of which is read: a quick look. What follows an expression that
    does not end is left out."""
    if isinstance(value, str):
        found = []
        with suppress(ExpressionError):
            found += [piece for piece, at in _pieces(value) if at is not None]
        return tuple(found)
    return tuple(one for each in _inner(value) for one in unread(each))


def expressions_of(value: Any) -> tuple[Expression, ...]:
    """The expressions in all texts of a value. Raises ExpressionError."""
    if isinstance(value, str):
        return tuple(part.expression for part in parts(value) if part.expression is not None)
    return tuple(one for each in _inner(value) for one in expressions_of(each))


def _inner(value: Any) -> Iterable[Any]:
    return value.values() if isinstance(value, Mapping) else value if isinstance(value, list | tuple) else ()


def _pieces(text: str) -> Iterator[tuple[str, int | None]]:
    """The pieces of a text, each expression with its place, from 1. Raises ExpressionError."""
    at = count = 0
    while (start := text.find("{{", at)) >= 0:
        end = _end(text, start + _LENGTH_OF_TAGS)
        if start > at:
            yield text[at:start], None
        yield text[start + _LENGTH_OF_TAGS : end], start + 1
        count += 1
        if count > PARTS_MAX:
            raise ExpressionError(f"A text has at most {PARTS_MAX} expressions.")
        at = end + _LENGTH_OF_TAGS
    if at < len(text):
        yield text[at:], None


def filled(text: str, names: Mapping[str, Any], budget: Budget | None = None) -> Any:
    """A text with its expressions filled in, or the value of the one that it is. They share one budget.

    Raises ExpressionError where an expression fails, where the text would be over PAYLOAD_MAX_BYTES, and where it would
    hold what no database keeps: control characters and halves of a surrogate pair."""
    pieces, shared = parts(text), budget or Budget()
    if len(pieces) == 1 and pieces[0].expression is not None:
        value = evaluate(pieces[0].expression, names, shared)
        _check_texts(value)
        return value
    made: list[str] = []
    left = PAYLOAD_MAX_BYTES
    for piece in pieces:
        one = piece.text if piece.expression is None else as_text(evaluate(piece.expression, names, shared))
        made.append(one)
        left -= len(one.encode("utf-8", "surrogatepass"))
        if left < 0:
            raise _too_large()
    whole = "".join(made)
    _check_texts(whole)
    return whole


def filled_all(value: Any, names: Mapping[str, Any]) -> Any:
    """A JSON value with every text in it filled in, keys as they are. Tuples become lists. Raises ExpressionError as
    `filled` does; also where the whole is over PAYLOAD_MAX_BYTES."""
    if isinstance(value, str):
        return filled(value, names)
    room = _Room()
    made = _filled(value, names, 0, room)
    try:
        size = len(encode_text(made).encode())
    except (TypeError, ValueError):
        raise ExpressionError("The value holds what JSON does not.") from None
    if size > PAYLOAD_MAX_BYTES:
        raise _too_large()
    return made


def as_text(value: Any) -> str:
    """A value as it stands within a text."""
    if isinstance(value, str):
        return value
    return "" if value is None else encode_text(value)


class _Room:
    """How much one value may still hold, and its expressions may still do."""

    __slots__ = ("budget", "bytes", "values")

    def __init__(self) -> None:
        self.bytes, self.values, self.budget = PAYLOAD_MAX_BYTES, VALUES_MAX, Budget()


def _filled(value: Any, names: Mapping[str, Any], depth: int, room: _Room) -> Any:
    room.values -= 1
    if depth > DEPTH_MAX or room.values < 0:
        raise _too_large()
    if isinstance(value, Mapping):
        return {key: _filled(inner, names, depth + 1, room) for key, inner in value.items()}
    if isinstance(value, list | tuple):
        return [_filled(inner, names, depth + 1, room) for inner in value]
    if not isinstance(value, str):
        return value
    made = filled(value, names, room.budget)
    room.bytes -= len(made) if isinstance(made, str) else len(encode_text(made)) if isinstance(made, list | dict) else 8
    if room.bytes < 0:
        raise _too_large()
    return made


def _end(text: str, at: int) -> int:
    """Where the expression that begins at `at` ends: at a `}}` outside its own texts and braces."""
    start, depth = at, 0
    while found := _WITHIN.search(text, at):
        at = found.end()
        if found[0] == "{":
            depth += 1
        elif found[0] == "}":
            if depth == 0 and text.startswith("}}", found.start()):
                return found.start()
            depth = max(0, depth - 1)
        else:
            at = _after_literal(text, at, found[0])
    raise ExpressionError(f"The {{{{ at character {start - 1} has no }}}}.")


def _after_literal(text: str, at: int, mark: str) -> int:
    raw = text[at - len(mark) - 1 : at - len(mark)] in ("r", "R")
    while at < len(text) and not text.startswith(mark, at):
        at += 2 if text[at] == "\\" and not raw else 1
    return at + len(mark)


def _check_texts(value: Any) -> None:
    try:
        texts.check_all(value, "the value")
    except ValueError as error:
        raise ExpressionError(f"{error}.") from None
    except RecursionError:
        raise _too_large() from None


def _too_large() -> ExpressionError:
    return ExpressionError(
        f"What comes out has more than {PAYLOAD_MAX_BYTES} bytes, or nests too deep.", code="too_large"
    )
