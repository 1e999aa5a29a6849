"""A registered endpoint: where its events go, which it wants, and how it is spoken to. What is secret rests encrypted
and is shown once, when it is made."""

from __future__ import annotations

from collections.abc import Mapping
from dataclasses import dataclass, field
from enum import StrEnum

from aragora.webhooks.model import Rules, TargetStatus


class PayloadKind(StrEnum):
    """`FULL` events carry their data, `THIN` ones only what the receiver needs to ask for it."""

    FULL = "full"
    THIN = "thin"


@dataclass(frozen=True, slots=True)
class OldSecret:
    """A secret that was rotated away. Signatures with it are sent until `ends_at`."""

    secret: str = field(repr=False)
    ends_at: float


@dataclass(frozen=True, slots=True)
class ClientCertificate:
    """With what we prove ourselves to the receiver (mutual TLS): PEM texts."""

    certificate: str = field(repr=False)
    private_key: str = field(repr=False)


@dataclass(frozen=True, slots=True)
class Endpoint:
    """One endpoint of an organisation. Times are seconds since the epoch.

    Args:
        events: the types it wants; `*` is every type that is not of high volume.
        matching: an event is wanted where each of these fields of its data has one of the values.
        reason: why it is not enabled.
        secret: what its deliveries are signed with: one that the receiver shares, or an Ed25519 key `whsk_...`.
        verify: whether its receiver must answer a challenge before it gets anything.
        verified_at: when it did so at this URL.
        version: grows with every change that a person makes.
    """

    endpoint_id: str
    org_id: str
    url: str = field(repr=False)
    secret: str = field(repr=False)
    events: tuple[str, ...]
    created_at: float
    created_by: str
    status: TargetStatus = TargetStatus.ENABLED
    reason: str = ""
    description: str = ""
    old_secrets: tuple[OldSecret, ...] = field(default=(), repr=False)
    headers: Mapping[str, str] = field(default_factory=dict, repr=False)
    rules: Rules = field(default_factory=Rules)
    payload: PayloadKind = PayloadKind.FULL
    matching: Mapping[str, tuple[str, ...]] = field(default_factory=dict)
    certificate: ClientCertificate | None = field(default=None, repr=False)
    verify: bool = False
    verified_at: float | None = None
    version: int = 1
    updated_at: float = 0.0
