"""The life cycle of accounts, for those who manage an organisation's people and for the operator of the installation.

The rules:
- Nobody manages people as somebody else, with an API key, or as a service: see `managing`.
- An organisation manages its own people. The administrator of the installation manages all.
- Nobody touches an account that has rights they lack, and nobody hands on a right they lack.
- An organisation keeps an owner who can log in. Only the operator's command may take the last one away.
- What is done is in the audit log, in one transaction or before; and it holds at once: see `UserStore.standing`.
"""

from __future__ import annotations

from collections.abc import Sequence
from dataclasses import dataclass
from typing import Final

from sqlalchemy.ext.asyncio import AsyncConnection

from aragora.errors import Conflict, Forbidden, NotFound
from aragora.identity.authorization import check_grant, enforce_admin_mfa_policy, own
from aragora.identity.confirmation import require_confirmed
from aragora.identity.parts import IdentityParts, Visit
from aragora.identity.principal import Method, Principal
from aragora.identity.rbac import SYSTEM_ADMIN, permissions_of
from aragora.identity.store.audit_log import Change
from aragora.identity.store.users import User
from aragora.ids import LOCAL_ORG

OPERATOR: Final = Principal("operator", LOCAL_ORG, ("owner", "admin"), Method.LOCAL, mfa=True)
"""Who types the commands of the server's machine: whoever can write its database can do what they do."""
OWNER: Final = "owner"
_IN_PERSON: Final = frozenset({Method.SESSION, Method.LOCAL, Method.API_TOKEN})


@dataclass(frozen=True, slots=True)
class Person:
    """An account with what it has open. `last_owner`: its organisation has no other owner who can log in."""

    user: User
    sessions: int
    api_keys: int
    last_owner: bool


