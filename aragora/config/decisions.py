"""The settings of the decision router."""

from __future__ import annotations

from pathlib import Path

from pydantic import BaseModel

from aragora.config.variables import variable


class DecisionSettings(BaseModel):
    """Chapter `Decision router` of docs/ENVIRONMENT.md."""

    decision_rules: Path | None = variable(
        "ARAGORA_DECISION_RULES",
        "TOML file with the rules that lead questions to one agent, a debate or a workflow, in place of those that come "
        "with Aragora; read at the start.",
        allowed="the path of a file",
    )
    decision_cache_size: int = variable(
        "ARAGORA_DECISION_CACHE_SIZE",
        "Decisions that are kept to be given again; beyond, the oldest go.",
        default=10_000,
        ge=1,
        le=1_000_000,
    )
    decision_cache_mb: int = variable(
        "ARAGORA_DECISION_CACHE_MB",
        "Megabytes that kept decisions may have, with their receipts; beyond, the oldest go.",
        default=512,
        ge=1,
        le=1_000_000,
    )
    decision_cache_ttl_s: float = variable(
        "ARAGORA_DECISION_CACHE_TTL_S",
        "Seconds after which a decision is not given again.",
        default=86_400.0,
        ge=1,
        le=31_622_400,
    )
    decision_confidence_min: float = variable(
        "ARAGORA_DECISION_CONFIDENCE_MIN",
        "Confidence below which a decision is not given again.",
        default=0.6,
        ge=0,
        le=1,
    )
    decision_near: bool = variable(
        "ARAGORA_DECISION_NEAR",
        "Give a decision again also where the question differs in articles, politeness and spelling alone.",
        default=False,
    )
