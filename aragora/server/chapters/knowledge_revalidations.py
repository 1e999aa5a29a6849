"""Decisions that the server debates again by itself: what waits, what runs, what came of it, and dropping one."""

from __future__ import annotations

from dataclasses import dataclass
from typing import Annotated, Any, Final

from fastapi import Path, Query
from pydantic import AfterValidator, BaseModel, Field
from starlette.responses import Response

from aragora.debate.budget import MICROS
from aragora.identity.rbac import KNOWLEDGE_MANAGE, KNOWLEDGE_READ
from aragora.knowledge.revalidation import REVALIDATION_ID, Allowance, Reason, Result, State
from aragora.knowledge.revalidations import DebatedAgain, Revalidations, unknown_revalidation
from aragora.server.chapter import Call, Chapter
from aragora.server.knowledge import Asking, covered, noted, reach
from aragora.server.knowledge_asks import Covered
from aragora.server.ports import AuditTrail
from aragora.server.views import UNCACHED, json_response

LISTED_MAX: Final = 200


@dataclass(frozen=True, slots=True)
class RevalidationPorts:
    """What these routes call. `allowance` is None where decisions are not debated again."""

    revalidations: Revalidations
    allowance: Allowance | None
    audit: AuditTrail


knowledge_revalidations: Chapter[RevalidationPorts] = Chapter("knowledge")


def _of_one(text: str) -> str:
    """Raises NotFound for what none is called, before any store is asked."""
    if REVALIDATION_ID.fullmatch(text) is None:
        raise unknown_revalidation("of that id")
    return text


_RevalidationId = Annotated[str, Path(), AfterValidator(_of_one)]


class RevalidationQuery(Asking):
    """Which of them are listed."""

    workspace: Covered = None
    limit: Annotated[int, Field(ge=1, le=LISTED_MAX)] = 50


class RevalidationView(BaseModel):
    revalidation_id: str
    workspace: str
    question: Annotated[str, Field(description="in a line; empty where its item is not there any more")]
    position: Annotated[str, Field(description="what it was settled on, in a line")]
    item_id: str
    settled_by: Annotated[str, Field(description="the newest debate that came to that")]
    reason: Reason
    since: Annotated[float, Field(description="since when it is due, in seconds since the epoch")]
    asked: Annotated[int, Field(description="debates of the question in the 90 days before it was found due")]
    state: State
    found_at: float
    changed_at: float
    debate_id: Annotated[str | None, Field(description="the debate that looks at it again, once it is opened")]
    held_usd: Annotated[float, Field(description="what that debate may cost")]
    result: Annotated[Result | None, Field(description="what came of it, once it has ended")]
    why: Annotated[str, Field(description="why it was refused, dropped or failed")]


class RevalidationList(BaseModel):
    enabled: Annotated[bool, Field(description="whether this server does that (ARAGORA_KNOWLEDGE_REVALIDATION)")]
    debates_a_day: Annotated[int | None, Field(description="how many at most, of all organisations together")]
    usd_a_day: Annotated[float | None, Field(description="what they may cost together")]
    revalidations: list[RevalidationView]


@knowledge_revalidations.get("/api/knowledge/revalidations", needs=KNOWLEDGE_READ, gives=RevalidationList)
async def listing(call: Call[RevalidationPorts], query: Annotated[RevalidationQuery, Query()]) -> Response:
    """What is debated again of the caller's workspaces: what waits first, in its turn, then the newest changes. A
    question has one row."""
    ports = call.ports
    found = await ports.revalidations.of(covered(call, query.workspace), query.limit)
    view = {
        "enabled": ports.allowance is not None,
        "debates_a_day": None if ports.allowance is None else ports.allowance.debates,
        "usd_a_day": None if ports.allowance is None else ports.allowance.usd,
        "revalidations": [_view(one) for one in found],
    }
    return json_response(view, headers=UNCACHED)


@knowledge_revalidations.delete(
    "/api/knowledge/revalidations/{revalidation_id}", needs=KNOWLEDGE_MANAGE, gives=RevalidationView, refuses=(409,)
)
async def drop(call: Call[RevalidationPorts], revalidation_id: _RevalidationId) -> Response:
    """Drop one that waits: its question is not debated again for 90 days, unless somebody asks it. 409 where it does
    not wait any more; a debate that runs is cancelled as any other."""
    async with noted(call, "revalidation.drop", revalidation_id):
        dropped = await call.ports.revalidations.drop(reach(call), revalidation_id)
        return json_response(_view(dropped), headers=UNCACHED)


def _view(one: DebatedAgain) -> dict[str, Any]:
    row = one.row
    return {
        "revalidation_id": row.revalidation_id,
        "workspace": row.workspace,
        "question": one.question,
        "position": one.position,
        "item_id": row.item_id,
        "settled_by": row.settled_by,
        "reason": row.reason,
        "since": row.since,
        "asked": row.asked,
        "state": row.state,
        "found_at": row.found_at,
        "changed_at": row.changed_at,
        "debate_id": row.debate_id or None,
        "held_usd": row.held_micros / MICROS,
        "result": row.result or None,
        "why": row.why,
    }