class People:
    """Lists, disables and enables accounts, changes their roles, ends their sessions, revokes their keys."""

    def __init__(self, parts: IdentityParts) -> None:
        self._parts = parts

    async def page(self, who: Principal, *, limit: int, after: str = "", org_id: str | None = None) -> list[User]:
        """Accounts with ids after `after`, in their order: of `org_id` for who manages every organisation (None: of
        all), of the own one for everybody else. Raises Forbidden."""
        managing(who)
        return await self._parts.users.page(limit, after, org_id if who.every_org else who.org_id)

    async def get(self, who: Principal, user_id: str) -> Person:
        """Raises NotFound, also for an account of another organisation, and Forbidden."""
        parts, now = self._parts, self._parts.clock.now()
        user = await self._within_reach(who, user_id)
        keys = [key for key in await parts.keys.of_user(user_id) if key.live(now)]
        return Person(
            user,
            sessions=len(await parts.sessions.of_user(user_id, now)),
            api_keys=len(keys),
            last_owner=_owns(user) and not await parts.users.has_other_owner(user.org_id, user_id),
        )

    async def disable(self, who: Principal, user_id: str, visit: Visit) -> User:
        """Nobody logs in with the account any more; its sessions end, its API keys count no longer.

        Raises NotFound, Forbidden, Conflict (code last_owner).
        """
        parts, now = self._parts, self._parts.clock.now()
        user = await self._manageable(who, user_id)

        async def disable(connection: AsyncConnection) -> None:
            await self._keep_an_owner(connection, who, user)
            await parts.users.put_disabled(connection, user_id, True, now)

        await self._enact(who, "user.disable", user, disable, visit)
        await parts.sessions.revoke_user(user_id, "account disabled", now)
        return await parts.users.by_id(user_id)

    async def enable(self, who: Principal, user_id: str, visit: Visit) -> User:
        """The account logs in again; API keys that were not revoked count again. Raises NotFound, Forbidden."""
        parts, now = self._parts, self._parts.clock.now()
        user = await self._manageable(who, user_id)
        await self._enact(
            who,
            "user.enable",
            user,
            lambda connection: parts.users.put_disabled(connection, user_id, False, now),
            visit,
        )
        return await parts.users.by_id(user_id)

    async def give_roles(self, who: Principal, user_id: str, roles: Sequence[str], visit: Visit) -> User:
        """Replace the roles of an account; open logins and keys have the new ones at once.

        Raises InvalidInput, NotFound, Forbidden, Conflict (code last_owner).
        """
        parts, now = self._parts, self._parts.clock.now()
        user, granted = await self._manageable(who, user_id), check_grant(who, roles)

        async def put(connection: AsyncConnection) -> None:
            if OWNER not in granted:
                await self._keep_an_owner(connection, who, user)
            await parts.users.put_roles(connection, user_id, granted, now)

        await self._enact(who, "user.roles", user, put, visit, before=",".join(user.roles), roles=",".join(granted))
        return await parts.users.by_id(user_id)

    async def end_sessions(self, who: Principal, user_id: str, visit: Visit) -> int:
        """End all logins of the account, and those in which it acts as another or is acted as; returns how many."""
        user = await self._manageable(who, user_id)
        await self._note(who, "user.sessions_ended", user, visit)
        return await self._parts.sessions.revoke_user(user_id, "ended by an administrator", self._parts.clock.now())

    async def revoke_keys(self, who: Principal, user_id: str, visit: Visit) -> int:
        """Revoke all API keys of the account, for good; returns how many there were."""
        user = await self._manageable(who, user_id)
        await self._note(who, "user.keys_revoked", user, visit)
        return await self._parts.keys.revoke(user_id, self._parts.clock.now())

    async def reset_factor(self, who: Principal, user_id: str, visit: Visit) -> bool:
        """Take away the second factor and its backup codes, and end all logins: for a phone that is lost. Returns
        whether there was one."""
        parts, now = self._parts, self._parts.clock.now()
        user = await self._manageable(who, user_id)
        await self._enact(
            who, "user.factor_reset", user, lambda connection: parts.users.clear_mfa(connection, user_id, now), visit
        )
        await parts.sessions.revoke_user(user_id, "second factor reset", now)
        return user.mfa_enabled

    async def _within_reach(self, who: Principal, user_id: str) -> User:
        managing(who)
        user = await self._parts.users.by_id(user_id)
        if user.org_id != who.org_id and not who.every_org:
            if SYSTEM_ADMIN not in who.permissions:
                raise NotFound("There is no such user.")
            enforce_admin_mfa_policy(who, production=self._parts.production)
        return user

    async def _manageable(self, who: Principal, user_id: str) -> User:
        await changing(self._parts, who)
        user = await self._within_reach(who, user_id)
        if not permissions_of(user.roles) <= who.permissions:
            raise Forbidden("This account has rights that you lack; ask an administrator of the installation.")
        return user

    async def _keep_an_owner(self, connection: AsyncConnection, who: Principal, user: User) -> None:
        """Within the transaction of the change: recorded changes come one after the other, so two owners who disable
        each other at once do not both succeed."""
        if who == OPERATOR or not _owns(user):
            return
        if not await self._parts.users.has_other_owner(user.org_id, user.user_id, connection):
            raise Conflict(
                "This is the last owner of the organisation: make somebody else an owner first. The operator of the"
                " installation can do it all the same, with `aragora users disable --last-owner`.",
                code="last_owner",
            )

    async def _enact(
        self, who: Principal, action: str, user: User, change: Change[None], visit: Visit, **details: str
    ) -> None:
        try:
            await self._parts.enact(visit, action, who.actor, user.org_id, change, target=user.user_id, **details)
        finally:
            self._parts.users.forget(user.user_id)

    async def _note(self, who: Principal, action: str, user: User, visit: Visit) -> None:
        await self._parts.note(visit, action, who.actor, user.org_id, target=user.user_id)


async def changing(parts: IdentityParts, who: Principal) -> None:
    """As `managing`, before people or their credentials change: a login must have shown its password or factor lately
    (`aragora.identity.confirmation`), so that one left open somewhere makes and restores no accounts."""
    managing(who)
    if who.method is Method.SESSION:
        await require_confirmed(parts, who)


def managing(who: Principal) -> None:
    """Raises Forbidden unless the caller manages people in its own person: a key or a service that is stolen must not
    make or restore accounts."""
    own(who)
    if who.method not in _IN_PERSON:
        raise Forbidden("People are managed in a login, not with an API key or a service's token: log in first.")
    if "users.manage" not in who.permissions:
        raise Forbidden("This needs the permission users.manage; ask an owner or admin for a role that has it.")


def _owns(user: User) -> bool:
    return OWNER in user.roles and not user.disabled
