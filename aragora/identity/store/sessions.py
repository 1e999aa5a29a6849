"""Logins and their refresh tokens. The truth is the database; a shared cache (Redis or memory) stands in front.

A session is a family of refresh tokens: `generation` counts them, only the newest works, and an older one that
turns up again was stolen, so the whole family ends. Without Redis only speed is lost: the database answers.
"""

from __future__ import annotations

import logging
from collections.abc import Collection
from dataclasses import dataclass
from typing import Any, Final

from sqlalchemy import RowMapping, delete, insert, select, update

from aragora.background import Job
from aragora.clock import Clock
from aragora.encoding import decode_as, encode_text
from aragora.errors import Unavailable
from aragora.identity.store.among import found_among
from aragora.identity.store.tables import sessions
from aragora.storage.database import Database
from aragora.storage.ephemeral import Ephemeral

CACHE_S: Final = 20.0
"""The longest that a revocation may go unseen, and only where the cache was out of reach when it was revoked."""
KEPT_S: Final = 30 * 86_400.0
"""How long the row of a session stays after its time is over, for questions about who was logged in."""
FORGET_EVERY_S: Final = 86_400.0
PURGE_BATCH: Final = 500
"""How many rows one transaction deletes: logins write to the same file, and wait no longer than that takes."""

_log = logging.getLogger(__name__)


@dataclass(frozen=True, slots=True)
class Session:
    """One login. Times are seconds since the epoch; `proved_at` is when it last showed its password or second factor,
    which a refresh does not do."""

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

    def live(self, now: float) -> bool:
        return self.revoked_at is None and now < self.expires_at


_COLUMNS: Final = tuple(sessions.c[name] for name in Session.__slots__)


class SessionStore:
    """Sessions in the context `users`, cached."""

    def __init__(self, database: Database, cache: Ephemeral | None = None) -> None:
        """`cache` must be shared by all replicas; None asks the database every time."""
        self._database = database
        self._cache = cache

    async def create(self, session: Session) -> None:
        row = {name: getattr(session, name) for name in Session.__slots__}
        async with self._database.writing() as connection:
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

    async def live_among(self, session_ids: Collection[str], now: float) -> frozenset[str]:
        """Which of these sessions the database holds and has not ended."""
        live = sessions.c.revoked_at.is_(None) & (sessions.c.expires_at > now)
        return await found_among(self._database, sessions.c.session_id, session_ids, live)

    async def advance(self, session_id: str, generation: int, now: float) -> bool:
        """Spend the refresh token of `generation`. Of many calls at once, one returns True."""
        change = update(sessions).where(
            sessions.c.session_id == session_id,
            sessions.c.generation == generation,
            sessions.c.revoked_at.is_(None),
            sessions.c.expires_at > now,
        )
        async with self._database.writing() as connection:
            done = await connection.execute(change.values(generation=generation + 1))
            return bool(done.rowcount == 1)

    async def revoke(self, session_id: str, reason: str, now: float) -> bool:
        """End the session. True if it was open."""
        ended = await self._revoke(sessions.c.session_id == session_id, reason, now)
        return bool(ended)

    async def revoke_user(self, user_id: str, reason: str, now: float, keep: str | None = None) -> int:
        """End all sessions of the user but `keep`, also those in which an administrator acts as the user, and those in
        which the user acts as another."""
        theirs = (sessions.c.user_id == user_id) | (sessions.c.impersonator == user_id)
        return len(await self._revoke(theirs & (sessions.c.session_id != (keep or "")), reason, now))

    async def note_proof(self, session_id: str, now: float) -> None:
        """The password was shown again in this session."""
        await self._note(session_id, proved_at=now)

    async def note_mfa(self, session_id: str, now: float) -> None:
        """A second factor was shown in this session."""
        await self._note(session_id, mfa=True, proved_at=now)

    async def _note(self, session_id: str, **values: Any) -> None:
        change = update(sessions).where(sessions.c.session_id == session_id).values(values).returning(*sessions.c)
        async with self._database.writing() as connection:
            row = (await connection.execute(change)).mappings().first()
        if row is not None:
            await self._overwrite(_key(session_id), _session(row))

    async def of_user(self, user_id: str, now: float) -> list[Session]:
        """The user's live sessions, newest first."""
        query = (
            select(sessions)
            .where(sessions.c.user_id == user_id, sessions.c.revoked_at.is_(None), sessions.c.expires_at > now)
            .order_by(sessions.c.created_at.desc(), sessions.c.session_id)
        )
        async with self._database.reading() as connection:
            return [_session(row) for row in (await connection.execute(query)).mappings()]

    async def purge(self, before: float) -> int:
        """Forget sessions whose time was over before then; returns how many. Raises Unavailable; what was deleted until
        then stays deleted."""
        oldest = select(sessions.c.session_id).where(sessions.c.expires_at < before)
        batch = oldest.order_by(sessions.c.expires_at).limit(PURGE_BATCH)
        purged = 0
        while True:
            async with self._database.writing() as connection:
                gone = await connection.execute(delete(sessions).where(sessions.c.session_id.in_(batch)))
            purged += gone.rowcount
            if gone.rowcount < PURGE_BATCH:
                return purged

    async def _revoke(self, condition: object, reason: str, now: float) -> list[str]:
        change = (
            update(sessions)
            .where(condition, sessions.c.revoked_at.is_(None))  # type: ignore[arg-type]
            .values(revoked_at=now, revoked_reason=reason)
            .returning(*sessions.c)
        )
        async with self._database.writing() as connection:
            ended = [_session(row) for row in (await connection.execute(change)).mappings()]
        for session in ended:
            await self._overwrite(_key(session.session_id), session)
        return [session.session_id for session in ended]

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

    async def _overwrite(self, key: str, session: Session) -> None:
        if self._cache is None:
            return
        try:
            await self._cache.put(key, encode_text(session), CACHE_S)
        except Unavailable as away:
            _log.warning("A revoked session may pass for up to %.0f s on other replicas: %s", CACHE_S, away.message)


def forgetting_sessions(store: SessionStore, clock: Clock) -> Job:
    """The daily job that deletes sessions which ended long ago."""

    async def forget() -> str:
        return f"forgot {await store.purge(clock.now() - KEPT_S)} ended sessions"

    return Job("forget ended sessions", FORGET_EVERY_S, forget)


def _key(session_id: str) -> str:
    return f"session:{session_id}"


def _session(row: RowMapping) -> Session:
    return Session(**{name: row[name] for name in Session.__slots__})
