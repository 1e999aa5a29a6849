"""The workspaces of knowledge: what they hold, and whether their debates are offered it."""

from __future__ import annotations

from typing import Annotated

from pydantic import BaseModel, Field, StrictBool
from starlette.responses import Response

from aragora.identity.rbac import KNOWLEDGE_MANAGE, KNOWLEDGE_READ
from aragora.server.chapter import Call, Chapter
from aragora.server.knowledge import Asking, KnowledgePorts, home, noted, reach
from aragora.server.schemas import Workspace
from aragora.server.views import UNCACHED, json_response

knowledge_workspaces: Chapter[KnowledgePorts] = Chapter("knowledge")


class WorkspaceOfKnowledge(BaseModel):
    workspace: str
    offers: Annotated[bool, Field(description="whether its debates are offered knowledge at their opening")]
    items: Annotated[int, Field(description="live and disputed ones")]


class WorkspacesOfKnowledge(BaseModel):
    workspaces: list[WorkspaceOfKnowledge]


class SwitchWorkspace(Asking):
    """Whether the debates of a workspace are offered knowledge."""

    workspace: Annotated[Workspace | None, Field(description="unsaid: the API key's, else `default`")] = None
    offers: StrictBool


@knowledge_workspaces.get("/api/knowledge/workspaces", needs=KNOWLEDGE_READ, gives=WorkspacesOfKnowledge)
async def workspaces(call: Call[KnowledgePorts]) -> Response:
    """Those that the caller may use and that know something, or were switched."""
    scope, switches = reach(call), call.ports.switches
    offers, counts = await switches.all(scope), await switches.counts(scope)
    shown = [{"workspace": name, "offers": on, "items": counts.get(name, 0)} for name, on in offers.items()]
    return json_response({"workspaces": shown}, headers=UNCACHED)


@knowledge_workspaces.put("/api/knowledge/workspaces", needs=KNOWLEDGE_MANAGE, gives=WorkspaceOfKnowledge)
async def switch(call: Call[KnowledgePorts], body: SwitchWorkspace) -> Response:
    """Have the debates of a workspace offered what it knows, or not. It holds for debates that open from now on."""
    place, switches = home(call, body.workspace), call.ports.switches
    async with noted(call, "offer" if body.offers else "withhold", place.workspace):
        await switches.put(place, offers=body.offers)
    counts = await switches.counts(reach(call))
    view = {"workspace": place.workspace, "offers": body.offers, "items": counts.get(place.workspace, 0)}
    return json_response(view, headers=UNCACHED)
