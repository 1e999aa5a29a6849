"""API keys: what they look like and how they are recognised. Shown once, kept only as a hash.

A key reads `ara_<id>_<secret>`: the id finds the row, the secret has 256 random bits, so a plain SHA-256 of it
can neither be guessed nor searched for.
"""

from __future__ import annotations

import hashlib
import hmac
import re
import secrets
from dataclasses import dataclass, field
from typing import Final

PREFIX: Final = "ara_"
_FORM = re.compile(r"ara_([0-9a-f]{16})_([A-Za-z0-9_-]{43})")


@dataclass(frozen=True, slots=True)
class NewKey:
    """A fresh key. `text` is what its owner gets, once; the store keeps `key_id` and `digest`."""

    key_id: str
    digest: str
    text: str = field(repr=False)

    @property
    def shown(self) -> str:
        """What lists may show of the key."""
        return f"{PREFIX}{self.key_id}"


def make_key() -> NewKey:
    """A fresh random key."""
    key_id = secrets.token_hex(8)
    text = f"{PREFIX}{key_id}_{secrets.token_urlsafe(32)}"
    return NewKey(key_id, digest_of(text), text)


def key_id_of(text: str) -> str | None:
    """The id in a key's text, or None where the text is not of a key's form."""
    match = _FORM.fullmatch(text)
    return match.group(1) if match else None


def digest_of(text: str) -> str:
    """What is stored of a key."""
    return hashlib.sha256(b"aragora api key v1\x00" + text.encode()).hexdigest()


def matches(text: str, digest: str) -> bool:
    """Whether the text is the key with this digest, in constant time."""
    return hmac.compare_digest(digest_of(text), digest)
