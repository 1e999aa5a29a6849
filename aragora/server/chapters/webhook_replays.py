"""Replays: a webhook gets again, or for the first time, what has happened."""

from __future__ import annotations

import math
from typing import Annotated, Any, Final

from pydantic import BaseModel, Field
from starlette.responses import Response

from aragora.identity.rbac import WEBHOOKS_MANAGE
from aragora.server.chapter import Call, Chapter
from aragora.server.schemas import IdempotencyKey, Line
from aragora.server.views import UNCACHED, json_response
from aragora.server.webhooks import (
    SECONDS_MAX,
    Cursor,
    Limit,
    ReplayId,
    Wanting,
    WebhookId,
    WebhookPorts,
    noted,
    tell,
)
from aragora.webhooks.replay import (
    RATE_MAX_PER_S,
    RATE_MIN_PER_S,
    RATE_PER_S,
    TYPES_MAX,
    Replay,
    ReplayStatus,
    Selection,
    Wish,
)
from aragora.webhooks.replays import Replays, repeatable_of

webhook_replays: Chapter[WebhookPorts] = Chapter("webhooks")

_Type = Annotated[Line, Field(min_length=1, max_length=128)]
_MATCHING: Final = "events; exact unless `more`"
_MORE: Final = "whether there are more than were counted: then `matching` are at least"
_UNCERTAIN: Final = (
    "what arrived before this time is not kept any more: such events count as missing, and are sent again; null where "
    "the replay has none"
)


class AskReplay(Wanting):
    """Which events, by the time at which they happened, in seconds since the epoch: `since` is included, `until` is
    not."""

    since: Annotated[float, Field(ge=0, le=SECONDS_MAX)]
    until: Annotated[float, Field(ge=0, le=SECONDS_MAX, description="unset: now")] | None = None
    select: Annotated[
        Selection,
        Field(
            description="failed: dead letters; missing: what the webhook would want and has no delivery of; all: both, "
            "and what was delivered or cancelled"
        ),
    ]
    event_types: Annotated[list[_Type], Field(max_length=TYPES_MAX, description="only these; empty: all")] = Field(
        default_factory=list
    )
    dry_run: Annotated[bool, Field(description="only count")] = False
    rate_per_s: Annotated[
        float, Field(ge=RATE_MIN_PER_S, le=RATE_MAX_PER_S, description="deliveries that are made a second, at most")
    ] = RATE_PER_S

    def wish(self) -> Wish:
        until = math.inf if self.until is None else self.until
        return Wish(self.since, min(until, SECONDS_MAX), self.select, tuple(self.event_types), self.rate_per_s)


class Counted(BaseModel):
    """What a replay would bring: nothing was stored."""

    webhook_id: str
    select: Selection
    since: float
    until: float
    event_types: list[str]
    rate_per_s: float
    matching: Annotated[int, Field(description=_MATCHING)]
    more: Annotated[bool, Field(description=_MORE)]
    uncertain_before: Annotated[float | None, Field(description=_UNCERTAIN)]


class ReplayView(Counted):
    """A replay and how far it is."""

    replay_id: str
    status: ReplayStatus
    reason: Annotated[str, Field(description="why it was stopped or failed")]
    made: Annotated[int, Field(description="events that had no delivery and have one now")]
    revived: Annotated[int, Field(description="deliveries that were brought back")]
    skipped: Annotated[int, Field(description="what was there no more when its turn came, or could not be read")]
    created_at: float
    created_by: str
    ended_at: float | None


class ReplayList(BaseModel):
    replays: list[ReplayView]
    next_cursor: str | None


# --- Paths without the id of a webhook come first


@webhook_replays.get("/api/webhooks/replays/{replay_id}", needs=WEBHOOKS_MANAGE, gives=ReplayView)
async def get(call: Call[WebhookPorts], replay_id: ReplayId) -> Response:
    """How far a replay is."""
    replays = (await call.ports.services()).replays
    replay = await replays.get(call.who.org_id, replay_id)
    return json_response(_shown(replay, replays), headers=UNCACHED)


