"""Webhooks: the endpoints of an organisation, to which events are delivered. A secret is shown once, where it is made.

Creating takes no Idempotency-Key: an answer with a secret is kept nowhere, and could not be given again. Sending the
same request twice makes one webhook, for the second is refused with 409 `webhook_exists`. Who has lost the first answer
rotates the secret of the webhook that is there.

What a route stores stays stored where the dispatcher does not answer. It then goes by it within half a minute, else
from the answer on. Only a test needs the dispatcher, and fails with 503 without it.
"""

from __future__ import annotations

from collections.abc import Mapping
from typing import Annotated, Any, Final, Literal

from fastapi import Body
from pydantic import BaseModel, Field
from starlette.responses import Response

from aragora.identity.rate_limits import WEBHOOK_TEST, WEBHOOK_VERIFY
from aragora.identity.rbac import WEBHOOKS_MANAGE
from aragora.server.chapter import Call, Chapter
from aragora.server.endpoint_views import SecretWebhook, Webhook, WebhookList, once, shown
from aragora.server.schemas import Line
from aragora.server.views import UNCACHED, json_response
from aragora.server.webhooks import FAILURES, Cursor, Limit, Wanting, WebhookId, WebhookPorts, log, noted, tell
from aragora.webhooks import events, verification, wishes
from aragora.webhooks.certificates import CERTIFICATE_MAX_CHARS, PRIVATE_KEY_MAX_CHARS
from aragora.webhooks.endpoint import ClientCertificate, Endpoint, PayloadKind
from aragora.webhooks.model import Answer, TargetStatus
from aragora.webhooks.registering import finished
from aragora.webhooks.rotation import OVERLAP_MAX_S, OVERLAP_S
from aragora.webhooks.signing import SignatureKind
from aragora.webhooks.wishes import Wish

webhooks: Chapter[WebhookPorts] = Chapter("webhooks")

TEST_TYPE: Final = "webhook.test"
TEXT_MAX_CHARS: Final = 1_024
_HOUR_S: Final = 3_600.0
_ACTIONS: Final = {TargetStatus.DISABLED: "disable", TargetStatus.PAUSED: "pause"}


def _bounds(low: float, high: float) -> dict[str, float]:
    return {"minimum": low, "maximum": high}


_Filter = Annotated[
    dict[str, tuple[str, ...]],
    Field(description='values of fields of the data, any of which will do: {"domain": ["law"]}'),
]
_Headers = Annotated[dict[str, str], Field(description="sent with every delivery")]
_Schedule = Literal["patient", "runbook"]
# `Wish` checks them and says what is wrong in its own words; the document of the API tells the same bounds.
_PerSecond = Annotated[
    float | None,
    Field(description="null: no limit", json_schema_extra=_bounds(wishes.RATE_MIN_PER_S, wishes.RATE_MAX_PER_S)),
]
_InFlight = Annotated[int, Field(json_schema_extra=_bounds(1, wishes.IN_FLIGHT_MAX))]
_GiveUp = Annotated[
    float | None,
    Field(
        description="seconds; null: as the schedule says",
        json_schema_extra=_bounds(wishes.GIVE_UP_MIN_S, wishes.GIVE_UP_MAX_S),
    ),
]
_Secret = Annotated[str | None, Field(description="16 to 128 characters; left out, one is made")]


class ClientKeyPair(Wanting):
    """With what the receiver knows us by mutual TLS: two PEM texts. The key has no password; it rests encrypted, and is
    shown to nobody."""

    certificate: Annotated[str, Field(json_schema_extra={"maxLength": CERTIFICATE_MAX_CHARS})]
    private_key: Annotated[str, Field(json_schema_extra={"maxLength": PRIVATE_KEY_MAX_CHARS})]

    def pem(self) -> ClientCertificate:
        """The two, as they are stored."""
        return ClientCertificate(self.certificate, self.private_key)


_Certificate = Annotated[ClientKeyPair | None, Field(alias="client_certificate", description="null: none")]
_Verify = Annotated[
    bool, Field(description="whether its receiver must answer a challenge (POST .../verify) before it gets anything")
]


class CreateWebhook(Wanting):
    """Where events go, and which. `events` are names of types (GET /api/webhooks/event-types); `*` stands for all that
    are not of high volume."""

    url: str
    events: tuple[str, ...]
    secret: _Secret = None
    description: str = ""
    headers: _Headers = Field(default_factory=dict)
    matching: _Filter = Field(alias="filter", default_factory=dict)
    payload: PayloadKind = PayloadKind.FULL
    schedule: _Schedule = "patient"
    rate_per_s: _PerSecond = None
    max_in_flight: _InFlight = wishes.IN_FLIGHT
    fifo: Annotated[bool, Field(description="in the order of the events, one at a time")] = False
    retry_4xx: bool = True
    give_up_after_s: _GiveUp = None
    signature: Annotated[SignatureKind | None, Field(description="left out: as the secret is, else hmac")] = None
    certificate: _Certificate = None
    verify: _Verify = False

    def wish(self) -> Wish:
        """What is asked for. The fields bear the names that they have there."""
        return Wish(
            **{name: _plain(value) for name, value in dict(self).items() if name not in ("secret", "signature")}
        )


