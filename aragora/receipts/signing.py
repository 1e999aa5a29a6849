"""Ed25519 signatures over receipt hashes, and the key of this installation. Both travel as lower-case hex.

The key is the setting, or a file that the first process to need it creates. That file is written completely under
another name and then linked into place: however many processes start at once, one link succeeds and all read the same
key. Public keys ever used on a data directory stay beside it, so that receipts signed before a change of key still
verify.
"""

from __future__ import annotations

import re
from collections.abc import Iterable
from pathlib import Path
from typing import Final

from cryptography.exceptions import InvalidSignature, UnsupportedAlgorithm
from cryptography.hazmat.primitives import serialization
from cryptography.hazmat.primitives.asymmetric.ed25519 import Ed25519PrivateKey, Ed25519PublicKey

from aragora.errors import Misconfigured
from aragora.private_files import place
from aragora.receipts.canonical import digest

ALGORITHM: Final = "Ed25519"
_SETTING: Final = "ARAGORA_RECEIPT_SIGNING_KEY"
_CONTEXT: Final = b"aragora-receipt-v1:"  # a signature made for a receipt is good for nothing else
_KEY: Final = re.compile(r"[0-9a-f]{64}")
_SIGNATURE: Final = re.compile(r"[0-9a-f]{128}")
_SEED: Final = re.compile(r"[0-9a-fA-F]{64}")
_KEY_FILE: Final = "receipt_ed25519.pem"


class Signer:
    """Holds a private key and signs receipt hashes with it; neither repr nor pickle gives the key away."""

    __slots__ = ("_private", "key_id", "public_key")

    def __init__(self, private: Ed25519PrivateKey) -> None:
        self._private = private
        self.public_key = private.public_key().public_bytes_raw().hex()
        self.key_id = key_id_of(self.public_key)

    @classmethod
    def from_seed(cls, seed: bytes) -> Signer:
        """The signer of a 32-byte seed. Raises ValueError for another length."""
        return cls(Ed25519PrivateKey.from_private_bytes(seed))

    def sign(self, receipt_hash: str) -> str:
        """The signature over a receipt's hash (64 hex digits)."""
        return self._private.sign(_CONTEXT + receipt_hash.encode("ascii")).hex()

    def __repr__(self) -> str:
        return f"Signer(key_id={self.key_id!r})"


def key_id_of(public_key: str) -> str:
    """The fingerprint of a public key (64 hex digits): the first 32 hex digits of the SHA-256 of its 32 bytes."""
    return digest(bytes.fromhex(public_key))[:32]


def is_public_key(value: object) -> bool:
    """Whether `value` looks like a public key as receipts carry it."""
    return isinstance(value, str) and _KEY.fullmatch(value) is not None


def signature_holds(public_key: str, receipt_hash: str, signature: str) -> bool:
    """Whether `signature` is that of the key's owner over the hash. False, never an error, for malformed values."""
    if not (is_public_key(public_key) and _KEY.fullmatch(receipt_hash) and _SIGNATURE.fullmatch(signature)):
        return False
    try:
        key = Ed25519PublicKey.from_public_bytes(bytes.fromhex(public_key))
        key.verify(bytes.fromhex(signature), _CONTEXT + receipt_hash.encode("ascii"))
    except (InvalidSignature, ValueError):
        return False
    return True


# --- The key of this installation --------------------------------------------------------------------------


def load_signer(configured: str | None, data_dir: Path) -> Signer:
    """The signer of this installation.

    `configured` is the setting's value (PEM text, or the seed as 64 hex digits); without it the key file in
    `data_dir`/keys is read, and created where it is missing. Reads and writes files: call it at start, not in an
    event loop. Raises Misconfigured with what to do; no message holds key material.
    """
    directory = data_dir / "keys"
    try:
        directory.mkdir(parents=True, exist_ok=True, mode=0o700)
        signer = _parse(configured, _SETTING) if configured else _from_file(directory / _KEY_FILE)
        _remember(signer, directory)
    except OSError as error:
        raise Misconfigured(
            f"the receipt key in {directory} is not usable ({error.strerror}): make the directory writable for the server, "
            f"or set {_SETTING}"
        ) from error
    return signer


def trusted_keys(data_dir: Path, configured: str | None = None, earlier: Iterable[str] = ()) -> frozenset[str]:
    """The public keys (hex) whose receipts this installation vouches for: those of every signer that this data
    directory has known, that of the setting, which on a cluster may have signed on other nodes only, and those that
    its operator names as `earlier` ones. Reads files. Raises Misconfigured as `load_signer`."""
    found = [path.read_text(encoding="ascii", errors="replace").strip() for path in (data_dir / "keys").glob("*.pub")]
    own = [_parse(configured, _SETTING).public_key] if configured else []
    return frozenset(key for key in (*found, *own, *earlier) if is_public_key(key))


def _from_file(path: Path) -> Signer:
    if not path.exists():
        pem = Ed25519PrivateKey.generate().private_bytes(
            serialization.Encoding.PEM, serialization.PrivateFormat.PKCS8, serialization.NoEncryption()
        )
        place(path, pem)
    return _parse(path.read_text(encoding="ascii", errors="replace"), str(path))


def _remember(signer: Signer, directory: Path) -> None:
    path = directory / f"receipt_{signer.key_id}.pub"
    if not path.exists():
        place(path, signer.public_key.encode() + b"\n", mode=0o644)


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
