"""JSON from a file, standard input or an argument, read so that nothing in it changes on its way to the server."""

from __future__ import annotations

import json
import math
import sys
from collections.abc import Mapping, Sequence
from pathlib import Path
from typing import Any, Final, NoReturn

from aragora.errors import InvalidInput

FILE_MAX_CHARS: Final = 1_000_000
TEXT: Final = "string"


def json_in(file: Path) -> Any:
    """What a file says; `-` is standard input. Raises InvalidInput where it cannot be read, is too large or no JSON."""
    try:
        if str(file) == "-":
            text = sys.stdin.read(FILE_MAX_CHARS + 1)
        else:
            with file.open(encoding="utf-8") as opened:
                text = opened.read(FILE_MAX_CHARS + 1)
        if len(text) > FILE_MAX_CHARS:
            raise InvalidInput(f"{file} has over {FILE_MAX_CHARS} characters, more than the server takes.")
        return _read(text)
    except OSError as error:
        raise InvalidInput(f"{file} cannot be read: {error.strerror}.") from None
    except (ValueError, RecursionError):
        raise InvalidInput(f"{file} is no JSON in UTF-8.") from None


def object_in(file: Path | None) -> dict[str, Any]:
    """The JSON object in a file, or an empty one where there is no file. Raises InvalidInput."""
    found = {} if file is None else json_in(file)
    if not isinstance(found, dict):
        raise InvalidInput(f'{file} holds no JSON object, such as {{"name": "value"}}.')
    return found


def pairs_of(option: str, pairs: Sequence[str], types: Mapping[str, str] | None = None) -> dict[str, Any]:
    """The values of KEY=VALUE arguments, each name once. A value is text; with `types` one whose name has another type
    there than `string` is JSON. Raises InvalidInput, which names the option."""
    found: dict[str, Any] = {}
    for pair in pairs:
        name, equals, value = pair.partition("=")
        if not name or not equals:
            raise InvalidInput(f"{option} {pair!r} is no KEY=VALUE.")
        if name in found:
            raise InvalidInput(f"{option} names {name!r} twice.")
        found[name] = _typed(option, name, value, TEXT if types is None else types.get(name, TEXT))
    return found


def _typed(option: str, name: str, value: str, kind: str) -> Any:
    if kind == TEXT:
        return value
    try:
        return _read(value)
    except (ValueError, RecursionError):
        example = {"list": '["a", "b"]', "object": '{"a": 1}', "boolean": "true"}.get(kind, "3")
        raise InvalidInput(f"{option} {name} is to be of the type {kind}, in JSON such as {example}.") from None


def _read(text: str) -> Any:
    """Raises ValueError also for NaN and numbers that are too large: they would arrive as null."""
    return json.loads(text, parse_constant=_no_number, parse_float=_finite)


def _finite(digits: str) -> float:
    number = float(digits)
    if not math.isfinite(number):
        raise ValueError(digits)
    return number


def _no_number(word: str) -> NoReturn:
    raise ValueError(word)
