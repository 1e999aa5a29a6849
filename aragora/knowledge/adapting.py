"""Every adapter of the mound by its name, those that are on by the settings, and each at work."""

from __future__ import annotations

from collections.abc import Iterable
from typing import Final

from aragora.clock import Clock
from aragora.config.settings import Settings
from aragora.knowledge.heeding import heeding_over
from aragora.knowledge.learning import ADAPTERS, Learning
from aragora.knowledge.lessons import Journals
from aragora.knowledge.mound.adapters import task_outcomes
from aragora.knowledge.store.adapters import AdapterBook
from aragora.knowledge.store.reading import KnowledgeReader
from aragora.knowledge.store.writing import KnowledgeWriter
from aragora.knowledge.syncing import Syncing
from aragora.knowledge.task_learning import TaskLearning
from aragora.storage.database import Database

EVERY: Final = (*ADAPTERS, task_outcomes.NAME)
"""Those that learn from debates, and the one that learns from tasks."""


def adapters_on(settings: Settings) -> tuple[str, ...]:
    """Those that learn."""
    if not settings.knowledge:
        return ()
    return EVERY if settings.learns_from_tasks else tuple(ADAPTERS)


def at_work(
    names: Iterable[str], memory: Database, journals: Journals, book: AdapterBook, clock: Clock
) -> dict[str, Syncing]:
    """These adapters over the open store of the mound and the journals of debates, by their names."""
    reader, writer = KnowledgeReader(memory), KnowledgeWriter(memory, clock)
    heeding = heeding_over(memory, writer)
    return {
        name: Syncing(
            name,
            TaskLearning(writer, clock)
            if name == task_outcomes.NAME
            else Learning(name, journals, reader, writer, heeding, clock),
            book,
            clock,
        )
        for name in names
    }
