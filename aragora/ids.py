"""The one id maker: time-ordered (UUIDv7, RFC 9562) and unguessable, with a prefix that names the kind."""

from __future__ import annotations

from typing import Final

from uuid_utils import uuid7

LOCAL_ORG: Final = "local"
"""The organisation of what belongs to no other: the local operator's debates, connections that name none."""


def new_id(prefix: str) -> str:
    """A fresh id such as `deb_0197...`: sortable by creation time in milliseconds, 74 random bits."""
    return f"{prefix}_{uuid7().hex}"
