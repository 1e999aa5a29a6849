"""Where knowledge comes from, and what hangs together with it."""

from __future__ import annotations

from typing import Annotated, Any

from fastapi import Query
from pydantic import BaseModel, Field
from starlette.responses import Response

from aragora.errors import NotFound
from aragora.identity.rbac import KNOWLEDGE_READ
from aragora.knowledge.explaining import Step, steps
from aragora.knowledge.graph import DEPTH_MAX, ITEMS_MAX, around
from aragora.knowledge.model import DEBATE, Bearing, Home, LinkKind, Outcome, Status
from aragora.knowledge.mound.adapters.continuum import Memory, Tier
from aragora.knowledge.roots import independent_roots
from aragora.scope import Scope
from aragora.server.chapter import Call, Chapter
from aragora.server.knowledge import Asking, ItemId, KnowledgePorts, known, reach
from aragora.server.knowledge_views import (
    ConfidenceView,
    ItemDetail,
    ItemView,
    confidence_view,
    item_detail,
    item_view,
    link_view,
)
from aragora.server.proving import Proof, proofs
from aragora.server.views import UNCACHED, json_response

knowledge_origins: Chapter[KnowledgePorts] = Chapter("knowledge")


class Check(BaseModel):
    name: str
    passed: bool
    detail: str


class ReceiptProof(BaseModel):
    """`valid`: it is the receipt that the source names, unchanged. `invalid`: the checks say why. `other`: it holds,
    and is another one. `missing`: the debate has none. `unknown`: the debate is out of reach. `unlooked`: too many."""

    state: Proof
    checks: list[Check]


class Move(BaseModel):
    """A change of the ledger, and what it did to the confidence."""

    seq: Annotated[int, Field(description="of the workspace's ledger")]
    at: float
    change: str
    by: Annotated[str, Field(description="the root, the person or the item that it came from")]
    note: str
    status: Annotated[Status, Field(description="of the item afterwards")]
    before: ConfidenceView | None
    after: ConfidenceView
    moved: Annotated[float, Field(description="by how much it raised the confidence, or lowered it")]


class ToldOutcome(BaseModel):
    """A version of what somebody told of a debate."""

    version: int
    right: Annotated[str | None, Field(description="the answer that held; null: none did")]
    by: str
    note: str
    at: Annotated[float, Field(description="when that was seen")]
    recorded_at: float


class Seen(BaseModel):
    """What was seen of an item: by a person, or as the outcome of a debate."""

    root: Annotated[str, Field(description="the debate, or the person who looked")]
    held: bool
    at: Annotated[float, Field(description="when it was told")]
    bears: Annotated[
        Bearing, Field(description="on the item itself; on an answer that rests on it; or on nothing that it says")
    ]
    told: Annotated[
        list[ToldOutcome], Field(description="of a debate that the caller may read: each version, the newest first")
    ]


class MemoryView(BaseModel):
    """How an item recurs: what recurs over longer times is offered a little earlier, and believed no more."""

    tier: Annotated[Tier, Field(description="by the time over which debates used it again")]
    uses: Annotated[int, Field(description="debates whose decision rests on it")]
    cited: Annotated[int, Field(description="other debates that cited it")]
    last_used_at: Annotated[float | None, Field(description="seconds since the epoch; null: never")]


class Reasons(BaseModel):
    """All that stands behind an item."""

    item: ItemDetail
    independent_roots: Annotated[int, Field(description="sources that descend from no other one of them count")]
    receipts: Annotated[dict[str, ReceiptProof], Field(description="by debate")]
    linked_by: Annotated[list[ItemView], Field(description="items that hold a link to this one")]
    outcomes: Annotated[list[Seen], Field(description="whether it held, as was seen later")]
    memory: Annotated[MemoryView, Field(description="how debates of its workspace used it")]
    ledger: Annotated[list[Move], Field(description="oldest first; empty once it is forgotten")]


