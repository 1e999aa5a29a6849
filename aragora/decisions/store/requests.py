"""What requests with an Idempotency-Key were answered with: the same request again gets the same answer."""

from __future__ import annotations

from dataclasses import dataclass
from typing import Final

from sqlalchemy import delete, select

from aragora.decisions.store.tables import decision_requests
from aragora.errors import Conflict
from aragora.storage.database import Database
from aragora.storage.tables import insert_into

KEPT_S: Final = 7 * 86_400.0
"""How long a key is remembered."""
_R: Final = decision_requests.c


@dataclass(frozen=True, slots=True)
class Request:
    """A request under a key, which is its person's own in a workspace; `request_hash` tells it from others."""

    org_id: str
    workspace: str
    person: str
    key: str
    request_hash: str


@dataclass(frozen=True, slots=True)
class First:
    """What the first request of a key was answered with: a debate, whose decision was `cached` or not."""

    debate_id: str
    cached: bool


class Requests:
    """Over the database of context `debates`. Every method raises Unavailable where that is away."""

    def __init__(self, database: Database) -> None:
        self._database = database

    async def first(self, request: Request) -> First | None:
        """What its first time was answered with; None where this is it. Raises Conflict where the key was used for
        another request."""
        query = select(_R.request_hash, _R.debate_id, _R.cached).where(
            _R.org_id == request.org_id,
            _R.workspace == request.workspace,
            _R.person == request.person,
            _R.key == request.key,
        )
        found = await self._database.rows(query, "reading the request of a key")
        if not found:
            return None
        request_hash, debate_id, cached = found[0]
        if request_hash != request.request_hash:
            raise Conflict(
                "this Idempotency-Key was used for another request: take a new key for each request",
                code="idempotency_conflict",
            )
        return First(debate_id, bool(cached))

    async def remember(self, request: Request, first: First, now: float) -> None:
        """Remember what a request was answered with; of several at once, one is remembered."""
        new = insert_into(self._database, decision_requests).values(
            org_id=request.org_id,
            workspace=request.workspace,
            person=request.person,
            key=request.key,
            request_hash=request.request_hash,
            debate_id=first.debate_id,
            cached=int(first.cached),
            at=now,
        )
        async with self._database.writing("remembering the request of a key") as connection:
            await connection.execute(new.on_conflict_do_nothing())

    async def forget(self, now: float) -> int:
        """Forget the keys of `KEPT_S` ago; returns how many there were."""
        async with self._database.writing("forgetting the requests of keys") as connection:
            gone = await connection.execute(delete(decision_requests).where(_R.at <= now - KEPT_S))
            return int(gone.rowcount)
