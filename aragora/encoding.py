"""The one JSON encoder and decoder: dataclasses in, compact UTF-8 out.

msgspec encodes frozen dataclasses, enums and mappings directly and decodes into typed dataclasses, at a
fraction of the cost of building dictionaries first. Canonical JSON for receipts is RFC 8785 and lives in
`aragora.receipts.canonical`.

What cannot be read back is not written: `NotEncodable` is raised, and the caller decides what becomes of the unit.
"""

from __future__ import annotations

import json
import re
from typing import Any, Final, TypeVar

import msgspec

T = TypeVar("T")

_encoder = msgspec.json.Encoder()
_exact = msgspec.msgpack.Encoder()
_MAYBE_NOT_FINITE: Final = re.compile(rb"\xcb[\x7f\xff][\xf0-\xff]")  # how msgpack begins such a number


class NotEncodable(ValueError):
    """Raised when a value has no JSON that reads back as the value: NaN, infinity, half of a character (a lone
    surrogate), too many levels. The same value is refused again, so it must be mended where it came in."""


def encode(value: object) -> bytes:
    """Compact JSON of `value` (dataclasses, enums, mappings, sequences, numbers, text) as UTF-8 bytes.

    Raises NotEncodable, and TypeError for a kind of object that JSON does not have.
    """
    try:
        raw = _encoder.encode(value)
        readable = b"null" not in raw or _finite(value)  # msgspec writes null for NaN and infinity
    except UnicodeEncodeError as error:
        raise NotEncodable(f"a text holds half of a character (position {error.start})") from None
    except RecursionError:
        raise NotEncodable("the value is nested too deeply") from None
    if not readable:
        raise NotEncodable("a number is not finite")
    return raw


def encode_text(value: object) -> str:
    """Compact JSON of `value` as text, for columns and headers. Raises as `encode` does."""
    return encode(value).decode()


def decode(raw: bytes | str | msgspec.Raw) -> Any:
    """The plain Python value of a JSON text. Raises ValueError where it is not JSON, or is nested too deeply:
    msgspec.DecodeError, or UnicodeDecodeError for bytes that are no UTF-8."""
    return decode_as(raw, Any)


def decode_as(raw: bytes | str, kind: type[T]) -> T:
    """The JSON text as a `kind`. Raises ValueError as `decode` does; msgspec.ValidationError where it does not fit."""
    try:
        return msgspec.json.decode(raw, type=kind)
    except RecursionError:
        raise msgspec.DecodeError("the value is nested too deeply") from None


def to_plain(value: object) -> Any:
    """`value` as plain dictionaries, lists and scalars."""
    return msgspec.to_builtins(value)


def from_plain(value: Any, kind: type[T]) -> T:
    """A `kind` out of plain dictionaries, lists and scalars. Raises msgspec.ValidationError."""
    return msgspec.convert(value, kind)


def _finite(value: object) -> bool:
    """Whether all numbers in `value` are. The quick look at its msgpack, which keeps NaN and infinity, costs half a
    microsecond and may see one that is none, in the bytes of an ordinary number; the slow look is exact."""
    try:
        if not _MAYBE_NOT_FINITE.search(_exact.encode(value)):
            return True
    except OverflowError:  # an integer beyond 64 bits, which msgpack does not have
        pass
    plain = msgspec.to_builtins(value, enc_hook=_unpacked)
    try:
        json.dumps(plain, allow_nan=False)
    except ValueError:
        return False
    return True


def _unpacked(raw: object) -> Any:
    """What a raw text holds: the only kind that has JSON and no plain value."""
    if not isinstance(raw, msgspec.Raw):
        raise TypeError(f"no JSON for a {type(raw).__name__}")
    try:
        return decode(raw)
    except ValueError:
        raise NotEncodable("a raw text is no JSON") from None
