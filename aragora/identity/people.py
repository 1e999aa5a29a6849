"""The life cycle of accounts, for those who manage an organisation's people and for the operator of the installation.

The rules:
- Nobody manages people as somebody else, with an API key, or as a service: see `managing`.
- An organisation manages its own people. The administrator of the installation also sees and changes those elsewhere,
  by their id; lists and invitations are of the own organisation.
- Nobody touches an account that has rights they lack, and nobody hands on a right they lack.
- An organisation keeps an owner who can log in. Only the operator's command may take the last one away.
- What is done is in the audit log, in one transaction; and it holds at once: see `UserStore.standing`.
"""

from __future__ import annotations

from collections.abc import Awaitable, Callable, Sequence
from dataclasses import dataclass
from typing import Final, TypeVar

from sqlalchemy.ext.asyncio import AsyncConnection

from aragora.errors import Conflict, Forbidden, InvalidInput, NotFound
from aragora.identity.authorization import check_grant, enforce_admin_mfa_policy, own
from aragora.identity.confirmation import require_confirmed
from aragora.identity.parts import IdentityParts, Visit
from aragora.identity.principal import Method, Principal
from aragora.identity.rbac import SYSTEM_ADMIN, permissions_of
from aragora.identity.store.sessions import Session
from aragora.identity.store.users import User
from aragora.identity.workspaces import check_workspaces
from aragora.ids import LOCAL_ORG

OPERATOR: Final = Principal("operator", LOCAL_ORG, ("owner", "admin"), Method.LOCAL, mfa=True)
"""Who types the commands of the server's machine: whoever can write its database can do what they do."""
OWNER: Final = "owner"
_IN_PERSON: Final = frozenset({Method.SESSION, Method.LOCAL})
_ACTIONS: Final = {
    (True, None): "user.roles",
    (False, None): "user.workspaces",
    (False, True): "user.disable",
    (False, False): "user.enable",
    (True, True): "user.roles_and_disable",
    (True, False): "user.roles_and_enable",
}
"""What the audit log calls a change, by whether it is of roles, and to which state."""
T = TypeVar("T")


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

    async def change(
        self,
        who: Principal,
        user_id: str,
        visit: Visit,
        *,
        roles: Sequence[str] | None = None,
        disabled: bool | None = None,
        workspaces: Sequence[str] | None = None,
    ) -> User:
        """Replace the roles of an account, or the workspaces that they are for, disable or enable it: all of it or
        nothing. None leaves as it is. Owners and administrators have every workspace, whatever is named for them.

        Open logins and keys have the new roles at once. Nobody logs in with a disabled account; its sessions end, its
        API keys count no longer, until it is enabled. Raises InvalidInput, NotFound, Forbidden, Conflict (code
        last_owner, or changed).
        """
        if roles is None and disabled is None and workspaces is None:
            raise InvalidInput("Say what is to change: roles, workspaces, or disabled.")
        parts, now = self._parts, self._parts.clock.now()
        user = await self._manageable(who, user_id)
        granted = user.roles if roles is None else check_grant(who, roles)
        places = user.workspaces if workspaces is None else check_workspaces(who, workspaces)
        details = {} if disabled is None else {"disabled": str(disabled).lower()}
        if roles is not None:
            details |= {"before": ",".join(user.roles), "roles": ",".join(granted)}
        if workspaces is not None:
            details |= {"workspaces_before": ",".join(user.workspaces), "workspaces": ",".join(places)}

        async def change(connection: AsyncConnection, current: User) -> tuple[Session, ...]:
            _require_unchanged(user, current, roles=roles is not None, workspaces=workspaces is not None)
            if disabled or (roles is not None and OWNER not in granted):
                await self._keep_an_owner(connection, who, current)
            if roles is not None:
                await parts.users.put_roles(connection, user_id, granted, now)
            if workspaces is not None:
                await parts.users.put_workspaces(connection, user_id, places, now)
                await parts.workspaces.note(connection, user.org_id, places, who.actor, now)
            if disabled is not None:
                await parts.users.put_disabled(connection, user_id, disabled, now)
            if not disabled:
                return ()
            return await parts.sessions.revoke_user(connection, user_id, "account disabled", now)

        try:
            ended = await self._enact(who, _ACTIONS[roles is not None, disabled], user, change, visit, **details)
        finally:
            parts.users.forget(user_id)
        await parts.sessions.tell(ended)
        return await parts.users.by_id(user_id)

    async def disable(self, who: Principal, user_id: str, visit: Visit) -> User:
        """As `change`."""
        return await self.change(who, user_id, visit, disabled=True)

    async def enable(self, who: Principal, user_id: str, visit: Visit) -> User:
        """As `change`."""
        return await self.change(who, user_id, visit, disabled=False)

    async def give_roles(self, who: Principal, user_id: str, roles: Sequence[str], visit: Visit) -> User:
        """As `change`."""
        return await self.change(who, user_id, visit, roles=roles)

    async def give_workspaces(self, who: Principal, user_id: str, workspaces: Sequence[str], visit: Visit) -> User:
        """As `change`."""
        return await self.change(who, user_id, visit, workspaces=workspaces)

    async def end_sessions(self, who: Principal, user_id: str, visit: Visit) -> int:
        """End all logins of the account, and those in which it acts as another or is acted as; returns how many."""
        now = self._parts.clock.now()
        ended = await self._enact(
            who, "user.sessions_ended", await self._manageable(who, user_id),
            lambda connection, _: self._parts.sessions.revoke_user(
                connection, user_id, "ended by an administrator", now
            ), visit,
        )  # fmt: skip
        await self._parts.sessions.tell(ended)
        return len(ended)

    async def revoke_keys(self, who: Principal, user_id: str, visit: Visit) -> int:
        """Revoke all API keys of the account, for good; returns how many there were."""
        now = self._parts.clock.now()
        return await self._enact(
            who, "user.keys_revoked", await self._manageable(who, user_id),
            lambda connection, _: self._parts.keys.revoke(connection, user_id, now), visit,
        )  # fmt: skip

    async def reset_factor(self, who: Principal, user_id: str, visit: Visit) -> bool:
        """Take away the second factor and its backup codes, and end all logins: for a phone that is lost. Returns
        whether there was one."""
        parts, now = self._parts, self._parts.clock.now()

        async def reset(connection: AsyncConnection, _: User) -> tuple[bool, tuple[Session, ...]]:
            was_there = await parts.users.clear_mfa(connection, user_id, now)
            return was_there, await parts.sessions.revoke_user(connection, user_id, "second factor reset", now)

        user = await self._manageable(who, user_id)
        was_there, ended = await self._enact(who, "user.factor_reset", user, reset, visit)
        await parts.sessions.tell(ended)
        return was_there

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
        _require_no_more_rights(who, user)
        return user

    async def _keep_an_owner(self, connection: AsyncConnection, who: Principal, user: User) -> None:
        """Within the transaction of the change: recorded changes come one after the other, so two owners who disable
        each other at once do not both succeed."""
        if who == OPERATOR or not _owns(user):
            return
        if not await self._parts.users.has_other_owner(user.org_id, user.user_id, connection):
            raise Conflict(
                "This is the last owner of the organisation: make somebody else an owner first. The operator of the"
                " installation can do it all the same: `aragora users disable` and `role` take --last-owner.",
                code="last_owner",
            )

    async def _enact(
        self,
        who: Principal,
        action: str,
        user: User,
        change: Callable[[AsyncConnection, User], Awaitable[T]],
        visit: Visit,
        **details: str,
    ) -> T:
        """Do the change, given the account as it is within the transaction: it may have got more rights meanwhile."""

        async def judged(connection: AsyncConnection) -> T:
            current = await self._parts.users.within(connection, user.user_id)
            _require_no_more_rights(who, current)
            return await change(connection, current)

        return await self._parts.enact(
            visit, action, who.actor, user.org_id, judged, login=who.session_id, target=user.user_id, **details
        )


