"""Logins: opening one, its pair of tokens, refreshing it, ending it."""

from __future__ import annotations

from dataclasses import dataclass, field
from typing import NoReturn

from sqlalchemy.ext.asyncio import AsyncConnection

from aragora.errors import NotFound, Unauthenticated
from aragora.identity.audit import Outcome
from aragora.identity.confirmation import require_confirmed
from aragora.identity.parts import IdentityParts, Visit
from aragora.identity.principal import Principal
from aragora.identity.store.sessions import Session
from aragora.identity.store.users import User
from aragora.identity.tokens import MFA_CHALLENGE_S, Claims, Purpose, claims_for, stamp_of
from aragora.ids import new_id


@dataclass(frozen=True, slots=True)
class TokenPair:
    """What a login gives. `expires_in` is seconds; impersonation has no refresh token."""

    access_token: str = field(repr=False)
    expires_in: int
    refresh_token: str | None = field(default=None, repr=False)
    token_type: str = "Bearer"  # noqa: S105


@dataclass(frozen=True, slots=True)
class Challenge:
    """A login that still needs a second factor within `expires_in` seconds."""

    challenge: str = field(repr=False)
    expires_in: int
    mfa_required: bool = True


class Logins:
    """Opens, refreshes and ends sessions."""

    def __init__(self, parts: IdentityParts) -> None:
        self._parts = parts

    async def begin(self, user: User, visit: Visit, *, method: str) -> TokenPair | Challenge:
        """After the first factor: tokens, or a challenge where the user has a second factor."""
        if not user.mfa_enabled:
            return await self.open(user, visit, mfa=False, method=method)
        claims = claims_for(
            subject=user.user_id,
            session_id="",
            now=self._parts.clock.now(),
            lifetime_s=MFA_CHALLENGE_S,
            stamp=stamp_of(user.password_hash),
        )
        return Challenge(self._parts.signer.sign(Purpose.MFA, claims), int(MFA_CHALLENGE_S))

    async def open(self, user: User, visit: Visit, *, mfa: bool, method: str) -> TokenPair:
        """A new session with its tokens, for a user as it was when it showed its password or factor.

        Raises Unauthenticated where either was changed since, or the account disabled: such a change ends the sessions
        that it finds, and this one would come after it.
        """
        parts, now = self._parts, self._parts.clock.now()
        session = Session(
            session_id=new_id("ses"),
            user_id=user.user_id,
            org_id=user.org_id,
            created_at=now,
            expires_at=now + parts.refresh_s,
            mfa=mfa,
            address=visit.address,
            proved_at=now,
            method=method,
        )

        async def add(connection: AsyncConnection) -> None:
            if _provable(await parts.users.within(connection, user.user_id)) != _provable(user):
                raise changed_meanwhile()
            await parts.sessions.add(connection, session)

        await parts.enact(
            visit, "auth.login", user.user_id, user.org_id, add,
            login=None, method=method, mfa=str(mfa).lower(),
        )  # fmt: skip
        return self._pair(session)

    async def refresh(self, token: str, visit: Visit) -> TokenPair:
        """The next pair. A refresh token works once: an old one that comes again ends the whole login.

        Raises Unauthenticated (code invalid_token, token_expired or token_reused).
        """
        parts, now = self._parts, self._parts.clock.now()
        try:
            claims = parts.signer.verify(Purpose.REFRESH, token, now)
        except Unauthenticated:
            parts.failed()
            raise
        session = await self._require_open(claims.session_id)
        if session.user_id != claims.subject:
            parts.failed()
            raise _ended()
        await self._require_able(session)  # before the token is spent, which can then be sent again where this fails
        if not await parts.sessions.advance(session.session_id, claims.generation, now):
            await self._require_open(session.session_id)
            await self._stolen(session, visit)
        return self._pair(session, generation=claims.generation + 1)

    async def end(self, principal: Principal, visit: Visit, *, everywhere: bool = False) -> None:
        """Log out: this session, or all of the user's, for which the login must be confirmed (Forbidden). A caller
        without a session has none of its own to end."""
        parts, now = self._parts, self._parts.clock.now()
        own = principal.session_id
        everywhere = everywhere and principal.impersonator is None
        if everywhere:
            await require_confirmed(parts, principal)
        elif own is None:
            return

        async def end(connection: AsyncConnection) -> tuple[Session, ...]:
            if everywhere or own is None:
                return await parts.sessions.revoke_user(connection, principal.user_id, "logout", now)
            return await parts.sessions.revoke(connection, own, "logout", now)

        ended = await parts.enact(
            visit, "auth.logout", principal.actor, principal.org_id, end,
            login=None, subject=principal.user_id, everywhere=str(everywhere).lower(),
        )  # fmt: skip
        await parts.sessions.tell(ended)

    def access_only(self, session: Session) -> TokenPair:
        """The access token of a session that is not to be refreshed."""
        claims = self._claims(session, session.expires_at - self._parts.clock.now(), generation=0)
        return TokenPair(self._parts.signer.sign(Purpose.ACCESS, claims), int(claims.expires_at - claims.issued_at))

    def _pair(self, session: Session, generation: int = 0) -> TokenPair:
        signer, left_s = self._parts.signer, session.expires_at - self._parts.clock.now()
        access = self._claims(session, min(self._parts.access_s, left_s), generation)
        refresh = self._claims(session, left_s, generation)
        return TokenPair(
            access_token=signer.sign(Purpose.ACCESS, access),
            expires_in=int(access.expires_at - access.issued_at),
            refresh_token=signer.sign(Purpose.REFRESH, refresh),
        )

    def _claims(self, session: Session, lifetime_s: float, generation: int) -> Claims:
        return claims_for(
            subject=session.user_id,
            session_id=session.session_id,
            now=self._parts.clock.now(),
            lifetime_s=lifetime_s,
            generation=generation,
        )

    async def _require_open(self, session_id: str) -> Session:
        session = await self._parts.sessions.read(session_id)
        if session is None or not session.live(self._parts.clock.now()):
            self._parts.failed()
            raise _ended()
        return session

    async def _stolen(self, session: Session, visit: Visit) -> NoReturn:
        parts = self._parts
        parts.failed()
        now = parts.clock.now()
        event = visit.event(
            "auth.refresh_reused", session.user_id, session.org_id, Outcome.DENIED,
            subject="", target=session.session_id, details={},
        )  # fmt: skip
        reason = "refresh token reused"
        ended = await parts.audit.record(
            event, lambda connection: parts.sessions.revoke(connection, session.session_id, reason, now)
        )
        await parts.sessions.tell(ended)
        raise Unauthenticated(
            "This refresh token was used before. The login is ended in case it was stolen; log in again.",
            code="token_reused",
        )

    async def _require_able(self, session: Session) -> None:
        try:
            user = await self._parts.users.by_id(session.user_id)
        except NotFound:
            user = None
        if user is None or user.disabled:
            self._parts.failed()
            raise Unauthenticated("This account cannot log in.", code="invalid_token")


def _ended() -> Unauthenticated:
    return Unauthenticated("This login has ended; log in again.", code="invalid_token")


def changed_meanwhile() -> Unauthenticated:
    """Why nothing follows from a password or factor that was right a moment ago."""
    return Unauthenticated("This account was changed meanwhile; log in again.", code="invalid_credentials")


def _provable(user: User) -> tuple[object, ...]:
    """What a login rests on. A factor that is only offered is not part of it."""
    return user.password_hash, user.disabled, user.mfa_enabled, user.mfa_secret if user.mfa_enabled else None
