"""The signing secret of a development server that was given none: made once, kept beside its data."""

from __future__ import annotations

import os
import secrets
from pathlib import Path
from typing import Final

from aragora.errors import Misconfigured

FILE_NAME: Final = "jwt_secret"


def local_jwt_secret(data_dir: Path) -> str:
    """The secret in the data directory, readable by its owner only; all replicas on the machine share it.

    Raises Misconfigured where it can be neither read nor made.
    """
    path = data_dir / FILE_NAME
    try:
        data_dir.mkdir(mode=0o700, parents=True, exist_ok=True)
        if not path.exists():
            _make(path)
        secret = path.read_text().strip()
    except OSError as error:
        raise Misconfigured(
            f"Cannot keep a signing secret in {data_dir} ({error.strerror}); set ARAGORA_JWT_SECRET."
        ) from error
    if len(secret) < 32:
        raise Misconfigured(f"{path} holds no usable secret; delete it or set ARAGORA_JWT_SECRET.")
    return secret


def _make(path: Path) -> None:
    """Written whole under another name, then linked: of several processes at once, one makes it."""
    draft = path.with_name(f"{path.name}.{secrets.token_hex(8)}")
    descriptor = os.open(draft, os.O_WRONLY | os.O_CREAT | os.O_EXCL, 0o600)
    try:
        with os.fdopen(descriptor, "w") as file:
            file.write(secrets.token_hex(32))
        try:
            os.link(draft, path)
        except FileExistsError:
            return
    finally:
        draft.unlink()
