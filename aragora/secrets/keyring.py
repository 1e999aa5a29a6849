"""The encryption keys: the first encrypts, all decrypt. That is what makes rotation possible without downtime."""

from __future__ import annotations

import hashlib
import re
import secrets
from collections.abc import Mapping
from dataclasses import dataclass, field

from aragora.errors import Misconfigured

KEY_BYTES = 32
_HEX_KEY = re.compile(r"[0-9a-fA-F]{64}")
_ID_DOMAIN = b"aragora encryption key id v1\x00"


@dataclass(frozen=True, slots=True)
class Key:
    """A 256-bit key. Its id is derived from it, so that the same key has the same id on every node."""

    key_id: str
    secret: bytes = field(repr=False)

    @classmethod
    def of(cls, secret: bytes) -> Key:
        """The key with these 32 bytes. The id is 64 bits of a hash: it tells nothing about the key."""
        if len(secret) != KEY_BYTES:
            raise Misconfigured(f"An encryption key has {KEY_BYTES} bytes, this one has {len(secret)}.")
        return cls(hashlib.sha256(_ID_DOMAIN + secret).hexdigest()[:16], secret)


@dataclass(frozen=True, slots=True)
class Keyring:
    """`active` encrypts; `keys` (by id, the active one among them) decrypt."""

    active: Key
    keys: Mapping[str, Key]

    @classmethod
    def parse(cls, text: str) -> Keyring:
        """The ring that `new,old1,old2` names, each 64 hex characters. Raises Misconfigured, never quoting a key."""
        parts = [part.strip() for part in text.split(",")]
        for position, part in enumerate(parts, start=1):
            if not _HEX_KEY.fullmatch(part):
                raise Misconfigured(
                    f"ARAGORA_ENCRYPTION_KEY: key {position} of {len(parts)} is not 64 hex characters. "
                    'Make one with: python -c "import secrets; print(secrets.token_hex(32))"'
                )
        keys = [Key.of(bytes.fromhex(part)) for part in parts]
        return cls(keys[0], {key.key_id: key for key in keys})

    @classmethod
    def ephemeral(cls) -> Keyring:
        """A ring with a key that only this process knows: what it encrypts is lost when the process ends."""
        key = Key.of(secrets.token_bytes(KEY_BYTES))
        return cls(key, {key.key_id: key})
