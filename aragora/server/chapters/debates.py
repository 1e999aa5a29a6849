"""Debates: opening, finding, reading and steering them, their events, and the whole history as a file."""

from __future__ import annotations

from dataclasses import dataclass
from typing import Annotated, Any, Literal

from fastapi import Query
from pydantic import BaseModel, Field
from starlette.responses import Response

from aragora.clock import Clock
from aragora.debate.forecast import Forecast
from aragora.debate.machine.gate import USER, Signer, Word
from aragora.debate.model import DebateStatus
from aragora.debate.proposition import Idempotency
from aragora.identity import workspaces
from aragora.identity.rbac import DEBATES_CREATE, DEBATES_READ, by_power
from aragora.identity.workspace_book import WorkspaceBook
from aragora.identity.writers import Writers
from aragora.server import views
from aragora.server.chapter import Call, Chapter
from aragora.server.debate_asks import CastVote, CorrectPositions, CreateDebate, SignDecision
from aragora.server.exporting import FORMATS, chunks
from aragora.server.live.download import Download
from aragora.server.live.sockets import SocketRegistry
from aragora.server.live.sse import MAX_SEQ, MEDIA_TYPE, EventStream, LastEventId, is_wanted, resume_at
from aragora.server.live.subjects import Subject
from aragora.server.ports import DebateCommands, DebateReader
from aragora.server.proposals import proposal_of
from aragora.server.schemas import Beginning, DebateId, IdempotencyKey, Line, Workspaces
from aragora.server.suggested import Customs, with_suggested
from aragora.server.views import json_response


@dataclass(frozen=True, slots=True)
class DebatePorts:
    """What these routes call. `followed` and `sockets` are those of this process; `customs` is None where nothing is
    learnt."""

    commands: DebateCommands
    reader: DebateReader
    writers: Writers
    workspaces: WorkspaceBook
    followed: Subject
    sockets: SocketRegistry
    clock: Clock
    customs: Customs | None = None


debates: Chapter[DebatePorts] = Chapter("debates")

# --- What goes in and out: requests are validated by these models; answers are encoded straight from records
# (`aragora.server.views`) and only described here; a test holds the two together.


class Ticket(BaseModel):
    debate_id: str
    status: DebateStatus
    ws_url: str
    budget_usd: Annotated[float | None, Field(description="what it may cost; null where its agents cost nothing")]
    forecast: Annotated[
        Forecast | None, Field(description="what it takes: asks and phases, where all agree at once and where none do")
    ]
    suggested: Annotated[
        list[str], Field(description="settings taken from what suits the workspace, where that was asked for, and why")
    ]


class CancelledDebate(BaseModel):
    debate_id: str
    status: DebateStatus


class Recorded(BaseModel):
    debate_id: str
    seq: Annotated[int, Field(description="the journal's number of this vote or suggestion")]


class Outcome(BaseModel):
    reached: bool
    answer: Annotated[str, Field(description=f"shortened to {views.ANSWER_MAX_CHARS} characters")]
    winner: str | None
    confidence: Annotated[float, Field(description="the share of those entitled to vote that stands behind it")]
    headline: Annotated[str, Field(description="what was decided and by how many; says first where it is degraded")]
    position: Annotated[str, Field(description="the winning option or conclusion")]
    degraded: bool


class DebateSummary(BaseModel):
    debate_id: str
    workspace: str
    question: str
    status: DebateStatus
    rounds: int
    agents: list[str]
    protocol: str
    domain: str
    created_at: float
    updated_at: float
    cost_usd: float
    reason: str | None
    receipt_id: str | None
    last_seq: int
    outcome: Annotated[Outcome | None, Field(description="null until the debate is decided")]


class Proposed(BaseModel):
    decision: Annotated[dict[str, Any], Field(description="what the agents decided, not yet in force")]
    missing: Annotated[list[str], Field(description="the needs that nobody has signed yet")]
    signatures: Annotated[
        list[dict[str, str]], Field(description="those in force; of a change with the words that are to stand")
    ]


