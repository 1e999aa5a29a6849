"""What a receiver can tell of one request: which of its signatures are made with the secret, and how old it is. Pure.

A signature is checked by making it again (`aragora.webhooks.signing`), so there is one way to make it. Only that of an
Ed25519 key is checked by its public half, which is all that a receiver has.
"""

from __future__ import annotations

import hmac
import re
from collections.abc import Mapping
from dataclasses import dataclass
from enum import StrEnum
from typing import Final

from aragora.errors import InvalidInput
from aragora.webhooks.signing import check_public_key, check_secret, is_public_key, signed_headers, verifies

TOLERANCE_S: Final = 300
"""How far from now a request's time may be, as the receivers of docs/webhooks.md have it."""

_KINDS: Final = ("whsec_", "whsk_")
_STAMP: Final = re.compile("[0-9]{1,12}")


class Signature(StrEnum):
    """What one of the two headers is worth."""

    VALID = "valid"
    WRONG = "wrong"
    MISSING = "missing"
    UNCHECKED = "not checked"  # there is nothing to check it with


@dataclass(frozen=True, slots=True)
class Checked:
    """A request as a receiver sees it.

    Args:
        standard: of the header webhook-signature.
        runbook: of the header X-Webhook-Signature.
        age_s: seconds since its webhook-timestamp, negative where that is to come; None where there is none.
    """

    standard: Signature
    runbook: Signature
    age_s: float | None

    @property
    def in_time(self) -> bool:
        """Whether it was made within the last five minutes, or will be within the next."""
        return self.age_s is not None and abs(self.age_s) <= TOLERANCE_S

    @property
    def genuine(self) -> bool:
        """Whether a receiver should take it: by the signature that covers the time, and by that time."""
        return self.standard is Signature.VALID and self.in_time


def check_readable(secret: str) -> None:
    """Raises InvalidInput where `secret` is none to check signatures with; the error never holds it."""
    if not secret:
        raise InvalidInput("The secret is empty: give the one that the webhook has.")
    if is_public_key(secret):
        check_public_key(secret)
    elif secret.startswith(_KINDS):
        check_secret(secret)


def checked(body: bytes, headers: Mapping[str, str], secret: str | None, now: float) -> Checked:
    """Check one request.

    Args:
        body: its bytes as they came.
        headers: by their names in lower case.
        secret: one that passed `check_readable`, or the public key `whpk_...` in its place; None checks no signature.
        now: seconds since the epoch.
    """
    stamp = headers.get("webhook-timestamp", "")
    timestamp = int(stamp) if _STAMP.fullmatch(stamp) else None
    age_s = None if timestamp is None else now - timestamp
    standard, runbook = headers.get("webhook-signature"), headers.get("x-webhook-signature")
    if secret is None:
        return Checked(_unchecked(standard), _unchecked(runbook), age_s)
    if is_public_key(secret):
        signed = f"{headers.get('webhook-id', '')}.{stamp}.".encode("utf-8", "surrogateescape") + body
        genuine = timestamp is not None and verifies(secret, standard or "", signed)
        return Checked(_judged(standard, genuine=genuine), _unchecked(runbook), age_s)
    expected = signed_headers(
        body,
        message_id=headers.get("webhook-id", ""),
        delivery_id="",
        event_type="",
        attempt=1,
        timestamp=timestamp or 0,
        secrets=(secret,),
    )
    if timestamp is None:  # what is signed has no time, so it was not made by us
        expected["webhook-signature"] = ""
    return Checked(
        _compared(standard, expected["webhook-signature"], separator=" "),
        _compared(runbook, expected.get("X-Webhook-Signature", ""), separator=None),
        age_s,
    )


def _unchecked(given: str | None) -> Signature:
    return Signature.UNCHECKED if given else Signature.MISSING


def _compared(given: str | None, expected: str, *, separator: str | None) -> Signature:
    """`given` may hold several signatures, where they are separated; one is enough."""
    signatures = (given or "").split(separator) if separator else [given or ""]
    sound = expected.encode()
    same = [hmac.compare_digest(sound, one.encode("utf-8", "surrogateescape")) for one in signatures]
    return _judged(given, genuine=bool(expected) and any(same))


def _judged(given: str | None, *, genuine: bool) -> Signature:
    if not given:
        return Signature.MISSING
    return Signature.VALID if genuine else Signature.WRONG
