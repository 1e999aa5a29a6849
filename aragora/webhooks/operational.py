"""What webhooks tell of themselves, in the past tense: the data of the events `webhook.*`.

None of them holds a URL or a secret: `last_error` is the line that people read in the delivery. Times are ISO 8601.
"""

from __future__ import annotations

from dataclasses import dataclass
from typing import Final


@dataclass(frozen=True, slots=True)
class WebhookFailing:
    """The endpoint failed so many times in a row that deliveries wait."""

    webhook_id: str
    failures: int
    failing_since: str
    last_error: str | None = None
    last_code: int | None = None


@dataclass(frozen=True, slots=True)
class WebhookRecovered:
    """The endpoint took a delivery again. `waiting` deliveries are still to come."""

    webhook_id: str
    failing_since: str
    waiting: int = 0


@dataclass(frozen=True, slots=True)
class WebhookExhausted:
    """A delivery has no retries left and lies with the dead letters, `dead_letters` of this endpoint by now."""

    webhook_id: str
    delivery_id: str
    event_type: str
    attempts: int
    dead_letters: int = 1
    last_error: str | None = None
    last_code: int | None = None


@dataclass(frozen=True, slots=True)
class WebhookDisabled:
    """Nothing goes to the endpoint until it is enabled; `reason` says why."""

    webhook_id: str
    reason: str


@dataclass(frozen=True, slots=True)
class WebhookVerification:
    """Somebody asks whether this receiver wants the events of the webhook: one that does sends the challenge back."""

    webhook_id: str
    challenge: str


@dataclass(frozen=True, slots=True)
class WebhookTested:
    """Somebody asked for a test: nothing happened."""

    webhook_id: str
    message: str = "This is a test. Nothing happened, and nothing needs to be done."


OPERATIONAL_NAMES: Final[dict[type, str]] = {
    WebhookFailing: "webhook.failing",
    WebhookRecovered: "webhook.recovered",
    WebhookExhausted: "webhook.exhausted",
    WebhookDisabled: "webhook.disabled",
    WebhookTested: "webhook.test",
    WebhookVerification: "webhook.verification",
}
"""The type of each event."""