class EdgeView(BaseModel):
    from_id: str
    kind: LinkKind
    item_id: str
    at: float


class GraphView(BaseModel):
    items: Annotated[list[ItemView], Field(description="the item itself first, then the nearest")]
    links: list[EdgeView]
    more: Annotated[bool, Field(description="whether some were left out")]


class GraphAsk(Asking):
    """How far to go."""

    depth: Annotated[int, Field(ge=1, le=DEPTH_MAX)] = 1
    limit: Annotated[int, Field(ge=1, le=ITEMS_MAX)] = 50


@knowledge_origins.get("/api/knowledge/items/{item_id}/why", needs=KNOWLEDGE_READ, gives=Reasons)
async def why(call: Call[KnowledgePorts], item_id: ItemId) -> Response:
    """Why it is believed as far as it is: its sources down to the signed receipts of their debates, each checked now;
    who stands behind it independently; what was seen later; and each change that raised or lowered its confidence."""
    return json_response(await _reasons(call, item_id), headers=UNCACHED)


@knowledge_origins.get("/api/knowledge/items/{item_id}/graph", needs=KNOWLEDGE_READ, gives=GraphView)
async def graph(call: Call[KnowledgePorts], item_id: ItemId, query: Annotated[GraphAsk, Query()]) -> Response:
    """The items that its links lead to, both ways, and theirs, of those that the caller may know of."""
    ports = call.ports
    found = await around(ports.reader, ports.neighbours, reach(call), item_id, depth=query.depth, limit=query.limit)
    links = [{"from_id": edge.item_id, **link_view(edge.link)} for edge in found.edges]
    view = {"items": [item_view(item) for item in found.items], "links": links, "more": found.more}
    return json_response(view, headers=UNCACHED)


async def _reasons(call: Call[KnowledgePorts], item_id: str) -> dict[str, Any]:
    ports, scope = call.ports, reach(call)
    item = await ports.reader.get(scope, item_id)
    entries = await ports.reader.history(scope, item_id)
    linking = await ports.neighbours.linking(scope, [item_id], ITEMS_MAX)
    memories = await ports.memories.of(Home(item.org_id, item.workspace), (item,))
    receipts = await proofs(ports.debates, ports.verifier, scope, (*item.sources, *item.against))
    return {
        "item": item_detail(item, await known(call, item)),
        "independent_roots": independent_roots(item.sources),
        "receipts": receipts,
        "linked_by": [item_view(one) for one in linking],
        "outcomes": [await _seen(call, scope, one) for one in item.outcomes],
        "memory": memories.get(item_id, Memory()),
        "ledger": [_move(step) for step in steps(entries)],
    }


async def _seen(call: Call[KnowledgePorts], scope: Scope, outcome: Outcome) -> dict[str, Any]:
    """An outcome, with who told it and what they wrote where the caller may read the debate."""
    told = await _told(call, scope, outcome.root.removeprefix(DEBATE)) if outcome.root.startswith(DEBATE) else []
    return {"root": outcome.root, "held": outcome.held, "at": outcome.at, "bears": outcome.bears, "told": told}


async def _told(call: Call[KnowledgePorts], scope: Scope, debate_id: str) -> list[dict[str, Any]]:
    try:
        await call.ports.debates.get(debate_id, scope)
    except NotFound:
        return []
    return [
        {
            "version": one.version,
            "right": one.right,
            "by": one.by,
            "note": one.note,
            "at": one.at,
            "recorded_at": one.recorded_at,
        }
        for one in await call.ports.outcomes.history(debate_id)
    ]


def _move(step: Step) -> dict[str, Any]:
    return {
        "seq": step.seq,
        "at": step.at,
        "change": step.change,
        "by": step.by,
        "note": step.note,
        "status": step.status,
        "before": None if step.before is None else confidence_view(step.before),
        "after": confidence_view(step.after),
        "moved": step.moved,
    }
