"""What may be seen of a webhook: at any time, and where its secret is made."""

from __future__ import annotations

from typing import Annotated, Any

from pydantic import BaseModel, Field

from aragora.webhooks import wishes
from aragora.webhooks.certificates import EXPIRES_SOON_S
from aragora.webhooks.endpoint import Endpoint, PayloadKind
from aragora.webhooks.model import TargetStatus
from aragora.webhooks.registering import Registering
from aragora.webhooks.signing import SignatureKind, is_private_key, kind_of, public_key, standard_secret
from aragora.webhooks.wishes import STAND_IN


class ShownCertificate(BaseModel):
    """The client certificate that its receiver gets to see. Times are seconds since the epoch."""

    subject: str
    issuer: str
    not_before: float
    not_after: float
    fingerprint: Annotated[str, Field(description="SHA-256, hex")]
    expires_soon: Annotated[bool, Field(description=f"within {EXPIRES_SOON_S / 86_400:g} days, or already")]


class Webhook(BaseModel):
    webhook_id: str
    url: str
    events: list[str]
    filter: dict[str, list[str]]
    description: str
    headers: Annotated[dict[str, str], Field(description=f"names; for each value stands {STAND_IN}")]
    payload: PayloadKind
    schedule: str
    rate_per_s: float | None
    max_in_flight: int
    fifo: bool
    retry_4xx: bool
    give_up_after_s: float
    status: TargetStatus
    reason: Annotated[str, Field(description="why it is not enabled")]
    signature: SignatureKind
    public_key: Annotated[
        str | None, Field(description="whpk_..., of ed25519: what its receiver checks signatures with")
    ]
    old_secrets_end_at: Annotated[list[float], Field(description="when those end that were rotated away")]
    client_certificate: ShownCertificate | None
    verify: Annotated[bool, Field(description="whether its receiver must answer a challenge first")]
    verified_at: Annotated[float | None, Field(description="when it did so at this URL")]
    version: int
    created_at: float
    created_by: str
    updated_at: float


class SecretWebhook(Webhook):
    """A private key is shown to nobody: of an Ed25519 key there is `public_key`, and no secret."""

    secret: Annotated[str | None, Field(description="shown this once; null: the key is private")]
    standard_secret: Annotated[str | None, Field(description="the form that libraries of Standard Webhooks take")]


class WebhookList(BaseModel):
    webhooks: list[Webhook]
    next_cursor: str | None


def shown(endpoint: Endpoint, registering: Registering) -> dict[str, Any]:
    """What may be seen of a webhook at any time."""
    rules = endpoint.rules
    return {
        "webhook_id": endpoint.endpoint_id,
        "url": endpoint.url,
        "events": endpoint.events,
        "filter": endpoint.matching,
        "description": endpoint.description,
        "headers": dict.fromkeys(endpoint.headers, STAND_IN),
        "payload": endpoint.payload,
        "schedule": wishes.schedule_name(rules),
        "rate_per_s": rules.rate_per_s,
        "max_in_flight": rules.max_in_flight,
        "fifo": rules.fifo,
        "retry_4xx": rules.retry_4xx,
        "give_up_after_s": rules.give_up_s,
        "status": endpoint.status,
        "reason": endpoint.reason,
        "signature": kind_of(endpoint.secret),
        "public_key": public_key(endpoint.secret) if is_private_key(endpoint.secret) else None,
        "old_secrets_end_at": registering.valid_until(endpoint),
        "client_certificate": registering.certificate_facts(endpoint),
        "verify": endpoint.verify,
        "verified_at": endpoint.verified_at,
        "version": endpoint.version,
        "created_at": endpoint.created_at,
        "created_by": endpoint.created_by,
        "updated_at": endpoint.updated_at,
    }


def once(secret: str) -> dict[str, str | None]:
    """What is seen of a secret where it is made, and nowhere else."""
    if is_private_key(secret):
        return {"secret": None, "standard_secret": None}
    return {"secret": secret, "standard_secret": standard_secret(secret)}
