"""Replays, kept in the context `webhooks`: begun, looked at, worked off page by page, stopped.

Whoever works one off does so under a claim (`Tenure`), which every step checks in its own transaction. A step counts
only where nobody else has changed the replay since it was read.
"""

from __future__ import annotations

from dataclasses import dataclass, replace
from typing import Any, Final

from sqlalchemy import Select, delete, func, insert, literal, select, tuple_, update
from sqlalchemy.ext.asyncio import AsyncConnection

from aragora.encoding import decode_as, encode_text
from aragora.errors import Conflict, Fenced, NotFound
from aragora.storage.collection import PAGE_ITEMS
from aragora.storage.cursors import Page, Place, cursor_of, place_of
from aragora.storage.database import Database
from aragora.webhooks.replay import Position, Replay, ReplayStatus, Wish
from aragora.webhooks.store.tables import IS_RUNNING, webhook_owners, webhook_replays
from aragora.webhooks.store.units import Tenure

PRUNE_AT_ONCE: Final = 1_000

_OF: Final = webhook_replays.c
_COLUMNS: Final = (
    *("replay_id", "org_id", "webhook_id", "created_at", "created_by", "wish", "status", "reason", "matching", "more"),
    *("position", "revision", "made", "revived", "skipped", "ended_at"),
)


@dataclass(frozen=True, slots=True)
class Repeatable:
    """A caller's key for one request, unique per person of an organisation. The same key with the same `request_hash`
    returns the replay that was begun first."""

    key: str
    request_hash: str


class ReplayStore:
    """Every method raises Unavailable where the database is away."""

    def __init__(self, database: Database) -> None:
        self._database = database

    async def begun(self, org_id: str, created_by: str, repeatable: Repeatable) -> Replay | None:
        """The replay that was begun under this key; None where there is none. Raises Conflict where the key was used
        for another request."""
        async with self._database.reading("reading a replay") as connection:
            return await _begun(connection, org_id, created_by, repeatable)

    async def add(self, new: Replay, *, limit: int, repeatable: Repeatable | None = None) -> Replay:
        """Begin a replay; returns it, or the one that was begun first under the same key. Raises Conflict where `limit`
        of the organisation run already, or the key was used for another request."""
        async with self._database.writing("beginning a replay") as connection:
            await _alone(connection, new.org_id)
            if repeatable is not None:
                first = await _begun(connection, new.org_id, new.created_by, repeatable)
                if first is not None:
                    return first
            query = select(func.count()).select_from(webhook_replays).where(IS_RUNNING, _OF.org_id == new.org_id)
            if int((await connection.execute(query)).scalar_one()) >= limit:
                raise Conflict(
                    f"{limit} replays of the organisation run already, the most that may: wait for one to end, or stop "
                    "one",
                    code="too_many_replays",
                )
            values = _values(new)
            if repeatable is not None:
                values |= {"idempotency_key": repeatable.key, "request_hash": repeatable.request_hash}
            await connection.execute(insert(webhook_replays).values(values))
        return new

    async def get(self, org_id: str, replay_id: str) -> Replay:
        """Raises NotFound, with one text, where there is none or it is another organisation's."""
        found = await self._replays(_all().where(_OF.replay_id == replay_id, _OF.org_id == org_id))
        if not found:
            raise unknown(replay_id)
        return found[0]

    async def load(self, replay_id: str) -> Replay | None:
        """A replay of whatever organisation: for whoever works it off, never for a request."""
        found = await self._replays(_all().where(_OF.replay_id == replay_id))
        return found[0] if found else None

    async def page(
        self, org_id: str, webhook_id: str, *, cursor: str | None = None, limit: int = PAGE_ITEMS
    ) -> Page[Replay]:
        """The replays of an endpoint, newest first. Raises InvalidInput for a bad cursor."""
        query = _all().where(_OF.org_id == org_id, _OF.webhook_id == webhook_id)
        if cursor is not None:
            place = place_of(cursor)
            query = query.where(tuple_(_OF.created_at, _OF.replay_id) < tuple_(literal(place.at), literal(place.id)))
        query = query.order_by(_OF.created_at.desc(), _OF.replay_id.desc()).limit(limit + 1)
        found = await self._replays(query)
        items = tuple(found[:limit])
        more = len(found) > limit
        return Page(items, cursor_of(Place(items[-1].created_at, items[-1].replay_id)) if more else None)

    async def running(self, limit: int) -> list[str]:
        """The ids of replays that run, at most so many; those of one organisation beside each other."""
        query = select(_OF.replay_id).where(IS_RUNNING).order_by(_OF.org_id, _OF.replay_id).limit(limit)
        return [row[0] for row in await self._database.rows(query, "reading replays")]

    async def advance(self, after: Replay, tenure: Tenure | None) -> Replay | None:
        """Keep how far a running replay is, or its end; returns it as kept, None where somebody else has changed it
        since it was read: read it again. Raises Fenced where the claim has a successor."""
        kept = replace(after, revision=after.revision + 1)
        change = update(webhook_replays).where(
            _OF.replay_id == after.replay_id, _OF.revision == after.revision, IS_RUNNING
        )
        async with self._database.writing("keeping how far a replay is") as connection:
            if tenure is not None:
                await _check(connection, tenure)
            changed = await connection.execute(change.values(_values(kept)))
        return kept if changed.rowcount == 1 else None

    async def stop(self, org_id: str, replay_id: str, at: float, reason: str) -> Replay:
        """Stop a replay that runs; one that has ended stays as it is. Returns it as it is then. Raises NotFound."""
        change = update(webhook_replays).where(_OF.replay_id == replay_id, _OF.org_id == org_id, IS_RUNNING)
        change = change.values(
            status=ReplayStatus.STOPPED, reason=reason, ended_at=at, revision=webhook_replays.c.revision + 1
        )
        async with self._database.writing("stopping a replay") as connection:
            await connection.execute(change)
        return await self.get(org_id, replay_id)

    async def prune(self, before: float) -> int:
        """Delete replays that ended before this time, at most `PRUNE_AT_ONCE`; returns how many."""
        old = select(_OF.replay_id).where(_OF.ended_at < before).order_by(_OF.ended_at).limit(PRUNE_AT_ONCE)
        async with self._database.writing("deleting old replays") as connection:
            return int((await connection.execute(delete(webhook_replays).where(_OF.replay_id.in_(old)))).rowcount)

    async def _replays(self, query: Select[Any]) -> list[Replay]:
        return [_replay(row) for row in await self._database.rows(query, "reading replays")]


