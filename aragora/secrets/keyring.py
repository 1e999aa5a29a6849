"""The keys of an installation, and the secrets that a development server makes where it was given none.

Of the encryption keys the first encrypts and all decrypt: that is what makes rotation possible without downtime. What a
development server makes is made once and kept beside its data, for all its processes.
"""

from __future__ import annotations

import hashlib
import re
import secrets
from collections.abc import Mapping
from dataclasses import dataclass, field
from pathlib import Path
from typing import Final

from aragora.errors import Misconfigured
from aragora.private_files import place

KEY_BYTES = 32
FILE_NAME: Final = "jwt_secret"
KEY_FILE: Final = Path("keys") / "encryption_key"
_HEX_CHARS: Final = 64
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


def local_jwt_secret(data_dir: Path) -> str:
    """The signing secret in the data directory, readable by its owner only; all replicas on the machine share it.

    Raises Misconfigured where it can be neither read nor made.
    """
    path = data_dir / FILE_NAME
    try:
        secret = kept_secret(path)
    except OSError as error:
        raise Misconfigured(
            f"Cannot keep a signing secret in {data_dir} ({error.strerror}); set ARAGORA_JWT_SECRET."
        ) from error
    if len(secret) < 32:
        raise Misconfigured(f"{path} holds no usable secret; delete it or set ARAGORA_JWT_SECRET.")
    return secret


def local_encryption_key(data_dir: Path) -> str:
    """The encryption key in the data directory, 64 hex characters, shared and guarded in the same way.

    Raises OSError where it can be neither read nor made, Misconfigured where the file holds something else: a fresh
    key in its place would lose what the old one encrypted.
    """
    path = data_dir / KEY_FILE
    key = kept_secret(path)
    if len(key) != _HEX_CHARS or not set(key) <= set("0123456789abcdef"):
        raise Misconfigured(f"{path} does not hold an encryption key; restore it or set ARAGORA_ENCRYPTION_KEY.")
    return key


def kept_secret(path: Path) -> str:
    """The text of the file, which is made with 32 random bytes in hex where it is missing. Raises OSError."""
    path.parent.mkdir(mode=0o700, parents=True, exist_ok=True)
    if not path.exists():
        place(path, secrets.token_hex(32).encode())
    return path.read_text(encoding="ascii", errors="replace").strip()
