"""The registered endpoints. What routes events can be read without a key; what is secret (URL, secrets, headers,
certificate) rests in one envelope, which is bound to this store and the endpoint's id."""

from __future__ import annotations

from collections.abc import AsyncIterator, Callable, Collection, Mapping
from contextlib import asynccontextmanager
from dataclasses import dataclass, replace
from hashlib import sha256
from typing import Any, Final

import structlog
from sqlalchemy import Select, Update, delete, func, insert, select, update
from sqlalchemy.ext.asyncio import AsyncConnection

from aragora.clock import Clock
from aragora.encoding import decode, decode_as, encode, encode_text, from_plain, to_plain
from aragora.errors import Conflict, NotFound
from aragora.secrets.encryption import DecryptionFailed, EncryptionService
from aragora.storage.collection import CHANGE_ATTEMPTS, PAGE_ITEMS, Unreadable
from aragora.storage.cursors import Page, Place, cursor_of, place_of
from aragora.storage.database import Database
from aragora.storage.documents import PAGE, DocumentRow
from aragora.storage.failures import is_constraint
from aragora.texts import counted
from aragora.webhooks.endpoint import Endpoint, PayloadKind
from aragora.webhooks.model import TargetStatus
from aragora.webhooks.store.direct_secrets import SECRET
from aragora.webhooks.store.tables import webhook_endpoints, webhook_targets

ENDPOINT_STORE: Final = "webhook_endpoint"

# The fields that are columns; all others are in the envelope. The organisation is in both: the row of another
# organisation cannot be made to look like one's own.
_PLAIN: Final = ("endpoint_id", "org_id", "status", "reason", "payload", "version", "created_at", "updated_at")
_JSON: Final = ("events", "matching")
_TABLE: Final = webhook_endpoints

log = structlog.get_logger("aragora.webhooks")


@dataclass(frozen=True, slots=True)
class Route:
    """What fan-out needs to know of an endpoint."""

    endpoint_id: str
    org_id: str
    events: tuple[str, ...]
    matching: Mapping[str, tuple[str, ...]]
    payload: PayloadKind
    status: TargetStatus


