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