class ChangeWebhook(Wanting):
    """What is to change; what is left out stays. `version` is the one that the caller has seen."""

    version: Annotated[int, Field(ge=1, le=2**31)]
    url: str = ""
    events: tuple[str, ...] = ()
    description: str = ""
    headers: _Headers = Field(default_factory=dict)
    matching: _Filter = Field(alias="filter", default_factory=dict)
    payload: PayloadKind = PayloadKind.FULL
    schedule: _Schedule = "patient"
    rate_per_s: _PerSecond = None
    max_in_flight: _InFlight = wishes.IN_FLIGHT
    fifo: bool = False
    retry_4xx: bool = True
    give_up_after_s: _GiveUp = None
    certificate: _Certificate = None
    verify: _Verify = False

    def changes(self) -> dict[str, Any]:
        """The fields that were sent."""
        sent = self.model_fields_set - {"version"}
        return {name: _plain(value) for name, value in dict(self).items() if name in sent}


class Reason(Wanting):
    """Why; shown with the webhook."""

    reason: str = ""


class Rotate(Wanting):
    """How long the old secret signs beside the new one: unsaid a day, 0 not at all."""

    secret: _Secret = None
    signature: Annotated[SignatureKind | None, Field(description="left out: as the secret is, else as it was")] = None
    overlap_hours: Annotated[float, Field(description=f"0 to {OVERLAP_MAX_S / _HOUR_S:g}")] = OVERLAP_S / _HOUR_S


class SendTest(Wanting):
    """The type whose example is sent."""

    event_type: Line = TEST_TYPE


class Tested(BaseModel):
    """What the receiver did."""

    delivered: bool
    status: Annotated[int | None, Field(description="the code of its answer")]
    duration_s: float
    error: Annotated[str | None, Field(description=FAILURES)]
    message: str
    text: Annotated[str, Field(description=f"the first {TEXT_MAX_CHARS} characters of its answer")]


class Verified(BaseModel):
    """What the receiver did with the challenge. Where the webhook was verified before, nothing was sent."""

    verified: bool
    webhook_status: TargetStatus
    status: Annotated[int | None, Field(description="the code of its answer")]
    duration_s: float
    error: Annotated[str | None, Field(description=f"{FAILURES}, with the challenge or without")]
    message: str
    text: Annotated[str, Field(description=f"the first {TEXT_MAX_CHARS} characters of its answer")]


class EventType(BaseModel):
    name: str
    version: int
    description: str
    high_volume: Annotated[bool, Field(description="whether `*` leaves it out")]
    data_schema: Annotated[dict[str, Any], Field(alias="schema", description="JSON Schema of its data")]
    example: dict[str, Any]


class EventTypeList(BaseModel):
    event_types: list[EventType]


# --- Static paths stand before {webhook_id}, which would take their last part for an id


@webhooks.get("/api/webhooks/event-types", needs=WEBHOOKS_MANAGE, gives=EventTypeList)
async def event_types(call: Call[WebhookPorts]) -> Response:  # noqa: ARG001  the policy is all that it needs
    """Every type of event, with the schema and an example of its data."""
    shown = [
        {
            "name": one.name,
            "version": one.version,
            "description": one.description,
            "high_volume": one.high_volume,
            "schema": one.schema(),
            "example": one.example,
        }
        for one in events.CATALOGUE.values()
    ]
    return json_response({"event_types": shown})


@webhooks.post("/api/webhooks", needs=WEBHOOKS_MANAGE, gives=SecretWebhook, status=201, refuses=(409,))
async def create(call: Call[WebhookPorts], body: CreateWebhook) -> Response:
    """Register an endpoint. Its secret is in this answer only. The URL must not lead to an internal address. With
    `verify` it gets nothing until its receiver has answered the challenge that POST .../verify sends. None is sent
    before: the receiver needs the secret of this answer to check it."""
    registering = (await call.ports.services()).registering
    draft = await registering.draft(call.who.org_id, call.who.user_id, body.wish(), body.secret, body.signature)
    async with noted(call, "create", draft.endpoint_id):
        endpoint = await registering.add(draft)
    await _tell(call, endpoint.endpoint_id)
    view = {**shown(endpoint, registering), **once(endpoint.secret)}
    return json_response(view, 201, {**UNCACHED, "Location": f"/api/webhooks/{endpoint.endpoint_id}"})