class DebateDetail(DebateSummary):
    context: str
    budget_usd: float | None
    options: list[str]
    needs: list[str]
    decision: dict[str, Any] | None
    proposed: Annotated[Proposed | None, Field(description="of a debate that waits: what people must sign")]


class DebateList(BaseModel):
    debates: list[DebateSummary]
    next_cursor: str | None


class EventPage(BaseModel):
    events: Annotated[list[dict[str, Any]], Field(description="envelopes in the order of seq")]
    next_after: Annotated[int, Field(description="pass as `after` to read on")]


# --- Routes: `export` stands before {debate_id}, which would take "export" for an id


@debates.get("/api/debates/export", needs=DEBATES_READ, gives=Response)
async def export(
    call: Call[DebatePorts],
    format: Literal["json", "jsonl", "csv", "markdown"] = "json",  # noqa: A002  # the runbook's name of the parameter
    workspace: Workspaces = None,
) -> Response:
    """Every debate of a workspace, oldest first."""
    chosen = FORMATS[format]
    records = call.ports.reader.export(call.within(workspace))
    return Download(
        call.ports.sockets,
        call.caller,
        call.ports.clock,
        chunks(records, chosen),
        media_type=chosen.media_type,
        headers={"Content-Disposition": f'attachment; filename="debates.{chosen.suffix}"'},
    )


@debates.post("/api/debates", needs=DEBATES_CREATE, gives=Ticket, status=202, refuses=(409,))
async def create(call: Call[DebatePorts], body: CreateDebate, idempotency_key: IdempotencyKey = None) -> Response:
    """Open a debate; it runs on its own. The same Idempotency-Key returns the debate it opened first."""
    workspace = workspaces.chosen(call.who, body.workspace)
    await call.ports.workspaces.used(call.who, workspace, call.visit)
    named = [need.removeprefix(USER) for need in body.needs if need.startswith(USER)]
    if named:
        await call.ports.writers.check(named, call.who.org_id, workspace)
    asked = body.proposition(created_by=call.who.user_id, org_id=call.who.org_id, workspace=workspace)
    proposition = await with_suggested(asked, body, call.ports.commands, call.ports.customs)
    ticket = await call.ports.commands.open(proposition, Idempotency.of(idempotency_key, asked))
    view = {
        "debate_id": ticket.debate_id,
        "status": ticket.status,
        "ws_url": call.ws_url,
        "budget_usd": ticket.budget_usd,
        "forecast": ticket.forecast,
        "suggested": ticket.suggested,
    }
    return json_response(view, 202, {"Location": f"/api/debates/{ticket.debate_id}"})


@debates.get("/api/debates", needs=DEBATES_READ, gives=DebateList)
async def listing(
    call: Call[DebatePorts],
    *,
    status: DebateStatus | None = None,
    limit: Annotated[int, Query(ge=1, le=200)] = 50,
    cursor: Annotated[Line | None, Query(max_length=512)] = None,
    prefix: Annotated[Beginning | None, Query(description="the beginning of their ids: 4 hex digits or more")] = None,
    workspace: Workspaces = None,
) -> Response:
    """Those of a workspace, newest first; `next_cursor` leads to the next page and is null on the last."""
    scope = call.within(workspace)
    page = await call.ports.reader.page(scope, status=status, limit=limit, cursor=cursor, beginning=prefix)
    return json_response({"debates": [views.summary(item) for item in page.items], "next_cursor": page.next_cursor})


@debates.get("/api/debates/{debate_id}", needs=DEBATES_READ, gives=DebateDetail)
async def get(call: Call[DebatePorts], debate_id: DebateId) -> Response:
    """One debate, with its decision once there is one."""
    record = await call.ports.reader.get(debate_id, call.reach)
    waits = record.status is DebateStatus.WAITING
    proposed = await proposal_of(call.ports.reader, record) if waits else None
    return json_response({**views.detail(record), "proposed": proposed})


