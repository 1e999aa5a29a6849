"""The workspaces of an organisation: those that the caller may use, and making one."""

from __future__ import annotations

from dataclasses import dataclass

from pydantic import BaseModel
from starlette.responses import Response

from aragora.identity.rbac import USER, USERS_MANAGE
from aragora.identity.workspace_book import WorkspaceBook
from aragora.server.chapter import Call, Chapter
from aragora.server.schemas import Secretive, Workspace
from aragora.server.views import json_response


@dataclass(frozen=True, slots=True)
class WorkspacePorts:
    """What these routes call."""

    book: WorkspaceBook


workspaces: Chapter[WorkspacePorts] = Chapter("workspaces")


class MakeWorkspace(Secretive):
    name: Workspace


class WorkspaceView(BaseModel):
    name: str


class WorkspaceList(BaseModel):
    workspaces: list[WorkspaceView]


@workspaces.get("/api/workspaces", needs=USER, gives=WorkspaceList)
async def listing(call: Call[WorkspacePorts]) -> Response:
    """The workspaces that the caller may use, in the order of their names."""
    return json_response({"workspaces": [{"name": name} for name in await call.ports.book.names(call.who)]})


@workspaces.post("/api/workspaces", needs=USERS_MANAGE, gives=WorkspaceView, status=201, refuses=(401, 409))
async def make(call: Call[WorkspacePorts], body: MakeWorkspace) -> Response:
    """Make a workspace in the caller's organisation; one that there is stays as it is."""
    await call.ports.book.make(call.who, body.name, call.visit)
    return json_response({"name": body.name}, 201)
