"""The feature `knowledge operations`: the adapters and the index of meanings, as their operator sees and moves them."""

from __future__ import annotations

from aragora.clock import Clock
from aragora.config.settings import Settings
from aragora.knowledge.adapting import EVERY, adapters_on
from aragora.knowledge.store.adapters import AdapterBook
from aragora.server.chapters.knowledge_operations import (
    Adapters,
    Index,
    KnowledgeOperationsPorts,
    knowledge_operations,
)
from aragora.server.feature import Feature
from aragora.server.ports import AuditTrail
from aragora.storage.contexts import Context
from aragora.storage.database import Database
from aragora.storage.outbox_store import OutboxStore


def open_knowledge_operations(
    settings: Settings, *, adapters: Adapters, index: Index, audit: AuditTrail, clock: Clock
) -> Feature[KnowledgeOperationsPorts]:
    """Over the stores of the settings, audited in `audit`; `adapters` and `index` reach the actors. The stores connect
    with their first use."""
    memory, journals = Database.open(settings, Context.MEMORY), Database.open(settings, Context.DEBATES)
    ports = KnowledgeOperationsPorts(
        names=EVERY,
        on=adapters_on(settings),
        adapters=adapters,
        book=AdapterBook(memory, OutboxStore(journals), clock),
        index=index,
        audit=audit,
    )
    return Feature(
        "knowledge operations", ports, chapters=(knowledge_operations,), closers=(memory.aclose, journals.aclose)
    )
