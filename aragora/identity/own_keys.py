"""What people do with their API keys: make, list and revoke them, in a confirmed login."""

from __future__ import annotations

from collections.abc import Iterable
from typing import Final

from sqlalchemy.ext.asyncio import AsyncConnection

from aragora.errors import Conflict, InvalidInput, NotFound
from aragora.identity import api_keys, scopes, workspaces
from aragora.identity.api_keys import ApiKey
from aragora.identity.authorization import check_person
from aragora.identity.confirmation import require_confirmed
from aragora.identity.parts import IdentityParts, Visit
from aragora.identity.principal import Method, Principal
from aragora.identity.store.users import User

MAX_KEYS: Final = 25
DAY_S: Final = 86_400.0
USUAL_S: Final = 90 * DAY_S


class OwnKeys:
    """The API keys of the caller. `longest_s` is how long one may live; None lets them live until they are revoked."""

    def __init__(self, parts: IdentityParts, longest_s: float | None) -> None:
        self._parts = parts
        self._longest_s = longest_s

    @property
    def usual_s(self) -> float:
        """How long a key lives for which nothing is said, in seconds."""
        return USUAL_S if self._longest_s is None else min(USUAL_S, self._longest_s)

    async def create(
        self,
        principal: Principal,
        name: str,
        visit: Visit,
        *,
        lifetime_s: float | None,
        wanted: Iterable[str] = scopes.DEFAULT,
        workspace: str | None = None,
    ) -> tuple[ApiKey, str]:
        """A new API key with these scopes, and its text, which is not kept. `lifetime_s` None: until it is revoked. It
        is held to one `workspace`, or has those of its owner.

        Raises Forbidden, also for a workspace that the caller may not use, InvalidInput for a scope that no key may
        have or too long a life, Conflict at `MAX_KEYS`.
        """
        parts, now = self._parts, self._parts.clock.now()
        await require_confirmed(parts, principal)
        granted = scopes.checked(wanted)
        held_to = None if workspace is None else workspaces.chosen(principal, workspace)
        if self._longest_s is not None and (lifetime_s is None or lifetime_s > self._longest_s):
            days = self._longest_s / DAY_S
            raise InvalidInput(f"An API key lives {days:.0f} days at most here (ARAGORA_API_KEY_MAX_DAYS).")
        user = await self._owner(principal, visit)
        fresh = api_keys.make_key()
        key = ApiKey(
            key_id=fresh.key_id,
            user_id=user.user_id,
            org_id=user.org_id,
            name=name,
            created_at=now,
            digest=fresh.digest,
            expires_at=None if lifetime_s is None else now + lifetime_s,
            scopes=granted,
            workspace=held_to,
        )

        async def add(connection: AsyncConnection) -> None:
            if await parts.keys.count_live(connection, user.user_id, now) >= MAX_KEYS:
                raise Conflict(f"There are {MAX_KEYS} keys already; revoke one first.")
            await parts.keys.add(connection, key)

        await parts.enact(
            visit, "api_key.create", user.user_id, user.org_id, add,
            login=principal.session_id, target=fresh.shown, scopes=",".join(granted), workspace=held_to or "",
        )  # fmt: skip
        return key, fresh.text

    async def live(self, principal: Principal) -> list[ApiKey]:
        """The caller's keys that work, newest first. Raises Forbidden."""
        check_person(principal)
        now = self._parts.clock.now()
        return [key for key in await self._parts.keys.of_user(principal.user_id) if key.live(now)]

    async def revoke(self, principal: Principal, visit: Visit, key_id: str | None = None) -> int:
        """Revoke one of the own API keys, or all; returns how many were live. Raises Forbidden."""
        parts = self._parts
        await require_confirmed(parts, principal)
        now = parts.clock.now()
        return await parts.enact(
            visit, "api_key.revoke", principal.user_id, principal.org_id,
            lambda connection: parts.keys.revoke(connection, principal.user_id, now, key_id),
            login=principal.session_id, target=key_id or "all",
        )  # fmt: skip

    async def _owner(self, principal: Principal, visit: Visit) -> User:
        """The account behind a principal. The local operator never registered and gets one without a password."""
        try:
            return await self._parts.users.by_id(principal.user_id)
        except NotFound:
            if principal.method is not Method.LOCAL:
                raise
        user = User(
            user_id=principal.user_id,
            email=f"{principal.user_id}@localhost",
            name="Local operator",
            org_id=principal.org_id,
            roles=principal.roles,
            created_at=self._parts.clock.now(),
        )
        parts = self._parts
        try:
            await parts.enact(
                visit, "auth.register", user.user_id, user.org_id, lambda connection: parts.users.add(connection, user),
                login=None, target=user.user_id, method="local",
            )  # fmt: skip
        except Conflict:
            return await parts.users.by_id(principal.user_id)
        return user
