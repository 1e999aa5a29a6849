"""Insights that workspaces of an organisation share with each other: sharing, reading, withdrawing, releasing."""

from __future__ import annotations

from dataclasses import dataclass
from datetime import UTC, datetime
from typing import Annotated, Any, Literal

from fastapi import Path, Query
from pydantic import AfterValidator, BaseModel, Field
from starlette.responses import Response

from aragora import limits
from aragora.clock import Clock
from aragora.identity import workspaces
from aragora.identity.rbac import KNOWLEDGE_MANAGE, KNOWLEDGE_READ, KNOWLEDGE_WRITE
from aragora.knowledge.insight_exchange import LISTED_MAX, InsightExchange
from aragora.knowledge.insights import (
    CREATED_MAX_CHARS,
    SHARE_ID,
    CrossWorkspaceInsight,
    InsightStatus,
    SharedInsight,
    share_id_of,
    unknown_insight,
)
from aragora.knowledge.model import Home
from aragora.server.chapter import Call, Chapter
from aragora.server.knowledge import Asking, noted, reach
from aragora.server.ports import AuditTrail
from aragora.server.schemas import Line, Prose, Workspace
from aragora.server.views import UNCACHED, json_response


@dataclass(frozen=True, slots=True)
class InsightPorts:
    """What these routes call."""

    exchange: InsightExchange
    audit: AuditTrail
    clock: Clock


knowledge_insights: Chapter[InsightPorts] = Chapter("knowledge")


def _of_an_insight(text: str) -> str:
    """Raises NotFound for what no insight is called, before any store is asked."""
    if SHARE_ID.fullmatch(text) is None:
        raise unknown_insight("of that id")
    return text


_ShareId = Annotated[str, Path(), AfterValidator(_of_an_insight)]
_Name = Annotated[Line, Field(min_length=1, max_length=limits.NAME_MAX_CHARS)]


class ShareInsight(Asking):
    """What the caller's workspace found out, and whom it tells."""

    insight_id: Annotated[_Name, Field(description="of your choice, unique in your workspace")]
    source_workspace: Annotated[
        Workspace | None, Field(description="your own; unsaid: the API key's, else `default`")
    ] = None
    target_workspaces: Annotated[
        tuple[Workspace, ...],
        Field(min_length=1, max_length=limits.INSIGHT_TARGETS_MAX, description="that there are in your organisation"),
    ]
    task_type: Annotated[_Name, Field(description="what kind of task it is about, such as `debate`")]
    content: Annotated[Prose, Field(min_length=1, max_length=limits.KNOWLEDGE_MAX_CHARS)]
    confidence: Annotated[float, Field(ge=0, le=1, description="how sure you are; it is shown as your claim")]
    created_at: Annotated[
        Line | None,
        Field(
            max_length=CREATED_MAX_CHARS,
            description="ISO 8601; without a zone it is read as the server's. Given back as it stands; unsaid: now",
        ),
    ] = None


class InsightQuery(Asking):
    """Which insights are listed."""

    task_type: Annotated[_Name | None, Field(description="only those about this kind of task")] = None
    direction: Annotated[
        Literal["received", "shared"],
        Field(description="what other workspaces tell this one, or what this one tells or told others"),
    ] = "received"
    workspace: Annotated[Workspace | None, Field(description="unsaid: the API key's, else `default`")] = None
    limit: Annotated[int, Field(ge=1, le=LISTED_MAX)] = 50
    cursor: Annotated[Line, Field(max_length=512)] | None = None


class InsightView(BaseModel):
    share_id: Annotated[str, Field(description="its id among those of all workspaces")]
    insight_id: str
    source_workspace: str
    target_workspaces: Annotated[list[str], Field(description="of these, those that the caller may know of")]
    task_type: str
    content: str
    confidence: Annotated[float, Field(description="how sure its sharer is; nobody has checked it")]
    basis: Annotated[Literal["declared"], Field(description="what the confidence rests on: the sharer says so")]
    created_at: Annotated[str, Field(description="as the sharer gave it")]
    created: Annotated[float, Field(description="the same in seconds since the epoch")]
    shared_at: float
    shared_by: Annotated[str | None, Field(description="null for whoever is only given it")]
    status: InsightStatus
    delivered: Annotated[bool, Field(description="whether its targets are given it")]
    why: Annotated[str, Field(description="why they are not, and what to do; empty where they are")]


class InsightList(BaseModel):
    insights: list[InsightView]
    next_cursor: str | None


