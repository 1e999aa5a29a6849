"""A debate's journal over HTTP: pages of JSON, or a stream that follows it."""

from __future__ import annotations

from typing import Annotated, Final

from fastapi import APIRouter, Header, Query, Request
from starlette.responses import Response

from aragora.errors import InvalidInput, Unavailable
from aragora.identity.rbac import DEBATES_READ
from aragora.server.chapters.debates import DebateId
from aragora.server.live.sse import EventStream
from aragora.server.policy import caller_of, require, services_of
from aragora.server.schemas import EventPage, failures

router = APIRouter(tags=["debates"])

_MAX_SEQ: Final = 2**53
_MAX_SEQ_DIGITS: Final = 15
_STREAM: Final = "text/event-stream"


@router.get(
    "/api/debates/{debate_id}/events",
    dependencies=[require(DEBATES_READ)],
    response_model=EventPage,
    responses=failures(401, 403, 404, 422, 503)
    | {200: {"description": "a page, or with Accept: text/event-stream a stream", "content": {_STREAM: {}}}},
)
async def events(
    request: Request,
    debate_id: DebateId,
    *,
    after: Annotated[int, Query(ge=0, le=_MAX_SEQ)] = 0,
    limit: Annotated[int, Query(ge=1, le=1_000)] = 500,
    last_event_id: Annotated[str | None, Header(alias="Last-Event-ID", max_length=32)] = None,
) -> Response:
    """Envelopes with seq > `after`, in order. As a stream: those, then what follows, until the debate ends."""
    services = services_of(request)
    await services.reader.get(debate_id, caller_of(request).org_scope)
    if _STREAM in request.headers.get("accept", ""):
        return _stream(request, debate_id, _resume_at(after, last_event_id), caller_of(request).org_scope)
    rows = await services.reader.events(debate_id, after, limit)
    body = f'{{"events":[{",".join(rows)}],"next_after":{after + len(rows)}}}'
    return Response(body, media_type="application/json")


def _stream(request: Request, debate_id: str, after: int, org_id: str | None) -> Response:
    state, config = request.app.state, services_of(request).config
    if state.sockets.full or state.sockets.closing_reason is not None:
        raise Unavailable("This server takes no more event streams now.", retry_after_s=5.0)
    return EventStream(
        state.fanout,
        state.sockets,
        debate_id,
        after,
        org_id,
        bound=config.ws_send_queue,
        heartbeat_s=config.ws_heartbeat_s,
    )


def _resume_at(after: int, last_event_id: str | None) -> int:
    if last_event_id is None:
        return after
    if not (last_event_id.isascii() and last_event_id.isdigit()) or len(last_event_id) > _MAX_SEQ_DIGITS:
        raise InvalidInput("Last-Event-ID is not the id of an event of this stream. Leave it out to start anew.")
    return int(last_event_id)
