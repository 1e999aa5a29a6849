"""The second factor: TOTP (RFC 6238) codes that work once, and backup codes.

First the service that enrols and checks, below it the pure rules of codes. What was used already is the store's.
"""

from __future__ import annotations

import base64
import hashlib
import hmac
import logging
import re
import secrets
from dataclasses import dataclass, field
from typing import Final, NoReturn

import pyotp
from sqlalchemy.ext.asyncio import AsyncConnection

from aragora.encoding import decode, encode_text
from aragora.errors import Conflict, InvalidInput, Unauthenticated, Unavailable
from aragora.identity.audit import Outcome
from aragora.identity.authorization import check_person
from aragora.identity.confirmation import require_confirmed
from aragora.identity.guesses import CodeGuesses
from aragora.identity.logins import Logins, TokenPair
from aragora.identity.parts import IdentityParts, Visit
from aragora.identity.principal import Principal
from aragora.identity.store.sessions import Session
from aragora.identity.store.users import MFA_STORE, User
from aragora.identity.tokens import Purpose, stamp_of
from aragora.secrets.envelope import DecryptionFailed, is_envelope

STEP_S: Final = 30
WINDOW: Final = 1  # steps before and after, for clocks that disagree
BACKUP_CODES: Final = 10
BACKUP_CODE_BYTES: Final = 15  # 120 bits: enough for a plain hash (ASVS 5, 6.5.2)
_SIX_DIGITS: Final = re.compile(r"[0-9]{6}")

_log = logging.getLogger(__name__)


@dataclass(frozen=True, slots=True)
class Enrolment:
    """What an authenticator app needs."""

    secret: str = field(repr=False)
    otpauth_uri: str = field(repr=False)


