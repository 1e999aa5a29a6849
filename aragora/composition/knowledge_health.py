"""The feature `knowledge health`: looks at the parts of the mound, those of the store and those that are given."""

from __future__ import annotations

from collections.abc import Mapping

from aragora.clock import Clock
from aragora.config.settings import Settings
from aragora.control_plane.store.tasks import TaskStore
from aragora.knowledge.adapting import adapters_on
from aragora.knowledge.health import OFF, Component, Reading, State
from aragora.knowledge.probing import Look, MoundHealth
from aragora.knowledge.searching import Mode, Searching
from aragora.knowledge.store.adapters import AdapterBook
from aragora.knowledge.store.probes import StoreProbes
from aragora.knowledge.store.summaries import SummaryStore
from aragora.scope import Scope
from aragora.server.chapters.knowledge_health import KnowledgeHealthPorts, knowledge_health
from aragora.server.feature import Feature
from aragora.server.ports import DebateReader
from aragora.storage.contexts import Context
from aragora.storage.database import Database
from aragora.storage.outbox_store import OutboxStore

_NOBODY = Scope("", frozenset({"probe"}))
"""A workspace of no organisation: a look there finds nothing."""


def open_knowledge_health(
    settings: Settings, *, index: Look, debates: DebateReader, searching: Searching, clock: Clock
) -> Feature[KnowledgeHealthPorts]:
    """Health over the stores of the settings.

    Args:
        index: tells of the index of meanings and of the embedder.
        debates, searching: as debates look for knowledge at their opening; `searching` keeps answers, too.
    """
    memory, journals = Database.open(settings, Context.MEMORY), Database.open(settings, Context.DEBATES)
    book = AdapterBook(memory, OutboxStore(journals), clock)
    probes = StoreProbes(memory, book, clock, adapters_on(settings))

    async def integration() -> Mapping[Component, Reading]:
        """Looks as a debate does. Every debate looks at its opening, so the newest tells when that was."""
        if not settings.knowledge:
            return {Component.DEBATE_INTEGRATION: OFF}
        await searching.search(_NOBODY, "probe", k=1, mode=Mode.LEXICAL)
        newest = (await debates.page(Scope(None, None), limit=1)).items
        return {Component.DEBATE_INTEGRATION: Reading(State.WORKS, newest[0].created_at if newest else None)}

    async def summaries() -> Mapping[Component, Reading]:
        """Reads how far workspaces were condensed, as the job does."""
        if not settings.enable_rlm_summaries:
            return {Component.SUMMARIES: OFF}
        await SummaryStore(memory).followed()
        return {Component.SUMMARIES: Reading(State.WORKS)}

    async def control_plane() -> Mapping[Component, Reading]:
        """Reads the newest outcome of a task, as recommendations do."""
        if not settings.cp_enable_km:
            return {Component.CONTROL_PLANE: OFF}
        return {Component.CONTROL_PLANE: Reading(State.WORKS, await TaskStore(journals).last_ended())}

    looks: dict[Component, Look] = {
        Component.STORE: probes.store,
        Component.LEXICAL_INDEX: probes.lexical_index,
        Component.LEDGER: probes.ledger,
        Component.CONTRADICTIONS: probes.contradictions,
        Component.ADAPTERS: probes.adapters,
        Component.VECTOR_INDEX: index,
        Component.DEBATE_INTEGRATION: integration,
        Component.CACHE: searching.look_at_cache,
        Component.CONTROL_PLANE: control_plane,
        Component.SUMMARIES: summaries,
    }
    return Feature(
        "knowledge health",
        KnowledgeHealthPorts(MoundHealth(looks, clock).tell),
        chapters=(knowledge_health,),
        closers=(memory.aclose, journals.aclose),
    )
