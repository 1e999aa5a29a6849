"""Debates and their journals, read. Only the journal's writer writes them.

Fulfils `aragora.server.ports.DebateReader` for the routes and `aragora.debate.ports.JournalReader` for coordinators.
"""

from __future__ import annotations

from collections.abc import AsyncIterator, Collection, Sequence
from dataclasses import dataclass
from typing import Any, Final

from sqlalchemy import LargeBinary, Select, bindparam, cast, func, select, tuple_

from aragora.debate.journal import is_readable, stand_in
from aragora.debate.model import DebateStatus
from aragora.debate.records import COLUMNS, DebateRecord, ReceiptRecord, receipt_of, record_of
from aragora.debate.store.tables import debates, journal, receipts
from aragora.errors import InvalidInput, NotFound
from aragora.ids import range_of
from aragora.scope import EVERYTHING, Scope
from aragora.storage.cursors import Page, Place, cursor_of, place_of
from aragora.storage.database import Database

_EXPORT_CHUNK: Final = 200  # debates in memory at once
_RUNNING: Final = (DebateStatus.QUEUED.value, DebateStatus.ACTIVE.value)

_ENDED: Final = tuple(status.value for status in DebateStatus if status.ended)

_RECORDS: Final = select(*(debates.c[name] for name in COLUMNS))
_RECORD: Final = _RECORDS.where(debates.c.debate_id == bindparam("debate_id"))  # built once: it is read all the time
_PLACE: Final = tuple_(debates.c.created_at, debates.c.debate_id)


@dataclass(frozen=True, slots=True)
class Span:
    """A debate, and when it began and was written to last: its events lie between the two."""

    debate_id: str
    began_at: float
    updated_at: float


@dataclass(frozen=True, slots=True)
class Asked:
    """A debate that has ended, and how its question begins."""

    debate_id: str
    question: str


@dataclass(frozen=True, slots=True)
class Row:
    """A row of a journal, written `at` (seconds since the epoch); `payload` is None where it is damaged."""

    seq: int
    at: float
    payload: str | None


