"""Which additions were asked for under a caller's key: remembered in the transaction that writes them, for a month."""

from __future__ import annotations

from collections.abc import Sequence
from dataclasses import dataclass
from hashlib import blake2b
from typing import Final

from sqlalchemy import delete, insert, select
from sqlalchemy.ext.asyncio import AsyncConnection

from aragora.encoding import decode_as, encode_text
from aragora.errors import Conflict
from aragora.knowledge.model import Home
from aragora.knowledge.store.tables import knowledge_requests

KEPT_S: Final = 30 * 86_400.0

_OF: Final = knowledge_requests.c


@dataclass(frozen=True, slots=True)
class Request:
    """A caller's key for one request, unique per person in a workspace. The same key with the same `request_hash`
    returns what the first request made."""

    person: str
    key: str
    request_hash: str

    @classmethod
    def of(cls, person: str, key: str | None, asked: bytes) -> Request | None:
        """The request of `person` for what is `asked`, encoded; None where the caller gave no key."""
        return None if key is None else cls(person, key, blake2b(asked, digest_size=16).hexdigest())


async def first_of(connection: AsyncConnection, home: Home, request: Request) -> list[str] | None:
    """The ids of the items that the first request with this key named; None where this is the first one. Raises
    Conflict where that asked for something else. The caller holds the workspace."""
    query = select(_OF.request_hash, _OF.item_ids).where(
        _OF.org_id == home.org_id,
        _OF.workspace == home.workspace,
        _OF.person == request.person,
        _OF.idempotency_key == request.key,
    )
    row = (await connection.execute(query)).one_or_none()
    if row is None:
        return None
    if row.request_hash != request.request_hash:
        raise Conflict(
            f"idempotency key {request.key!r} was used for another request: use a new key",
        )
    return decode_as(row.item_ids, list[str])


async def remember(
    connection: AsyncConnection, home: Home, request: Request, item_ids: Sequence[str], now: float
) -> None:
    """Remember what a request made at `now`, and forget the person's requests of over a month ago."""
    own = (_OF.org_id == home.org_id, _OF.workspace == home.workspace, _OF.person == request.person)
    await connection.execute(delete(knowledge_requests).where(*own, _OF.at < now - KEPT_S))
    values = {
        "org_id": home.org_id,
        "workspace": home.workspace,
        "person": request.person,
        "idempotency_key": request.key,
        "request_hash": request.request_hash,
        "item_ids": encode_text(list(item_ids)),
        "at": now,
    }
    await connection.execute(insert(knowledge_requests).values(values))
