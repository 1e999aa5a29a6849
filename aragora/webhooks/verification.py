"""Whether the one who reads at an address wants our events: an endpoint that asks for verification gets none until its
receiver has answered a challenge. Pure.

    unverified --answered--> enabled          (paused, disabled: stays so, and may be enabled from then on)
    enabled, paused --another URL--> unverified

The challenge is an event of the type `webhook.verification`, signed as every event is. It is answered by a 2xx that
holds `data.challenge`: as the whole body, as the member `challenge` of a JSON object, or in the header
`webhook-challenge-response`. A 2xx alone proves nothing, for many servers answer it to anything.
"""

from __future__ import annotations

import hmac
import json
from base64 import urlsafe_b64encode
from contextlib import suppress
from dataclasses import replace
from typing import Final

from aragora.errors import Conflict
from aragora.webhooks.endpoint import Endpoint
from aragora.webhooks.model import Answer, TargetStatus

TYPE: Final = "webhook.verification"
CHALLENGE_HEADER: Final = "webhook-challenge"
ANSWER_HEADER: Final = "webhook-challenge-response"
CHALLENGE_BYTES: Final = 32
REASON: Final = "its receiver has not answered the challenge yet"

_HOW: Final = f'send data.challenge back, as the whole body, as {{"challenge": ...}}, or in the header {ANSWER_HEADER}'


def new_challenge(random_bytes: bytes) -> str:
    """A challenge of 32 random bytes: letters, digits, `-` and `_`. Raises ValueError for another number of them."""
    if len(random_bytes) != CHALLENGE_BYTES:
        raise ValueError(f"{len(random_bytes)} random bytes; {CHALLENGE_BYTES} are needed")
    return urlsafe_b64encode(random_bytes).decode("ascii").rstrip("=")


def answers(answer: Answer, challenge: str) -> bool:
    """Whether a receiver answered this challenge."""
    if answer.failure is not None:
        return False
    given = [answer.challenge or "", answer.text.strip()]
    with suppress(ValueError, RecursionError):
        document = json.loads(answer.text)
        told = document.get("challenge") if isinstance(document, dict) else document
        given.append(told if isinstance(told, str) else "")
    expected = challenge.encode()
    return any(hmac.compare_digest(expected, one.encode("utf-8", "surrogatepass")) for one in given)


def told(answer: Answer, challenge: str) -> str:
    """What came of a challenge, in a line for people."""
    if answers(answer, challenge):
        return f"{answer.told}, with the challenge"
    return answer.told if answer.failure is not None else f"{answer.told}, without the challenge: {_HOW}"


def told_before(endpoint: Endpoint) -> str:
    """Why nothing is sent to verify an endpoint that does not wait for it."""
    return "it is verified already" if endpoint.verify else "it asks for no verification"


def waits(endpoint: Endpoint) -> bool:
    """Whether the endpoint gets nothing until it is verified."""
    return endpoint.verify and endpoint.verified_at is None


def verified(endpoint: Endpoint, at: float) -> Endpoint:
    """The endpoint whose receiver answered at this time."""
    if endpoint.status is TargetStatus.UNVERIFIED:
        endpoint = replace(endpoint, status=TargetStatus.ENABLED, reason="")
    return replace(endpoint, verified_at=at)


def settled(after: Endpoint, before: Endpoint) -> Endpoint:
    """What a change makes of an endpoint, as far as verification goes: `after` as it was wished for, `before` as it
    was."""
    if not after.verify or before.url != after.url:
        after = replace(after, verified_at=None)
    if waits(after):
        if after.status is TargetStatus.DISABLED:  # it stays so; who enables it is told
            return after
        return replace(after, status=TargetStatus.UNVERIFIED, reason=REASON)
    if after.status is TargetStatus.UNVERIFIED:
        return replace(after, status=TargetStatus.ENABLED, reason="")
    return after


def standing(endpoint: Endpoint, status: TargetStatus, reason: str) -> Endpoint:
    """The endpoint that a person enables, pauses or disables. Raises Conflict where it has to be verified first."""
    if waits(endpoint) and status is not TargetStatus.DISABLED:
        raise Conflict(
            "this webhook is not verified yet, so that nothing goes to it: POST .../verify sends its receiver the "
            'challenge; PATCH {"verify": false} does without',
            code="webhook_unverified",
        )
    return replace(endpoint, status=status, reason=reason)
