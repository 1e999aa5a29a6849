"""The cluster and its load: how many debates at once, on how many shards, and how it stops."""

from __future__ import annotations

from pydantic import BaseModel

from aragora.config.variables import variable


class ClusterSettings(BaseModel):
    """Chapter `Cluster and load` of docs/ENVIRONMENT.md."""

    ray_address: str | None = variable("RAY_ADDRESS", "Cluster to join, `host:port`; unset: a local one is started.")
    max_active_debates: int = variable(
        "ARAGORA_MAX_ACTIVE_DEBATES", "Debates that run at once.", default=200, ge=1, le=1_000_000
    )
    max_queued_debates: int = variable(
        "ARAGORA_MAX_QUEUED_DEBATES",
        "Debates that wait for their turn; beyond it the answer is 503 with Retry-After.",
        default=1000,
        ge=0,
        le=1_000_000,
    )
    coordinator_shards: int = variable(
        "ARAGORA_COORDINATOR_SHARDS", "Coordinator actors that share the debates.", default=1, ge=1, le=4096
    )
    agent_shards: int = variable(
        "ARAGORA_AGENT_SHARDS", "Actors that share the asks of one agent.", default=1, ge=1, le=4096
    )
    passivate_after_s: float = variable(
        "ARAGORA_PASSIVATE_AFTER_S",
        "Seconds without a message after which an actor's process ends.",
        default=600.0,
        ge=1,
    )
    drain_timeout_s: float = variable(
        "ARAGORA_DRAIN_TIMEOUT_S",
        "Seconds that active debates get to finish when the server stops.",
        default=30.0,
        ge=0,
    )
