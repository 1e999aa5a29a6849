"""What a debate will take, told before anybody pays for it: nothing is opened and no agent is asked."""

from __future__ import annotations

import asyncio
from dataclasses import dataclass
from typing import Annotated, Final, Protocol

from pydantic import BaseModel, Field
from starlette.responses import Response

from aragora.debate.forecast import Forecast, forecast
from aragora.debate.model import DebateSpec
from aragora.errors import Unavailable
from aragora.identity import workspaces
from aragora.identity.rbac import DEBATES_CREATE, KNOWLEDGE_READ
from aragora.knowledge.mound.adapters.cost import LEAST, Estimate
from aragora.server.chapter import Call, Chapter
from aragora.server.debate_asks import CreateDebate
from aragora.server.estimated_agents import AgentsKnown, Debaters, SuggestedTeam, agents_known, team_of
from aragora.server.foretelling import OFF, Known, OfQuestion, of_question
from aragora.server.suggested import Planner, with_suggested
from aragora.server.views import UNCACHED, json_response

TOO_FEW: Final = f"fewer than {LEAST} debates like it have ended in this workspace"


class Costs(Protocol):
    """Knows what debates took (`aragora.knowledge.costs.Costs`)."""

    async def like(self, planned: DebateSpec) -> Estimate | None:
        """What debates like the planned one took; None where there are too few. Raises Unavailable."""
        ...


@dataclass(frozen=True, slots=True)
class EstimatePorts:
    """What this route calls; all but the planner is None where nothing is learnt."""

    planner: Planner
    costs: Costs | None
    debaters: Debaters | None = None
    known: Known | None = None


estimates: Chapter[EstimatePorts] = Chapter("debates")


class Plan(OfQuestion, BaseModel):
    agents: Annotated[list[str], Field(description="who would debate")]
    protocol: str
    rounds: int
    budget_usd: Annotated[float | None, Field(description="what it may cost; null where its agents cost nothing")]
    forecast: Annotated[
        Forecast, Field(description="what it takes: asks and phases, where all agree at once and where none do")
    ]
    estimate: Annotated[
        Estimate | None,
        Field(description="what half and nine of ten ended debates like it took, with the same team or as many agents"),
    ]
    why: Annotated[str, Field(description="why there is no estimate; empty where there is one")]
    team: Annotated[SuggestedTeam, Field(description="who does well in its domain, and a team that suggests")]
    agents_known: Annotated[AgentsKnown, Field(description="what ended debates say of those who would debate")]


@estimates.post("/api/debates/estimate", needs=DEBATES_CREATE, gives=Plan)
async def estimate(call: Call[EstimatePorts], body: CreateDebate) -> Response:
    """What a debate would take: the body is that of POST /api/debates, and it is refused for the same reasons. Beside
    the bounds it says what debates like it took before in the same workspace, what these say of agents, what the same
    question was settled on there, and which settings would suit."""
    workspace = workspaces.chosen(call.who, body.workspace)
    ports, who = call.ports, call.who
    asked = body.proposition(created_by=who.user_id, org_id=who.org_id, workspace=workspace)
    customs = None if ports.known is None else ports.known.customs
    planned = await ports.planner.plan(await with_suggested(asked, body, ports.planner, customs))
    may_read = KNOWLEDGE_READ.permission in who.permissions
    (found, why), team, known, told = await asyncio.gather(
        _found(ports.costs, planned),
        team_of(ports.debaters, planned, named=bool(body.agents), off=OFF),
        agents_known(ports.debaters, planned, off=OFF),
        of_question(ports.known, planned, may_read=may_read),
    )
    view = {
        "agents": planned.agents,
        "protocol": planned.protocol.name,
        "rounds": planned.protocol.rounds,
        "budget_usd": planned.budget_usd,
        "forecast": forecast(planned),
        "estimate": found,
        "why": why,
        "team": team,
        "agents_known": known,
        **told,
    }
    return json_response(view, headers=UNCACHED)


async def _found(costs: Costs | None, planned: DebateSpec) -> tuple[Estimate | None, str]:
    """The estimate, or why there is none: what bounds a debate is told all the same."""
    if costs is None:
        return None, OFF
    try:
        found = await costs.like(planned)
    except Unavailable as away:
        return None, away.message
    return found, "" if found is not None else TOO_FEW
