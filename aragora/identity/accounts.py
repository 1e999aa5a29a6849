"""Accounts: registering, logging in with a password, changing it, impersonation."""

from __future__ import annotations

from collections.abc import Sequence
from dataclasses import replace
from typing import Final

from sqlalchemy.ext.asyncio import AsyncConnection

from aragora.errors import Forbidden, NotFound, Unauthenticated
from aragora.identity.addresses import checked_email, checked_name, shown_name
from aragora.identity.audit import Outcome
from aragora.identity.authorization import check_grant, own
from aragora.identity.confirmation import require_confirmed
from aragora.identity.guesses import PasswordGuesses
from aragora.identity.logins import Challenge, Logins, TokenPair, changed_meanwhile
from aragora.identity.oauth import Arrival
from aragora.identity.parts import IdentityParts, Visit
from aragora.identity.passwords import check_policy
from aragora.identity.people import admitting
from aragora.identity.principal import Method, Principal
from aragora.identity.rate_limits import LOGIN_PER_ADDRESS, REGISTER_PER_ADDRESS
from aragora.identity.rbac import SYSTEM_ADMIN, permissions_of
from aragora.identity.store.sessions import Session
from aragora.identity.store.users import User
from aragora.identity.workspaces import check_workspaces
from aragora.ids import new_id
from aragora.scope import DEFAULT_WORKSPACE

IMPERSONATION_S: Final = 900.0
IMPERSONATION_MAX_S: Final = 3600.0