def unknown(replay_id: str) -> NotFound:
    """The error for a replay that there is not."""
    return NotFound(f"there is no replay {replay_id}")


def _all() -> Select[Any]:
    return select(*(_OF[name] for name in _COLUMNS))


async def _begun(connection: AsyncConnection, org_id: str, created_by: str, key: Repeatable) -> Replay | None:
    query = _all().add_columns(_OF.request_hash)
    query = query.where(_OF.org_id == org_id, _OF.created_by == created_by, _OF.idempotency_key == key.key)
    row = (await connection.execute(query)).first()
    if row is None:
        return None
    first = _replay(row[:-1])
    if row[-1] != key.request_hash:
        raise Conflict(
            f"idempotency key {key.key!r} was used for another request (replay {first.replay_id}): use a new key"
        )
    return first


async def _alone(connection: AsyncConnection, org_id: str) -> None:
    """Let no other transaction begin a replay of the organisation until this one ends. On SQLite that is so anyway."""
    if connection.dialect.name == "postgresql":
        await connection.execute(select(func.pg_advisory_xact_lock(func.hashtextextended(f"replays of {org_id}", 0))))


async def _check(connection: AsyncConnection, tenure: Tenure) -> None:
    """Raises Fenced where somebody has taken a higher epoch; until the transaction ends nobody does."""
    table = webhook_owners
    query = select(table.c.epoch).where(table.c.key == tenure.key).with_for_update(read=True)
    epoch = (await connection.execute(query)).scalar_one_or_none()
    if epoch != tenure.epoch:
        raise Fenced(f"{tenure.key} is at epoch {epoch}, this owner began as {tenure.epoch}: another one replays now")


def _values(replay: Replay) -> dict[str, Any]:
    values = {name: getattr(replay, name) for name in _COLUMNS}
    return values | {"wish": encode_text(replay.wish), "position": encode_text(replay.position)}


def _replay(row: Any) -> Replay:
    values = dict(zip(_COLUMNS, row, strict=True))
    values["wish"] = decode_as(values["wish"], Wish)
    values["position"] = decode_as(values["position"], Position)
    values["status"] = ReplayStatus(values["status"])
    values["more"] = bool(values["more"])
    return Replay(**values)