class SecondFactor:
    """The second factor of users."""

    def __init__(self, parts: IdentityParts, logins: Logins) -> None:
        self._parts = parts
        self._logins = logins
        self._guesses = CodeGuesses(parts)

    async def enrol(self, principal: Principal, visit: Visit) -> Enrolment:
        """Offer a fresh secret; it is in force once `confirm` saw a code of it. Raises Conflict where one is, Forbidden
        where the login was not confirmed."""
        await require_confirmed(self._parts, principal)
        if not self._parts.crypto.durable:
            raise Unavailable("Set ARAGORA_ENCRYPTION_KEY first: without it a second factor is lost at the next start.")
        user = await self._parts.users.by_id(principal.user_id)
        secret, now = new_secret(), self._parts.clock.now()
        sealed = self._parts.crypto.encrypt_fields({"secret": secret}, store=MFA_STORE, record_id=user.user_id)

        async def offer(connection: AsyncConnection) -> None:
            if not await self._parts.users.offer_mfa(connection, user.user_id, encode_text(sealed), now):
                raise Conflict("This account has a second factor already.")

        await self._parts.enact(
            visit, "auth.mfa_enrolled", user.user_id, user.org_id, offer, login=principal.session_id
        )
        return Enrolment(secret, provisioning_uri(secret, user.email))

    async def confirm(self, principal: Principal, code: str, visit: Visit) -> tuple[str, ...]:
        """Put the offered secret in force, which needs a confirmed login, or show the factor again as `show` does.

        Returns the backup codes, once, where it came into force now; else (). Raises Unauthenticated for a wrong code,
        Forbidden, RateLimited.
        """
        parts = self._parts
        check_person(principal)
        user = await parts.users.by_id(principal.user_id)
        if user.mfa_enabled:
            await self.show(principal, code, visit)
            return ()
        await require_confirmed(parts, principal)
        return await self._enable(principal, user, code, visit)

    async def show(self, principal: Principal, code: str, visit: Visit) -> None:
        """Show the factor in this login, which is confirmed by it. Raises Unauthenticated for a wrong code,
        InvalidInput where no factor is in force, Forbidden, RateLimited."""
        parts = self._parts
        check_person(principal)
        user = await parts.users.by_id(principal.user_id)
        if not user.mfa_enabled:
            raise InvalidInput("This account has no second factor: confirm with its password.")
        guess = await self._guesses.of_login(principal)
        await self._check(user, code, visit)
        await self._guesses.right(guess)
        noted = await parts.enact(
            visit, "auth.confirm", user.user_id, user.org_id,
            lambda connection: self._note_shown(connection, principal),
            login=principal.session_id, method="mfa",
        )  # fmt: skip
        await parts.sessions.tell(noted)

    async def renew_backup_codes(self, principal: Principal, visit: Visit) -> tuple[str, ...]:
        """Fresh backup codes in place of all that are left. Raises Conflict where no factor is in force, Forbidden
        where the login was not confirmed."""
        parts = self._parts
        await require_confirmed(parts, principal)
        codes, now = new_backup_codes(), parts.clock.now()
        digests = [backup_code_digest(each) for each in codes]

        async def renew(connection: AsyncConnection) -> None:
            if not await parts.users.renew_backup_codes(connection, principal.user_id, digests, now):
                raise _no_factor()

        await parts.enact(
            visit, "auth.backup_codes_renewed", principal.user_id, principal.org_id, renew, login=principal.session_id
        )
        return codes

    async def disable(self, principal: Principal, visit: Visit) -> None:
        """Give up the own factor and its backup codes. Raises Conflict where there is none, Forbidden where the login
        was not confirmed."""
        parts = self._parts
        await require_confirmed(parts, principal)
        now = parts.clock.now()

        async def clear(connection: AsyncConnection) -> None:
            if not await parts.users.clear_mfa(connection, principal.user_id, now):
                raise _no_factor()

        await parts.enact(
            visit, "auth.mfa_disabled", principal.user_id, principal.org_id, clear, login=principal.session_id
        )

    async def complete(self, challenge: str, code: str, visit: Visit) -> TokenPair:
        """The tokens of a login that had passed its first factor. Each challenge is good for one login, and dies with
        the password that was shown for it."""
        parts = self._parts
        try:
            claims = parts.signer.verify(Purpose.MFA, challenge, parts.clock.now())
        except Unauthenticated:
            parts.failed()
            raise
        guess = await self._guesses.at_login(claims.subject, visit)
        user = await parts.users.by_id(claims.subject)
        if user.disabled or not user.mfa_enabled or claims.stamp != stamp_of(user.password_hash):
            parts.failed()
            raise Unauthenticated("Log in again.", code="invalid_token")
        await self._check(user, code, visit)
        await self._guesses.right(guess)
        if not await parts.shared.add(f"mfa:{claims.token_id}", "used", claims.expires_at - parts.clock.now() + 1.0):
            parts.failed()
            raise Unauthenticated("This login was completed already; log in again.", code="invalid_token")
        return await self._logins.open(user, visit, mfa=True, method="mfa")

    async def _enable(self, principal: Principal, user: User, code: str, visit: Visit) -> tuple[str, ...]:
        parts, now, sealed = self._parts, self._parts.clock.now(), user.mfa_secret
        guess = await self._guesses.of_login(principal)
        if sealed is None:
            raise Conflict("Enrol first at /api/auth/mfa/enroll.")
        step = accepted_step(self._secret(user), code, now, user.totp_last_step)
        if step is None:
            await self._refuse(user, visit)
        await self._guesses.right(guess)
        codes = new_backup_codes()
        digests = [backup_code_digest(each) for each in codes]

        async def enable(connection: AsyncConnection) -> tuple[Session, ...]:
            if not await parts.users.enable_mfa(connection, user.user_id, sealed, step, digests, now=now):
                raise Conflict("The second factor changed meanwhile; enrol again.")
            return await self._note_shown(connection, principal)

        noted = await parts.enact(
            visit, "auth.mfa_enabled", user.user_id, user.org_id, enable, login=principal.session_id
        )
        await parts.sessions.tell(noted)
        return codes

    async def _check(self, user: User, code: str, visit: Visit) -> None:
        parts = self._parts
        if looks_like_backup_code(code):
            if await parts.users.spend_backup_code(user.user_id, backup_code_digest(code), parts.clock.now()):
                await parts.note(visit, "auth.backup_code_used", user.user_id, user.org_id)
                return
        else:
            step = accepted_step(self._secret(user), code, parts.clock.now(), user.totp_last_step)
            if step is not None and await parts.users.spend_step(user.user_id, step):
                return
        await self._refuse(user, visit)

    async def _refuse(self, user: User, visit: Visit) -> NoReturn:
        self._parts.failed()
        await self._parts.note(visit, "auth.mfa_failed", user.user_id, user.org_id, Outcome.DENIED)
        raise Unauthenticated("The code is wrong or was used before.", code="invalid_code")

    async def _note_shown(self, connection: AsyncConnection, principal: Principal) -> tuple[Session, ...]:
        return await self._parts.sessions.note_mfa(connection, principal.session_id or "", self._parts.clock.now())

    def _secret(self, user: User) -> str:
        """Raises Conflict (code factor_unreadable)."""
        try:
            sealed = decode(user.mfa_secret or "{}")
            if not isinstance(sealed, dict) or not is_envelope(sealed.get("secret")):
                # Secrets of factors were always written encrypted: who can write plaintext here set a factor of their
                # own.
                self._count_plaintext(user)
                raise _unreadable()
            plain = self._parts.crypto.decrypt_fields(sealed, store=MFA_STORE, record_id=user.user_id)
        except (DecryptionFailed, ValueError, RecursionError) as error:
            _log.error("The second factor of user %s cannot be read (%s).", user.user_id, type(error).__name__)
            raise _unreadable() from error
        return str(plain["secret"])

    def _count_plaintext(self, user: User) -> None:
        self._parts.registry.inc("aragora_encryption_errors_total", operation="decrypt", error_type="PlaintextRefused")
        _log.error("The second factor of user %s does not rest encrypted and is refused.", user.user_id)


def _no_factor() -> Conflict:
    return Conflict("This account has no second factor: enrol one at /api/auth/mfa/enroll.")


def _unreadable() -> Conflict:
    return Conflict(
        "The second factor of this account cannot be read: ask an owner or administrator to reset it (POST"
        " /api/users/{user_id}/mfa/reset), or the operator (`aragora users reset-mfa`).",
        code="factor_unreadable",
    )


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
