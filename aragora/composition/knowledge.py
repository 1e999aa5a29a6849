"""The feature `knowledge`: the mound over HTTP. Its store connects with first use; the index of meanings is given."""

from __future__ import annotations

from collections.abc import Collection

from aragora.clock import Clock
from aragora.config.settings import Settings
from aragora.errors import Unavailable
from aragora.knowledge.indexing import Near
from aragora.knowledge.keeping import Keeper
from aragora.knowledge.searching import Meanings, Searching
from aragora.knowledge.store.reading import KnowledgeReader
from aragora.knowledge.store.writing import KnowledgeWriter
from aragora.server.chapters.knowledge import knowledge
from aragora.server.feature import Feature
from aragora.server.knowledge import KnowledgePorts
from aragora.server.ports import AuditTrail
from aragora.storage.contexts import Context
from aragora.storage.database import Database


def open_knowledge(settings: Settings, meanings: Meanings, audit: AuditTrail, clock: Clock) -> Feature[KnowledgePorts]:
    """Knowledge in the store of the settings, audited in `audit`.

    Args:
        meanings: the index of meanings; where it is away, searches go by words and say so.
    """
    database = Database.open(settings, Context.MEMORY)
    reader, writer = KnowledgeReader(database), KnowledgeWriter(database, clock)
    return Feature(
        "knowledge",
        KnowledgePorts(reader, Keeper(reader, writer, clock), Searching(reader, meanings, clock), audit, clock),
        chapters=(knowledge,),
        closers=(database.aclose,),
    )


class NoMeanings:
    """In place of the index of meanings, where none is started: searches go by words, and say so."""

    async def nearest(self, scopes: Collection[str], question: str, k: int, allowed: Collection[int] | None) -> Near:  # noqa: ARG002
        """Raises Unavailable."""
        raise Unavailable("the index of meanings is not started: words alone were searched")
