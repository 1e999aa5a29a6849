"""What came of debates, and how far their confidence can be believed since."""

from __future__ import annotations

import re
from dataclasses import dataclass
from typing import Annotated, Any, Final

from fastapi import Header, Query
from pydantic import BaseModel, ConfigDict, Field
from starlette.responses import Response

from aragora import limits
from aragora.errors import AragoraError, InvalidInput, NotFound
from aragora.identity import workspaces
from aragora.identity.audit import Outcome as Result
from aragora.identity.rbac import DEBATES_CREATE, DEBATES_READ, KNOWLEDGE_READ
from aragora.knowledge.calibration import OUTCOMES_MIN, Curve, calibrated
from aragora.knowledge.outcomes import Outcome, Wish
from aragora.knowledge.recording import Recording
from aragora.knowledge.store.outcomes import DOMAINS_MAX, OutcomeStore
from aragora.ranking.calibration import Calibration
from aragora.scope import WORKSPACE_PATTERN
from aragora.server.chapter import Call, Chapter
from aragora.server.ports import AuditTrail, DebateReader
from aragora.server.schemas import DebateId, Line, Prose
from aragora.server.views import json_response


@dataclass(frozen=True, slots=True)
class OutcomePorts:
    """What these routes call."""

    recording: Recording
    store: OutcomeStore
    reader: DebateReader
    audit: AuditTrail


outcomes: Chapter[OutcomePorts] = Chapter("debates")
calibration: Chapter[OutcomePorts] = Chapter("knowledge")

NAME_MAX_CHARS: Final = 320  # the name of a position has at most 300
_POINTS: Final = tuple(number / 10 for number in range(11))
_TAG: Final = re.compile(r'(?:W/)?"?v?(\d{1,9})"?')

Workspace = Annotated[
    str, Query(pattern=WORKSPACE_PATTERN, description="of the debates; unsaid: the API key's, else `default`")
]


class TellOutcome(BaseModel):
    """Which of a debate's answers held. `right` must be there: null says that none of them did."""

    model_config = ConfigDict(extra="forbid", str_strip_whitespace=True, allow_inf_nan=False)

    right: Annotated[
        Annotated[Line, Field(min_length=1, max_length=NAME_MAX_CHARS)] | None,
        Field(description="the answer that held: an option, the name of a position, or an agent that gave it"),
    ]
    note: Annotated[Prose, Field(max_length=limits.NOTE_MAX_CHARS)] = ""
    at: Annotated[
        float | None, Field(ge=0, description="when that was seen, in seconds since the epoch; now, where left out")
    ] = None
    replaces: Annotated[
        int | None, Field(ge=1, le=limits.OUTCOME_VERSIONS_MAX, description="the version that this one replaces")
    ] = None


class OutcomeVersion(BaseModel):
    debate_id: str
    version: int
    right: Annotated[str | None, Field(description="the name of the position that held; null: none did")]
    agents: Annotated[list[str], Field(description="who gave it; nobody, where it is a person's words")]
    decision_right: bool
    confidence: Annotated[
        float | None, Field(description="the share of votes behind the decision; null where a person changed it")
    ]
    workspace: str
    domain: str
    by: str
    note: str
    at: float
    recorded_at: float


class OutcomeHistory(OutcomeVersion):
    """The newest version, and those before it, the newest first."""

    history: list[OutcomeVersion]


class CurveBin(BaseModel):
    """Decisions whose voted confidence lies in a range, and how many of them were right; the rate with its 95 %
    interval."""

    low: float
    high: float
    outcomes: int
    right: int
    confidence: Annotated[float, Field(description="their mean voted confidence")]
    rate: float
    rate_low: float
    rate_high: float


class CurvePoint(BaseModel):
    voted: float
    calibrated: float


class BrierScore(BaseModel):
    """score = reliability - resolution + uncertainty + within_bins."""

    score: float
    reliability: float
    resolution: float
    uncertainty: float
    within_bins: float


class CurveView(BaseModel):
    calibrated: bool
    told: Annotated[str, Field(description="whether the curve counts, in words")]
    missing: Annotated[int, Field(description="how many outcomes are missing until it counts")]
    outcomes: int
    right: int
    brier: BrierScore | None
    bins: Annotated[list[CurveBin], Field(description="the reliability curve; ranges without an outcome are left out")]
    points: Annotated[
        list[CurvePoint], Field(description="what a voted confidence is worth; itself where not calibrated")
    ]


class AgentCalibration(BaseModel):
    """How sure an agent's votes were of what turned out right. The Brier score is 0 at best; calibration is 1 minus
    it."""

    agent: str
    forecasts: int
    brier: float | None
    calibration: float | None


class DomainCalibration(BaseModel):
    domain: str
    curve: CurveView
    agents: list[AgentCalibration]


class CalibrationReport(BaseModel):
    workspace: str
    minimum: Annotated[int, Field(description="outcomes under which a curve is not calibrated")]
    curve: Annotated[CurveView, Field(description="of all domains of the workspace together")]
    agents: list[AgentCalibration]
    organisation: Annotated[CurveView, Field(description="of all workspaces: the others lean on it")]
    domains: Annotated[list[DomainCalibration], Field(description=f"those with most outcomes, {DOMAINS_MAX} at most")]


