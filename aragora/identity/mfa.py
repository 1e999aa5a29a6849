"""The second factor: TOTP (RFC 6238) that works once, and backup codes. Pure: what was used is the store's."""

from __future__ import annotations

import base64
import hashlib
import hmac
import re
import secrets
from typing import Final

import pyotp

STEP_S: Final = 30
WINDOW: Final = 1  # steps before and after, for clocks that disagree
BACKUP_CODES: Final = 10
BACKUP_CODE_BYTES: Final = 15  # 120 bits: enough for a plain hash (ASVS 5, 6.5.2)
_SIX_DIGITS = re.compile(r"[0-9]{6}")


def new_secret() -> str:
    """A fresh TOTP secret in base32, 160 bits."""
    return pyotp.random_base32()


def provisioning_uri(secret: str, account: str) -> str:
    """The otpauth:// address that authenticator apps read as a QR code."""
    return pyotp.TOTP(secret).provisioning_uri(name=account, issuer_name="Aragora")


def accepted_step(secret: str, code: str, now: float, last_step: int) -> int | None:
    """The time step that the code belongs to, or None where it is wrong or not after `last_step`.

    The caller stores the step as the new `last_step`, atomically: so no code, and none older, works again.
    """
    if not _SIX_DIGITS.fullmatch(code):
        return None
    totp = pyotp.TOTP(secret)
    current = int(now) // STEP_S
    found = None
    for step in range(current - WINDOW, current + WINDOW + 1):
        # Every candidate is compared, so that time tells nothing.
        if hmac.compare_digest(totp.generate_otp(step), code) and step > last_step:
            found = step
    return found


def new_backup_codes() -> tuple[str, ...]:
    """Ten codes of 24 letters and digits in groups of four; each works once."""
    return tuple(
        _grouped(base64.b32encode(secrets.token_bytes(BACKUP_CODE_BYTES)).decode()) for _ in range(BACKUP_CODES)
    )


def backup_code_digest(code: str) -> str:
    """What is stored of a backup code; spaces, hyphens and case do not matter."""
    text = re.sub(r"[\s-]", "", code).upper()
    return hashlib.sha256(b"aragora backup code v1\x00" + text.encode()).hexdigest()


def looks_like_backup_code(code: str) -> bool:
    """Whether the text has the form of a backup code rather than of a TOTP code."""
    return len(re.sub(r"[\s-]", "", code)) == BACKUP_CODE_BYTES * 8 // 5


def _grouped(text: str) -> str:
    return "-".join(text[start : start + 4] for start in range(0, len(text), 4))
