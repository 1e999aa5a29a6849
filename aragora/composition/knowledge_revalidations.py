"""The feature `knowledge revalidations`: what is debated again, over HTTP."""

from __future__ import annotations

from aragora.clock import Clock
from aragora.composition.revalidating import allowance_of
from aragora.config.settings import Settings
from aragora.knowledge.revalidations import Revalidations
from aragora.knowledge.store.reading import KnowledgeReader
from aragora.knowledge.store.revalidations import RevalidationStore
from aragora.server.chapters.knowledge_revalidations import RevalidationPorts, knowledge_revalidations
from aragora.server.feature import Feature
from aragora.server.ports import AuditTrail
from aragora.storage.contexts import Context
from aragora.storage.database import Database


def open_knowledge_revalidations(settings: Settings, *, audit: AuditTrail, clock: Clock) -> Feature[RevalidationPorts]:
    """Over the stores of the settings, audited in `audit`. They connect with their first use."""
    memory, schedule = Database.open(settings, Context.MEMORY), Database.open(settings, Context.SCHEDULE)
    ports = RevalidationPorts(
        Revalidations(RevalidationStore(schedule), KnowledgeReader(memory), clock),
        allowance_of(settings) if settings.revalidates else None,
        audit,
    )
    return Feature(
        "knowledge revalidations",
        ports,
        chapters=(knowledge_revalidations,),
        closers=(memory.aclose, schedule.aclose),
    )