@outcomes.post(
    "/api/debates/{debate_id}/outcome",
    needs=DEBATES_CREATE,
    gives=OutcomeVersion,
    status=201,
    refuses=(409,),
    describes={200: {"model": OutcomeVersion, "description": "the same was told before"}},
)
async def tell(
    call: Call[OutcomePorts],
    debate_id: DebateId,
    body: TellOutcome,
    if_match: Annotated[Line | None, Header(alias="If-Match", max_length=32)] = None,
) -> Response:
    """Say which answer of a decided debate held, or that none did. The same again gets what is stored; another outcome
    names the version that it replaces (`replaces`, or If-Match), and the versions before it stay."""
    ports = call.ports
    debate = await ports.reader.get(debate_id, call.reach)
    wish = Wish(body.right, call.who.user_id, body.note, body.at, _replaced(body.replaces, if_match))
    meant = ports.recording.meant(debate, wish)
    known = await ports.recording.known(debate, wish, meant)
    if known is not None:
        return _shown(known, 200)
    held = "none" if meant.held is None else ", ".join(meant.held.agents) or "a person's words"
    await _note(call, debate_id, Result.SUCCESS, held=held)
    try:
        kept, new = await ports.recording.record(debate, wish, meant)
    except AragoraError as refused:
        await _note(call, debate_id, Result.FAILURE, reason=refused.code)
        raise
    return _shown(kept, 201 if new else 200)


@outcomes.get("/api/debates/{debate_id}/outcome", needs=DEBATES_READ, gives=OutcomeHistory)
async def outcome(call: Call[OutcomePorts], debate_id: DebateId) -> Response:
    """What came of a debate, with every earlier version. 404 where nobody has told it."""
    await call.ports.reader.get(debate_id, call.reach)
    history = await call.ports.store.history(debate_id)
    if not history:
        raise NotFound(
            f"Nobody has told the outcome of {debate_id}: do so with POST /api/debates/{{id}}/outcome.",
            code="no_outcome",
        )
    versions = [_view(one) for one in history]
    return json_response({**versions[0], "history": versions}, headers=_tag(history[0]))


@calibration.get("/api/knowledge/calibration", needs=KNOWLEDGE_READ, gives=CalibrationReport)
async def report(
    call: Call[OutcomePorts],
    workspace: Workspace | None = None,
    domain: Annotated[
        Line | None, Query(min_length=1, max_length=limits.NAME_MAX_CHARS, description="only this one")
    ] = None,
) -> Response:
    """How often decisions were right, by how many votes they had, in each domain of a workspace; and how well the votes
    of agents foretold it."""
    store = call.ports.store
    org_id, workspace = call.who.org_id, workspaces.chosen(call.who, workspace)
    named = [domain] if domain is not None else await store.domains(org_id, workspace)
    curves = await store.curves(org_id, workspace, [None, *named])
    whole = curves[None]
    agents = await store.agents_by_domain(org_id, workspace, named)
    shown = {
        "workspace": workspace,
        "minimum": OUTCOMES_MIN,
        "curve": _curve(whole),
        "agents": _agents(await store.agents(org_id, workspace)),
        "organisation": _curve(whole.organisation or whole),
        "domains": [{"domain": one, "curve": _curve(curves[one]), "agents": _agents(agents[one])} for one in named],
    }
    return json_response(shown)


def _replaced(replaces: int | None, if_match: str | None) -> int | None:
    """The version that is to be replaced. Raises InvalidInput where the two ways to say it disagree."""
    if if_match is None:
        return replaces
    tag = _TAG.fullmatch(if_match.strip())
    if tag is None:
        raise InvalidInput('If-Match is no version of an outcome: send the ETag of the newest one, such as "1".')
    if replaces is not None and replaces != int(tag[1]):
        raise InvalidInput("If-Match and replaces name two versions: send one of them.")
    return int(tag[1])


async def _note(call: Call[OutcomePorts], debate_id: str, result: Result, **details: str) -> None:
    """Write to the audit log what the caller does. Raises Unavailable: what cannot be audited is not done."""
    who = call.who
    await call.ports.audit.note(
        call.visit, "outcome.tell", who.actor, who.org_id, result, subject=who.user_id, target=debate_id, **details
    )


def _shown(one: Outcome, status: int) -> Response:
    return json_response(_view(one), status, _tag(one))


def _tag(one: Outcome) -> dict[str, str]:
    return {"ETag": f'"{one.version}"'}


def _view(one: Outcome) -> dict[str, Any]:
    return {
        "debate_id": one.debate_id,
        "version": one.version,
        "right": one.right,
        "agents": one.agents,
        "decision_right": one.decision_right,
        "confidence": one.confidence,
        "workspace": one.workspace,
        "domain": one.domain,
        "by": one.by,
        "note": one.note,
        "at": one.at,
        "recorded_at": one.recorded_at,
    }


def _curve(curve: Curve) -> dict[str, Any]:
    return {
        "calibrated": curve.calibrated,
        "told": curve.told,
        "missing": curve.missing,
        "outcomes": curve.outcomes,
        "right": curve.right,
        "brier": curve.brier,
        "bins": curve.bins,
        "points": [{"voted": at, "calibrated": calibrated(at, curve)} for at in _POINTS],
    }


def _agents(found: dict[str, Calibration]) -> list[dict[str, Any]]:
    return [
        {"agent": agent, "forecasts": one.forecasts, "brier": one.brier, "calibration": one.value}
        for agent, one in found.items()
    ]
