"""A delivery as the API shows it. Never a secret, and of headers that an endpoint adds only that they are set.

Of a request only its answer is kept. The headers here are those that go out with every attempt of a delivery; time
stamps and signatures are made anew for each attempt, are not kept, and are not made up again here.
"""

from __future__ import annotations

from typing import Annotated, Any, Final

import msgspec
from pydantic import BaseModel, Field

from aragora.errors import NotFound
from aragora.secrets.encryption import DecryptionFailed
from aragora.server.webhooks import FAILURES
from aragora.storage.collection import Unreadable
from aragora.webhooks.body import with_delivery_id
from aragora.webhooks.fanout import PARKED_AT
from aragora.webhooks.model import Attempt, Delivery, DeliveryStatus
from aragora.webhooks.signing import signed_headers
from aragora.webhooks.store.deliveries import Account
from aragora.webhooks.store.endpoints import EndpointStore
from aragora.webhooks.wishes import STAND_IN

_VARYING: Final = frozenset({"webhook-timestamp", "X-Webhook-Timestamp", "X-Webhook-Attempt"})


class ListedDelivery(BaseModel):
    delivery_id: str
    event_id: str
    webhook_id: str
    event_type: str
    status: DeliveryStatus
    attempts: int
    created_at: float
    due_at: Annotated[
        float | None,
        Field(description="when the next attempt is due; null where none is to come, or not before it is enabled"),
    ]
    ended_at: float | None
    last_error: str | None
    last_code: int | None


class MadeAttempt(BaseModel):
    number: int
    started_at: float
    duration_s: float
    status: Annotated[int | None, Field(description="the code of the answer")]
    error: Annotated[str | None, Field(description=FAILURES)]
    message: str
    address: Annotated[str | None, Field(description="that the name of the host stood for; null through a proxy")]
    text: Annotated[str, Field(description="the beginning of the answer; empty where it is not kept any more")]


class DeliveryDetail(ListedDelivery):
    payload: Annotated[
        dict[str, Any] | None, Field(description="the body as it is sent; null where the event is not kept any more")
    ]
    headers: Annotated[
        dict[str, str],
        Field(description="of every attempt, but for time stamps, its number and signatures, which are not kept"),
    ]
    tries: Annotated[list[MadeAttempt], Field(description="the attempts, the first one first")]


def due(at: float | None) -> float | None:
    """A due time as it is shown. What waits for a webhook that is not enabled is due after every real time."""
    return None if at is None or at >= PARKED_AT else at


def listed(delivery: Delivery) -> dict[str, Any]:
    """As `ListedDelivery`."""
    return {
        "delivery_id": delivery.delivery_id,
        "event_id": delivery.event_id,
        "webhook_id": delivery.webhook_id,
        "event_type": delivery.event_type,
        "status": delivery.status,
        "attempts": delivery.attempts,
        "created_at": delivery.created_at,
        "due_at": due(delivery.due_at) if delivery.status.waits else None,
        "ended_at": delivery.ended_at,
        "last_error": delivery.last_error,
        "last_code": delivery.last_code,
    }


async def detailed(endpoints: EndpointStore, account: Account) -> dict[str, Any]:
    """As `DeliveryDetail`. Raises Unavailable."""
    delivery, event = account.delivery, account.event
    # The very bytes of the body: another encoder writes some numbers in another form.
    body = None if event is None else msgspec.Raw(with_delivery_id(event.body, delivery.delivery_id))
    return {
        **listed(delivery),
        "payload": body,
        "headers": await _headers(endpoints, delivery),
        "tries": [_tried(attempt) for attempt in account.attempts],
    }


async def _headers(endpoints: EndpointStore, delivery: Delivery) -> dict[str, str]:
    """What every attempt carries, with the headers that the webhook has now."""
    ours = signed_headers(
        b"",
        message_id=delivery.event_id,
        delivery_id=delivery.delivery_id,
        event_type=delivery.event_type,
        attempt=1,
        timestamp=0,
        secrets=(),
    )
    shown = {name: value for name, value in ours.items() if name not in _VARYING}
    if delivery.direct is None:
        try:
            endpoint = await endpoints.get(delivery.org_id, delivery.target_id)
            shown |= dict.fromkeys(endpoint.headers, STAND_IN)
        except (NotFound, DecryptionFailed, Unreadable):
            return shown  # nobody knows them any more
    return shown


def _tried(attempt: Attempt) -> dict[str, Any]:
    answer = attempt.answer
    return {
        "number": attempt.number,
        "started_at": attempt.started_at,
        "duration_s": answer.duration_s,
        "status": answer.code,
        "error": answer.failure,
        "message": answer.told,
        "address": answer.address,
        "text": answer.text,
    }
