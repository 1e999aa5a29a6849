"""Canonical JSON (RFC 8785) and the digests made of it: the same value gives the same bytes everywhere.

`rfc8785` does the work. An object whose members are encoded one by one can be put together here without encoding
them again, which lets a receipt gain its hash and signature for the price of a join.
"""

from __future__ import annotations

import hashlib
from collections.abc import Iterable, Mapping
from typing import Any

import rfc8785


class NotCanonical(ValueError):
    """The value has no canonical form: NaN, an integer beyond 2**53, lone surrogates, or no JSON type at all."""


def canonical(value: Any) -> bytes:
    """The one UTF-8 encoding of `value` (mappings, lists, tuples, text, numbers, booleans, None).

    Raises NotCanonical where RFC 8785 knows none, and where the value is nested too deep to encode.
    """
    try:
        return rfc8785.dumps(value)
    except (ValueError, RecursionError) as error:  # not only its own errors: surrogates in a key are a UnicodeError
        raise NotCanonical(str(error)) from error


def canonical_members(value: Mapping[str, Any]) -> dict[str, bytes]:
    """Each member of an object, key and value, in canonical form and ready for `canonical_object`."""
    return {key: canonical(key) + b":" + canonical(member) for key, member in value.items()}


def canonical_object(members: Mapping[str, bytes]) -> bytes:
    """The canonical object of members made by `canonical_members`, ordered as RFC 8785 wants (UTF-16 code units)."""
    return b"{" + b",".join(members[key] for key in sorted(members, key=_utf16)) + b"}"


def _utf16(key: str) -> bytes:
    return key.encode("utf-16-be", "surrogatepass")


def digest(raw: bytes) -> str:
    """SHA-256 of `raw`, 64 lower-case hex digits."""
    return hashlib.sha256(raw).hexdigest()


def text_digest(text: str) -> str:
    """SHA-256 of the UTF-8 bytes of `text`, in hex. Lone surrogates, which no UTF-8 has, count as `?`."""
    return digest(text.encode("utf-8", "replace"))


def journal_digest(payloads: Iterable[str | bytes]) -> str:
    """SHA-256, in hex, over journal payloads in the order of their seq, each followed by a line feed."""
    running = hashlib.sha256()
    for payload in payloads:
        running.update(payload.encode() if isinstance(payload, str) else payload)
        running.update(b"\n")
    return running.hexdigest()
