"""Insights that workspaces of the organisation acme share, over the store of a test."""

from __future__ import annotations

from dataclasses import dataclass, field
from typing import Any

from aragora.clock import Clock
from aragora.knowledge.insight_exchange import InsightExchange, Share, exchange_over
from aragora.knowledge.insights import CrossWorkspaceInsight
from aragora.knowledge.model import Home
from aragora.observability.registry import Registry
from aragora.storage.database import Database

A, B, C = (Home("acme", f"workspace_{letter}") for letter in "abc")
PRINTED = {
    "insight_id": "insight_001",
    "source_workspace": "workspace_a",
    "target_workspaces": ["workspace_b", "workspace_c"],
    "task_type": "debate",
    "content": "Structured 3-round debates work best for consensus",
    "confidence": 0.85,
    "created_at": "2026-01-31T12:00:00.123456",
}
"""The runbook's."""


@dataclass
class Made:
    """The workspaces that were made, by organisation."""

    by_org: dict[str, list[str]] = field(
        default_factory=lambda: {"acme": [home.workspace for home in (A, B, C)], "umbra": ["workspace_x"]}
    )

    async def names(self, org_id: str) -> list[str]:
        return self.by_org.get(org_id, [])


@dataclass
class Exchange:
    """An exchange, and what it counted."""

    over: InsightExchange
    made: Made
    registry: Registry

    async def share(self, by: str = "ann", home: Home | None = None, **changed: Any) -> Share:
        """Share the runbook's insight, changed so, for its own workspace unless another is named."""
        insight = CrossWorkspaceInsight(**{**PRINTED, **changed})
        return await self.over.share(home or Home("acme", insight.source_workspace), by, insight)

    async def received(self, home: Home, **of: Any) -> list[str]:
        """What a workspace is given."""
        return [one.insight.content for one in (await self.over.received(home, **of)).items]


def exchange(database: Database, clock: Clock, minimum: float = 0.6) -> Exchange:
    """Over the store of the database."""
    made, registry = Made(), Registry()
    return Exchange(exchange_over(database, made, clock, minimum=minimum, registry=registry), made, registry)
