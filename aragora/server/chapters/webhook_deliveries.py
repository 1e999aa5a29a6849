"""What became of deliveries: lists, single ones with their attempts, figures of a webhook, dead letters, and what
people do with them."""

from __future__ import annotations

from typing import Annotated, Final

from fastapi import Body, Query
from pydantic import BaseModel, Field
from starlette.responses import Response

from aragora.identity.rbac import WEBHOOKS_MANAGE
from aragora.server.chapter import Call, Chapter
from aragora.server.schemas import Line
from aragora.server.views import UNCACHED, json_response
from aragora.server.webhook_views import DeliveryDetail, ListedDelivery, detailed, due, listed
from aragora.server.webhooks import (
    ID_MAX_CHARS,
    SECONDS_MAX,
    Cursor,
    DeliveryId,
    Limit,
    Wanting,
    WebhookId,
    WebhookPorts,
    check_range,
    note,
    noted,
    tell,
)
from aragora.webhooks.model import Delivery, DeliveryStatus, TargetStatus
from aragora.webhooks.reviving import BULK_MAX
from aragora.webhooks.store.deliveries import Wanted

webhook_deliveries: Chapter[WebhookPorts] = Chapter("webhooks")

STATS_HOURS_MAX: Final = 168

_Time = Annotated[float | None, Query(ge=0, le=SECONDS_MAX, allow_inf_nan=False, description="seconds since the epoch")]
_Type = Annotated[Line | None, Query(min_length=1, max_length=128)]
_OfWebhook = Annotated[Line | None, Query(min_length=1, max_length=ID_MAX_CHARS)]


class Chosen(Wanting):
    """Which dead letters: all of the organisation unless something is said. `since` is included, `until` not; both are
    about the time at which they became dead letters, in seconds since the epoch."""

    webhook_id: Annotated[Line, Field(min_length=1, max_length=ID_MAX_CHARS)] | None = None
    event_type: Annotated[Line, Field(min_length=1, max_length=128)] | None = None
    since: Annotated[float, Field(ge=0, le=SECONDS_MAX)] | None = None
    until: Annotated[float, Field(ge=0, le=SECONDS_MAX)] | None = None

    def wanted(self) -> Wanted:
        """Raises InvalidInput for an empty or a too wide range."""
        check_range(self.since, self.until)
        return Wanted(event_type=self.event_type, since=self.since, until=self.until)

    def told(self) -> dict[str, str]:
        """For the audit log."""
        return {name: str(value) for name, value in self.model_dump(exclude_none=True).items()}


class DeliveryList(BaseModel):
    deliveries: list[ListedDelivery]
    next_cursor: str | None


class DeadLetterList(BaseModel):
    dead_letters: list[ListedDelivery]
    next_cursor: str | None


class Revived(BaseModel):
    delivery_id: str
    status: DeliveryStatus


class ManyRetried(BaseModel):
    retried: int
    skipped: Annotated[int, Field(description="those whose webhook was deleted")]
    more: Annotated[bool, Field(description=f"one call takes {BULK_MAX:,}: call again for the others")]


class ManyPurged(BaseModel):
    purged: int
    more: Annotated[bool, Field(description=f"one call takes {BULK_MAX:,}: call again for the others")]


class WebhookStats(BaseModel):
    """Attempts in the window; what waits is of now."""

    webhook_id: str
    since: float
    until: float
    attempts: int
    delivered: int
    success_rate: Annotated[float | None, Field(description="0 to 1; null without attempts, as the quantiles")]
    p50_s: float | None
    p95_s: float | None
    p99_s: float | None
    waiting: int
    dead_lettered: int
    oldest_due_at: float | None
    breaker: Annotated[str, Field(description="as it was stored last: closed, open or half_open")]
    consecutive_failures: int
    failing_since: float | None
    next_try_at: Annotated[
        float | None, Field(description="not before; null where nothing waits, or it is not enabled")
    ]


# --- One delivery


@webhook_deliveries.get("/api/webhooks/deliveries/{delivery_id}", needs=WEBHOOKS_MANAGE, gives=DeliveryDetail)
async def get(call: Call[WebhookPorts], delivery_id: DeliveryId) -> Response:
    """A delivery with its payload and what was tried."""
    services = await call.ports.services()
    account = await services.deliveries.account(call.who.org_id, delivery_id)
    return json_response(await detailed(services.registering.store, account), headers=UNCACHED)


