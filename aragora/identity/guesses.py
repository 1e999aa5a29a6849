"""Guessing at passwords and at codes of a second factor: counted before they are compared.

A guess is counted before the slow comparison, so that many at once are no more than the limit; a right one is given
back. Two limits hold: one by account and address, and a higher one by account over all addresses. Where only the
second is over for passwords, an address at which the person is logged in may still try: a guesser from many places does
not lock the owner out of the own. For codes there is no such way: who guesses at them from elsewhere has the password,
which the owner must change first.
"""

from __future__ import annotations

from aragora.errors import RateLimited
from aragora.identity.addresses import normal_email
from aragora.identity.client_address import rate_limit_scope
from aragora.identity.parts import IdentityParts, Visit
from aragora.identity.principal import Principal
from aragora.identity.rate_limits import (
    LOGIN_PER_ACCOUNT,
    LOGIN_PER_ACCOUNT_AND_ADDRESS,
    MFA_PER_USER,
    MFA_PER_USER_AND_PLACE,
)
from aragora.identity.store.users import User


class PasswordGuesses:
    """The one place that compares a password of a person; counts before it does."""

    def __init__(self, parts: IdentityParts) -> None:
        self._parts = parts

    async def right(self, email: str, user: User | None, password: str, visit: Visit) -> bool:
        """Whether the password is that of the account. An account that does not exist (None) takes as long.

        Raises RateLimited where too many were wrong.
        """
        account, scope = normal_email(email), rate_limit_scope(visit.address)
        here = (LOGIN_PER_ACCOUNT_AND_ADDRESS, f"{account} {scope}")
        await self._parts.limits.require(here)
        everywhere = await self._parts.limits.hit(LOGIN_PER_ACCOUNT, account)
        if not everywhere.allowed and not await self._at_home(user, scope):
            raise RateLimited("Too many requests; wait and try again.", retry_after_s=max(1.0, everywhere.reset_s))
        matches = await self._parts.passwords.verify(password, None if user is None else user.password_hash)
        if user is None or user.password_hash is None or not matches:
            return False
        await self._parts.limits.forget(*here)
        return True

    async def _at_home(self, user: User | None, scope: str) -> bool:
        if user is None:
            return False
        addresses = await self._parts.sessions.addresses_of(user.user_id, self._parts.clock.now())
        return any(rate_limit_scope(one) == scope for one in addresses)


class CodeGuesses:
    """Counts guesses at codes. Those within a login and those of who logs in are counted apart: a stolen login, which
    can only make the former, does not keep the owner from logging in and ending it."""

    def __init__(self, parts: IdentityParts) -> None:
        self._limits = parts.limits

    async def of_login(self, principal: Principal) -> str:
        """Count a guess within a login. Returns what `right` takes. Raises RateLimited."""
        return await self._count(f"{principal.user_id} shown", principal.session_id or "")

    async def at_login(self, user_id: str, visit: Visit) -> str:
        """Count a guess of who has shown the password. Returns what `right` takes. Raises RateLimited."""
        return await self._count(f"{user_id} login", rate_limit_scope(visit.address))

    async def right(self, guess: str) -> None:
        """Give back what was counted in the place of a guess that was right."""
        await self._limits.forget(MFA_PER_USER_AND_PLACE, guess)

    async def _count(self, user: str, place: str) -> str:
        here = f"{user} {place}"
        await self._limits.require((MFA_PER_USER_AND_PLACE, here), (MFA_PER_USER, user))
        return here
