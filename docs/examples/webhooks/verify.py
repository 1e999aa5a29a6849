"""Is this webhook genuine? Needs Python's standard library only; for a public key the package `cryptography` too."""

import base64
import hashlib
import hmac
import json
import time
from collections.abc import Mapping

TOLERANCE_S = 300


def verify(body: bytes, headers: Mapping[str, str], secret: str, now: float | None = None) -> dict:
    """The event in `body`, the bytes of the request as they came. `secret` is the webhook's secret, or its public key
    (whpk_...). Raises ValueError where it is not genuine, or was not sent within the last five minutes."""
    sent = {name.lower(): value for name, value in headers.items()}
    message_id, timestamp = sent.get("webhook-id", ""), sent.get("webhook-timestamp", "")
    if not timestamp.isdecimal() or abs((time.time() if now is None else now) - int(timestamp)) > TOLERANCE_S:
        raise ValueError("no timestamp, or one that is too far from now")
    signed = f"{message_id}.{timestamp}.".encode() + body
    made = made_with_key if secret.startswith("whpk_") else made_with_secret
    given = sent.get("webhook-signature", "").split(" ")  # two while the secret is being changed
    if not any(made(secret, signature, signed) for signature in given):
        raise ValueError("no signature is made with this secret")
    return json.loads(body)


def made_with_secret(secret: str, signature: str, signed: bytes) -> bool:
    expected = b"v1," + base64.b64encode(hmac.digest(key_of(secret), signed, "sha256"))
    return hmac.compare_digest(expected, signature.encode())


def made_with_key(public_key: str, signature: str, signed: bytes) -> bool:
    from cryptography.exceptions import InvalidSignature
    from cryptography.hazmat.primitives.asymmetric.ed25519 import Ed25519PublicKey

    key = Ed25519PublicKey.from_public_bytes(base64.b64decode(public_key.removeprefix("whpk_")))
    kind, _, encoded = signature.partition(",")
    try:
        key.verify(base64.b64decode(encoded), signed)
    except (InvalidSignature, ValueError):
        return False
    return kind == "v1a"


def key_of(secret: str) -> bytes:
    """A secret that was made for you holds its key in base64; one that you chose is its own key."""
    return base64.b64decode(secret.removeprefix("whsec_")) if secret.startswith("whsec_") else secret.encode()


def verify_body(body: bytes, signature: str, secret: str) -> bool:
    """Whether `signature`, the header X-Webhook-Signature, is of `body`. It says nothing of when it was sent."""
    expected = "sha256=" + hmac.new(secret.encode(), body, hashlib.sha256).hexdigest()
    return hmac.compare_digest(expected.encode(), signature.encode())