async def changing(parts: IdentityParts, who: Principal) -> None:
    """As `managing`, before people or their credentials change: a login must have shown its password or factor lately
    (`aragora.identity.confirmation`), so that one left open somewhere makes and restores no accounts; in production an
    administrator's must have shown a factor."""
    managing(who)
    await _require_shown(parts, who)


async def admitting(parts: IdentityParts, who: Principal) -> None:
    """As `changing`, before somebody new gets an account or an invitation: ARAGORA_API_TOKEN may do that too, which
    makes the first administrator of a server."""
    if who.method is not Method.API_TOKEN:
        managing(who)
    await _require_shown(parts, who)


async def _require_shown(parts: IdentityParts, who: Principal) -> None:
    if who.method is Method.SESSION:
        if SYSTEM_ADMIN in who.permissions:
            enforce_admin_mfa_policy(who, production=parts.production)
        await require_confirmed(parts, who)


def managing(who: Principal) -> None:
    """Raises Forbidden unless the caller manages people in its own person: a key, a token or a service that is stolen
    must not see, change or restore accounts."""
    own(who)
    if who.method is Method.API_TOKEN:
        raise Forbidden(
            "ARAGORA_API_TOKEN makes accounts and invitations and manages no others: log in as an administrator, or use"
            " `aragora users` on the server's machine.",
            code="login_required",
        )
    if who.method not in _IN_PERSON:
        raise Forbidden("People are managed in a login, not with an API key or a service's token: log in first.")
    if "users.manage" not in who.permissions:
        raise Forbidden("This needs the permission users.manage; ask an owner or admin for a role that has it.")


def _require_unchanged(seen: User, current: User, *, roles: bool, workspaces: bool) -> None:
    """Of what is to be replaced: what was seen must be what there is."""
    if (roles and current.roles != seen.roles) or (workspaces and current.workspaces != seen.workspaces):
        raise Conflict("Somebody else changed this account at the same time; look again.", code="changed")


def _require_no_more_rights(who: Principal, user: User) -> None:
    if not permissions_of(user.roles) <= who.permissions:
        raise Forbidden("This account has rights that you lack; ask an administrator of the installation.")


def _owns(user: User) -> bool:
    return OWNER in user.roles and not user.disabled
