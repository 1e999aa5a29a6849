"""The token by which the processes of one Ray cluster know each other.

It is derived from the installation's secrets (HKDF, RFC 5869), so nodes with the same settings have the same token, and
nobody hands it out or types it. It rests in `run/ray_token` of the data directory, to which RAY_AUTH_TOKEN_PATH points:
a file and not a variable, since a process's environment is shown by more tools than a file of mode 600. Where the
operator has set a token of their own, that stays.

Ray (2.60, `authentication_token_loader.cc`) takes the first line of the file without the white space around it, bounds
neither its length nor its characters, and sends it as the value of an HTTP header and of a cookie. Ours is 64 hex
characters, as those that Ray makes itself.
"""

from __future__ import annotations

import os
import secrets
import stat
from collections.abc import Mapping
from pathlib import Path
from typing import Final

from cryptography.hazmat.primitives.hashes import SHA256
from cryptography.hazmat.primitives.kdf.hkdf import HKDF

from aragora.config.settings import Settings
from aragora.errors import Misconfigured
from aragora.private_files import OTHERS

TOKEN: Final = "RAY_AUTH_TOKEN"  # noqa: S105 - Ray's variable: the token itself. It counts before the next one
TOKEN_PATH: Final = "RAY_AUTH_TOKEN_PATH"  # noqa: S105 - Ray's variable: the file that holds the token
TOKEN_FILE: Final = Path("run") / "ray_token"
"""In the data directory."""
FILE_MODE: Final = 0o600
DIRECTORY_MODE: Final = 0o700
_BYTES: Final = 32
_PURPOSE: Final = b"aragora: token of the installation's Ray cluster, v1"


def derived_token(settings: Settings) -> str:
    """The token of the installation with these settings. Raises Misconfigured where they lack the secret.

    It comes from the JWT secret alone: the other secrets can be changed while nodes run, and a node with the new ones
    must still get into the cluster.
    """
    if settings.jwt_secret is None:
        raise Misconfigured("ARAGORA_JWT_SECRET is not set: Ray's token is derived from it")
    key = HKDF(algorithm=SHA256(), length=_BYTES, salt=None, info=_PURPOSE)
    return key.derive(settings.jwt_secret.get_secret_value().encode()).hex()


def token_file(settings: Settings) -> Path:
    """Where this node's token rests, if the operator has not set their own."""
    return (settings.data_dir / TOKEN_FILE).absolute()


def operators_token(settings: Settings, environment: Mapping[str, str]) -> str | None:
    """The token that the operator has set in Ray's own variables, read as Ray reads it; None where they have not.

    Raises Misconfigured where the file they name cannot be read or holds none.
    """
    if environment.get(TOKEN):
        return environment[TOKEN].strip()
    path = environment.get(TOKEN_PATH)
    if not path or path == str(token_file(settings)):
        return None
    try:
        token = Path(path).read_text(encoding="utf-8", errors="replace").partition("\n")[0].strip()
    except OSError as error:
        raise Misconfigured(
            f"{TOKEN_PATH} names {path}, which cannot be read ({error.strerror}): mend it, or unset {TOKEN_PATH}"
        ) from None
    if not token:
        raise Misconfigured(f"{TOKEN_PATH} names {path}, whose first line is empty: mend it, or unset {TOKEN_PATH}")
    return token


def token_variables(settings: Settings, environment: Mapping[str, str]) -> dict[str, str]:
    """What Ray's processes of this node need in their environment to find the token, whose file is written; empty where
    the operator has set their own. Raises Misconfigured."""
    if operators_token(settings, environment) is not None:
        return {}
    path = token_file(settings)
    keep_token(path, derived_token(settings))
    return {TOKEN_PATH: str(path)}


def keep_token(path: Path, token: str) -> None:
    """Put the token into the file, unless it is there, and close the file and its directory to other users.

    Raises Misconfigured where that cannot be done.
    """
    try:
        path.parent.mkdir(mode=DIRECTORY_MODE, parents=True, exist_ok=True)
        if path.parent.stat().st_mode & OTHERS:
            path.parent.chmod(DIRECTORY_MODE)
        if not _holds(path, token):
            _put(path, token)
    except OSError as error:
        raise Misconfigured(
            f"Ray's token cannot be kept in {path} ({error.strerror}): make the directory writable for this user"
        ) from None


def _holds(path: Path, token: str) -> bool:
    """Whether it is a file of ours, closed to others, with this token. A link is none."""
    try:
        found = path.lstat()
    except FileNotFoundError:
        return False
    closed = stat.S_ISREG(found.st_mode) and stat.S_IMODE(found.st_mode) == FILE_MODE and found.st_uid == os.geteuid()
    return closed and secrets.compare_digest(path.read_bytes(), token.encode())


def _put(path: Path, token: str) -> None:
    """Whoever reads the file meanwhile reads the old one or the new one, never a part."""
    draft = path.with_name(f"{path.name}.{secrets.token_hex(8)}")
    descriptor = os.open(draft, os.O_WRONLY | os.O_CREAT | os.O_EXCL, FILE_MODE)
    try:
        with os.fdopen(descriptor, "w") as file:
            file.write(token)
            file.flush()
            os.fsync(file.fileno())
        draft.replace(path)
    except OSError:
        draft.unlink(missing_ok=True)
        raise