class DebateStore:
    """Reads from the database of context `debates`. Every method raises Unavailable where that fails."""

    def __init__(self, database: Database) -> None:
        self._database = database
        # SQLite's driver fails a whole query for one damaged text; as bytes it comes through. PostgreSQL keeps none.
        self._payload = cast(journal.c.payload, LargeBinary) if database.is_sqlite else journal.c.payload

    async def get(self, debate_id: str, scope: Scope) -> DebateRecord:
        """The debate. Raises NotFound, in the same words where there is none and where it is out of the scope."""
        found = await self._database.lookup(_RECORD, {"debate_id": debate_id}, "reading a debate")
        record = record_of(found[0]) if found else None
        if record is None or not scope.holds(record.org_id, record.workspace):
            raise NotFound(f"there is no debate {debate_id}: list the debates with GET /api/debates")
        return record

    async def page(
        self,
        scope: Scope,
        *,
        status: DebateStatus | None = None,
        limit: int = 50,
        cursor: str | None = None,
        beginning: str | None = None,
    ) -> Page[DebateRecord]:
        """Those in the scope, newest first; with `beginning` (`aragora.ids.beginning_of_id`) those whose ids begin so.
        Raises InvalidInput on a cursor that is not one of ours, or a limit below 1."""
        if limit < 1:
            raise InvalidInput(f"limit is {limit}: ask for at least 1")
        query = _within(_RECORDS, scope)
        if status is not None:
            query = query.where(debates.c.status == status.value)
        if beginning is not None:
            query = _beginning(query, beginning)
        if cursor is not None:
            place = place_of(cursor)
            query = query.where((place.at, place.id) > _PLACE)
        query = query.order_by(debates.c.created_at.desc(), debates.c.debate_id.desc()).limit(limit + 1)
        found = [record_of(row) for row in await self._rows(query)]
        more = len(found) > limit
        items = tuple(found[:limit])
        return Page(items, cursor_of(Place(items[-1].created_at, items[-1].debate_id)) if more else None)

    async def export(self, scope: Scope) -> AsyncIterator[DebateRecord]:
        """Every debate in the scope, oldest first, in bounded memory. No transaction stays open between two chunks: one
        that is opened meanwhile comes along, and the database is never held up by a slow reader."""
        query = _within(_RECORDS, scope).order_by(debates.c.created_at, debates.c.debate_id).limit(_EXPORT_CHUNK)
        found = await self._rows(query)
        while found:
            for row in found:
                yield record_of(row)
            last = record_of(found[-1])
            found = await self._rows(query.where((last.created_at, last.debate_id) < _PLACE))

    async def events(self, debate_id: str, after: int = 0, limit: int = 500) -> list[str]:
        """Encoded envelopes with seq > after, in order; empty for an unknown debate. A row that is no envelope is
        stood in for: who follows the debate needs its number, and none of the rest is lost."""
        query = select(journal.c.seq, journal.c.type, journal.c.at, self._payload)
        query = query.where(journal.c.debate_id == debate_id, journal.c.seq > after)
        rows = await self._rows(query.order_by(journal.c.seq).limit(limit))
        return [_shown(debate_id, seq, kind, at, _text(payload)) for seq, kind, at, payload in rows]

    async def began(self, org_id: str, after: tuple[float, str] | None, before: float, limit: int) -> list[Span]:
        """The organisation's debates that began before this time (seconds since the epoch), oldest first; with `after`
        those behind this beginning and id. An index gives them: each call costs what it returns."""
        columns = (debates.c.debate_id, debates.c.created_at, debates.c.updated_at)
        query = select(*columns).where(debates.c.org_id == org_id, debates.c.created_at < before)
        if after is not None:
            query = query.where(after < _PLACE)
        query = query.order_by(debates.c.created_at, debates.c.debate_id).limit(limit)
        return [Span(*row) for row in await self._rows(query)]

    async def ended(self, since: float, after: tuple[float, str] | None, before: float, limit: int) -> list[Span]:
        """Debates of all organisations that have ended and began from `since` until before `before` (seconds since the
        epoch), oldest first; with `after` those behind this beginning and id."""
        query = select(debates.c.debate_id, debates.c.created_at, debates.c.updated_at).where(
            debates.c.status.in_(_ENDED), debates.c.created_at >= since, debates.c.created_at < before
        )
        if after is not None:
            query = query.where(after < _PLACE)
        query = query.order_by(debates.c.created_at, debates.c.debate_id).limit(limit)
        return [Span(*row) for row in await self._rows(query)]

    async def asked(self, org_id: str, workspace: str, since: float, limit: int, chars: int) -> list[Asked]:
        """Up to `limit` debates of a workspace that have ended and began at `since` (seconds since the epoch) or later,
        the newest first, each with the first `chars` characters of its question."""
        query = select(debates.c.debate_id, func.substr(debates.c.question, 1, chars)).where(
            debates.c.org_id == org_id,
            debates.c.workspace == workspace,
            debates.c.created_at >= since,
            debates.c.status.in_(_ENDED),
        )
        query = query.order_by(debates.c.created_at.desc(), debates.c.debate_id.desc()).limit(limit)
        return [Asked(*row) for row in await self._rows(query)]

    async def happened(
        self, debate_id: str, types: Collection[str], *, since: float, until: float, after: int, limit: int
    ) -> list[Row]:
        """The rows of a debate's journal with seq > after and one of these types that were written from `since` until
        before `until` (seconds since the epoch), in order; empty for an unknown debate."""
        query = select(journal.c.seq, journal.c.at, self._payload).where(
            journal.c.debate_id == debate_id,
            journal.c.seq > after,
            journal.c.type.in_(types),
            journal.c.at >= since,
            journal.c.at < until,
        )
        rows = await self._rows(query.order_by(journal.c.seq).limit(limit))
        read = ((seq, at, _text(payload)) for seq, at, payload in rows)
        return [Row(seq, at, payload if is_readable(payload, seq) else None) for seq, at, payload in read]

    async def receipt(self, debate_id: str) -> ReceiptRecord:
        """The receipt of a debate. Raises NotFound where it has none (yet)."""
        found = await self._rows(select(receipts).where(receipts.c.debate_id == debate_id))
        if not found:
            raise NotFound(f"debate {debate_id} has no receipt: one is issued when it is decided")
        return receipt_of(found[0])

    async def unfinished(self) -> list[str]:
        """The ids of all debates that have not ended and wait for nobody, oldest first."""
        query = select(debates.c.debate_id).where(debates.c.status.in_(_RUNNING))
        query = query.order_by(debates.c.created_at, debates.c.debate_id)
        return [row[0] for row in await self._rows(query)]

    async def journal(self, debate_id: str) -> list[str]:
        """All envelopes of a debate in the order of their seq, as they are stored; empty for an unknown debate. What is
        no UTF-8 in them comes as lone surrogates, which no decoder takes."""
        query = select(self._payload).where(journal.c.debate_id == debate_id).order_by(journal.c.seq)
        return [_text(row[0]) for row in await self._rows(query)]

    async def status(self, debate_id: str) -> DebateStatus:
        """Where a debate stands. Raises NotFound."""
        return (await self.get(debate_id, EVERYTHING)).status

    async def last_seq(self, debate_id: str) -> int:
        """The seq after which the journal of a debate goes on. Raises NotFound."""
        rows = await self._rows(select(debates.c.last_seq).where(debates.c.debate_id == debate_id))
        if not rows:
            raise NotFound(f"there is no debate {debate_id}: list the debates with GET /api/debates")
        return int(rows[0][0])

    async def _rows(self, query: Select[Any]) -> Sequence[Any]:
        return await self._database.rows(query, "reading debates")


def _text(payload: str | bytes) -> str:
    return payload if isinstance(payload, str) else payload.decode("utf-8", "surrogateescape")


def _shown(debate_id: str, seq: int, kind: str, at: float, payload: str) -> str:
    return payload if is_readable(payload, seq) else stand_in(debate_id, seq, kind, at)


def _beginning(query: Select[Any], beginning: str) -> Select[Any]:
    """Those whose ids begin so: a range of the primary key, or of what an organisation's index holds."""
    first, behind = range_of(beginning)
    query = query.where(debates.c.debate_id >= first, debates.c.debate_id < behind)
    # Which other texts lie in the range is up to the collation of the database.
    return query.where(func.substr(debates.c.debate_id, 1, len(beginning)) == beginning)


def _within(query: Select[Any], scope: Scope) -> Select[Any]:
    if scope.org_id is not None:
        query = query.where(debates.c.org_id == scope.org_id)
    if scope.workspaces is None:
        return query
    names = sorted(scope.workspaces)
    return query.where(debates.c.workspace == names[0] if len(names) == 1 else debates.c.workspace.in_(names))
