"""Invitations: who manages an organisation lets one address in, with roles that it may hand on.

The token is shown once and kept only as a hash. It works once, for 7 days, for the invited address alone, and only
while the one who invited could still give these roles.
"""

from __future__ import annotations

import hashlib
import secrets
from collections.abc import Sequence
from typing import Final

from sqlalchemy.ext.asyncio import AsyncConnection

from aragora import limits
from aragora.errors import Conflict, NotFound, Unauthenticated
from aragora.identity.accounts import Accounts
from aragora.identity.addresses import checked_email
from aragora.identity.authorization import check_grant
from aragora.identity.parts import IdentityParts, Visit
from aragora.identity.people import admitting, managing
from aragora.identity.principal import Principal
from aragora.identity.rate_limits import REGISTER_PER_ADDRESS
from aragora.identity.rbac import permissions_of, workspaces_of
from aragora.identity.store.invitations import Invitation
from aragora.identity.store.users import User
from aragora.identity.workspaces import check_workspaces
from aragora.ids import new_id
from aragora.scope import DEFAULT_WORKSPACE

LIFETIME_S: Final = 7 * 86_400.0
PREFIX: Final = "arinv_"


class Invitations:
    """Makes, lists, revokes and accepts invitations."""

    def __init__(self, parts: IdentityParts, accounts: Accounts) -> None:
        self._parts = parts
        self._accounts = accounts
        self._store = parts.invitations

    async def invite(
        self,
        who: Principal,
        email: str,
        roles: Sequence[str],
        visit: Visit,
        *,
        workspaces: Sequence[str] = (DEFAULT_WORKSPACE,),
    ) -> tuple[Invitation, str]:
        """An invitation to these workspaces of the organisation of `who`, and its token, which is not kept. Earlier
        ones of the address to this organisation end. Raises InvalidInput, Forbidden, Conflict."""
        parts, now = self._parts, self._parts.clock.now()
        parts.registration.require_invitations()
        await admitting(parts, who)
        email, granted, places = checked_email(email), check_grant(who, roles), check_workspaces(who, workspaces)
        known = await parts.users.by_email(email)
        if known is not None and known.org_id == who.org_id:
            raise Conflict("This address has an account in your organisation already.", code="exists")
        token = PREFIX + secrets.token_urlsafe(32)
        invitation = Invitation(
            invitation_id=new_id("inv"),
            email=email,
            org_id=who.org_id,
            roles=granted,
            invited_by=who.actor,
            created_at=now,
            expires_at=now + LIFETIME_S,
            digest=digest_of(token),
            workspaces=places,
        )

        async def add(connection: AsyncConnection) -> None:
            await self._store.replace(connection, invitation)
            await parts.workspaces.note(connection, who.org_id, places, who.actor, now)
            if await self._store.count_open(connection, who.org_id, now) > limits.INVITATIONS_MAX:
                raise Conflict(f"There are {limits.INVITATIONS_MAX} open invitations already; revoke some first.")

        await parts.enact(
            visit, "invitation.create", who.actor, who.org_id, add,
            login=who.session_id, target=invitation.invitation_id, email=email, roles=",".join(granted),
            workspaces=",".join(places),
        )  # fmt: skip
        return invitation, token

    async def open_ones(self, who: Principal) -> list[Invitation]:
        """What can still be accepted into the organisation of `who`, oldest first. Raises Forbidden."""
        managing(who)
        return await self._store.open_of(who.org_id, self._parts.clock.now())

    async def revoke(self, who: Principal, invitation_id: str, visit: Visit) -> None:
        """End an open invitation to the organisation of `who`. Raises Forbidden, NotFound."""
        managing(who)
        now = self._parts.clock.now()
        await self._parts.enact(
            visit, "invitation.revoke", who.actor, who.org_id,
            lambda connection: self._store.revoke(connection, who.org_id, invitation_id, now),
            login=who.session_id, target=invitation_id,
        )  # fmt: skip

    async def accept(self, token: str, password: str, name: str, visit: Visit) -> User:
        """The account that the invitation was for.

        Raises Unauthenticated (code invalid_invitation), InvalidInput (weak password), Conflict where the address has
        an account elsewhere, Forbidden where the server takes no invitations, RateLimited.
        """
        parts = self._parts
        await parts.limit_address(REGISTER_PER_ADDRESS, visit)
        parts.registration.require_invitations()
        invitation = await self._store.by_digest(digest_of(token))
        now = parts.clock.now()
        if invitation is None or not invitation.live(now):
            parts.failed()
            raise _refused()
        user = await self._accounts.described(
            invitation.email, password, name, org_id=invitation.org_id, roles=invitation.roles,
            workspaces=invitation.workspaces,
        )  # fmt: skip

        async def join(connection: AsyncConnection) -> None:
            meant = await self._still_meant(connection, invitation)
            if not meant or not await self._store.spend(connection, invitation.invitation_id, now):
                parts.failed()
                raise _refused()
            await parts.users.add(connection, user)

        await parts.enact(
            visit, "invitation.accept", user.user_id, user.org_id, join,
            login=None, target=invitation.invitation_id, invited_by=invitation.invited_by,
            roles=",".join(user.roles),
        )  # fmt: skip
        return user

    async def _still_meant(self, connection: AsyncConnection, invitation: Invitation) -> bool:
        """Whether who invited could do so now, as the transaction sees it. The operator of the installation has no
        account and always can."""
        try:
            inviter = await self._parts.users.within(connection, invitation.invited_by)
        except NotFound:
            return True
        held = permissions_of(inviter.roles)
        reach = workspaces_of(inviter.roles, inviter.workspaces)
        return (
            not inviter.disabled
            and "users.manage" in held
            and permissions_of(invitation.roles) <= held
            and (reach is None or reach.issuperset(invitation.workspaces))
        )


def digest_of(token: str) -> str:
    """What is kept of an invitation's token."""
    return hashlib.sha256(b"aragora invitation v1\x00" + token.encode()).hexdigest()


def _refused() -> Unauthenticated:
    return Unauthenticated(
        "The invitation is unknown, used, revoked or too old; ask for a new one.", code="invalid_invitation"
    )
