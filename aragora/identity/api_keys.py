"""API keys: what they look like, how they are recognised, and where they are kept.

A key is shown once and kept only as a hash. It reads `ara_<id>_<secret>`: the id finds the row, the secret has 256
random bits, so a plain SHA-256 of it can neither be guessed nor searched for.
"""

from __future__ import annotations

import hashlib
import hmac
import re
import secrets
from collections.abc import Collection, Mapping
from dataclasses import dataclass, field
from typing import Any, Final

from sqlalchemy import ColumnElement, func, insert, or_, select, update
from sqlalchemy.ext.asyncio import AsyncConnection

from aragora.encoding import decode, encode_text
from aragora.identity.scopes import DEFAULT
from aragora.identity.store.among import found_among
from aragora.identity.store.tables import api_keys
from aragora.storage.database import Database

PREFIX: Final = "ara_"
TOUCH_EVERY_S: Final = 60.0
_FORM: Final = re.compile(r"ara_([0-9a-f]{16})_([A-Za-z0-9_-]{43})")


@dataclass(frozen=True, slots=True)
class NewKey:
    """A fresh key. `text` is what its owner gets, once; the store keeps `key_id` and `digest`."""

    key_id: str
    digest: str
    text: str = field(repr=False)

    @property
    def shown(self) -> str:
        """What lists may show of the key."""
        return f"{PREFIX}{self.key_id}"


def make_key() -> NewKey:
    """A fresh random key."""
    key_id = secrets.token_hex(8)
    text = f"{PREFIX}{key_id}_{secrets.token_urlsafe(32)}"
    return NewKey(key_id, digest_of(text), text)


def key_id_of(text: str) -> str | None:
    """The id in a key's text, or None where the text is not of a key's form."""
    match = _FORM.fullmatch(text)
    return match.group(1) if match else None


def digest_of(text: str) -> str:
    """What is stored of a key."""
    return hashlib.sha256(b"aragora api key v1\x00" + text.encode()).hexdigest()


def matches(text: str, digest: str) -> bool:
    """Whether the text is the key with this digest, in constant time."""
    return hmac.compare_digest(digest_of(text), digest)


@dataclass(frozen=True, slots=True)
class ApiKey:
    """One row of `api_keys`. Times are seconds since the epoch. `scopes` say what it may do of what its owner may,
    `workspace` where; None is wherever its owner may."""

    key_id: str
    user_id: str
    org_id: str
    name: str
    created_at: float
    digest: str = field(repr=False)
    expires_at: float | None = None
    last_used_at: float | None = None
    revoked_at: float | None = None
    scopes: tuple[str, ...] = DEFAULT
    workspace: str | None = None

    def live(self, now: float) -> bool:
        return self.revoked_at is None and (self.expires_at is None or now < self.expires_at)


_COLUMNS: Final = tuple(api_keys.c[name] for name in ApiKey.__slots__)


class ApiKeyStore:
    """API keys in the context `users`."""

    def __init__(self, database: Database) -> None:
        self._database = database

    async def add(self, connection: AsyncConnection, key: ApiKey) -> None:
        row = {**{name: getattr(key, name) for name in ApiKey.__slots__}, "scopes": encode_text(key.scopes)}
        await connection.execute(insert(api_keys).values(row))

    async def count_live(self, connection: AsyncConnection, user_id: str, now: float) -> int:
        query = select(func.count()).select_from(api_keys).where(api_keys.c.user_id == user_id, _live(now))
        return int((await connection.execute(query)).scalar_one())

    async def get(self, key_id: str) -> ApiKey | None:
        rows = await self._database.rows(select(*_COLUMNS).where(api_keys.c.key_id == key_id))
        return _key(dict(zip(ApiKey.__slots__, rows[0], strict=True))) if rows else None

    async def live_among(self, key_ids: Collection[str], now: float) -> frozenset[str]:
        """Which of these keys the database holds and are neither revoked nor expired."""
        return await found_among(self._database, api_keys.c.key_id, key_ids, _live(now))

    async def of_user(self, user_id: str) -> list[ApiKey]:
        """The user's keys that are not revoked, newest first."""
        query = (
            select(api_keys)
            .where(api_keys.c.user_id == user_id, api_keys.c.revoked_at.is_(None))
            .order_by(api_keys.c.created_at.desc(), api_keys.c.key_id)
        )
        async with self._database.reading() as connection:
            return [_key(dict(row)) for row in (await connection.execute(query)).mappings()]

    async def revoke(self, connection: AsyncConnection, user_id: str, now: float, key_id: str | None = None) -> int:
        """Revoke one live key of the user, or all; returns how many there were."""
        change = update(api_keys).where(api_keys.c.user_id == user_id, _live(now))
        if key_id is not None:
            change = change.where(api_keys.c.key_id == key_id)
        return int((await connection.execute(change.values(revoked_at=now))).rowcount)

    async def touch(self, key_id: str, now: float) -> None:
        """Note that the key was used, to the minute."""
        stale = or_(api_keys.c.last_used_at.is_(None), api_keys.c.last_used_at < now - TOUCH_EVERY_S)
        async with self._database.writing() as connection:
            change = update(api_keys).where(api_keys.c.key_id == key_id, stale)
            await connection.execute(change.values(last_used_at=now))


def _live(now: float) -> ColumnElement[bool]:
    unexpired = api_keys.c.expires_at.is_(None) | (api_keys.c.expires_at > now)
    return api_keys.c.revoked_at.is_(None) & unexpired


def _key(row: Mapping[str, Any]) -> ApiKey:
    values = {name: row[name] for name in ApiKey.__slots__}
    # A key from before there were scopes has the usual ones.
    return ApiKey(**{**values, "scopes": DEFAULT if row["scopes"] is None else tuple(decode(row["scopes"]))})
