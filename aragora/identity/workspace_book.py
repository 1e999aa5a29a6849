"""The workspaces of organisations: which there are, and making one. A workspace is a name; it comes into being when it
is made, given to somebody, or first used by who may use every one."""

from __future__ import annotations

from typing import Final

from sqlalchemy.ext.asyncio import AsyncConnection

from aragora.identity.parts import IdentityParts, Visit
from aragora.identity.principal import Principal
from aragora.resilience.cache import Cache
from aragora.scope import DEFAULT_WORKSPACE, checked_workspace

_KNOWN: Final = 10_000
_KNOWN_S: Final = 600.0


class WorkspaceBook:
    """Reads and notes the names."""

    def __init__(self, parts: IdentityParts) -> None:
        self._parts = parts
        self._known: Cache[tuple[str, str], bool] = Cache(_KNOWN, _KNOWN_S)

    async def names(self, who: Principal) -> list[str]:
        """Those that the principal may use, in their order: `default`, and what was made. Raises Unavailable."""
        if who.workspaces is not None:
            return sorted(who.workspaces)
        return sorted({DEFAULT_WORKSPACE, *await self._parts.workspaces.names(who.org_id)})

    async def make(self, who: Principal, name: str, visit: Visit) -> None:
        """Make a workspace in the organisation of `who`; one that there is stays as it is. Raises InvalidInput,
        Conflict where the organisation has too many, Unavailable."""
        checked_workspace(name)
        if name == DEFAULT_WORKSPACE or name in await self._parts.workspaces.names(who.org_id):
            return

        async def note(connection: AsyncConnection) -> None:
            await self._parts.workspaces.note(connection, who.org_id, (name,), who.actor, self._parts.clock.now())

        await self._parts.enact(
            visit, "workspace.create", who.actor, who.org_id, note,
            login=who.session_id, subject=who.user_id, target=name,
        )  # fmt: skip

    async def used(self, who: Principal, name: str, visit: Visit) -> None:
        """Something is made in the workspace `name`, which the principal may use: from now on there is one. Raises as
        `make`."""
        now, key = self._parts.clock.monotonic(), (who.org_id, name)
        if name == DEFAULT_WORKSPACE or self._known.get(key, now):
            return
        fill = self._known.filling(key)
        await self.make(who, name, visit)
        fill(True, now)
