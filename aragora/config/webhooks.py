"""The settings of webhooks."""

from __future__ import annotations

from pathlib import Path

from pydantic import BaseModel

from aragora.config.variables import Networks, WebAddress, variable


class WebhookSettings(BaseModel):
    """Chapter `Webhooks` of docs/ENVIRONMENT.md."""

    webhook_allowed_networks: Networks = variable(
        "ARAGORA_WEBHOOK_ALLOWED_NETWORKS",
        "Internal networks to which webhooks may go all the same. This machine itself, and addresses of link-local "
        "networks, only by their exact address (`127.0.0.1/32`).",
        default=(),
        allowed="comma-separated addresses or networks",
    )
    webhook_proxy: WebAddress | None = variable(
        "ARAGORA_WEBHOOK_PROXY",
        "Forward proxy for all webhooks; HTTP_PROXY and its like have no effect on them.",
        allowed="an http:// or https:// address",
    )
    webhook_ca_file: Path | None = variable(
        "ARAGORA_WEBHOOK_CA_FILE", "PEM file of further authorities that certificates of receivers may come from."
    )
    webhook_max_payload_bytes: int = variable(
        "ARAGORA_WEBHOOK_MAX_PAYLOAD_BYTES",
        "Bytes that the payload of a delivery may have.",
        default=262_144,
        ge=1_024,
        le=1_048_576,
    )
    webhook_max_endpoints: int = variable(
        "ARAGORA_WEBHOOK_MAX_ENDPOINTS",
        "Webhooks that one organisation may have.",
        default=1_000,
        ge=1,
        le=100_000,
    )
    webhook_max_in_flight: int = variable(
        "ARAGORA_WEBHOOK_MAX_IN_FLIGHT",
        "Requests to receivers that one process has on their way at once.",
        default=500,
        ge=1,
        le=2_000,
    )
    webhook_hot_endpoints: int | None = variable(
        "ARAGORA_WEBHOOK_HOT_ENDPOINTS",
        "Webhooks that may have a process of their own, those that are sent most (20 requests a second and more). "
        "Each process takes about 50 MB; 0: none. Not set: as many as the machine has cores beyond two, "
        "and at least one.",
        ge=0,
        le=1_000,
    )
    webhook_delivered_days: float = variable(
        "ARAGORA_WEBHOOK_DELIVERED_DAYS", "Days that deliveries are kept which arrived.", default=7, ge=0.01, le=3650
    )
    webhook_answer_days: float = variable(
        "ARAGORA_WEBHOOK_ANSWER_DAYS",
        "Days that the texts of receivers' answers are kept.",
        default=3,
        ge=0.01,
        le=3650,
    )
    webhook_dead_letter_days: float = variable(
        "ARAGORA_WEBHOOK_DEAD_LETTER_DAYS", "Days that dead letters are kept.", default=30, ge=0.01, le=3650
    )
    webhook_dead_letters_max: int = variable(
        "ARAGORA_WEBHOOK_DEAD_LETTERS_MAX",
        "Dead letters that are kept of one organisation; the oldest go first.",
        default=100_000,
        ge=1,
        le=100_000_000,
    )
