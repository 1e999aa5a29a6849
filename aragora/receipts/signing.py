"""Ed25519 signatures over receipt hashes. Keys and signatures travel as lower-case hex."""

from __future__ import annotations

import re
from typing import Final

from cryptography.exceptions import InvalidSignature
from cryptography.hazmat.primitives.asymmetric.ed25519 import Ed25519PrivateKey, Ed25519PublicKey

from aragora.receipts.canonical import digest

ALGORITHM: Final = "Ed25519"
_CONTEXT: Final = b"aragora-receipt-v1:"  # a signature made for a receipt is good for nothing else
_KEY: Final = re.compile(r"[0-9a-f]{64}")
_SIGNATURE: Final = re.compile(r"[0-9a-f]{128}")


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
