"""How an encrypted value is written down: AES-256-GCM, a fresh nonce, the key's id, bound to its place.

The associated data names store, record and field, so a ciphertext moved to another record, field or store does
not open. It is the JSON array of these names, which no choice of names can make ambiguous. Nonces are 96 random
bits; NIST SP 800-38D allows 2**32 of them per key, and rotation starts a new count.
"""

from __future__ import annotations

import base64
import binascii
import secrets
from collections.abc import Mapping
from dataclasses import dataclass
from typing import Any, Final

from cryptography.exceptions import InvalidTag
from cryptography.hazmat.primitives.ciphers.aead import AESGCM

from aragora.encoding import encode
from aragora.errors import AragoraError
from aragora.secrets.keyring import Keyring

MARKER: Final = "_encrypted"
ALGORITHM: Final = "AES-256-GCM"
VERSION: Final = 1
NONCE_BYTES: Final = 12


class DecryptionFailed(AragoraError):
    """The value does not open: it was changed, moved from another place, or is not an envelope of ours."""

    status = 500
    default_code = "decryption_failed"


class KeyNotFound(DecryptionFailed):
    """The value was encrypted with a key that is not in the ring; add it to ARAGORA_ENCRYPTION_KEY."""

    default_code = "key_not_found"


class PlaintextRefused(DecryptionFailed):
    """A secret rests in plaintext in a store that was encrypted whole: the server did not write it. Save the record
    anew."""

    default_code = "plaintext_refused"


@dataclass(frozen=True, slots=True)
class Place:
    """Where an encrypted value lives."""

    store: str
    record: str
    field: str

    def associated_data(self, key_id: str) -> bytes:
        return encode(["aragora", VERSION, self.store, self.record, self.field, key_id])


def is_envelope(value: object) -> bool:
    """Whether `value` carries the mark of an encrypted value."""
    return isinstance(value, Mapping) and value.get(MARKER) is True


def key_id_of(envelope: Mapping[str, Any]) -> str:
    """The id of the key that an envelope was sealed with ("" where it names none)."""
    key_id = envelope.get("key_id")
    return key_id if isinstance(key_id, str) else ""


def seal(ring: Keyring, plaintext: bytes, place: Place) -> dict[str, Any]:
    """`plaintext` encrypted with the active key for `place`, as a JSON object."""
    key = ring.active
    nonce = secrets.token_bytes(NONCE_BYTES)
    ciphertext = AESGCM(key.secret).encrypt(nonce, plaintext, place.associated_data(key.key_id))
    return {
        MARKER: True,
        "v": VERSION,
        "alg": ALGORITHM,
        "key_id": key.key_id,
        "nonce": base64.b64encode(nonce).decode(),
        "ciphertext": base64.b64encode(ciphertext).decode(),
    }


def open_envelope(ring: Keyring, envelope: Mapping[str, Any], place: Place) -> bytes:
    """The plaintext of an envelope that was sealed for `place`. Raises KeyNotFound or DecryptionFailed."""
    if envelope.get("v") != VERSION or envelope.get("alg") != ALGORITHM:
        raise DecryptionFailed(f"The encrypted field {place.field!r} has a form this version does not know.")
    key_id = key_id_of(envelope)
    key = ring.keys.get(key_id)
    if key is None:
        raise KeyNotFound(
            f"Key not found: field {place.field!r} was encrypted with key {key_id or 'unnamed'!r}, which "
            "ARAGORA_ENCRYPTION_KEY does not hold. Add that key after the active one, then re-encrypt."
        )
    try:
        nonce = base64.b64decode(str(envelope.get("nonce", "")), validate=True)
        ciphertext = base64.b64decode(str(envelope.get("ciphertext", "")), validate=True)
    except (binascii.Error, ValueError) as error:
        raise DecryptionFailed(f"The encrypted field {place.field!r} is not valid base64.") from error
    if len(nonce) != NONCE_BYTES:
        raise DecryptionFailed(f"The encrypted field {place.field!r} has a nonce of {len(nonce)} bytes.")
    try:
        return AESGCM(key.secret).decrypt(nonce, ciphertext, place.associated_data(key_id))
    except InvalidTag as error:
        raise DecryptionFailed(
            f"The encrypted field {place.field!r} does not open: it was changed or belongs to another record."
        ) from error