@debates.post("/api/debates/{debate_id}/cancel", needs=DEBATES_CREATE, gives=CancelledDebate, refuses=(409,))
async def cancel(call: Call[DebatePorts], debate_id: DebateId) -> Response:
    """End a debate before its time; what was said stays in its journal."""
    await call.ports.reader.get(debate_id, call.reach)
    ticket = await call.ports.commands.cancel(debate_id, call.who.user_id)
    return json_response({"debate_id": ticket.debate_id, "status": ticket.status})


@debates.post("/api/debates/{debate_id}/votes", needs=DEBATES_CREATE, gives=Recorded, status=201, refuses=(409,))
async def vote(call: Call[DebatePorts], debate_id: DebateId, body: CastVote) -> Response:
    """A person's vote for an answer, or a suggestion that all agents will read."""
    await call.ports.reader.get(debate_id, call.reach)
    if body.suggestion is not None:
        seq = await call.ports.commands.suggest(debate_id, call.who.user_id, body.suggestion)
    else:
        seq = await call.ports.commands.vote(debate_id, call.who.user_id, body.choice or "", body.intensity)
    return json_response({"debate_id": debate_id, "seq": seq}, 201)


@debates.post("/api/debates/{debate_id}/positions", needs=DEBATES_CREATE, gives=Recorded, status=201, refuses=(409,))
async def correct(call: Call[DebatePorts], debate_id: DebateId, body: CorrectPositions) -> Response:
    """Say which answers come to the same conclusion, before they are counted. It holds until the answers
    are compared anew, at the end of the next round."""
    await call.ports.reader.get(debate_id, call.reach)
    seq = await call.ports.commands.correct(debate_id, call.who.user_id, body.groups)
    return json_response({"debate_id": debate_id, "seq": seq}, 201)


@debates.post("/api/debates/{debate_id}/signatures", needs=DEBATES_CREATE, gives=Recorded, status=201, refuses=(409,))
async def sign(call: Call[DebatePorts], debate_id: DebateId, body: SignDecision) -> Response:
    """Approve, change or veto the decision that a debate proposes to those who must sign it. The same again gets its
    first answer, also after the debate has ended."""
    await call.ports.reader.get(debate_id, call.reach)
    signer = Signer(call.who.user_id, by_power(call.who.roles))
    word = Word(body.verdict, body.note, body.answer, body.option, body.need)
    seq = await call.ports.commands.sign(debate_id, signer, word)
    return json_response({"debate_id": debate_id, "seq": seq}, 201)


@debates.get(
    "/api/debates/{debate_id}/events",
    needs=DEBATES_READ,
    gives=EventPage,
    describes={
        200: {"description": "a page, or with Accept: text/event-stream a stream", "content": {MEDIA_TYPE: {}}},
    },
)
async def events(
    call: Call[DebatePorts],
    debate_id: DebateId,
    *,
    after: Annotated[int, Query(ge=0, le=MAX_SEQ)] = 0,
    limit: Annotated[int, Query(ge=1, le=1_000)] = 500,
    deltas: Annotated[bool, Query(description="in a stream: also what agents are writing, as `token` events")] = False,
    last_event_id: LastEventId = None,
) -> Response:
    """Envelopes with seq > `after`, in order. As a stream: those, then what follows, until the debate ends."""
    await call.ports.reader.get(debate_id, call.reach)
    if is_wanted(call.request):
        return _stream(call, debate_id, resume_at(after, last_event_id), deltas=deltas)
    rows = await call.ports.reader.events(debate_id, after, limit)
    body = f'{{"events":[{",".join(rows)}],"next_after":{after + len(rows)}}}'
    return Response(body, media_type="application/json")


def _stream(call: Call[DebatePorts], debate_id: str, after: int, *, deltas: bool) -> Response:
    ports = call.ports
    return EventStream(
        ports.followed,
        ports.sockets,
        debate_id,
        after,
        call.caller,
        clock=ports.clock,
        bound=call.config.ws_send_queue,
        deltas=deltas,
    )