@knowledge_insights.post(
    "/api/knowledge/insights",
    needs=KNOWLEDGE_WRITE,
    gives=InsightView,
    status=201,
    refuses=(409,),
    describes={200: {"model": InsightView, "description": "the same was shared before"}},
)
async def share(call: Call[InsightPorts], body: ShareInsight) -> Response:
    """Tell other workspaces of the organisation what yours found out. `delivered` and `why` say whether they are given
    it: below a minimum of confidence, or as long as a person must look first, it is kept and nobody is. The same again
    changes nothing; other words under the same `insight_id` are a conflict."""
    place = _home(call, body.source_workspace)
    insight = CrossWorkspaceInsight(
        insight_id=body.insight_id,
        source_workspace=place.workspace,
        target_workspaces=body.target_workspaces,
        task_type=body.task_type,
        content=body.content,
        confidence=body.confidence,
        created_at=body.created_at or datetime.fromtimestamp(call.ports.clock.now(), UTC).isoformat(),
    )
    # The log names it by its share id and tells whom it went to: its words, its kind of task and the id that the sharer
    # chose are text of theirs, which may have to be forgotten.
    share_id = share_id_of(place.org_id, place.workspace, insight.insight_id)
    told = {"source": place.workspace, "targets": ",".join(insight.target_workspaces)}
    async with noted(call, "insight.share", share_id, **told):
        done = await call.ports.exchange.share(place, call.who.user_id, insight)
    headers = {**UNCACHED, "Location": f"/api/knowledge/insights/{done.kept.share_id}"}
    return json_response(_view(call, done.kept), 201 if done.new else 200, headers)


@knowledge_insights.get("/api/knowledge/insights", needs=KNOWLEDGE_READ, gives=InsightList)
async def listing(call: Call[InsightPorts], query: Annotated[InsightQuery, Query()]) -> Response:
    """What other workspaces share with one of the caller's, newest first; `next_cursor` leads to the next page and is
    null on the last."""
    exchange, place = call.ports.exchange, _home(call, query.workspace)
    listed = exchange.received if query.direction == "received" else exchange.shared
    page = await listed(place, task_type=query.task_type, cursor=query.cursor, limit=query.limit)
    shown = [_view(call, one) for one in page.items]
    return json_response({"insights": shown, "next_cursor": page.next_cursor}, headers=UNCACHED)


@knowledge_insights.get("/api/knowledge/insights/{share_id}", needs=KNOWLEDGE_READ, gives=InsightView)
async def get(call: Call[InsightPorts], share_id: _ShareId) -> Response:
    """One that a workspace of the caller's shared, whatever its status, or is given."""
    return _shown(call, await call.ports.exchange.get(reach(call), share_id))


@knowledge_insights.delete(
    "/api/knowledge/insights/{share_id}", needs=KNOWLEDGE_WRITE, gives=InsightView, refuses=(409,)
)
async def withdraw(call: Call[InsightPorts], share_id: _ShareId) -> Response:
    """Withdraw it: nobody is given it any more. Its own workspace still reads it; to be rid of it, have it forgotten.
    What somebody else has shared takes the right `knowledge.manage`."""
    exchange, scope = call.ports.exchange, reach(call)
    own = (await exchange.get(scope, share_id)).shared_by == call.who.user_id
    if not own:
        call.require(KNOWLEDGE_MANAGE)
    async with noted(call, "insight.withdraw", share_id):
        return _shown(call, await exchange.withdraw(scope, share_id))


@knowledge_insights.post(
    "/api/knowledge/insights/{share_id}/release", needs=KNOWLEDGE_MANAGE, gives=InsightView, refuses=(409,)
)
async def release(call: Call[InsightPorts], share_id: _ShareId) -> Response:
    """Let it out of quarantine, once a person has looked: from now on its targets are given it. 409 where it is not
    there."""
    async with noted(call, "insight.release", share_id):
        return _shown(call, await call.ports.exchange.release(reach(call), share_id))


def _home(call: Call[InsightPorts], workspace: str | None) -> Home:
    """The workspace of the caller's that is meant. Raises InvalidInput, Forbidden."""
    return Home(call.who.org_id, workspaces.chosen(call.who, workspace))


def _shown(call: Call[InsightPorts], one: SharedInsight) -> Response:
    return json_response(_view(call, one), headers=UNCACHED)


def _view(call: Call[InsightPorts], one: SharedInsight) -> dict[str, Any]:
    insight, why = one.insight, call.ports.exchange.why_held(one)
    return {
        "share_id": one.share_id,
        "insight_id": insight.insight_id,
        "source_workspace": insight.source_workspace,
        "target_workspaces": insight.target_workspaces,
        "task_type": insight.task_type,
        "content": insight.content,
        "confidence": insight.confidence,
        "basis": "declared",
        "created_at": insight.created_at,
        "created": one.created,
        "shared_at": one.shared_at,
        "shared_by": one.shared_by or None,
        "status": one.status,
        "delivered": not why,
        "why": why,
    }
