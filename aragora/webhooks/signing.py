"""Signatures of deliveries, and the secrets that they are made with. Pure: random bytes and times come in.

Two schemes go out with every delivery that has a secret:

- `X-Webhook-Signature`, the runbook's: one `sha256=<hex>`, HMAC-SHA256 over the body, keyed with the text of the
  secret. Receivers compare the whole header, so it never holds two: while two secrets are valid it is that of the
  first.
- `webhook-signature` with `webhook-id` and `webhook-timestamp`, of Standard Webhooks 1.0.0: `v1,<base64>`, HMAC-SHA256
  over `id.timestamp.body`, once for each valid secret, the new one first. A secret `whsec_...` is the base64 of its
  key. A secret that a person chose in another form is its own key, as UTF-8; `standard_secret` is the form in which
  libraries of that standard take it.

The second type of key is Ed25519, of the same standard: a private key `whsk_...` signs as `v1a,<base64>`, receivers
have only the public key `whpk_...`. There is nothing shared to make an `X-Webhook-Signature` with.
"""

from __future__ import annotations

import hmac
import re
from base64 import b64encode
from binascii import Error as NotBase64
from binascii import a2b_base64
from collections.abc import Sequence
from enum import StrEnum
from typing import Final

from cryptography.exceptions import InvalidSignature
from cryptography.hazmat.primitives.asymmetric.ed25519 import Ed25519PrivateKey, Ed25519PublicKey

from aragora.errors import InvalidInput

SECRET_MIN_CHARS: Final = 16
SECRET_MAX_CHARS: Final = 128
KEY_MIN_BYTES: Final = 24  # both of Standard Webhooks 1.0.0
KEY_MAX_BYTES: Final = 64

_SHARED: Final = "whsec_"
_PRIVATE: Final = "whsk_"
_PUBLIC: Final = "whpk_"
_NEW_SECRET_BYTES: Final = 32
_SEED_BYTES: Final = 32
_PRINTABLE: Final = re.compile(r"[\x20-\x7e]*")


class SignatureKind(StrEnum):
    """By what deliveries are signed: a secret that the receiver shares, or a key of which it has the public half."""

    HMAC = "hmac"
    ED25519 = "ed25519"


def kind_of(secret: str) -> SignatureKind:
    """How deliveries are signed that have this secret."""
    return SignatureKind.ED25519 if is_private_key(secret) else SignatureKind.HMAC


def new_secret(random_bytes: bytes) -> str:
    """A shared secret `whsec_...` of 32 random bytes. Raises ValueError for another number of them."""
    return _SHARED + _base64(_exactly(random_bytes, _NEW_SECRET_BYTES))


def new_private_key(random_bytes: bytes) -> str:
    """An Ed25519 key `whsk_...` of 32 random bytes: its base64 is that of the seed and the public key after it.
    Raises ValueError for another number of bytes."""
    seed = _exactly(random_bytes, _SEED_BYTES)
    return _PRIVATE + _base64(seed + _public_bytes(seed))


def public_key(private_key: str) -> str:
    """The `whpk_...` that receivers check the signatures of a `whsk_...` with. Raises InvalidInput where it is none."""
    return _PUBLIC + _base64(_public_bytes(_seed_of(private_key)))


def verifies(public: str, signatures: str, signed: bytes) -> bool:
    """Whether one of these signatures, with a space between them, is made of `signed` with the private half of
    `public`. Raises InvalidInput where `public` is no `whpk_...`."""
    key = _public_key(public)
    return any(_made_by(key, one, signed) for one in signatures.split(" ") if one.startswith("v1a,"))


def check_public_key(text: str) -> None:
    """Raises InvalidInput where `text` is no `whpk_...`."""
    _public_key(text)


def is_public_key(text: str) -> bool:
    """Whether `text` is meant as the public half of an Ed25519 key."""
    return text.startswith(_PUBLIC)


def is_private_key(secret: str) -> bool:
    """Whether `secret` is an Ed25519 key, and no secret that the receiver shares."""
    return secret.startswith(_PRIVATE)


def check_secret(text: str) -> None:
    """Raises InvalidInput where `text` may not be the secret of an endpoint; the error never holds it.

    It is for secrets of endpoints. The caller of `deliver_webhook` may give any text that is not empty: the runbook's
    own example has 15 characters.
    """
    if not SECRET_MIN_CHARS <= len(text) <= SECRET_MAX_CHARS:
        raise InvalidInput(
            f"The secret has {len(text)} characters: give {SECRET_MIN_CHARS} to {SECRET_MAX_CHARS}, or leave it out "
            "to have one made."
        )
    if _PRINTABLE.fullmatch(text) is None:
        raise InvalidInput("The secret holds a control character or one that is not ASCII: use printable ASCII only.")
    if text.startswith(_PUBLIC):
        raise InvalidInput(f"The secret is a public key ({_PUBLIC}...): give the private key, {_PRIVATE}...")
    if text.startswith(_SHARED) and _shared_key(text) is None:
        raise InvalidInput(
            f"The secret begins with {_SHARED} and does not go on with the base64 of {KEY_MIN_BYTES} to "
            f"{KEY_MAX_BYTES} bytes, with its padding: mend it, or leave it out to have one made."
        )
    if is_private_key(text):
        _seed_of(text)


