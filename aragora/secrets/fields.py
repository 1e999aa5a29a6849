"""Walking a record to encrypt, decrypt or hide exactly what `aragora.secrets.policy` calls secret.

A secret value, text or structure, becomes one envelope; so does what a secret structure holds. Envelopes are found
wherever they stand: what an older policy called secret stays readable.
"""

from __future__ import annotations

from collections.abc import Callable, Iterator, Mapping
from typing import Any, Final

from aragora.secrets.envelope import MARKER, is_envelope
from aragora.secrets.policy import holds_nothing, is_secret

STAND_IN: Final = "[set]"
"""What stands for a secret where a record is shown."""

Change = Callable[[str, Any], Any]
"""From the path of a secret, an RFC 6901 pointer, and its value to what takes its place."""


def transform(record: Mapping[str, Any], change: Change, path: str = "") -> dict[str, Any]:
    """A copy of `record` in which `change(path, value)` replaced each secret value."""
    return {name: _walk(name, value, change, _below(path, name)) for name, value in record.items()}


def transform_stored(record: Mapping[str, Any], change: Change) -> dict[str, Any]:
    """As `transform`, of a record that rests in a store: a secret structure that is no envelope is gone through.

    An older policy may have called only a part of it secret: `change` gets each envelope at the path it was sealed for,
    and each value beside it.
    """

    def inside(path: str, value: Any) -> Any:
        if is_envelope(value):
            return change(path, value)
        if isinstance(value, Mapping):
            return {name: inside(_below(path, name), item) for name, item in value.items()}
        if isinstance(value, list):
            return [inside(f"{path}/{position}", item) for position, item in enumerate(value)]
        return value if holds_nothing(value) else change(path, value)

    return transform(record, inside)


def _below(path: str, name: str) -> str:
    return f"{path}/{name.replace('~', '~0').replace('/', '~1')}"


def _walk(name: str, value: Any, change: Change, path: str) -> Any:
    if is_envelope(value) or is_secret(name, value):
        return change(path, value)
    if isinstance(value, Mapping):
        return transform(value, change, path)
    if isinstance(value, list):
        return [_walk(name, item, change, f"{path}/{position}") for position, item in enumerate(value)]
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
