"""Knowledge: adding items, finding them, reading and changing one. Items of other organisations and workspaces are as
unknown as those that do not exist."""

from __future__ import annotations

import json
from typing import Annotated, Any

from fastapi import Body, Header
from pydantic import BaseModel, Field, ValidationError
from starlette.responses import Response

from aragora.errors import AragoraError, InvalidInput
from aragora.identity.rbac import KNOWLEDGE_MANAGE, KNOWLEDGE_READ, KNOWLEDGE_WRITE
from aragora.knowledge.explaining import trusted
from aragora.knowledge.keeping import is_new, refusal_of
from aragora.knowledge.ledger import wordings
from aragora.knowledge.model import Confidence, Home, ItemKind, LinkKind, Statement
from aragora.knowledge.noting import Noted
from aragora.knowledge.noting import noted as note_of
from aragora.knowledge.planning import Planned
from aragora.knowledge.store.requests import Request
from aragora.server.chapter import Call, Chapter
from aragora.server.knowledge import ItemId, KnowledgePorts, covered, detail, home, noted, reach
from aragora.server.knowledge_asks import (
    AddItem,
    AddItems,
    ChangeItem,
    ListingQuery,
    NewItem,
    OneOrMany,
    SearchQuery,
    told_of,
)
from aragora.server.knowledge_views import (
    AddedItem,
    ConfidenceView,
    Found,
    ItemDetail,
    ItemList,
    confidence_view,
    hit_view,
    item_view,
)
from aragora.server.schemas import IdempotencyKey
from aragora.server.views import UNCACHED, json_response

knowledge: Chapter[KnowledgePorts] = Chapter("knowledge")

_IfMatch = Annotated[
    str,
    Header(alias="If-Match", pattern='^"?[0-9]{1,9}"?$', description="the version that the caller has seen"),
]


class Refusal(BaseModel):
    code: str
    message: str


class OfItem(BaseModel):
    """What became of one item of a batch."""

    status: Annotated[int, Field(description="201 added, 200 was there, 4xx refused")]
    item: AddedItem | None
    error: Refusal | None


class OfItems(BaseModel):
    results: Annotated[list[OfItem], Field(description="one for each item, in their order")]


class Version(BaseModel):
    """A wording of an item."""

    version: int
    content: str
    kind: ItemKind
    domain: str
    topics: list[str]
    subject: str
    relation: str
    value: str
    valid_from: float | None
    valid_to: float | None
    at: float
    by: Annotated[str | None, Field(description="who reworded it; null: as it was added")]
    confidence: Annotated[ConfidenceView | None, Field(description="as far as it was trusted in the end")]


class VersionList(BaseModel):
    versions: Annotated[list[Version], Field(description="oldest first; none of a forgotten item")]


@knowledge.post(
    "/api/knowledge/items",
    needs=KNOWLEDGE_WRITE,
    gives=AddedItem,
    status=201,
    refuses=(409,),
    describes={200: {"model": AddedItem | OfItems, "description": "It was there already; or a result for each item"}},
)
async def add(
    call: Call[KnowledgePorts], body: Annotated[OneOrMany, Body()], idempotency_key: IdempotencyKey = None
) -> Response:
    """Add an item, or up to 500. Who says what is there already supports it. The confidence follows from who says so:
    nobody sets it. What a document says may be held back until somebody with knowledge.manage has looked at it. The
    same Idempotency-Key gives what the first request made."""
    place = home(call, body.workspace)
    request = _request(call, body, idempotency_key)
    if isinstance(body, AddItem):
        found = note_of(body.note(), call.who.user_id, call.ports.clock.now())
        (planned,) = await call.ports.keeper.add(place, [found], request)
        if refused := refusal_of(planned):
            raise refused
        headers = {**UNCACHED, "Location": f"/api/knowledge/items/{planned.item.item_id}"}
        return json_response(_added(planned, found), _status(planned), headers)
    return json_response({"results": await _each(call, place, body, request)}, headers=UNCACHED)


@knowledge.get("/api/knowledge/items", needs=KNOWLEDGE_READ, gives=ItemList)
async def listing(call: Call[KnowledgePorts], query: ListingQuery) -> Response:
    """Those of a workspace, and those shared with the organisation, newest first; `next_cursor` leads to the next page
    and is null on the last."""
    page = await call.ports.reader.page(
        covered(call, query.workspace), query.wanted, call.ports.clock.now(), cursor=query.cursor, limit=query.limit
    )
    listed = [item_view(item) for item in page.items]
    return json_response({"items": listed, "next_cursor": page.next_cursor}, headers=UNCACHED)


