"""The one id maker: time-ordered (UUIDv7, RFC 9562) and unguessable, with a prefix that names the kind."""

from __future__ import annotations

import re
from typing import Final

from uuid_utils import uuid7

LOCAL_ORG: Final = "local"
"""The organisation of what belongs to no other: the local operator's debates, connections that name none."""

BEGINNING_MIN_DIGITS: Final = 4
"""So many digits of an id must be given where its beginning stands for it."""

_SHAPE: Final = re.compile(r"[A-Za-z0-9._:-]+")
_DIGITS: Final = 32
_BEGINNING: Final = re.compile(f"[0-9a-f]{{{BEGINNING_MIN_DIGITS},{_DIGITS}}}")


def could_be_id(text: str) -> bool:
    """Whether `text` has the shape of an id; nothing of another shape exists."""
    return _SHAPE.fullmatch(text) is not None


def beginning_of_id(prefix: str, text: str) -> str | None:
    """`text` as the beginning of an id with this prefix, which it may leave out; None where it is none. The dots that
    stand for the rest of an id are taken off."""
    digits = text.removeprefix(f"{prefix}_").rstrip(".\N{HORIZONTAL ELLIPSIS}")
    return f"{prefix}_{digits}" if _BEGINNING.fullmatch(digits) else None


def is_whole(beginning: str) -> bool:
    """Whether a beginning is a whole id, as `new_id` makes it."""
    return len(beginning.rpartition("_")[2]) == _DIGITS


def range_of(beginning: str) -> tuple[str, str]:
    """Where the ids that begin so lie in a list in order: from the first text, and before the second. The second goes
    on with the letter after the last digit, which comes after every digit in every collation."""
    return beginning, f"{beginning}g"


def new_id(prefix: str) -> str:
    """A fresh id such as `deb_0197...`: sortable by creation time in milliseconds, 74 random bits."""
    return f"{prefix}_{uuid7().hex}"