class EndpointStore:
    """Kept in the context `webhooks`. Every method raises Unavailable where the database is away; what reads an
    endpoint raises DecryptionFailed (KeyNotFound where its key is missing) or Unreadable. Pages pass over such an
    endpoint, and the log names it. Events are kept sorted, each once."""

    def __init__(self, database: Database, clock: Clock, crypto: EncryptionService) -> None:
        self._database = database
        self._clock = clock
        self._crypto = crypto

    async def add(self, endpoint: Endpoint, *, limit: int) -> Endpoint:
        """Save a new endpoint, as version 1; returns it as kept.

        Raises Conflict where the organisation has `limit` endpoints, or one with this URL and these events.
        """
        kept = _sorted(replace(endpoint, version=1, updated_at=endpoint.created_at))
        async with self._unless_twice() as connection:
            await _alone(connection, kept.org_id)
            if (has := await _count(connection, kept.org_id)) >= limit:
                raise Conflict(
                    f"the organisation has {counted(has, 'webhook')}, the most it may have: delete one first",
                    code="too_many_webhooks",
                )
            await connection.execute(insert(_TABLE).values(self._columns(kept)))
        return kept

    async def get(self, org_id: str, endpoint_id: str) -> Endpoint:
        """Raises NotFound, with one text, where there is none or it is another organisation's."""
        return self._opened(await self._row(org_id, endpoint_id))

    async def load(self, endpoint_id: str) -> Endpoint:
        """An endpoint of whatever organisation: for whoever delivers to it, never for a request. Raises NotFound."""
        rows = await self._database.rows(select(_TABLE).where(_TABLE.c.endpoint_id == endpoint_id), "reading a webhook")
        if not rows:
            raise _unknown(endpoint_id)
        return self._opened(rows[0])

    async def load_all(self, endpoint_ids: Collection[str]) -> list[Endpoint]:
        """As `load`, of up to a thousand in one reading: those that there are. One that cannot be read is left out, and
        the log names it."""
        query = select(_TABLE).where(_TABLE.c.endpoint_id.in_(endpoint_ids))
        rows = await self._database.rows(query, "reading webhooks")
        return [one for one in map(self._opened_or_none, rows) if one is not None]

    async def page(
        self, org_id: str, *, status: TargetStatus | None = None, cursor: str | None = None, limit: int = PAGE_ITEMS
    ) -> Page[Endpoint]:
        """The organisation's endpoints in order of their ids, oldest first. Raises InvalidInput for a bad cursor."""
        query = _after(org_id, "" if cursor is None else place_of(cursor).id).limit(limit + 1)
        if status is not None:
            query = query.where(_TABLE.c.status == status)
        rows = await self._database.rows(query, "reading webhooks")
        items = tuple(one for one in map(self._opened_or_none, rows[:limit]) if one is not None)
        if len(rows) <= limit:
            return Page(items)
        last = rows[limit - 1]
        return Page(items, cursor_of(Place(last.created_at, last.endpoint_id)))

    async def change(
        self, org_id: str, endpoint_id: str, change: Callable[[Endpoint], Endpoint], *, version: int | None = None
    ) -> Endpoint:
        """Apply `change` to the current endpoint; returns it as kept, its version one higher.

        Args:
            change: the new endpoint from the current one; called again where another change came first. It leaves
                ids and `created_at` as they are.
            version: the version that the caller has seen; None changes whatever is there.

        Raises NotFound; Conflict where the version is another by now, others keep changing the endpoint, or another
        endpoint has the new URL and events; ValueError where the change moves the endpoint.
        """
        for _ in range(CHANGE_ATTEMPTS):
            row = await self._row(org_id, endpoint_id)
            if version is not None and row.version != version:
                raise Conflict(
                    f"webhook {endpoint_id} is at version {row.version}, not {version}: read it again, then change it",
                    code="version_conflict",
                )
            current = self._opened(row)
            changed = _sorted(replace(change(current), version=row.version + 1, updated_at=self._clock.now()))
            if _whereabouts(changed) != _whereabouts(current):
                raise ValueError("a change moved an endpoint: delete it and add the new one")
            async with self._unless_twice() as connection:
                if (await connection.execute(_still(row).values(self._columns(changed)))).rowcount == 1:
                    return changed
        raise Conflict(f"webhook {endpoint_id} is being changed by others; try again")

    async def set_status(self, org_id: str, endpoint_id: str, status: TargetStatus, reason: str) -> bool:
        """Set the status, whatever the version is, and leave the version as it is: for what the deliveries themselves
        bring about. Works also where the envelope cannot be opened. True where the status was another. Raises
        NotFound."""
        row = await self._row(org_id, endpoint_id)
        change = update(_TABLE).where(
            _TABLE.c.endpoint_id == endpoint_id, _TABLE.c.org_id == org_id, _TABLE.c.status != status
        )
        now = max(self._clock.now(), row.updated_at)
        async with self._database.writing("changing a webhook's status") as connection:
            changed = await connection.execute(change.values(status=status, reason=reason, updated_at=now))
            return bool(changed.rowcount == 1)

    async def delete(self, org_id: str, endpoint_id: str) -> None:
        """Delete the endpoint, and what is kept of it as a target. Raises NotFound. What waits for it is no longer
        sent, for nobody can load the endpoint; the caller then cancels it with `DeliveryWriter.cancel_waiting`, in
        steps, so that a long queue does not hold the lock. Whoever finds deliveries of an endpoint that is gone does
        the same."""
        gone = delete(_TABLE).where(_TABLE.c.endpoint_id == endpoint_id, _TABLE.c.org_id == org_id)
        async with self._database.writing("deleting a webhook") as connection:
            if (await connection.execute(gone)).rowcount != 1:
                raise _unknown(endpoint_id)
            await connection.execute(delete(webhook_targets).where(webhook_targets.c.target_id == endpoint_id))

    async def routes(self, org_id: str, after: str, limit: int) -> list[Route]:
        """The organisation's next endpoints after the id `after` ("" for the first), in order of their ids."""
        query = _after(org_id, after).limit(limit)
        names = ("endpoint_id", "org_id", "events", "matching", "payload", "status")
        query = query.with_only_columns(*(_TABLE.c[name] for name in names))
        return [_route(row) for row in await self._database.rows(query, "reading webhooks")]

    async def route(self, org_id: str, endpoint_id: str) -> Route:
        """One endpoint of the organisation; needs no key. Raises NotFound, as `get`."""
        return _route(await self._row(org_id, endpoint_id))

    async def count(self, org_id: str) -> int:
        """How many the organisation has."""
        async with self._database.reading("counting webhooks") as connection:
            return await _count(connection, org_id)

    async def _row(self, org_id: str, endpoint_id: str) -> Any:
        query = select(_TABLE).where(_TABLE.c.endpoint_id == endpoint_id, _TABLE.c.org_id == org_id)
        rows = await self._database.rows(query, "reading a webhook")
        if not rows:
            raise _unknown(endpoint_id)
        return rows[0]

    @asynccontextmanager
    async def _unless_twice(self) -> AsyncIterator[AsyncConnection]:
        try:
            async with self._database.writing("saving a webhook") as connection:
                yield connection
        except Exception as error:
            if not is_constraint(error):
                raise
            raise Conflict(
                "the organisation has a webhook with this URL and these events: change that one", code="webhook_exists"
            ) from error

    def _columns(self, endpoint: Endpoint) -> dict[str, Any]:
        document = to_plain(endpoint)
        plain = {name: document[name] for name in _PLAIN}
        texts = {name: encode_text(document[name]) for name in _JSON}
        secret = {name: value for name, value in document.items() if name == "org_id" or name not in (*_PLAIN, *_JSON)}
        sealed = self._crypto.encrypt_fields({SECRET: secret}, store=ENDPOINT_STORE, record_id=endpoint.endpoint_id)
        return {**plain, **texts, "url_hash": _url_hash(endpoint), "document": encode_text(sealed)}

    def _opened(self, row: Any) -> Endpoint:
        """Raises DecryptionFailed or Unreadable."""
        try:
            stored = decode(row.document)
            secret = self._crypto.decrypt_fields(stored, store=ENDPOINT_STORE, record_id=row.endpoint_id)[SECRET]
            owner = secret["org_id"]
            columns = {name: getattr(row, name) for name in _PLAIN} | {
                name: decode(getattr(row, name)) for name in _JSON
            }
            endpoint = from_plain(secret | columns, Endpoint)
        except DecryptionFailed:
            raise
        except (ValueError, KeyError, TypeError, AttributeError) as error:  # msgspec's errors are ValueErrors
            raise Unreadable(f"Webhook {row.endpoint_id} does not fit its model.") from error
        if owner != row.org_id:
            raise Unreadable(f"Webhook {row.endpoint_id} lies in the row of another organisation.")
        return endpoint

    def _opened_or_none(self, row: Any) -> Endpoint | None:
        try:
            return self._opened(row)
        except (DecryptionFailed, Unreadable) as error:
            log.warning("a webhook cannot be read", webhook_id=row.endpoint_id, org_id=row.org_id, error=error.message)
            return None


