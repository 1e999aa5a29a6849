"""Invitations as they are kept: under the hash of their token, spent by one statement."""

from __future__ import annotations

from dataclasses import dataclass, field, fields
from typing import Any, Final

from sqlalchemy import RowMapping, func, insert, select, update
from sqlalchemy.ext.asyncio import AsyncConnection

from aragora.background import Job
from aragora.clock import Clock
from aragora.encoding import decode, encode_text
from aragora.errors import NotFound
from aragora.identity.store.tables import invitations, workspaces_in
from aragora.scope import DEFAULT_WORKSPACE
from aragora.storage.database import Database
from aragora.storage.forgetting import forget

KEPT_S: Final = 30 * 86_400.0
"""How long an invitation stays after its time is over, for questions about who was invited."""
FORGET_EVERY_S: Final = 86_400.0


@dataclass(frozen=True, slots=True)
class Invitation:
    """One row of `invitations`. Times are seconds since the epoch; `invited_by` is the user, or `operator`."""

    invitation_id: str
    email: str
    org_id: str
    roles: tuple[str, ...]
    invited_by: str
    created_at: float
    expires_at: float
    digest: str = field(repr=False)
    accepted_at: float | None = None
    revoked_at: float | None = None
    workspaces: tuple[str, ...] = (DEFAULT_WORKSPACE,)

    def live(self, now: float) -> bool:
        return self.accepted_at is None and self.revoked_at is None and now < self.expires_at


_FIELDS: Final = tuple(each.name for each in fields(Invitation))


class InvitationStore:
    """Invitations in the context `users`."""

    def __init__(self, database: Database) -> None:
        self._database = database

    async def replace(self, connection: AsyncConnection, invitation: Invitation) -> None:
        """Add the invitation within a transaction; earlier ones of the same address to the organisation end."""
        earlier = (invitations.c.org_id == invitation.org_id) & (invitations.c.email == invitation.email)
        await _revoke(connection, earlier, invitation.created_at)
        row = {name: getattr(invitation, name) for name in _FIELDS}
        texts = {"roles": encode_text(invitation.roles), "workspaces": encode_text(invitation.workspaces)}
        await connection.execute(insert(invitations).values({**row, **texts}))

    async def spend(self, connection: AsyncConnection, invitation_id: str, now: float) -> bool:
        """Use up the invitation within a transaction. False where it was used, revoked or is too old."""
        change = update(invitations).where(invitations.c.invitation_id == invitation_id, _live(now))
        return bool((await connection.execute(change.values(accepted_at=now))).rowcount == 1)

    async def revoke(self, connection: AsyncConnection, org_id: str, invitation_id: str, now: float) -> None:
        """End an invitation of the organisation within a transaction. Raises NotFound where none is open."""
        one = (invitations.c.org_id == org_id) & (invitations.c.invitation_id == invitation_id)
        if not await _revoke(connection, one & _live(now), now):
            raise NotFound("There is no such open invitation.")

    async def by_digest(self, digest: str) -> Invitation | None:
        query = select(invitations).where(invitations.c.digest == digest)
        async with self._database.reading() as connection:
            row = (await connection.execute(query)).mappings().first()
        return None if row is None else _invitation(row)

    async def open_of(self, org_id: str, now: float) -> list[Invitation]:
        """The organisation's invitations that can still be accepted, oldest first."""
        query = select(invitations).where(invitations.c.org_id == org_id, _live(now))
        async with self._database.reading() as connection:
            rows = (await connection.execute(query.order_by(invitations.c.invitation_id))).mappings()
            return [_invitation(row) for row in rows]

    async def count_open(self, connection: AsyncConnection, org_id: str, now: float) -> int:
        query = select(func.count()).select_from(invitations).where(invitations.c.org_id == org_id, _live(now))
        return int((await connection.execute(query)).scalar_one())


def forgetting_invitations(database: Database, clock: Clock) -> Job:
    """The daily job that deletes invitations whose time was over long ago, over the context `users`."""

    async def run() -> str:
        over = invitations.c.expires_at < clock.now() - KEPT_S
        return f"forgot {await forget(database, invitations.c.invitation_id, over)} old invitations"

    return Job("forget old invitations", FORGET_EVERY_S, run)


async def _revoke(connection: AsyncConnection, condition: Any, now: float) -> int:
    change = update(invitations).where(
        condition, invitations.c.accepted_at.is_(None), invitations.c.revoked_at.is_(None)
    )
    return int((await connection.execute(change.values(revoked_at=now))).rowcount)


def _live(now: float) -> Any:
    return invitations.c.accepted_at.is_(None) & invitations.c.revoked_at.is_(None) & (invitations.c.expires_at > now)


def _invitation(row: RowMapping) -> Invitation:
    values = {name: row[name] for name in _FIELDS}
    texts = {"roles": tuple(decode(row["roles"])), "workspaces": workspaces_in(row["workspaces"])}
    return Invitation(**{**values, **texts})