@knowledge.get("/api/knowledge/search", needs=KNOWLEDGE_READ, gives=Found, refuses=(503,))
async def search(call: Call[KnowledgePorts], query: SearchQuery) -> Response:
    """What there is for a question, the best first, by words and by meaning. Nothing found is an answer: there is
    nothing relevant. Beside a decision stand its dissents. 503 in mode `semantic` where the index is away."""
    scope = covered(call, query.workspace)
    answer = await call.ports.searching.search(scope, query.q, k=query.limit, mode=query.mode, wanted=query.wanted)
    items = [result.item for result in answer.results]
    decisions = [item.item_id for item in items if item.statement.kind is ItemKind.DECISION]
    now = call.ports.clock.now()
    links = call.ports.reader.linking_to
    dissents = await links(scope, decisions, LinkKind.DISSENTS_FROM, now) if decisions else {}
    view = {
        "results": [hit_view(one, dissents.get(one.item.item_id, []), explain=query.explain) for one in answer.results],
        "mode": answer.mode,
        "degraded": answer.degraded,
        "exact": answer.exact,
        "waiting": answer.waiting,
    }
    return json_response(view, headers=UNCACHED)


@knowledge.get("/api/knowledge/items/{item_id}", needs=KNOWLEDGE_READ, gives=ItemDetail)
async def get(call: Call[KnowledgePorts], item_id: ItemId) -> Response:
    """One item, whatever its status; a forgotten one without its content."""
    scope = reach(call)
    return await detail(call, await call.ports.reader.get(scope, item_id))


@knowledge.patch("/api/knowledge/items/{item_id}", needs=KNOWLEDGE_WRITE, gives=ItemDetail, refuses=(409,))
async def change(call: Call[KnowledgePorts], item_id: ItemId, body: ChangeItem, if_match: _IfMatch) -> Response:
    """Reword an item, file it otherwise, or say who may find it. What it says can be changed while nothing but the
    caller's own word stands behind it. 409 `version_conflict` where it was reworded since the caller read it."""
    if body.shares:
        call.require(KNOWLEDGE_MANAGE)
    version, edit = int(if_match.strip('"')), body.edit()
    work = call.ports.keeper.change(reach(call), item_id, version, call.who.user_id, edit)
    if edit.visibility is None:
        return await detail(call, await work)
    async with noted(call, "share", item_id, visibility=edit.visibility):
        item = await work
    return await detail(call, item)


@knowledge.get("/api/knowledge/items/{item_id}/versions", needs=KNOWLEDGE_READ, gives=VersionList)
async def versions(call: Call[KnowledgePorts], item_id: ItemId) -> Response:
    """Its wordings, oldest first."""
    entries = await call.ports.reader.history(reach(call), item_id)
    trust = trusted(entries)
    shown = [_version(number, trust.get(number), *wording) for number, wording in enumerate(wordings(entries), 1)]
    return json_response({"versions": shown}, headers=UNCACHED)


async def _each(
    call: Call[KnowledgePorts], place: Home, body: AddItems, request: Request | None
) -> list[dict[str, Any]]:
    """A result for each item of a batch; those that may be added are written together."""
    now, user = call.ports.clock.now(), call.who.user_id
    checked = [_checked(one, user, now) for one in body.items]
    good = [one for one in checked if isinstance(one, Noted)]
    planned = iter(await call.ports.keeper.add(place, good, request) if good else [])
    return [_result(next(planned), one) if isinstance(one, Noted) else _refusal(one) for one in checked]


def _checked(raw: dict[str, Any], person: str, now: float) -> Noted | InvalidInput:
    """What an item of a batch adds, or why it is refused."""
    try:
        return note_of(NewItem.model_validate(raw).note(), person, now)
    except InvalidInput as refused:
        return refused
    except ValidationError as refused:
        return InvalidInput(told_of(refused))


def _request(call: Call[KnowledgePorts], body: AddItem | AddItems, key: str | None) -> Request | None:
    asked = json.dumps(body.model_dump(exclude_unset=True), sort_keys=True)
    return Request.of(call.who.user_id, key, asked.encode())


def _result(planned: Planned, found: Noted) -> dict[str, Any]:
    if refused := refusal_of(planned):
        return _refusal(refused)
    return {"status": _status(planned), "item": _added(planned, found), "error": None}


def _refusal(refused: AragoraError) -> dict[str, Any]:
    error = {"code": refused.code, "message": refused.message}
    return {"status": refused.status, "item": None, "error": error}


def _status(planned: Planned) -> int:
    return 201 if is_new(planned) else 200


def _added(planned: Planned, found: Noted) -> dict[str, Any]:
    return {**item_view(planned.item), "effect": planned.effect, "lookalikes": found.found.lookalikes}


def _version(number: int, trust: Confidence | None, said: Statement, at: float, by: str | None) -> dict[str, Any]:
    return {
        "version": number,
        "content": said.content,
        "kind": said.kind,
        "domain": said.domain,
        "topics": said.topics,
        "subject": said.subject,
        "relation": said.relation,
        "value": said.value,
        "valid_from": said.valid_from,
        "valid_to": said.valid_to,
        "at": at,
        "by": by,
        "confidence": None if trust is None else confidence_view(trust),
    }
