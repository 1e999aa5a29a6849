"""The feature `knowledge`: the mound over HTTP. Its store connects with first use; the index of meanings is given."""

from __future__ import annotations

from collections.abc import Callable
from functools import partial

from aragora.clock import Clock
from aragora.config.settings import Settings
from aragora.knowledge.answers import AnswerCache
from aragora.knowledge.keeping import Keeper
from aragora.knowledge.memories import Memories
from aragora.knowledge.searching import Keeping, Meanings, Searching
from aragora.knowledge.store.generations import Generations
from aragora.knowledge.store.neighbours import Neighbours
from aragora.knowledge.store.observations import Observations
from aragora.knowledge.store.outcomes import OutcomeStore
from aragora.knowledge.store.reading import KnowledgeReader
from aragora.knowledge.store.walking import walked
from aragora.knowledge.store.workspaces import WorkspaceSwitches
from aragora.knowledge.store.writing import KnowledgeWriter
from aragora.server.chapters.knowledge import knowledge
from aragora.server.chapters.knowledge_files import knowledge_files
from aragora.server.chapters.knowledge_judging import knowledge_judging
from aragora.server.chapters.knowledge_origins import knowledge_origins
from aragora.server.chapters.knowledge_workspaces import knowledge_workspaces
from aragora.server.feature import Feature
from aragora.server.knowledge import KnowledgePorts
from aragora.server.live.sockets import SocketRegistry
from aragora.server.ports import AuditTrail, DebateReader, ReceiptVerifier
from aragora.storage.contexts import Context
from aragora.storage.database import Database
from aragora.storage.ephemeral_redis import RedisEphemeral, connect


def open_knowledge(
    settings: Settings,
    *,
    meanings: Meanings,
    wake: Callable[[], None],
    debates: DebateReader,
    verifier: ReceiptVerifier,
    sockets: SocketRegistry,
    audit: AuditTrail,
    clock: Clock,
) -> Feature[KnowledgePorts]:
    """Knowledge in the store of the settings, audited in `audit`.

    Args:
        meanings: the index of meanings; where it is away, searches go by words and say so.
        wake: tells that index that items are new; returns at once.
        debates, verifier: where items came from, and whether their receipts hold.
    """
    database = Database.open(settings, Context.MEMORY)
    reader, writer = KnowledgeReader(database), KnowledgeWriter(database, clock)
    url = settings.knowledge_mound_redis_url
    redis = None if url is None else connect(url.get_secret_value())
    answers = AnswerCache(clock, None if redis is None else RedisEphemeral(redis))
    ports = KnowledgePorts(
        reader=reader,
        neighbours=Neighbours(database),
        switches=WorkspaceSwitches(database),
        export=partial(walked, database),
        keeper=Keeper(reader, writer, clock, wake),
        searching=Searching(reader, meanings, clock, Keeping(answers, Generations(database))),
        memories=Memories(Observations(database), clock),
        outcomes=OutcomeStore(database),
        debates=debates,
        verifier=verifier,
        sockets=sockets,
        audit=audit,
        clock=clock,
    )
    return Feature(
        "knowledge",
        ports,
        chapters=(knowledge, knowledge_origins, knowledge_judging, knowledge_files, knowledge_workspaces),
        closers=(database.aclose,) if redis is None else (database.aclose, redis.aclose),
    )
