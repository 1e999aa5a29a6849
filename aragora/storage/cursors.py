"""Opaque cursors of listings: where the last page ended, as text that callers hand back unread."""

from __future__ import annotations

import binascii
from base64 import urlsafe_b64decode, urlsafe_b64encode
from dataclasses import dataclass
from typing import Generic, TypeVar

import msgspec

from aragora.encoding import encode
from aragora.errors import InvalidInput
from aragora.texts import line

T = TypeVar("T")


class Place(msgspec.Struct, frozen=True, array_like=True, forbid_unknown_fields=True):
    """The last item of a page by its sort key: time in seconds since the epoch, then id."""

    at: float
    id: str


class Turn(msgspec.Struct, frozen=True, array_like=True, forbid_unknown_fields=True):
    """As `Place`, of a listing that is sorted by a number first, then a time in seconds since the epoch, then id."""

    turn: float
    at: float
    id: str


K = TypeVar("K", Place, Turn)


def cursor_of(place: Place | Turn) -> str:
    """The cursor after `place`."""
    return urlsafe_b64encode(encode(place)).decode().rstrip("=")


def place_of(cursor: str) -> Place:
    """The place of a cursor. Raises InvalidInput where it is not one of ours."""
    return _read(cursor, Place)


def turn_of(cursor: str) -> Turn:
    """As `place_of`, of a listing that is sorted by turns."""
    return _read(cursor, Turn)


def _read(cursor: str, kind: type[K]) -> K:
    try:
        place = msgspec.json.decode(urlsafe_b64decode(cursor + "=" * (-len(cursor) % 4)), type=kind)
        line(place.id)
    except (msgspec.DecodeError, binascii.Error, ValueError) as error:
        raise InvalidInput(
            "the cursor is not one of ours: leave it out to start at the first page", code="invalid_cursor"
        ) from error
    return place


@dataclass(frozen=True, slots=True)
class Page(Generic[T]):
    """One page of a listing; `next_cursor` is None on the last."""

    items: tuple[T, ...]
    next_cursor: str | None = None
