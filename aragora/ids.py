"""The one id maker: time-ordered (UUIDv7, RFC 9562) and unguessable, with a prefix that names the kind."""

from __future__ import annotations

import re
from typing import Final

from uuid_utils import uuid7

LOCAL_ORG: Final = "local"
"""The organisation of what belongs to no other: the local operator's debates, connections that name none."""

_SHAPE: Final = re.compile(r"[A-Za-z0-9._:-]+")


def could_be_id(text: str) -> bool:
    """Whether `text` has the shape of an id; nothing of another shape exists."""
    return _SHAPE.fullmatch(text) is not None


def new_id(prefix: str) -> str:
    """A fresh id such as `deb_0197...`: sortable by creation time in milliseconds, 74 random bits."""
    return f"{prefix}_{uuid7().hex}"
