"""Documents in Supabase, over its REST interface (PostgREST): SUPABASE_URL and SUPABASE_KEY.

docs/security.md has the statements that create the tables. Compare-and-swap is a PATCH filtered by version: PostgREST
tells which rows it changed.
"""

from __future__ import annotations

import asyncio
import random
from collections.abc import Mapping
from dataclasses import replace
from http import HTTPStatus
from typing import TYPE_CHECKING, Any, Final

from aragora.encoding import decode_as, encode, to_plain
from aragora.errors import Conflict, Unavailable
from aragora.resilience.backoff import Backoff
from aragora.storage.documents import PAGE, DocumentRow
from aragora.whole_answer import AnswerTooLarge, read_whole

if TYPE_CHECKING:
    from aiohttp import ClientSession

TIMEOUT_S: Final = 10.0
MAX_ANSWER_BYTES: Final = 256 * 1024 * 1024  # a page of documents, each as large as a request may be, has room
PUT_ATTEMPTS: Final = 6
BACKOFF: Final = Backoff(base_s=0.1, cap_s=2.0, attempts=3)
_PASSING: Final = (429, 500, 502, 503, 504)
_REPRESENTATION: Final = {"Prefer": "return=representation"}


class SupabaseDocuments:
    """The rows of one table of a Supabase project.

    Args:
        session: the HTTP client; the caller closes it.
        url: the project's URL (SUPABASE_URL).
        key: the project's key (SUPABASE_KEY): never logged, never in an error.
        table: the table's name.
    """

    def __init__(self, session: ClientSession, url: str, key: str, table: str) -> None:
        self._session = session
        self._url = f"{url.rstrip('/')}/rest/v1/{table}"
        self._headers = {"apikey": key, "Authorization": f"Bearer {key}"}

    def __repr__(self) -> str:
        return f"SupabaseDocuments({self._url!r})"

    async def get(self, record_id: str) -> DocumentRow | None:
        rows = await self._rows("GET", {"record_id": f"eq.{record_id}", "select": "*"})
        return rows[0] if rows else None

    async def put(self, row: DocumentRow) -> DocumentRow:
        for _ in range(PUT_ATTEMPTS):
            current = await self.get(row.record_id)
            kept = await (self._insert(row) if current is None else self._overwrite(row, current))
            if kept is not None:
                return kept
        raise Conflict("The record is being changed by others; try again.")

    async def replace(self, row: DocumentRow, payload: str, now: float) -> bool:
        changes = {"payload": payload, "version": row.version + 1, "updated_at": now}
        changed = await self._rows("PATCH", _at(row.record_id, row.version), changes, _REPRESENTATION)
        return len(changed) == 1

    async def delete(self, record_id: str) -> bool:
        return len(await self._rows("DELETE", {"record_id": f"eq.{record_id}"}, None, _REPRESENTATION)) == 1

    async def find(
        self,
        *,
        org_id: str,
        owner: str | None = None,
        kind: str | None = None,
        after: str = "",
        limit: int | None = None,
    ) -> list[DocumentRow]:
        wanted = {"org_id": org_id, "owner": owner, "kind": kind}
        filters = {name: f"eq.{value}" for name, value in wanted.items() if value is not None}
        found: list[DocumentRow] = []
        while limit is None or len(found) < limit:
            asked = PAGE if limit is None else min(PAGE, limit - len(found))
            rows = await self._next(filters, found[-1].record_id if found else after, asked)
            found += rows
            if len(rows) < asked:
                break
        return found

    async def page(self, after: str, limit: int = PAGE) -> list[DocumentRow]:
        return await self._next({}, after, limit)

    async def count(self) -> int:
        _, headers, _ = await self._ask("GET", {"select": "record_id", "limit": "1"}, None, {"Prefer": "count=exact"})
        _, _, total = headers.get("Content-Range", "").rpartition("/")
        if not total.isdigit():
            raise Unavailable("Supabase did not say how many records there are.", code="storage_unavailable")
        return int(total)

    async def _next(self, filters: Mapping[str, str], after: str, limit: int) -> list[DocumentRow]:
        beyond = {"record_id": f"gt.{after}"} if after else {}
        return await self._rows("GET", {**filters, **beyond, "order": "record_id.asc", "limit": str(limit)})

    async def _insert(self, row: DocumentRow) -> DocumentRow | None:
        """None where another writer was first."""
        fresh = replace(row, version=1)
        status, _, raw = await self._ask("POST", {}, to_plain(fresh), _REPRESENTATION, (HTTPStatus.CONFLICT,))
        if status == HTTPStatus.CONFLICT:
            return None
        written = _documents(raw)
        if not written:
            raise _no_documents()
        return written[0]

    async def _overwrite(self, row: DocumentRow, current: DocumentRow) -> DocumentRow | None:
        """None where another writer changed it meanwhile."""
        kept = replace(row, version=current.version + 1, created_at=current.created_at)
        rows = await self._rows("PATCH", _at(row.record_id, current.version), to_plain(kept), _REPRESENTATION)
        return rows[0] if rows else None

    async def _rows(
        self,
        method: str,
        query: Mapping[str, str],
        body: Any = None,
        headers: Mapping[str, str] | None = None,
    ) -> list[DocumentRow]:
        _, _, raw = await self._ask(method, query, body, headers)
        return _documents(raw)

    async def _ask(
        self,
        method: str,
        query: Mapping[str, str],
        body: Any,
        headers: Mapping[str, str] | None,
        expected: tuple[int, ...] = (),
    ) -> tuple[int, Mapping[str, str], bytes]:
        """One exchange. Only reads are tried again: a write may have been done though its answer was lost."""
        attempts = BACKOFF.attempts if method == "GET" else 1
        for attempt in range(1, attempts + 1):
            try:
                return await self._exchange(method, query, body, {**self._headers, **(headers or {})}, expected)
            except Unavailable:
                if attempt == attempts:
                    raise
                await asyncio.sleep(BACKOFF.delay_s(attempt, random.random()))
        raise AssertionError("unreachable: the last attempt returns or raises")

    async def _exchange(
        self, method: str, query: Mapping[str, str], body: Any, headers: Mapping[str, str], expected: tuple[int, ...]
    ) -> tuple[int, Mapping[str, str], bytes]:
        from aiohttp import ClientError, ClientTimeout  # noqa: PLC0415  only processes that use Supabase load it

        try:
            async with self._session.request(
                method,
                self._url,
                params=query,
                data=None if body is None else encode(body),
                headers={**headers, "Content-Type": "application/json"},
                timeout=ClientTimeout(total=TIMEOUT_S),
                allow_redirects=False,
            ) as answer:
                raw = await read_whole(answer.content, MAX_ANSWER_BYTES)
                if answer.status >= HTTPStatus.BAD_REQUEST and answer.status not in expected:
                    raise _refused(answer.status)
                return answer.status, answer.headers, raw
        except (ClientError, TimeoutError, OSError, AnswerTooLarge) as error:
            raise Unavailable(
                f"Supabase does not answer ({type(error).__name__}).", code="storage_unavailable", retry_after_s=5.0
            ) from error


def _refused(status: int) -> Exception:
    if status in _PASSING:
        return Unavailable(f"Supabase answered {status}; try again.", code="storage_unavailable", retry_after_s=5.0)
    return Unavailable(
        f"Supabase answered {status}: check SUPABASE_URL, SUPABASE_KEY and the tables.", code="storage_unavailable"
    )


def _at(record_id: str, version: int) -> dict[str, str]:
    return {"record_id": f"eq.{record_id}", "version": f"eq.{version}"}


def _documents(raw: bytes) -> list[DocumentRow]:
    """The rows of an answer. Raises Unavailable where it holds something else, such as the page of a proxy."""
    try:
        return decode_as(raw, list[DocumentRow]) if raw else []
    except ValueError as error:
        raise _no_documents() from error


def _no_documents() -> Unavailable:
    return Unavailable(
        "Supabase's answer holds no documents: check SUPABASE_URL and the tables.", code="storage_unavailable"
    )
