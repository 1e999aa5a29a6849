"""Where the receipt key comes from: the setting, or a file that the first process to need it creates.

The file is written completely under another name and then linked into place: however many processes start at
once, one link succeeds and all read the same key. Public keys ever used on this data directory stay beside it, so
that receipts signed before a change of key still verify.
"""

from __future__ import annotations

import os
import re
from pathlib import Path
from typing import Final

from cryptography.exceptions import UnsupportedAlgorithm
from cryptography.hazmat.primitives import serialization
from cryptography.hazmat.primitives.asymmetric.ed25519 import Ed25519PrivateKey

from aragora.errors import Misconfigured
from aragora.ids import new_id
from aragora.receipts.signing import Signer, is_public_key

SETTING: Final = "ARAGORA_RECEIPT_SIGNING_KEY"
_KEY_FILE: Final = "receipt_ed25519.pem"
_SEED: Final = re.compile(r"[0-9a-fA-F]{64}")


def load_signer(configured: str | None, data_dir: Path) -> Signer:
    """The signer of this installation.

    `configured` is the setting's value (PEM text, or the seed as 64 hex digits); without it the key file in
    `data_dir`/keys is read, and created where it is missing. Reads and writes files: call it at start, not in an
    event loop. Raises Misconfigured with what to do; no message holds key material.
    """
    directory = data_dir / "keys"
    try:
        directory.mkdir(parents=True, exist_ok=True, mode=0o700)
        signer = _parse(configured, SETTING) if configured else _from_file(directory / _KEY_FILE)
        _remember(signer, directory)
    except OSError as error:
        raise Misconfigured(
            f"the receipt key in {directory} is not usable ({error.strerror}): make the directory writable for the server, "
            f"or set {SETTING}"
        ) from error
    return signer


def trusted_keys(data_dir: Path) -> frozenset[str]:
    """The public keys (hex) of every signer this data directory has known; reads files."""
    found = (path.read_text(encoding="ascii", errors="replace").strip() for path in (data_dir / "keys").glob("*.pub"))
    return frozenset(key for key in found if is_public_key(key))


def _from_file(path: Path) -> Signer:
    if not path.exists():
        pem = Ed25519PrivateKey.generate().private_bytes(
            serialization.Encoding.PEM, serialization.PrivateFormat.PKCS8, serialization.NoEncryption()
        )
        _place(path, pem)
    return _parse(path.read_text(encoding="ascii", errors="replace"), str(path))


def _place(path: Path, content: bytes, mode: int = 0o600) -> None:
    """Put a whole file at `path`, durably, unless there is one already."""
    draft = path.with_name(new_id(path.name))
    descriptor = os.open(draft, os.O_WRONLY | os.O_CREAT | os.O_EXCL, mode)
    try:
        with os.fdopen(descriptor, "wb") as file:
            file.write(content)
            file.flush()
            os.fsync(file.fileno())
        try:
            path.hardlink_to(draft)
        except FileExistsError:
            return  # another process was faster: its file is the one that counts
    finally:
        draft.unlink()


def _remember(signer: Signer, directory: Path) -> None:
    path = directory / f"receipt_{signer.key_id}.pub"
    if not path.exists():
        _place(path, signer.public_key.encode() + b"\n", mode=0o644)


def _parse(text: str, source: str) -> Signer:
    text = text.strip()
    if _SEED.fullmatch(text):
        return Signer.from_seed(bytes.fromhex(text))
    try:
        key = serialization.load_pem_private_key(text.replace("\\n", "\n").encode(), password=None)
    except (ValueError, TypeError, UnsupportedAlgorithm):
        key = None
    if not isinstance(key, Ed25519PrivateKey):
        raise Misconfigured(
            f"{source} holds no Ed25519 key: give an unencrypted PEM private key, or its seed as 64 hex digits"
        )
    return Signer(key)
