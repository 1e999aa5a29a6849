"""The one JSON encoder and decoder: dataclasses in, compact UTF-8 out.

msgspec encodes frozen dataclasses, enums and mappings directly and decodes into typed dataclasses, at a
fraction of the cost of building dictionaries first. Canonical JSON for receipts is RFC 8785 and lives in
`aragora.receipts.canonical`.
"""

from __future__ import annotations

from typing import Any, TypeVar

import msgspec

T = TypeVar("T")

_encoder = msgspec.json.Encoder()


def encode(value: object) -> bytes:
    """Compact JSON of `value` (dataclasses, enums, mappings, sequences, numbers, text) as UTF-8 bytes."""
    return _encoder.encode(value)


def encode_text(value: object) -> str:
    """Compact JSON of `value` as text, for columns and headers."""
    return _encoder.encode(value).decode()


def decode(raw: bytes | str) -> Any:
    """The plain Python value of a JSON text. Raises msgspec.DecodeError where it is not JSON."""
    return msgspec.json.decode(raw)


def decode_as(raw: bytes | str, kind: type[T]) -> T:
    """The JSON text as a `kind`. Raises msgspec.ValidationError where it does not fit."""
    return msgspec.json.decode(raw, type=kind)


def to_plain(value: object) -> Any:
    """`value` as plain dictionaries, lists and scalars."""
    return msgspec.to_builtins(value)


def from_plain(value: Any, kind: type[T]) -> T:
    """A `kind` out of plain dictionaries, lists and scalars. Raises msgspec.ValidationError."""
    return msgspec.convert(value, kind)
