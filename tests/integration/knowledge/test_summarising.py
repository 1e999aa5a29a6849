"""Summaries over both databases: made, found first, gone into, and fallen with what they were made of."""

from __future__ import annotations

import pytest
from worlds.backends import SetClock
from worlds.knowledge import HOME, SCOPE, addition, source, statement
from worlds.meanings_away import NoMeanings

from aragora.knowledge.condensing import is_summary, made_of
from aragora.knowledge.ledger import Reworded
from aragora.knowledge.model import Home, Item, ItemKind, Status
from aragora.knowledge.planning import Burial, Changing
from aragora.knowledge.searching import Mode, Searching
from aragora.knowledge.store.reading import KnowledgeReader
from aragora.knowledge.store.summaries import SummaryStore
from aragora.knowledge.store.writing import KnowledgeWriter
from aragora.knowledge.summarising import Summarising, summarising_job
from aragora.knowledge.wanted import Wanted
from aragora.scope import Scope
from aragora.storage.database import Database

ALONE = Wanted(kinds=(ItemKind.SUMMARY,))


class World:
    """A workspace that is condensed by hand."""

    def __init__(self, database: Database, clock: SetClock) -> None:
        self.clock = clock
        self.writer, self.reader = KnowledgeWriter(database, clock), KnowledgeReader(database)
        self.summarising = Summarising(SummaryStore(database), self.writer, clock)
        self.searching = Searching(self.reader, NoMeanings(), clock)

    async def write(self, count: int, home: Home = HOME, begin: int = 0) -> list[Item]:
        units = [
            addition(statement(f"The cache of region {n} holds {n} replicas.", topics=("caches",)), source(n + 1))
            for n in range(begin, begin + count)
        ]
        return [one.item for one in await self.writer.write(home, units)]

    async def found(self, words: str, wanted: Wanted = ALONE, scope: Scope = SCOPE) -> list[Item]:
        answer = await self.searching.search(scope, words, mode=Mode.LEXICAL, wanted=wanted, k=50)
        return [one.item for one in answer.results]


@pytest.fixture
def world(database: Database, clock: SetClock) -> World:
    return World(database, clock)


async def test_a_search_finds_the_summary_alone_and_goes_into_its_items(world: World) -> None:
    items = await world.write(7)
    await world.write(2, begin=50, home=Home("acme", "research"))
    assert await summarising_job(world.summarising, wanted=True).run() == "made anew or dropped 1 summaries"
    (summary,) = await world.found("cache replicas")
    assert is_summary(summary)
    within = await world.found("replicas", Wanted(within=summary.item_id))
    assert {one.item_id for one in within} == {one.item_id for one in items} == set(made_of(summary))
    assert await world.found("replicas", Wanted(within=items[0].item_id)) == []
    assert await world.found("cache replicas", scope=Scope("acme", frozenset({"research"}))) == []
    assert await world.summarising.condense() == 0
    assert [one.item_id for one in await world.found("cache replicas")] == [summary.item_id]


async def test_a_summary_whose_items_change_or_are_forgotten_falls_and_is_made_anew(world: World) -> None:
    first, second, *_ = await world.write(7)
    await world.summarising.condense()
    (before,) = await world.found("cache replicas")
    reworded = statement("The cache of region 0 is gone.", topics=("caches",))
    await world.writer.write(HOME, [Changing(first.item_id, Reworded(reworded, "ann"))])
    await world.writer.write(HOME, [Burial(second.item_id, "crt_1")])
    await world.summarising.condense()
    (after,) = await world.found("cache replicas")
    assert after.item_id != before.item_id
    assert second.item_id not in made_of(after)
    fallen = await world.reader.get(SCOPE, before.item_id)
    assert (fallen.status, fallen.statement.content) == (Status.FORGOTTEN, "")


async def test_without_the_setting_what_was_condensed_falls(world: World) -> None:
    await world.write(7)
    await world.summarising.condense()
    assert await summarising_job(world.summarising, wanted=False).run() == "dropped 1 summaries"
    assert await world.found("cache replicas") == []
    assert await summarising_job(world.summarising, wanted=False).run() == "dropped 0 summaries"
    world.clock.at += 1.0
    await world.summarising.condense()
    assert len(await world.found("cache replicas")) == 1
