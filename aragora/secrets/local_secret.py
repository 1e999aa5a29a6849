"""The secrets of a development server that was given none: each made once, kept beside its data for all its processes."""

from __future__ import annotations

import os
import secrets
from pathlib import Path
from typing import Final

from aragora.errors import Misconfigured

FILE_NAME: Final = "jwt_secret"
KEY_FILE: Final = Path("keys") / "encryption_key"
_HEX_CHARS: Final = 64


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
        _make(path)
    return path.read_text(encoding="ascii", errors="replace").strip()


def _make(path: Path) -> None:
    """Written whole under another name, then linked: of several processes at once, one makes it."""
    draft = path.with_name(f"{path.name}.{secrets.token_hex(8)}")
    descriptor = os.open(draft, os.O_WRONLY | os.O_CREAT | os.O_EXCL, 0o600)
    try:
        with os.fdopen(descriptor, "w") as file:
            file.write(secrets.token_hex(32))
            file.flush()
            os.fsync(file.fileno())
        try:
            os.link(draft, path)
        except FileExistsError:
            return
    finally:
        draft.unlink()
