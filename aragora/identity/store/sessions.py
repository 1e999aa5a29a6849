"""Logins and their refresh tokens. The truth is the database; a shared cache (Redis or memory) stands in front.

A session is a family of refresh tokens: `generation` counts them, only the newest works, and an older one that
turns up again was stolen, so the whole family ends. Without Redis only speed is lost: the database answers.
"""

from __future__ import annotations

import logging
from collections.abc import Collection, Mapping
from dataclasses import dataclass
from typing import Any, Final

from sqlalchemy import ColumnElement, RowMapping, insert, select, update
from sqlalchemy.ext.asyncio import AsyncConnection

from aragora.background import Job
from aragora.clock import Clock
from aragora.encoding import decode_as, encode_text
from aragora.errors import Unauthenticated, Unavailable
from aragora.identity.store.among import found_among
from aragora.identity.store.tables import sessions
from aragora.storage.database import Database
from aragora.storage.ephemeral import Ephemeral
from aragora.storage.forgetting import forget

CACHE_S: Final = 20.0
"""The longest that a revocation may go unseen, and only where the cache was out of reach when it was revoked."""
KEPT_S: Final = 30 * 86_400.0
"""How long the row of a session stays after its time is over, for questions about who was logged in."""
FORGET_EVERY_S: Final = 86_400.0

_log = logging.getLogger(__name__)


@dataclass(frozen=True, slots=True)
class Session:
    """One login. Times are seconds since the epoch; `proved_at` is when it last showed its password or second factor,
    which a refresh does not do; `method` is how it began: password, oauth or mfa, None: unknown, or as another."""

    session_id: str
    user_id: str
    org_id: str
    created_at: float
    expires_at: float
    generation: int = 0
    mfa: bool = False
    impersonator: str | None = None
    address: str = ""
    revoked_at: float | None = None
    revoked_reason: str | None = None
    proved_at: float | None = None
    method: str | None = None

    def live(self, now: float) -> bool:
        return self.revoked_at is None and now < self.expires_at


_COLUMNS: Final = tuple(sessions.c[name] for name in Session.__slots__)