def standard_secret(secret: str) -> str:
    """The `whsec_...` that libraries of Standard Webhooks take for `secret`: itself where it is one, else a second form
    of it with the same key. For a private key it is the public one. Raises InvalidInput for a `whsk_...` that is none.
    """
    if is_private_key(secret):
        return public_key(secret)
    return secret if _shared_key(secret) is not None else _SHARED + _base64(secret.encode())


def signed_headers(
    body: bytes,
    *,
    message_id: str,
    delivery_id: str,
    event_type: str,
    attempt: int,
    timestamp: int,
    secrets: Sequence[str],
) -> dict[str, str]:
    """The headers of one attempt: what it is, and its signatures. `body` must go out as it is given here.

    Args:
        message_id: of the event: the same over endpoints, retries and replays. Receivers dedupe by it.
        attempt: the number of this request, from 1.
        timestamp: seconds since the epoch, of this attempt: receivers refuse old ones.
        secrets: all that are valid, the preferred one first; without any there are no signatures.

    Raises InvalidInput for a `whsk_...` that is no key.
    """
    stamp = str(timestamp)
    headers = {
        "Content-Type": "application/json",
        "webhook-id": message_id,
        "webhook-timestamp": stamp,
        "X-Webhook-Delivery-Id": delivery_id,
        "X-Webhook-Event": event_type,
        "X-Webhook-Timestamp": stamp,
        "X-Webhook-Attempt": str(attempt),
    }
    if not secrets:
        return headers
    signed = f"{message_id}.{stamp}.".encode() + body
    headers["webhook-signature"] = " ".join([_standard_signature(secret, signed) for secret in secrets])
    for secret in secrets:
        if not is_private_key(secret):
            headers["X-Webhook-Signature"] = f"sha256={hmac.digest(secret.encode(), body, 'sha256').hex()}"
            break
    return headers


def _standard_signature(secret: str, signed: bytes) -> str:
    if is_private_key(secret):
        return f"v1a,{_base64(Ed25519PrivateKey.from_private_bytes(_seed_of(secret)).sign(signed))}"
    key = _shared_key(secret) or secret.encode()
    return f"v1,{_base64(hmac.digest(key, signed, 'sha256'))}"


def _made_by(key: Ed25519PublicKey, signature: str, signed: bytes) -> bool:
    raw = _decoded(signature.removeprefix("v1a,"))
    if raw is None:
        return False
    try:
        key.verify(raw, signed)
    except InvalidSignature:
        return False
    return True


def _public_key(text: str) -> Ed25519PublicKey:
    raw = _decoded(text.removeprefix(_PUBLIC)) if is_public_key(text) else None
    try:
        return Ed25519PublicKey.from_public_bytes(raw or b"")
    except ValueError:
        raise InvalidInput(
            f"The key does not go on after {_PUBLIC} with the base64 of 32 bytes: give the whole key."
        ) from None


def _shared_key(secret: str) -> bytes | None:
    """The key inside a `whsec_...`; None where `secret` is none."""
    if not secret.startswith(_SHARED):
        return None
    key = _decoded(secret.removeprefix(_SHARED))
    return key if key is not None and KEY_MIN_BYTES <= len(key) <= KEY_MAX_BYTES else None


def _seed_of(private_key: str) -> bytes:
    """The 32 bytes that an Ed25519 key is made of. Some tools write the seed alone, most the public key after it."""
    raw = _decoded(private_key.removeprefix(_PRIVATE)) if is_private_key(private_key) else None
    if raw is None or len(raw) not in (_SEED_BYTES, 2 * _SEED_BYTES):
        raise InvalidInput(
            f"The key begins with {_PRIVATE} and does not go on with the base64 of 32 or 64 bytes: mend it, or leave "
            "it out to have one made."
        )
    seed, public = raw[:_SEED_BYTES], raw[_SEED_BYTES:]
    if public and public != _public_bytes(seed):
        raise InvalidInput(f"The two halves of the key {_PRIVATE}... do not belong together: give the whole key.")
    return seed


def _public_bytes(seed: bytes) -> bytes:
    return Ed25519PrivateKey.from_private_bytes(seed).public_key().public_bytes_raw()


def _decoded(text: str) -> bytes | None:
    """The bytes of a base64 text; None where it is not exactly what would be written for them (RFC 4648, section 4)."""
    try:
        raw = a2b_base64(text, strict_mode=True)
    except (NotBase64, ValueError):  # ValueError: not ASCII
        return None
    return raw if _base64(raw) == text else None


def _base64(raw: bytes) -> str:
    return b64encode(raw).decode("ascii")


def _exactly(random_bytes: bytes, count: int) -> bytes:
    if len(random_bytes) != count:
        raise ValueError(f"{len(random_bytes)} random bytes; {count} are needed")
    return random_bytes
