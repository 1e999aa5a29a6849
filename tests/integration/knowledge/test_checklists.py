"""What critics found in debates of a domain, and the critics of a later debate that are shown it."""

from __future__ import annotations

from dataclasses import replace

import pytest
from worlds.backends import SetClock
from worlds.criticised import LOAD, journal, longer
from worlds.meanings_away import NoMeanings
from worlds.memory_engine import World, answer, spec
from worlds.memory_journals import Journals, Nothing, row
from worlds.taught import HOME

from aragora.debate.journal import events_of
from aragora.debate.model import AgentRequest, AskKind, KnowledgeOffered, Protocol, Reply
from aragora.debate.running.looks import Looks
from aragora.knowledge.checklists import Checklists
from aragora.knowledge.confidence import confidence_of
from aragora.knowledge.learning import Learning
from aragora.knowledge.memories import Memories
from aragora.knowledge.model import Home, ItemKind
from aragora.knowledge.mound.adapters import critique
from aragora.knowledge.searching import Searching
from aragora.knowledge.source import MoundSource
from aragora.knowledge.store.observations import Observations
from aragora.knowledge.store.reading import KnowledgeReader
from aragora.knowledge.store.writing import KnowledgeWriter
from aragora.knowledge.wanted import Wanted
from aragora.scope import Scope
from aragora.storage.database import Database

SCOPE = Scope(HOME.org_id, frozenset({HOME.workspace}))


@pytest.fixture
def checklists(database: Database, reader: KnowledgeReader, clock: SetClock) -> Checklists:
    return Checklists(Observations(database), reader, clock)


@pytest.fixture
async def learning(reader: KnowledgeReader, writer: KnowledgeWriter) -> Learning:
    """The adapter, after two debates whose answers were revised."""
    journals = Journals({f"deb_{number}": journal(number, revising=longer) for number in (1, 2, 3)})
    adapter = Learning(critique.NAME, journals, reader, writer, Nothing())
    await adapter.learn([row(1), row(2)])
    return adapter


async def test_critics_of_a_later_debate_and_nobody_else_are_shown_what_two_debates_turned_on(
    learning: Learning, checklists: Checklists, reader: KnowledgeReader, database: Database, clock: SetClock
) -> None:
    searching, memories = Searching(reader, NoMeanings(), clock), Memories(Observations(database), clock)
    source = MoundSource(reader, searching, memories, clock, checking=checklists, beside_s=30.0)
    world = World(knowledge=Looks(source, limit_s=60.0))
    shown: dict[AskKind, set[tuple[str, ...]]] = {}

    def script(request: AgentRequest) -> Reply:
        shown.setdefault(request.ask.kind, set()).add(request.brief.checklist)
        return answer(request)

    world.agents.script = script
    protocol = Protocol("structured", rounds=2, early_stop=False, trickster=False)
    await world.engine.open(replace(spec("deb_9", protocol=protocol), knowledge=True, domain="storage"))
    await world.ended("deb_9")
    assert shown.pop(AskKind.CRITIQUE) == {(LOAD,)}
    assert set().union(*shown.values()) == {()}
    events = events_of([one.payload for one in world.journal.rows["deb_9"]])
    (offered,) = [event for event in events if isinstance(event, KnowledgeOffered)]
    assert [(one.text, one.debates, one.effective) for one in offered.checklist] == [(LOAD, 2, 1.0)]


async def test_a_debate_that_was_shown_an_issue_is_no_root_of_it_and_does_not_make_it_more_frequent(
    learning: Learning, checklists: Checklists, reader: KnowledgeReader, writer: KnowledgeWriter, clock: SetClock
) -> None:
    before = await checklists.of(HOME, "storage")
    later = Journals({"deb_4": journal(4, revising=longer, shown=before)})
    await Learning(critique.NAME, later, reader, writer, Nothing()).learn([row(4)])
    clock.at += 60.0
    assert await checklists.of(HOME, "storage") == before
    page = await reader.page(SCOPE, Wanted(kinds=(ItemKind.CRITIQUE_PATTERN,)), clock.now())
    (item,) = page.items
    assert len(item.sources) == 3
    assert confidence_of(item).support == 2


async def test_lists_are_of_one_domain_and_one_workspace(learning: Learning, checklists: Checklists) -> None:
    assert len(await checklists.of(HOME, "storage")) == 1
    assert await checklists.of(HOME, "law") == ()
    assert await checklists.of(Home(HOME.org_id, "other"), "storage") == ()