@webhooks.get("/api/webhooks", needs=WEBHOOKS_MANAGE, gives=WebhookList)
async def listing(
    call: Call[WebhookPorts], status: TargetStatus | None = None, limit: Limit = 50, cursor: Cursor = None
) -> Response:
    """Oldest first; `next_cursor` leads to the next page and is null on the last."""
    registering = (await call.ports.services()).registering
    page = await registering.store.page(call.who.org_id, status=status, cursor=cursor, limit=limit)
    listed = [shown(endpoint, registering) for endpoint in page.items]
    return json_response({"webhooks": listed, "next_cursor": page.next_cursor}, headers=UNCACHED)


@webhooks.get("/api/webhooks/{webhook_id}", needs=WEBHOOKS_MANAGE, gives=Webhook)
async def get(call: Call[WebhookPorts], webhook_id: WebhookId) -> Response:
    """One webhook, without its secret."""
    registering = (await call.ports.services()).registering
    endpoint = await registering.store.get(call.who.org_id, webhook_id)
    return json_response(shown(endpoint, registering), headers=UNCACHED)


@webhooks.patch("/api/webhooks/{webhook_id}", needs=WEBHOOKS_MANAGE, gives=Webhook, refuses=(409,))
async def change(call: Call[WebhookPorts], webhook_id: WebhookId, body: ChangeWebhook) -> Response:
    """Change some fields. 409 `version_conflict` where somebody has changed it since the caller read it. With another
    URL a webhook that asks for verification is unverified again."""
    registering = (await call.ports.services()).registering
    endpoint = await registering.store.get(call.who.org_id, webhook_id)
    changes = body.changes()
    wanted = await registering.changing(endpoint, changes)
    async with noted(call, "change", webhook_id, fields=",".join(sorted(changes))):
        kept = await registering.apply(endpoint, wanted, version=body.version)
    return await _changed(call, kept)


@webhooks.delete("/api/webhooks/{webhook_id}", needs=WEBHOOKS_MANAGE, status=204)
async def delete(call: Call[WebhookPorts], webhook_id: WebhookId) -> Response:
    """Delete it; what waits for it is cancelled."""
    registering = (await call.ports.services()).registering
    endpoint = await registering.store.get(call.who.org_id, webhook_id)
    async with noted(call, "delete", webhook_id):
        cancelled = await registering.delete(endpoint)
    await _tell(call, webhook_id)
    log.info("a webhook was deleted", webhook_id=webhook_id, org_id=call.who.org_id, cancelled=cancelled)
    return Response(status_code=204)


@webhooks.post("/api/webhooks/{webhook_id}/enable", needs=WEBHOOKS_MANAGE, gives=Webhook, refuses=(409,))
async def enable(call: Call[WebhookPorts], webhook_id: WebhookId) -> Response:
    """Deliver again, what has waited too. Its failures are forgotten: none of them counts towards disabling it, and
    its breaker is closed. 409 `webhook_unverified` where it has to be verified first."""
    registering = (await call.ports.services()).registering
    endpoint = await registering.store.get(call.who.org_id, webhook_id)
    wanted = registering.standing(TargetStatus.ENABLED, "")
    wanted(endpoint)  # what it refuses is not noted as done
    async with noted(call, "enable", webhook_id):
        kept = await registering.apply(endpoint, wanted)
        await registering.forget_failures(webhook_id)
    answer = await _changed(call, kept)
    await tell(call.ports.dispatching.work(webhook_id), webhook_id)
    return answer


@webhooks.post("/api/webhooks/{webhook_id}/disable", needs=WEBHOOKS_MANAGE, gives=Webhook, refuses=(409,))
async def disable(
    call: Call[WebhookPorts], webhook_id: WebhookId, body: Annotated[Reason | None, Body()] = None
) -> Response:
    """Deliver nothing, and make no new deliveries; those that wait go on waiting."""
    return await _stand(call, webhook_id, TargetStatus.DISABLED, body)


@webhooks.post("/api/webhooks/{webhook_id}/pause", needs=WEBHOOKS_MANAGE, gives=Webhook, refuses=(409,))
async def pause(
    call: Call[WebhookPorts], webhook_id: WebhookId, body: Annotated[Reason | None, Body()] = None
) -> Response:
    """Deliver nothing until it is enabled; what happens meanwhile waits."""
    return await _stand(call, webhook_id, TargetStatus.PAUSED, body)


