"""Sends the challenge to an endpoint that is to be verified (`aragora.webhooks.verification`)."""

from __future__ import annotations

from dataclasses import replace
from typing import Final

from aragora.clock import Clock
from aragora.errors import Conflict
from aragora.ids import new_id
from aragora.webhooks.deliverer import Sending
from aragora.webhooks.destinations import of_endpoint, request_to
from aragora.webhooks.endpoint import PayloadKind
from aragora.webhooks.envelope import event_body, operational_event
from aragora.webhooks.model import Answer
from aragora.webhooks.operational import WebhookVerification
from aragora.webhooks.registered import Loading
from aragora.webhooks.verification import CHALLENGE_HEADER, TYPE

TIMEOUT_S: Final = 15.0


class Challenging:
    """Over the store of endpoints, which it reads each time: an answer from the URL of a moment ago would verify
    another."""

    def __init__(self, endpoints: Loading, sender: Sending, clock: Clock) -> None:
        self._endpoints = endpoints
        self._sender = sender
        self._clock = clock

    async def ask(self, endpoint_id: str, challenge: str, version: int) -> Answer:
        """Send `challenge` once, whatever the state of the endpoint; its answer.

        Raises NotFound, Unavailable, DecryptionFailed; Conflict where the endpoint is at another version than the one
        that is to be verified.
        """
        endpoint = await self._endpoints.load(endpoint_id)
        if endpoint.version != version:
            raise Conflict(
                f"webhook {endpoint_id} was changed meanwhile: read it again, then verify it", code="version_conflict"
            )
        now = self._clock.now()
        destination = of_endpoint(endpoint, now)
        envelope = operational_event(WebhookVerification(endpoint_id, challenge), now)
        delivery_id = new_id("dlv_verification")
        request = request_to(
            destination,
            event_body(envelope, PayloadKind.FULL),  # a thin one would leave the challenge out
            message_id=delivery_id,
            delivery_id=delivery_id,
            event_type=TYPE,
            attempt=1,
            timestamp=int(now),
            timeout_s=min(destination.rules.timeout_s, TIMEOUT_S),
        )
        headers = {**request.headers, CHALLENGE_HEADER: challenge}
        return await self._sender.send(replace(request, headers=headers), destination.certificate)
