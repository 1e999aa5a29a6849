"""Writes the `.env` of a new installation: its secrets go into this file and nowhere else."""

from __future__ import annotations

import os
import secrets
from pathlib import Path
from typing import Final

from aragora.cluster.fresh_environment import NewSecrets, fresh_environment
from aragora.errors import Conflict, Misconfigured

MODE: Final = 0o600
_BYTES: Final = 32


def write_fresh_environment(path: Path) -> None:
    """Make the file with fresh secrets, readable by its owner alone.

    Raises Conflict where something is at `path` already, which stays as it is, and Misconfigured where the file cannot
    be written; then nothing is left behind.
    """
    content = fresh_environment(new_secrets()).encode()
    try:
        descriptor = os.open(path, os.O_WRONLY | os.O_CREAT | os.O_EXCL | os.O_NOFOLLOW, MODE)
    except FileExistsError:
        raise Conflict(
            f"{path} exists and was left as it is: its secrets may be those of an installation; use it, or name another file"
        ) from None
    except OSError as error:
        raise Misconfigured(f"{path} cannot be made ({error.strerror}): name a file in a directory of yours") from None
    try:
        with os.fdopen(descriptor, "wb") as file:
            os.fchmod(file.fileno(), MODE)
            file.write(content)
            file.flush()
            os.fsync(file.fileno())
    except OSError as error:
        path.unlink(missing_ok=True)
        raise Misconfigured(f"{path} cannot be written ({error.strerror}): make room, then try again") from None


def new_secrets() -> NewSecrets:
    """Random ones of 256 bits each."""
    return NewSecrets(
        jwt_secret=secrets.token_hex(_BYTES),
        encryption_key=secrets.token_hex(_BYTES),
        receipt_signing_key=secrets.token_hex(_BYTES),
        api_token=secrets.token_hex(_BYTES),
    )
