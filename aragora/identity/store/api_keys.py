"""API keys as stored: id, hash and owner; the key itself is never here."""

from __future__ import annotations

from dataclasses import dataclass, field
from typing import Final

from sqlalchemy import RowMapping, insert, or_, select, update

from aragora.identity.store.tables import api_keys
from aragora.storage.database import Database

TOUCH_EVERY_S: Final = 60.0


@dataclass(frozen=True, slots=True)
class ApiKey:
    """One row of `api_keys`. Times are seconds since the epoch."""

    key_id: str
    user_id: str
    org_id: str
    name: str
    created_at: float
    digest: str = field(repr=False)
    expires_at: float | None = None
    last_used_at: float | None = None
    revoked_at: float | None = None

    def live(self, now: float) -> bool:
        return self.revoked_at is None and (self.expires_at is None or now < self.expires_at)


_COLUMNS: Final = tuple(api_keys.c[name] for name in ApiKey.__slots__)


class ApiKeyStore:
    """API keys in the context `users`."""

    def __init__(self, database: Database) -> None:
        self._database = database

    async def add(self, key: ApiKey) -> None:
        row = {name: getattr(key, name) for name in ApiKey.__slots__}
        async with self._database.writing() as connection:
            await connection.execute(insert(api_keys).values(row))

    async def get(self, key_id: str) -> ApiKey | None:
        rows = await self._database.rows(select(*_COLUMNS).where(api_keys.c.key_id == key_id))
        return ApiKey(*rows[0]) if rows else None

    async def of_user(self, user_id: str) -> list[ApiKey]:
        """The user's keys that are not revoked, newest first."""
        query = (
            select(api_keys)
            .where(api_keys.c.user_id == user_id, api_keys.c.revoked_at.is_(None))
            .order_by(api_keys.c.created_at.desc(), api_keys.c.key_id)
        )
        async with self._database.reading() as connection:
            return [_key(row) for row in (await connection.execute(query)).mappings()]

    async def revoke(self, user_id: str, now: float, key_id: str | None = None) -> int:
        """Revoke one key of the user, or all; returns how many were live."""
        change = update(api_keys).where(api_keys.c.user_id == user_id, api_keys.c.revoked_at.is_(None))
        if key_id is not None:
            change = change.where(api_keys.c.key_id == key_id)
        async with self._database.writing() as connection:
            return int((await connection.execute(change.values(revoked_at=now))).rowcount)

    async def touch(self, key_id: str, now: float) -> None:
        """Note that the key was used, to the minute."""
        stale = or_(api_keys.c.last_used_at.is_(None), api_keys.c.last_used_at < now - TOUCH_EVERY_S)
        async with self._database.writing() as connection:
            change = update(api_keys).where(api_keys.c.key_id == key_id, stale)
            await connection.execute(change.values(last_used_at=now))


def _key(row: RowMapping) -> ApiKey:
    return ApiKey(**{name: row[name] for name in ApiKey.__slots__})
