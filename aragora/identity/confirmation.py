"""Confirming that it is still the person: before credentials change, a login shows its password or second factor."""

from __future__ import annotations

from aragora.errors import InvalidInput, Unauthenticated
from aragora.identity.audit import Outcome
from aragora.identity.authorization import check_confirmed, check_person
from aragora.identity.guesses import PasswordGuesses
from aragora.identity.parts import IdentityParts, Visit
from aragora.identity.principal import Method, Principal


async def require_confirmed(parts: IdentityParts, principal: Principal) -> None:
    """Return where the principal may change its credentials now. Raises Forbidden (aragora.identity.authorization)."""
    check_person(principal)
    if principal.method is Method.SESSION:
        user = await parts.users.by_id(principal.user_id)
        check_confirmed(principal, parts.clock.now(), has_factor=user.mfa_enabled)


class Confirmation:
    """Confirms logins by password. `SecondFactor.confirm` does so by code."""

    def __init__(self, parts: IdentityParts) -> None:
        self._parts = parts
        self._guesses = PasswordGuesses(parts)

    async def by_password(self, principal: Principal, password: str, visit: Visit) -> None:
        """The login has shown its password. Raises Unauthenticated (code invalid_credentials) for a wrong one,
        InvalidInput where the account is not confirmed by a password, Forbidden, RateLimited."""
        parts = self._parts
        check_person(principal)
        if principal.session_id is None:
            return  # the local operator, who has no login to confirm
        user = await parts.users.by_id(principal.user_id)
        if user.mfa_enabled:
            raise InvalidInput("This account has a second factor: confirm with its code.")
        if user.password_hash is None:
            raise InvalidInput("This account has no password: log in again with its provider.")
        if not await self._guesses.right(user.email, user, password, visit):
            parts.failed()
            await parts.note(visit, "auth.confirm", user.user_id, user.org_id, Outcome.DENIED)
            raise Unauthenticated("The password is wrong.", code="invalid_credentials")
        session_id, now = principal.session_id, parts.clock.now()
        noted = await parts.enact(
            visit, "auth.confirm", user.user_id, user.org_id,
            lambda connection: parts.sessions.note_proof(connection, session_id, now), login=session_id,
        )  # fmt: skip
        await parts.sessions.tell(noted)
