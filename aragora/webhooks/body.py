"""The body of a delivery: made once for each event, stored as text, and sent as exactly these bytes.

This is the one exception to the house's JSON encoder (`aragora.encoding`). The verifier that the runbook prints for
receivers parses the body, writes it again by `json.dumps` with its defaults, and hashes that. Other white space, other
escapes or another form of a number (msgspec writes 1e22, Python 1e+22) would make every signature wrong there. So the
body is written by `json.dumps` with its defaults, and a payload that reads back as something else is refused. Pure.
"""

from __future__ import annotations

import json
from collections.abc import Mapping
from typing import Any, Final, NoReturn

from aragora.errors import InvalidInput, TooLarge

MAX_BYTES: Final = 262_144
"""What a body may have unless the installation says otherwise, the `delivery_id` not counted."""
MAX_DEPTH: Final = 64
"""Levels of objects and lists within each other, the payload itself being the first."""

_INTEGER_DIGITS: Final = 4300  # more are refused by Python's own parser (sys.int_info.default_max_str_digits)
_INTEGER_LIMIT: Final = 10**_INTEGER_DIGITS
_ID_KEY: Final = '"delivery_id": '  # a text that holds it has its quotes escaped, so this begins or ends a key


def body_of(payload: Mapping[str, Any], max_bytes: int = MAX_BYTES) -> str:
    """The body of `payload` without its `delivery_id`: ASCII, and the same after any number of parses and dumps by
    Python's `json`. The order of keys is kept.

    Raises InvalidInput for what is no dict of JSON values, or reads back as something else; TooLarge over `max_bytes`.
    """
    if not isinstance(payload, dict):
        raise InvalidInput(f"The payload of a webhook is a {type(payload).__name__}: give a dict.")
    _check_size_and_depth(payload, max_bytes)
    body = _dumped(payload)
    if len(body) > max_bytes:
        raise _too_large(max_bytes)
    _check_reads_back(body)
    return body


def with_delivery_id(body: str, delivery_id: str) -> bytes:
    """The bytes to send: `body`, a text of `body_of`, with `delivery_id` as its first key. Where the payload has a key
    of that name, it stays as it is. Only text is put together here: a dump for each endpoint would cost far more."""
    if _ID_KEY in body and "delivery_id" in json.loads(body):
        return body.encode("ascii")
    tail = "}" if body == "{}" else f", {body[1:]}"
    return f"{{{_ID_KEY}{json.dumps(delivery_id)}{tail}".encode("ascii")


def _check_size_and_depth(payload: Mapping[str, Any], max_bytes: int) -> None:
    """Refuse what is too deep or too large before anything is written. Containers are walked by a list of our own, so
    no depth exhausts Python's stack; and what is counted is less than the JSON will have, so a small value that holds
    the same list a million times ends the walk early."""
    waiting: list[tuple[Any, int]] = [(payload, 1)]
    counted = 0
    while waiting:
        value, depth = waiting.pop()
        inner: Any
        if isinstance(value, dict):
            inner = value.values()
            counted += sum(map(_checked_length, value))
        elif isinstance(value, list | tuple):
            inner = value
        else:
            counted += _checked_length(value)
            inner = ()
        if depth > MAX_DEPTH and isinstance(value, dict | list | tuple):
            raise InvalidInput(
                f"The payload of a webhook has more than {MAX_DEPTH} levels, or holds itself: make it flatter."
            )
        counted += len(inner)
        if counted > max_bytes:
            raise _too_large(max_bytes)
        waiting.extend((item, depth + 1) for item in inner)


def _checked_length(value: object) -> int:
    """Characters that a scalar or a key has at least. Raises InvalidInput for an integer that cannot be read back."""
    if isinstance(value, str):
        return len(value)
    if isinstance(value, int) and not -_INTEGER_LIMIT < value < _INTEGER_LIMIT:
        raise InvalidInput(
            f"The payload of a webhook holds an integer of over {_INTEGER_DIGITS} digits: send it as a text."
        )
    return 0


def _dumped(payload: Mapping[str, Any]) -> str:
    """`payload` by `json.dumps` with its defaults, NaN and infinity apart: no JSON has them. Raises InvalidInput."""
    try:
        return json.dumps(payload, allow_nan=False)
    except ValueError:
        raise InvalidInput(
            "The payload of a webhook holds NaN or an infinity, which JSON does not have: send null or a text."
        ) from None
    except TypeError as error:
        _refuse_kind(error)


def _refuse_kind(error: TypeError) -> NoReturn:
    # The library's text names kinds only ("Object of type set ...", "keys must be str, ..."), never a value.
    raise InvalidInput(
        f"The payload of a webhook is no JSON ({error}): send texts, numbers, true, false, null, lists and dicts."
    ) from None


def _check_reads_back(body: str) -> None:
    """Raises InvalidInput where `body` is not the same after a parse and a dump, or has half of a character."""
    parsed = json.loads(body)
    if json.dumps(parsed) != body:
        raise InvalidInput(
            "The payload of a webhook has two keys that are the same text in JSON, such as 1 and '1': rename one."
        )
    if "\\ud" not in body:  # every half of a character is escaped so
        return
    try:
        json.dumps(parsed, ensure_ascii=False).encode()
    except UnicodeEncodeError:
        raise InvalidInput(
            "A text in the payload of a webhook holds half of a character (a lone surrogate), which many receivers "
            "refuse: remove it."
        ) from None


def _too_large(max_bytes: int) -> TooLarge:
    return TooLarge(f"The payload of a webhook is over {max_bytes} bytes of JSON: send less, or a link to it.")
