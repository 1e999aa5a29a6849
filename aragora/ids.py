"""The one id maker: time-ordered (UUIDv7, RFC 9562) and unguessable, with a prefix that names the kind."""

from __future__ import annotations

from uuid_utils import uuid7


def new_id(prefix: str) -> str:
    """A fresh id such as `deb_0197...`: sortable by creation time in milliseconds, 74 random bits."""
    return f"{prefix}_{uuid7().hex}"
