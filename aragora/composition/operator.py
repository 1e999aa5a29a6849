"""Identity for the commands that the operator types on the server's machine: straight on the store, whether a server
runs beside it or not."""

from __future__ import annotations

from collections.abc import AsyncIterator
from contextlib import asynccontextmanager
from dataclasses import dataclass

from aragora.clock import SystemClock
from aragora.composition.identity import open_parts
from aragora.config.settings import Settings
from aragora.errors import NotFound
from aragora.identity.accounts import Accounts
from aragora.identity.audit import Outcome
from aragora.identity.invitations import Invitations
from aragora.identity.logins import Logins
from aragora.identity.parts import IdentityParts, Visit
from aragora.identity.people import OPERATOR, People
from aragora.identity.store.users import UserStore
from aragora.migrations.history import require_current
from aragora.storage.contexts import Context

AT_THE_MACHINE = Visit("command")
"""Where a command comes from, for the audit log."""


@dataclass(frozen=True)
class Office:
    """What the operator works with."""

    accounts: Accounts
    people: People
    invitations: Invitations
    parts: IdentityParts

    @property
    def users(self) -> UserStore:
        return self.parts.users

    async def note(self, action: str, org_id: str, **details: str) -> None:
        """Write to the audit log what the operator is about to do outside of identity. Raises Unavailable: what cannot
        be audited is not done."""
        await self.parts.note(AT_THE_MACHINE, action, OPERATOR.actor, org_id, Outcome.SUCCESS, **details)

    async def user_id(self, named: str) -> str:
        """The id of the account that is named by its id or its address. Raises NotFound."""
        if "@" not in named:
            return (await self.users.by_id(named)).user_id
        found = await self.users.by_email(named)
        if found is None:
            raise NotFound(f"There is no account of {named}.")
        return found.user_id


@asynccontextmanager
async def opened_office(settings: Settings) -> AsyncIterator[Office]:
    """The accounts of the store that the settings name; a server may run beside it.

    Raises Misconfigured where the store is not there or is older than this program, Unavailable where it is away.
    """
    await require_current(settings, Context.USERS)
    parts, closers = open_parts(settings, SystemClock())
    try:
        accounts = Accounts(parts, Logins(parts))
        yield Office(accounts, People(parts), Invitations(parts, accounts), parts)
    finally:
        for close in closers:
            await close()