@webhook_deliveries.post(
    "/api/webhooks/deliveries/{delivery_id}/resend", needs=WEBHOOKS_MANAGE, gives=Revived, status=202, refuses=(409,)
)
async def resend(call: Call[WebhookPorts], delivery_id: DeliveryId) -> Response:
    """Send it again under the same ids, with all its retries, whatever became of it. 409 while an attempt of it is
    still to come. Twice is as good as once."""
    reviving = (await call.ports.services()).reviving
    delivery = await reviving.resendable(call.who.org_id, delivery_id)
    return await _revive(call, delivery, "resend")


@webhook_deliveries.post(
    "/api/webhooks/deliveries/{delivery_id}/cancel", needs=WEBHOOKS_MANAGE, gives=Revived, refuses=(409,)
)
async def cancel(call: Call[WebhookPorts], delivery_id: DeliveryId) -> Response:
    """Make no further attempt. One that is on its way at this moment may arrive all the same. 409 where it has
    ended."""
    reviving = (await call.ports.services()).reviving
    delivery = await reviving.cancellable(call.who.org_id, delivery_id)
    async with noted(call, "cancel", delivery_id):
        after = await reviving.cancel(delivery)
    await tell(call.ports.dispatching.cancelled(after.target_id, delivery_id), after.webhook_id)
    return _moved(after)


# --- Dead letters: those without an id in their path come first


@webhook_deliveries.get("/api/webhooks/dead-letters", needs=WEBHOOKS_MANAGE, gives=DeadLetterList)
async def dead_letters(
    call: Call[WebhookPorts],
    *,
    webhook_id: _OfWebhook = None,
    event_type: _Type = None,
    since: _Time = None,
    until: _Time = None,
    limit: Limit = 50,
    cursor: Cursor = None,
) -> Response:
    """What has no retries left, the last one first. `since` and `until` are about the time at which that was so."""
    check_range(since, until)
    store = (await call.ports.services()).deliveries
    wanted = Wanted(event_type=event_type, since=since, until=until)
    page = await store.dead_letters(call.who.org_id, wanted, webhook_id=webhook_id, cursor=cursor, limit=limit)
    shown = [listed(one) for one in page.items]
    return json_response({"dead_letters": shown, "next_cursor": page.next_cursor}, headers=UNCACHED)


@webhook_deliveries.post("/api/webhooks/dead-letters/retry", needs=WEBHOOKS_MANAGE, gives=ManyRetried, status=202)
async def retry_many(call: Call[WebhookPorts], body: Annotated[Chosen | None, Body()] = None) -> Response:
    """Send many dead letters again: the limits of each webhook hold."""
    chosen = body or Chosen()
    wanted = chosen.wanted()
    reviving = (await call.ports.services()).reviving
    async with noted(call, "retry_dead_letters", "", **chosen.told()):
        bulk = await reviving.retry_all(call.who.org_id, wanted, chosen.webhook_id)
    for target_id in sorted(bulk.targets):
        await tell(call.ports.dispatching.work(target_id), target_id)
    await note(call, "retried_dead_letters", "", count=str(bulk.count))
    return json_response({"retried": bulk.count, "skipped": bulk.skipped, "more": bulk.more}, 202)


@webhook_deliveries.post("/api/webhooks/dead-letters/purge", needs=WEBHOOKS_MANAGE, gives=ManyPurged, status=202)
async def purge_many(call: Call[WebhookPorts], body: Annotated[Chosen | None, Body()] = None) -> Response:
    """Delete many dead letters for good."""
    chosen = body or Chosen()
    wanted = chosen.wanted()
    reviving = (await call.ports.services()).reviving
    async with noted(call, "purge_dead_letters", "", **chosen.told()):
        bulk = await reviving.purge_all(call.who.org_id, wanted, chosen.webhook_id)
    await note(call, "purged_dead_letters", "", count=str(bulk.count))
    return json_response({"purged": bulk.count, "more": bulk.more}, 202)


@webhook_deliveries.get("/api/webhooks/dead-letters/{delivery_id}", needs=WEBHOOKS_MANAGE, gives=DeliveryDetail)
async def dead_letter(call: Call[WebhookPorts], delivery_id: DeliveryId) -> Response:
    """A dead letter with its payload and what was tried."""
    services = await call.ports.services()
    account = await services.reviving.dead_letter(call.who.org_id, delivery_id)
    return json_response(await detailed(services.registering.store, account), headers=UNCACHED)