class EndpointRecords:
    """The envelopes of endpoints as records that a rotation of keys walks. They are swapped by their text: a fresh
    nonce makes every ciphertext unique."""

    def __init__(self, database: Database) -> None:
        self._database = database

    async def get(self, record_id: str) -> DocumentRow | None:
        rows = await self._database.rows(select(_TABLE).where(_TABLE.c.endpoint_id == record_id))
        return _record(rows[0]) if rows else None

    async def page(self, after: str, limit: int = PAGE) -> list[DocumentRow]:
        query = select(_TABLE).where(_TABLE.c.endpoint_id > after).order_by(_TABLE.c.endpoint_id).limit(limit)
        return [_record(row) for row in await self._database.rows(query)]

    async def replace(self, row: DocumentRow, payload: str, now: float) -> bool:  # noqa: ARG002  for people nothing changed
        change = update(_TABLE).where(_TABLE.c.endpoint_id == row.record_id, _TABLE.c.document == row.payload)
        async with self._database.writing() as connection:
            return bool((await connection.execute(change.values(document=payload))).rowcount == 1)

    async def count(self) -> int:
        return int((await self._database.rows(select(func.count()).select_from(_TABLE)))[0][0])


def _after(org_id: str, endpoint_id: str) -> Select[Any]:
    query = select(_TABLE).where(_TABLE.c.org_id == org_id, _TABLE.c.endpoint_id > endpoint_id)
    return query.order_by(_TABLE.c.endpoint_id)


def _still(row: Any) -> Update:
    """An update of the endpoint if nobody has changed anything of it: neither a person, nor its deliveries (status),
    nor a rotation of keys (document)."""
    return update(_TABLE).where(
        _TABLE.c.endpoint_id == row.endpoint_id,
        _TABLE.c.version == row.version,
        _TABLE.c.status == row.status,
        _TABLE.c.reason == row.reason,
        _TABLE.c.document == row.document,
    )


async def _alone(connection: AsyncConnection, org_id: str) -> None:
    """Let no other transaction add an endpoint of the organisation until this one ends: it would not be counted. On
    SQLite that is so anyway."""
    if connection.dialect.name == "postgresql":
        await connection.execute(select(func.pg_advisory_xact_lock(func.hashtextextended(f"webhooks of {org_id}", 0))))


async def _count(connection: AsyncConnection, org_id: str) -> int:
    query = select(func.count()).select_from(_TABLE).where(_TABLE.c.org_id == org_id)
    return int((await connection.execute(query)).scalar_one())


def _route(row: Any) -> Route:
    return Route(
        row.endpoint_id,
        row.org_id,
        decode_as(row.events, tuple[str, ...]),
        decode_as(row.matching, dict[str, tuple[str, ...]]),
        PayloadKind(row.payload),
        TargetStatus(row.status),
    )


def _record(row: Any) -> DocumentRow:
    return DocumentRow(
        record_id=row.endpoint_id,
        org_id=row.org_id,
        owner="",
        kind="endpoint",
        payload=row.document,
        version=row.version,
        created_at=row.created_at,
        updated_at=row.updated_at,
    )


def _sorted(endpoint: Endpoint) -> Endpoint:
    return replace(endpoint, events=tuple(sorted(set(endpoint.events))))


def _whereabouts(endpoint: Endpoint) -> tuple[str, str, float]:
    return endpoint.org_id, endpoint.endpoint_id, endpoint.created_at


def _url_hash(endpoint: Endpoint) -> str:
    """By what two endpoints of an organisation that would get everything twice are known, without their URL."""
    return sha256(encode((endpoint.org_id, endpoint.url, sorted(set(endpoint.events))))).hexdigest()


def _unknown(endpoint_id: str) -> NotFound:
    return NotFound(f"there is no webhook {endpoint_id}")