@webhooks.post("/api/webhooks/{webhook_id}/test", needs=WEBHOOKS_MANAGE, gives=Tested)
async def send_test(
    call: Call[WebhookPorts], webhook_id: WebhookId, body: Annotated[SendTest | None, Body()] = None
) -> Response:
    """Send an example now, once, also to a webhook that is not enabled: it counts for nothing. Five a minute."""
    wanted = events.event_type((body or SendTest()).event_type).name
    services = await call.ports.services()
    await services.registering.store.get(call.who.org_id, webhook_id)
    await call.ports.limits.require((WEBHOOK_TEST, webhook_id))
    async with noted(call, "test", webhook_id, event_type=wanted):
        answer = await call.ports.dispatching.test(webhook_id, wanted)
    view = {"delivered": answer.failure is None, "message": answer.told, **_answered(answer)}
    return json_response(view, headers=UNCACHED)


@webhooks.post("/api/webhooks/{webhook_id}/verify", needs=WEBHOOKS_MANAGE, gives=Verified, refuses=(409,))
async def verify(call: Call[WebhookPorts], webhook_id: WebhookId) -> Response:
    """Send the receiver a new challenge, and enable the webhook where it sends it back. Five a minute."""
    registering = (await call.ports.services()).registering
    endpoint = await registering.store.get(call.who.org_id, webhook_id)
    if not verification.waits(endpoint):
        before = {"verified": True, "webhook_status": endpoint.status, "message": verification.told_before(endpoint)}
        return json_response({**before, **_answered(Answer(None, 0.0))}, headers=UNCACHED)
    await call.ports.limits.require((WEBHOOK_VERIFY, webhook_id))
    challenge = registering.challenge()
    async with noted(call, "verify", webhook_id):
        answer = await call.ports.dispatching.verify(webhook_id, challenge, endpoint.version)
        if answered := verification.answers(answer, challenge):
            endpoint = await registering.verified(endpoint)
    if answered:
        await _tell(call, webhook_id)
    told = verification.told(answer, challenge)
    view = {"verified": answered, "webhook_status": endpoint.status, "message": told, **_answered(answer)}
    return json_response(view, headers=UNCACHED)


@webhooks.post("/api/webhooks/{webhook_id}/rotate", needs=WEBHOOKS_MANAGE, gives=SecretWebhook, refuses=(409,))
async def rotate(
    call: Call[WebhookPorts], webhook_id: WebhookId, body: Annotated[Rotate | None, Body()] = None
) -> Response:
    """Change the secret. The new one is in this answer only; the old one signs beside it during the overlap."""
    wanted = body or Rotate()
    registering = (await call.ports.services()).registering
    endpoint = await registering.store.get(call.who.org_id, webhook_id)
    rotation = registering.rotation(endpoint, wanted.secret, wanted.overlap_hours * _HOUR_S, wanted.signature)
    rotation.change(endpoint)  # what it refuses is not noted as done
    async with noted(call, "rotate", webhook_id, overlap_hours=f"{wanted.overlap_hours:g}"):
        kept = await registering.apply(endpoint, rotation.change)
    return await _changed(call, kept, once(rotation.secret))


@webhooks.post("/api/webhooks/{webhook_id}/rotate/finish", needs=WEBHOOKS_MANAGE, gives=Webhook, refuses=(409,))
async def finish(call: Call[WebhookPorts], webhook_id: WebhookId) -> Response:
    """End the overlap: from now on only the newest secret signs."""
    registering = (await call.ports.services()).registering
    endpoint = await registering.store.get(call.who.org_id, webhook_id)
    async with noted(call, "finish_rotation", webhook_id):
        kept = await registering.apply(endpoint, finished)
    return await _changed(call, kept)


async def _stand(call: Call[WebhookPorts], webhook_id: str, status: TargetStatus, body: Reason | None) -> Response:
    registering = (await call.ports.services()).registering
    wanted = registering.standing(status, "" if body is None else body.reason)
    endpoint = await registering.store.get(call.who.org_id, webhook_id)
    wanted(endpoint)  # as above
    async with noted(call, _ACTIONS[status], webhook_id):
        kept = await registering.apply(endpoint, wanted)
    return await _changed(call, kept)


async def _changed(call: Call[WebhookPorts], endpoint: Endpoint, secrets: Mapping[str, str | None] = {}) -> Response:
    """Tell the dispatcher, then the caller."""
    await _tell(call, endpoint.endpoint_id)
    registering = (await call.ports.services()).registering
    return json_response({**shown(endpoint, registering), **secrets}, headers=UNCACHED)


async def _tell(call: Call[WebhookPorts], webhook_id: str) -> None:
    await tell(call.ports.dispatching.endpoint_changed(webhook_id), webhook_id)


def _answered(answer: Answer) -> dict[str, Any]:
    """What a receiver did with one request that somebody asked for."""
    return {
        "status": answer.code,
        "duration_s": answer.duration_s,
        "error": answer.failure,
        "text": answer.text[:TEXT_MAX_CHARS],
    }


def _plain(value: Any) -> Any:
    return value.pem() if isinstance(value, ClientKeyPair) else value
