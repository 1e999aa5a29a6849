"""The health of the Knowledge Mound. Public, and quiet about all but states, counts and ages."""

from __future__ import annotations

from collections.abc import Awaitable, Callable
from dataclasses import dataclass
from typing import Annotated, Any, Literal

from pydantic import BaseModel, ConfigDict, Field
from starlette.responses import Response

from aragora.identity.rbac import PUBLIC
from aragora.knowledge.health import State
from aragora.server.chapter import Call, Chapter
from aragora.server.views import UNCACHED, json_response


@dataclass(frozen=True, slots=True)
class KnowledgeHealthPorts:
    """What this route calls: it gives the whole answer, some seconds old at the most."""

    tell: Callable[[], Awaitable[dict[str, Any]]]


knowledge_health: Chapter[KnowledgeHealthPorts] = Chapter("operations")


class ComponentHealth(BaseModel):
    """One part, with counts and ages of its own."""

    model_config = ConfigDict(extra="allow")

    state: Annotated[State, Field(description="`off`: on purpose, or this version does not have it")]
    healthy: bool
    active: Annotated[bool, Field(description="on, and used within the hour")]
    used_s_ago: float | None


class HealthSummary(BaseModel):
    total_components: int
    healthy: int
    active: int


class MoundHealthView(BaseModel):
    status: Literal["healthy", "degraded", "unhealthy"]
    summary: HealthSummary
    components: dict[str, ComponentHealth]


@knowledge_health.get("/api/health/knowledge-mound", needs=PUBLIC, gives=MoundHealthView)
async def health(call: Call[KnowledgeHealthPorts]) -> Response:
    """How the parts of the mound do: each was used just now, or some seconds ago, as its users do."""
    return json_response(await call.ports.tell(), headers=UNCACHED)
