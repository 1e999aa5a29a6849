"""The words of webhooks. An *event* happened once. A *delivery* brings one event to one *target*; it takes one or more
*attempts*, each of which is a request and its *answer*.

A target is a registered endpoint, or an address that was given to `deliver_webhook`. Times are in seconds since the
epoch, durations in seconds.
"""

from __future__ import annotations

from collections.abc import Mapping
from dataclasses import dataclass, field
from enum import StrEnum

from aragora.webhooks.networks import Reason


class DeliveryStatus(StrEnum):
    """The runbook's five states, and CANCELLED: the endpoint was deleted, or a person cancelled the delivery."""

    PENDING = "PENDING"
    IN_PROGRESS = "IN_PROGRESS"
    DELIVERED = "DELIVERED"
    RETRYING = "RETRYING"
    DEAD_LETTERED = "DEAD_LETTERED"
    CANCELLED = "CANCELLED"

    @property
    def waits(self) -> bool:
        """Whether attempts are still to come."""
        return self in (DeliveryStatus.PENDING, DeliveryStatus.IN_PROGRESS, DeliveryStatus.RETRYING)


class TargetStatus(StrEnum):
    """Whether deliveries go out: only those of an enabled target do, the others wait."""

    ENABLED = "enabled"
    PAUSED = "paused"
    DISABLED = "disabled"
    UNVERIFIED = "unverified"  # its receiver has not answered the challenge yet (`aragora.webhooks.verification`)

    @property
    def hears(self) -> bool:
        """Whether deliveries are made of what happens."""
        return self in (TargetStatus.ENABLED, TargetStatus.PAUSED)


class Failure(StrEnum):
    """Why an attempt did not deliver."""

    BLOCKED = "blocked"  # the guard refused the address
    NAME = "name"  # the host's name has no address
    CONNECT = "connect"  # no connection, or it broke before an answer
    TLS = "tls"  # the certificate or the protocol
    TIMEOUT = "timeout"
    PROTOCOL = "protocol"  # what came back is not HTTP, or over its limits
    REDIRECT = "redirect"  # 3xx, never followed
    STATUS = "status"  # 4xx or 5xx


@dataclass(frozen=True, slots=True)
class Request:
    """One POST to a receiver. `timeout_s` bounds it from the connection to the end of the answer."""

    url: str = field(repr=False)  # may hold a token
    body: bytes = field(repr=False)
    headers: Mapping[str, str] = field(repr=False)
    timeout_s: float


@dataclass(frozen=True, slots=True)
class Answer:
    """What came of one request: delivered where `failure` is None. `told` is one line for people, `text` the beginning
    of the answer's body, both storable; neither holds a secret or the URL. `address` is that of the connection.
    `challenge` is what the header webhook-challenge-response holds; it is kept nowhere.
    `refused_for` is why the guard refused, where it did: for the operator, and not stored with the attempt."""

    failure: Failure | None
    duration_s: float
    code: int | None = None
    told: str = ""
    text: str = ""
    address: str | None = None
    retry_after_s: float | None = None
    challenge: str | None = field(default=None, repr=False)
    refused_for: Reason | None = field(default=None, compare=False)


@dataclass(frozen=True, slots=True)
class Rules:
    """How a target's deliveries are tried. With `delays_s` each retry waits that long; else `base_s`, doubled with
    every retry, up to `max_s`. Jitter comes on top of both.

    `max_retries` retries follow the first request; a delivery older than `give_up_s` has none left.
    """

    max_retries: int = 5
    base_s: float = 1.0
    max_s: float = 300.0
    delays_s: tuple[float, ...] = ()
    timeout_s: float = 30.0
    failure_threshold: int = 5
    open_s: float = 60.0
    give_up_s: float = 7 * 86_400.0
    rate_per_s: float | None = None
    max_in_flight: int = 8
    fifo: bool = False
    retry_4xx: bool = True


@dataclass(frozen=True, slots=True)
class EventRecord:
    """One event as it is stored: once, however many endpoints hear of it. `body` is its JSON object without the
    `delivery_id` (`aragora.webhooks.body`). `debate_id` and `seq` say where it comes from in a journal."""

    event_id: str
    org_id: str
    type: str
    body: str = field(repr=False)
    created_at: float
    debate_id: str | None = None
    seq: int | None = None


@dataclass(frozen=True, slots=True)
class Delivery:
    """One delivery, as it is stored.

    Args:
        webhook_id: what people know the target by: the endpoint's id, or the name given to `deliver_webhook`.
        target_id: whose machine runs it: the endpoint's id, or one made of organisation and URL.
        attempts: requests made in all.
        budget_from, budget_at: what `attempts` was, and the time, when the budget of retries began that is now used.
        throttled: how many requests of this budget were answered with 429.
        direct: of a delivery of `deliver_webhook`, what its caller gave besides the payload (URL, secret, rules): JSON,
            sealed. None where the target is a registered endpoint.
        holder: of a direct delivery, the owner that has it: while its lease runs, nobody else sends it.
    """

    delivery_id: str
    event_id: str
    org_id: str
    webhook_id: str
    target_id: str
    event_type: str
    status: DeliveryStatus
    created_at: float
    due_at: float
    budget_at: float
    budget_from: int = 0
    attempts: int = 0
    throttled: int = 0
    last_error: str | None = None
    last_code: int | None = None
    ended_at: float | None = None
    direct: str | None = field(default=None, repr=False)
    holder: str | None = None


@dataclass(frozen=True, slots=True)
class Attempt:
    """One request of a delivery and what came of it. `number` counts from 1 without a gap."""

    delivery_id: str
    number: int
    started_at: float
    answer: Answer


@dataclass(frozen=True, slots=True)
class TargetRow:
    """What is kept of a target's machine: its breaker (`BreakerRow` of aragora.resilience), until when a receiver's
    Retry-After holds, since when and how often deliveries end without success, and whether the old secret goes first.
    """

    target_id: str
    breaker: str = "closed"
    consecutive_failures: int = 0
    opened_at: float | None = None
    retry_at: float | None = None
    last_error: str | None = None
    paused_until: float | None = None
    failing_since: float | None = None
    failures: int = 0
    old_secret_first: bool = False
