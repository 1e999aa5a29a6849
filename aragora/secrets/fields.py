"""Which fields of a record are secret, and walking a record to encrypt or decrypt exactly those.

Rules: a field is secret if a word of its name says so (`bot_token`, `clientSecret`), at any depth of the record;
its whole value, text or structure, becomes one envelope. None and "" carry no secret and stay as they are.
"""

from __future__ import annotations

import itertools
import re
from collections.abc import Callable, Iterator, Mapping
from typing import Any, Final

from aragora.secrets.envelope import MARKER, is_envelope

SECRET_WORDS = frozenset(
    {
        *("secret", "secrets", "password", "passwd", "passphrase", "token", "tokens", "credential", "credentials"),
        *("apikey", "authorization", "cookie", "dsn"),
    }
)
SECRET_PAIRS = frozenset(
    {
        *(("api", "key"), ("private", "key"), ("access", "key"), ("signing", "key"), ("service", "key")),
        *(("encryption", "key"), ("connection", "string"), ("webhook", "url"), ("auth", "header")),
    }
)
# These only speak of tokens: their kind, age or number.
HARMLESS_LAST_WORDS = frozenset({"type", "expiry", "expires", "at", "in", "count", "uri"})

STAND_IN: Final = "[set]"
"""What stands for a secret where a record is shown."""

_WORD = re.compile(r"[A-Z]+(?![a-z])|[A-Z]?[a-z]+|[0-9]+")


def is_secret(name: str) -> bool:
    """Whether a field of this name holds a secret."""
    words = [word.lower() for word in _WORD.findall(name)]
    if not words or words[-1] in HARMLESS_LAST_WORDS:
        return False
    pairs = itertools.pairwise(words)
    return any(word in SECRET_WORDS for word in words) or any(pair in SECRET_PAIRS for pair in pairs)


def transform(record: Mapping[str, Any], change: Callable[[str, Any], Any], path: str = "") -> dict[str, Any]:
    """A copy of `record` in which `change(path, value)` replaced each secret value; paths are RFC 6901 pointers."""
    result: dict[str, Any] = {}
    for name, value in record.items():
        place = f"{path}/{name.replace('~', '~0').replace('/', '~1')}"
        if is_secret(name) and value not in (None, ""):
            result[name] = change(place, value)
        else:
            result[name] = _walk(value, change, place)
    return result


def _walk(value: Any, change: Callable[[str, Any], Any], path: str) -> Any:
    if is_envelope(value):
        return change(path, value)
    if isinstance(value, Mapping):
        return transform(value, change, path)
    if isinstance(value, list):
        return [_walk(item, change, f"{path}/{position}") for position, item in enumerate(value)]
    return value


def secrets_of(record: Mapping[str, Any]) -> Iterator[tuple[str, Any]]:
    """(path, value) of each secret field, encrypted or not."""
    found: list[tuple[str, Any]] = []

    def note(path: str, value: Any) -> Any:
        found.append((path, value))
        return value

    transform(record, note)
    return iter(found)


def redacted(record: Mapping[str, Any]) -> dict[str, Any]:
    """A copy that is safe to show: secrets say only that they are set."""
    shown = transform(record, lambda _path, _value: STAND_IN)
    shown.pop(MARKER, None)
    return shown
