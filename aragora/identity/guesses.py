"""Guessing at passwords: the one place that compares a password of a person, and counts before it does.

A guess is counted before the slow comparison, so that many at once are no more than the limit; a right one is given
back. Two limits hold: one by account and address, and a higher one by account over all addresses. Where only the
second is over, an address at which the person is logged in may still try: a guesser from many places does not lock the
owner out of the own.
"""

from __future__ import annotations

from aragora.errors import RateLimited
from aragora.identity.addresses import normal_email
from aragora.identity.client_address import rate_limit_scope
from aragora.identity.parts import IdentityParts, Visit
from aragora.identity.rate_limits import LOGIN_PER_ACCOUNT, LOGIN_PER_ACCOUNT_AND_ADDRESS
from aragora.identity.store.users import User


class PasswordGuesses:
    """Compares passwords and counts guesses."""

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
        sessions = await self._parts.sessions.of_user(user.user_id, self._parts.clock.now())
        return any(one.impersonator is None and rate_limit_scope(one.address) == scope for one in sessions)