@webhook_replays.delete("/api/webhooks/replays/{replay_id}", needs=WEBHOOKS_MANAGE, gives=ReplayView)
async def stop(call: Call[WebhookPorts], replay_id: ReplayId) -> Response:
    """Stop it: what was made stays and is delivered, nothing more is made. One that has ended stays as it is."""
    replays = (await call.ports.services()).replays
    replay = await replays.get(call.who.org_id, replay_id)
    if replay.status is ReplayStatus.RUNNING:
        async with noted(call, "stop_replay", replay_id):
            replay = await replays.stop(call.who.org_id, replay_id)
    return json_response(_shown(replay, replays), headers=UNCACHED)


@webhook_replays.post(
    "/api/webhooks/{webhook_id}/replay",
    needs=WEBHOOKS_MANAGE,
    gives=ReplayView,
    status=202,
    refuses=(409,),
    describes={200: {"model": Counted, "description": "What it would bring, with `dry_run`"}},
)
async def begin(
    call: Call[WebhookPorts], webhook_id: WebhookId, body: AskReplay, idempotency_key: IdempotencyKey = None
) -> Response:
    """Deliver events of the past. The same Idempotency-Key returns the replay it began first. 409 where the webhook is
    disabled, or five replays of the organisation run already."""
    org_id, user_id = call.who.org_id, call.who.user_id
    replays, wish = (await call.ports.services()).replays, body.wish()
    repeatable = None if body.dry_run else repeatable_of(idempotency_key, webhook_id, wish)
    replay = await replays.begun(org_id, user_id, webhook_id, repeatable)
    if replay is None:
        replay = await replays.draft(org_id, user_id, webhook_id, wish)
        if body.dry_run:
            return json_response(_counted(replay, replays), headers=UNCACHED)
        told = {"replay_id": replay.replay_id, "select": replay.wish.selection.value, "since": f"{body.since:.0f}"}
        async with noted(call, "replay", webhook_id, **told, until=f"{replay.wish.until:.0f}"):
            replay = await replays.begin(replay, repeatable)
    await tell(call.ports.dispatching.replays(), webhook_id)
    return json_response(
        _shown(replay, replays), 202, {**UNCACHED, "Location": f"/api/webhooks/replays/{replay.replay_id}"}
    )


@webhook_replays.get("/api/webhooks/{webhook_id}/replays", needs=WEBHOOKS_MANAGE, gives=ReplayList)
async def listing(
    call: Call[WebhookPorts], webhook_id: WebhookId, limit: Limit = 50, cursor: Cursor = None
) -> Response:
    """Those of a webhook, newest first; what has ended is kept for as long as dead letters are."""
    replays = (await call.ports.services()).replays
    page = await replays.page(call.who.org_id, webhook_id, cursor=cursor, limit=limit)
    shown = [_shown(one, replays) for one in page.items]
    return json_response({"replays": shown, "next_cursor": page.next_cursor}, headers=UNCACHED)


def _counted(replay: Replay, replays: Replays) -> dict[str, Any]:
    wish = replay.wish
    return {
        "webhook_id": replay.webhook_id,
        "select": wish.selection,
        "since": wish.since,
        "until": wish.until,
        "event_types": wish.event_types,
        "rate_per_s": wish.rate_per_s,
        "matching": replay.matching,
        "more": replay.more,
        "uncertain_before": replays.uncertain_before(replay),
    }


def _shown(replay: Replay, replays: Replays) -> dict[str, Any]:
    return {
        **_counted(replay, replays),
        "replay_id": replay.replay_id,
        "status": replay.status,
        "reason": replay.reason,
        "made": replay.made,
        "revived": replay.revived,
        "skipped": replay.skipped,
        "created_at": replay.created_at,
        "created_by": replay.created_by,
        "ended_at": replay.ended_at,
    }
