"""Where a delivery goes, what it is signed with, and how it is spoken to: of a registered endpoint, or as the caller of
`deliver_webhook` said."""

from __future__ import annotations

from collections.abc import Mapping, Sequence
from dataclasses import dataclass, field
from typing import Protocol

from aragora.webhooks.body import with_delivery_id
from aragora.webhooks.endpoint import ClientCertificate, Endpoint, PayloadKind
from aragora.webhooks.model import Delivery, Request, Rules, TargetStatus
from aragora.webhooks.signing import signed_headers


@dataclass(frozen=True, slots=True)
class Destination:
    """What a request needs besides the event. `secrets` are those that are valid now, the one that goes first first."""

    url: str = field(repr=False)
    rules: Rules
    secrets: tuple[str, ...] = field(default=(), repr=False)
    headers: Mapping[str, str] = field(default_factory=dict, repr=False)
    certificate: ClientCertificate | None = field(default=None, repr=False)
    payload: PayloadKind = PayloadKind.FULL
    status: TargetStatus = TargetStatus.ENABLED


class Destinations(Protocol):
    """Finds the destination of a delivery."""

    async def prepare(self, deliveries: Sequence[Delivery]) -> None:
        """Read at once what `of` needs for these, up to a thousand. What cannot be read is left to `of`, which says
        why. Raises Unavailable."""
        ...

    async def of(self, delivery: Delivery) -> Destination:
        """Raises NotFound where the target is gone, Unavailable, DecryptionFailed where a key is missing."""
        ...


def request_to(
    destination: Destination,
    text: str,
    *,
    message_id: str,
    delivery_id: str,
    event_type: str,
    attempt: int,
    timestamp: int,
    timeout_s: float,
) -> Request:
    """One attempt: the body `text` under the delivery's id, signed at `timestamp` (seconds since the epoch)."""
    body = with_delivery_id(text, delivery_id)
    signed = signed_headers(
        body,
        message_id=message_id,
        delivery_id=delivery_id,
        event_type=event_type,
        attempt=attempt,
        timestamp=timestamp,
        secrets=destination.secrets,
    )
    return Request(destination.url, body, {**destination.headers, **signed}, timeout_s)


def of_endpoint(endpoint: Endpoint, wall: float) -> Destination:
    """The destination that an endpoint is at the time `wall`. The newest secret goes first."""
    old = [one.secret for one in endpoint.old_secrets if one.ends_at > wall]
    return Destination(
        url=endpoint.url,
        rules=endpoint.rules,
        secrets=(endpoint.secret, *old),
        headers=endpoint.headers,
        certificate=endpoint.certificate,
        payload=endpoint.payload,
        status=endpoint.status,
    )