@webhook_deliveries.delete("/api/webhooks/dead-letters/{delivery_id}", needs=WEBHOOKS_MANAGE, status=204)
async def purge(call: Call[WebhookPorts], delivery_id: DeliveryId) -> Response:
    """Delete a dead letter for good."""
    reviving = (await call.ports.services()).reviving
    account = await reviving.dead_letter(call.who.org_id, delivery_id)
    async with noted(call, "purge_dead_letter", delivery_id):
        await reviving.purge(account.delivery)
    return Response(status_code=204)


@webhook_deliveries.post(
    "/api/webhooks/dead-letters/{delivery_id}/retry",
    needs=WEBHOOKS_MANAGE,
    gives=Revived,
    status=202,
    refuses=(409,),
)
async def retry(call: Call[WebhookPorts], delivery_id: DeliveryId) -> Response:
    """Send a dead letter again under the same ids, with all its retries. 409 for a delivery that is none. Twice is as
    good as once."""
    reviving = (await call.ports.services()).reviving
    delivery = await reviving.retryable(call.who.org_id, delivery_id)
    return await _revive(call, delivery, "retry_dead_letter")


# --- Of one webhook


@webhook_deliveries.get("/api/webhooks/{webhook_id}/deliveries", needs=WEBHOOKS_MANAGE, gives=DeliveryList)
async def listing(
    call: Call[WebhookPorts],
    webhook_id: WebhookId,
    *,
    status: DeliveryStatus | None = None,
    event_type: _Type = None,
    since: _Time = None,
    until: _Time = None,
    limit: Limit = 50,
    cursor: Cursor = None,
) -> Response:
    """Newest first. An attempt that is on its way shows as waiting."""
    check_range(since, until)
    services, org_id = await call.ports.services(), call.who.org_id
    await services.registering.store.get(org_id, webhook_id)
    wanted = Wanted(status, event_type, since, until)
    page = await services.deliveries.page(org_id, webhook_id, wanted, cursor=cursor, limit=limit)
    shown = [listed(one) for one in page.items]
    return json_response({"deliveries": shown, "next_cursor": page.next_cursor}, headers=UNCACHED)


@webhook_deliveries.get("/api/webhooks/{webhook_id}/stats", needs=WEBHOOKS_MANAGE, gives=WebhookStats)
async def stats(
    call: Call[WebhookPorts],
    webhook_id: WebhookId,
    hours: Annotated[int, Query(ge=1, le=STATS_HOURS_MAX, description="of the window, which ends now")] = 24,
) -> Response:
    """How a webhook does."""
    services, org_id = await call.ports.services(), call.who.org_id
    endpoint = await services.registering.store.get(org_id, webhook_id)
    store, until = services.deliveries, call.ports.clock.now()
    since = until - hours * 3_600.0
    tried = await store.stats(webhook_id, since, until)
    counts = await store.counts(org_id, webhook_id)
    oldest = due(await store.oldest_due(webhook_id))
    kept = (await store.targets((webhook_id,))).get(webhook_id)
    waits_for = [at for at in (oldest, *((kept.retry_at, kept.paused_until) if kept else ())) if at is not None]
    goes_out = oldest is not None and endpoint.status is TargetStatus.ENABLED
    view = {
        "webhook_id": webhook_id,
        "since": since,
        "until": until,
        "attempts": tried.attempts,
        "delivered": tried.delivered,
        "success_rate": tried.success_share,
        "p50_s": tried.p50_s,
        "p95_s": tried.p95_s,
        "p99_s": tried.p99_s,
        "waiting": sum(count for status, count in counts.items() if status.waits),
        "dead_lettered": counts[DeliveryStatus.DEAD_LETTERED],
        "oldest_due_at": oldest,
        "breaker": "closed" if kept is None else kept.breaker,
        "consecutive_failures": 0 if kept is None else kept.consecutive_failures,
        "failing_since": None if kept is None else kept.failing_since,
        "next_try_at": max(waits_for) if goes_out else None,
    }
    return json_response(view)


async def _revive(call: Call[WebhookPorts], delivery: Delivery, action: str) -> Response:
    reviving = (await call.ports.services()).reviving
    if not delivery.status.waits:  # else it was revived a moment ago: the button was pressed twice
        async with noted(call, action, delivery.delivery_id):
            delivery = await reviving.revive(delivery)
    await tell(call.ports.dispatching.work(delivery.target_id), delivery.webhook_id)
    return _moved(delivery, 202)


def _moved(delivery: Delivery, status: int = 200) -> Response:
    return json_response({"delivery_id": delivery.delivery_id, "status": delivery.status}, status)
