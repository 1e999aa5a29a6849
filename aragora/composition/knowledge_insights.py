"""The feature `knowledge insights`: what workspaces of an organisation tell each other, over HTTP."""

from __future__ import annotations

from aragora.clock import Clock
from aragora.config.settings import Settings
from aragora.knowledge.insight_exchange import Workspaces, exchange_over
from aragora.server.chapters.knowledge_insights import InsightPorts, knowledge_insights
from aragora.server.feature import Feature
from aragora.server.ports import AuditTrail
from aragora.storage.contexts import Context
from aragora.storage.database import Database


def open_knowledge_insights(
    settings: Settings, *, workspaces: Workspaces, audit: AuditTrail, clock: Clock
) -> Feature[InsightPorts]:
    """Over the store of the settings, audited in `audit`; `workspaces` knows which ones there are. The store connects
    with its first use."""
    memory = Database.open(settings, Context.MEMORY)
    exchange = exchange_over(memory, workspaces, clock, minimum=settings.knowledge_insight_confidence_min)
    return Feature(
        "knowledge insights",
        InsightPorts(exchange, audit, clock),
        chapters=(knowledge_insights,),
        closers=(memory.aclose,),
    )