class SessionStore:
    """Sessions in the context `users`, cached. What changes one works within a transaction of the caller and returns
    the sessions as they are then; the caller passes them to `tell` once the transaction is committed."""

    def __init__(self, database: Database, cache: Ephemeral | None = None) -> None:
        """`cache` must be shared by all replicas; None asks the database every time."""
        self._database = database
        self._cache = cache

    async def add(self, connection: AsyncConnection, session: Session) -> None:
        row = {name: getattr(session, name) for name in Session.__slots__}
        await connection.execute(insert(sessions).values(row))

    async def get(self, session_id: str) -> Session | None:
        """The session, at most `CACHE_S` old."""
        key = _key(session_id)
        if (cached := await self._cached(key)) is not None:
            return decode_as(cached, Session)
        found = await self.read(session_id)
        if found is not None:
            await self._fill(key, found)
        return found

    async def read(self, session_id: str) -> Session | None:
        """The session as the database has it now."""
        query = select(*_COLUMNS).where(sessions.c.session_id == session_id)
        rows = await self._database.rows(query)
        return Session(*rows[0]) if rows else None

    async def require_open(self, connection: AsyncConnection, session_id: str, now: float) -> None:
        """Within a transaction. Raises Unauthenticated (code token_revoked) where the session has ended."""
        row = (await connection.execute(select(*_COLUMNS).where(sessions.c.session_id == session_id))).first()
        if row is None or not Session(*row).live(now):
            raise Unauthenticated("This login has ended; log in again.", code="token_revoked")

    async def live_among(self, session_ids: Collection[str], now: float) -> frozenset[str]:
        """Which of these sessions the database holds and has not ended."""
        return await found_among(self._database, sessions.c.session_id, session_ids, _live(now))

    async def advance(self, session_id: str, generation: int, now: float) -> bool:
        """Spend the refresh token of `generation`. Of many calls at once, one returns True."""
        change = update(sessions).where(
            sessions.c.session_id == session_id,
            sessions.c.generation == generation,
            _live(now),
        )
        async with self._database.writing() as connection:
            done = await connection.execute(change.values(generation=generation + 1))
            return bool(done.rowcount == 1)

    async def revoke(
        self, connection: AsyncConnection, session_id: str, reason: str, now: float
    ) -> tuple[Session, ...]:
        """End the session, where it is open."""
        return await _changed(connection, sessions.c.session_id == session_id, _ended(reason, now))

    async def revoke_user(
        self, connection: AsyncConnection, user_id: str, reason: str, now: float, keep: str | None = None
    ) -> tuple[Session, ...]:
        """End all sessions of the user but `keep`, also those in which an administrator acts as the user, and those in
        which the user acts as another."""
        theirs = (sessions.c.user_id == user_id) | (sessions.c.impersonator == user_id)
        return await _changed(connection, theirs & (sessions.c.session_id != (keep or "")), _ended(reason, now))

    async def note_proof(self, connection: AsyncConnection, session_id: str, now: float) -> tuple[Session, ...]:
        """The password was shown again in this session."""
        return await _changed(connection, sessions.c.session_id == session_id, {"proved_at": now})

    async def note_mfa(self, connection: AsyncConnection, session_id: str, now: float) -> tuple[Session, ...]:
        """A second factor was shown in this session."""
        return await _changed(connection, sessions.c.session_id == session_id, {"mfa": True, "proved_at": now})

    async def tell(self, changed: Collection[Session]) -> None:
        """Let all replicas see these changes at once: after the transaction that made them."""
        if self._cache is None:
            return
        for session in changed:
            try:
                await self._cache.put(_key(session.session_id), encode_text(session), CACHE_S)
                await self._end_again(self._cache, session)
            except Unavailable as away:
                _log.warning("A revoked session may pass for up to %.0f s on other replicas: %s", CACHE_S, away.message)

    async def _end_again(self, cache: Ephemeral, session: Session) -> None:
        """A revocation that came between the change of an open session and its entry in the cache was written over:
        write it again. One that comes later writes its own entry later."""
        if session.revoked_at is not None:
            return
        found = await self.read(session.session_id)
        if found is not None and found.revoked_at is not None:
            await cache.put(_key(session.session_id), encode_text(found), CACHE_S)

    async def of_user(self, user_id: str, now: float) -> list[Session]:
        """The user's live sessions, newest first."""
        query = (
            select(sessions)
            .where(sessions.c.user_id == user_id, _live(now))
            .order_by(sessions.c.created_at.desc(), sessions.c.session_id)
        )
        async with self._database.reading() as connection:
            return [_session(row) for row in (await connection.execute(query)).mappings()]

    async def addresses_of(self, user_id: str, now: float) -> frozenset[str]:
        """Where the user is logged in, each address once: a guesser makes this be read, and there may be very many
        logins. Those in which an administrator acts as the user do not count."""
        theirs = (sessions.c.user_id == user_id) & sessions.c.impersonator.is_(None)
        return frozenset(
            row[0] for row in await self._database.rows(select(sessions.c.address).where(theirs, _live(now)).distinct())
        )

    async def _cached(self, key: str) -> str | None:
        try:
            return None if self._cache is None else await self._cache.get(key)
        except Unavailable:
            return None  # FallbackEphemeral reports the degraded state; here the database answers instead

    async def _fill(self, key: str, session: Session) -> None:
        """Never over an entry that a revocation has written meanwhile: hence `add`."""
        if self._cache is None:
            return
        try:
            await self._cache.add(key, encode_text(session), CACHE_S)
        except Unavailable as away:
            _log.debug("session not cached: %s", away.message)


def forgetting_sessions(database: Database, clock: Clock) -> Job:
    """The daily job that deletes sessions which ended long ago, over the context `users`."""

    async def run() -> str:
        over = sessions.c.expires_at < clock.now() - KEPT_S
        return f"forgot {await forget(database, sessions.c.session_id, over)} ended sessions"

    return Job("forget ended sessions", FORGET_EVERY_S, run)


async def _changed(
    connection: AsyncConnection, condition: ColumnElement[bool], values: Mapping[str, Any]
) -> tuple[Session, ...]:
    """Change the open sessions of the condition: what has ended never changes again."""
    change = update(sessions).where(condition, sessions.c.revoked_at.is_(None)).values(values).returning(*sessions.c)
    return tuple(_session(row) for row in (await connection.execute(change)).mappings())


def _live(now: float) -> ColumnElement[bool]:
    """As `Session.live`."""
    return sessions.c.revoked_at.is_(None) & (sessions.c.expires_at > now)


def _ended(reason: str, now: float) -> Mapping[str, Any]:
    return {"revoked_at": now, "revoked_reason": reason}


def _key(session_id: str) -> str:
    return f"session:{session_id}"


def _session(row: RowMapping) -> Session:
    return Session(**{name: row[name] for name in Session.__slots__})