class Accounts:
    """What people do with their accounts."""

    def __init__(self, parts: IdentityParts, logins: Logins) -> None:
        self._parts = parts
        self._logins = logins
        self._guesses = PasswordGuesses(parts)

    async def register(
        self,
        email: str,
        password: str,
        name: str,
        visit: Visit,
        *,
        by: Principal | None,
        roles: Sequence[str] = (),
        workspaces: Sequence[str] = (DEFAULT_WORKSPACE,),
    ) -> User:
        """A new account. An unknown caller becomes the owner of a new organisation; a caller that may manage users adds
        a member to its own, with roles and workspaces that it may hand on. Raises InvalidInput, Forbidden (also where
        registration is closed), Conflict, RateLimited."""
        parts = self._parts
        if by is None or by.method is not Method.LOCAL:
            await parts.limit_address(REGISTER_PER_ADDRESS, visit)
        email = checked_email(email)
        if by is not None and roles:
            await admitting(parts, by)
            org_id, granted, places = by.org_id, check_grant(by, roles), check_workspaces(by, workspaces)
        elif roles:
            raise Forbidden("Only who may manage users can give roles.")
        else:
            parts.registration.require_uninvited(email, verified=False)
            org_id, granted, places = new_id("org"), ("owner",), (DEFAULT_WORKSPACE,)
        user = await self.described(email, password, name, org_id=org_id, roles=granted, workspaces=places)
        actor = by.actor if by is not None and roles else user.user_id

        async def add(connection: AsyncConnection) -> None:
            await parts.users.add(connection, user)
            await parts.workspaces.note(connection, org_id, places, actor, parts.clock.now())

        await parts.enact(
            visit, "auth.register", actor, org_id, add,
            login=None if by is None else by.session_id, target=user.user_id, roles=",".join(granted),
            workspaces=",".join(places),
        )  # fmt: skip
        return user

    async def described(
        self, email: str, password: str, name: str, *, org_id: str, roles: Sequence[str], workspaces: Sequence[str]
    ) -> User:
        """A new user with a password, not stored yet. Raises InvalidInput (code weak_password), Unavailable."""
        check_policy(password, email=email, name=name)
        return User(
            user_id=new_id("usr"),
            email=email,
            name=checked_name(name),
            org_id=org_id,
            roles=tuple(roles),
            workspaces=tuple(workspaces),
            created_at=self._parts.clock.now(),
            password_hash=await self._parts.passwords.hash(password),
        )

    async def login(self, email: str, password: str, visit: Visit) -> TokenPair | Challenge:
        """Tokens, or a challenge. A wrong password and an unknown address take as long and read the same.

        Raises Unauthenticated (code invalid_credentials) or RateLimited.
        """
        parts = self._parts
        await parts.limit_address(LOGIN_PER_ADDRESS, visit)
        user = await parts.users.by_email(email)
        right = await self._guesses.right(email, user, password, visit)
        if not right or user is None or user.disabled or user.password_hash is None:
            parts.failed()
            known = (user.user_id, user.org_id) if user is not None else ("unknown", "unknown")
            await parts.note(visit, "auth.login", *known, Outcome.DENIED, method="password")
            raise Unauthenticated("The address or the password is wrong.", code="invalid_credentials")
        if parts.passwords.needs_rehash(user.password_hash):
            # The login goes on with the new hash: a challenge is bound to it.
            fresh = await parts.passwords.hash(password)
            if not await parts.users.rehash(user.user_id, user.password_hash, fresh, parts.clock.now()):
                raise changed_meanwhile()
            user = replace(user, password_hash=fresh)
        return await self._logins.begin(user, visit, method="password")

    async def arrived(self, arrival: Arrival, visit: Visit) -> User:
        """The account of a person that a provider vouches for; the first time, a new one with a new organisation.

        Raises Unauthenticated (code oauth_refused) for a disabled account, Forbidden where the server does not let the
        person in uninvited, and Conflict where the address has an account that was never tied to the provider: its
        owner has not shown that the address is theirs, so the two are not put together.
        """
        parts = self._parts
        user = await parts.users.by_oauth_subject(arrival.subject)
        if user is None:
            user = await self._first_arrival(arrival, visit)
        return await self._enabled(user, visit)

    async def able(self, user_id: str, visit: Visit) -> User:
        """The account that arrived, if it may still log in. Raises Unauthenticated (code oauth_refused)."""
        try:
            user = await self._parts.users.by_id(user_id)
        except NotFound:
            raise _locked() from None
        return await self._enabled(user, visit)

    async def _enabled(self, user: User, visit: Visit) -> User:
        if user.disabled:
            await self._parts.note(visit, "auth.login", user.user_id, user.org_id, Outcome.DENIED, method="oauth")
            raise _locked()
        return user

    async def _first_arrival(self, arrival: Arrival, visit: Visit) -> User:
        parts, email = self._parts, checked_email(arrival.email)
        parts.registration.require_uninvited(email, verified=True)
        user = User(
            user_id=new_id("usr"),
            email=email,
            name=shown_name(arrival.name),
            org_id=new_id("org"),
            roles=("owner",),
            created_at=parts.clock.now(),
            oauth_subject=arrival.subject,
        )
        await parts.enact(
            visit, "auth.register", user.user_id, user.org_id, lambda connection: parts.users.add(connection, user),
            login=None, target=user.user_id, method="oauth",
        )  # fmt: skip
        return user

    async def change_password(
        self, principal: Principal, current: str, new: str, visit: Visit, *, revoke_keys: bool = False
    ) -> None:
        """Change the own password, end the user's other sessions and, where asked, revoke the API keys: all or nothing.
        Raises Unauthenticated for a wrong password, Forbidden where the login was not confirmed."""
        parts = self._parts
        await require_confirmed(parts, principal)
        user = await parts.users.by_id(principal.user_id)
        if not await self._guesses.right(user.email, user, current, visit):
            parts.failed()
            await parts.note(visit, "auth.password_changed", user.user_id, user.org_id, Outcome.DENIED)
            raise Unauthenticated("The current password is wrong.", code="invalid_credentials")
        check_policy(new, email=user.email, name=user.name)
        fresh, now = await parts.passwords.hash(new), parts.clock.now()

        async def change(connection: AsyncConnection) -> tuple[Session, ...]:
            if (await parts.users.within(connection, user.user_id)).password_hash != user.password_hash:
                raise changed_meanwhile()
            await parts.users.put_password_hash(connection, user.user_id, fresh, now)
            if revoke_keys:
                await parts.keys.revoke(connection, user.user_id, now)
            reason = "password changed"
            return await parts.sessions.revoke_user(connection, user.user_id, reason, now, keep=principal.session_id)

        ended = await parts.enact(
            visit, "auth.password_changed", user.user_id, user.org_id, change,
            login=principal.session_id, keys_revoked=str(revoke_keys).lower(),
        )  # fmt: skip
        await parts.sessions.tell(ended)

    async def impersonate(
        self, admin: Principal, user_id: str, reason: str, visit: Visit, *, lifetime_s: float = IMPERSONATION_S
    ) -> TokenPair:
        """An access token that acts as the user for a short time. Raises NotFound, Forbidden, Unauthenticated.

        The route checks the policy `admin` with its second factor; the rules here hold for every administrator.
        """
        parts, now = self._parts, self._parts.clock.now()
        own(admin)
        if admin.method is Method.SESSION:
            await require_confirmed(parts, admin)
        user = await parts.users.by_id(user_id)
        session = Session(
            session_id=new_id("ses"),
            user_id=user.user_id,
            org_id=user.org_id,
            created_at=now,
            expires_at=now + min(lifetime_s, IMPERSONATION_MAX_S),
            impersonator=admin.user_id,
            address=visit.address,
        )

        async def begin(connection: AsyncConnection) -> None:
            _require_below(admin, await parts.users.within(connection, user_id))
            await parts.sessions.add(connection, session)

        try:
            await parts.enact(
                visit, "admin.impersonate", admin.user_id, user.org_id, begin,
                login=admin.session_id, target=user_id, reason=reason, session=session.session_id,
            )  # fmt: skip
        except Forbidden:
            await parts.note(visit, "admin.impersonate", admin.user_id, user.org_id, Outcome.DENIED, target=user_id)
            raise
        parts.registry.inc("aragora_admin_impersonate_total")
        return replace(self._logins.access_only(session), refresh_token=None)


def _require_below(admin: Principal, user: User) -> None:
    if user.disabled or user.user_id == admin.user_id or SYSTEM_ADMIN in permissions_of(user.roles):
        raise Forbidden("Nobody acts as an administrator, as themselves or as a disabled user.")


def _locked() -> Unauthenticated:
    return Unauthenticated("This account cannot log in.", code="oauth_refused")
