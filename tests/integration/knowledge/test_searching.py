"""Searches by words and by meaning over the real store, with an index that follows it."""

from __future__ import annotations

import asyncio
from collections.abc import AsyncIterator, Collection
from contextlib import nullcontext, suppress

import pytest
from worlds.backends import SetClock
from worlds.knowledge import HOME, SCOPE, addition, source, statement
from worlds.meanings import WordEmbedder
from worlds.searched import Searched

from aragora.errors import InvalidInput, Unavailable
from aragora.knowledge.indexing import FRESH_S, MoundIndex
from aragora.knowledge.ledger import Forgotten, Quarantined, Reworded, Shared
from aragora.knowledge.model import Home, ItemKind, Visibility
from aragora.knowledge.near import Near
from aragora.knowledge.planning import Changing
from aragora.knowledge.searching import Mode, Searching
from aragora.knowledge.wanted import Wanted
from aragora.scope import Scope
from aragora.storage.database import Database

RESEARCH = Scope("acme", frozenset({"research"}))


class Away:
    """An index that cannot be asked."""

    async def nearest(self, scopes: Collection[str], question: str, k: int, allowed: Collection[int] | None) -> Near:
        raise Unavailable("the index of meanings is starting")


@pytest.fixture
async def world(database: Database, clock: SetClock) -> AsyncIterator[Searched]:
    made = Searched(database, clock)
    yield made
    await made.index.aclose()


async def test_words_and_meaning_find_together_and_the_answer_says_how(world: Searched) -> None:
    await world.write("The cache holds three replicas.", "The queue holds ten jobs.", "Nothing else matters here.")
    answer = await world.searching.search(SCOPE, "cache replicas")
    assert answer.results[0].item.statement.content == "The cache holds three replicas."
    assert set(answer.results[0].parts.places) == {"lexical", "semantic"}
    assert (answer.mode, answer.degraded, answer.exact, answer.waiting) == (Mode.HYBRID, "", True, 0)


async def test_nothing_relevant_is_an_empty_answer(world: Searched) -> None:
    await world.write("The cache holds three replicas.", "The queue holds ten jobs.")
    assert await world.found("the migration of birds in autumn over the sea") == []


async def test_an_item_is_found_by_its_words_before_it_has_a_vector(world: Searched) -> None:
    await world.settle()
    await world.writer.write(HOME, [addition("The cache holds three replicas.")])
    world.clock.at += 2 * FRESH_S
    answer = await world.searching.search(SCOPE, "cache replicas")
    assert len(answer.results) == 1
    assert answer.waiting == 1


async def test_without_the_index_the_words_answer_and_say_so(world: Searched) -> None:
    await world.write("The cache holds three replicas.")
    answer = await Searching(world.reader, Away(), world.clock).search(SCOPE, "cache replicas")
    assert (len(answer.results), answer.mode, answer.degraded) == (
        1,
        Mode.LEXICAL,
        "the index of meanings is starting",
    )
    with pytest.raises(Unavailable):
        await Searching(world.reader, Away(), world.clock).search(SCOPE, "cache", mode=Mode.SEMANTIC)


async def test_an_index_that_was_built_anew_finds_the_same(world: Searched, database: Database) -> None:
    await world.write("The cache holds three replicas.", "The queue holds ten jobs.", "Cache lines have 64 bytes.")
    before = await world.searching.search(SCOPE, "cache", mode=Mode.SEMANTIC)
    anew = MoundIndex(world.vectors, WordEmbedder(), world.clock)
    while await anew.step():
        continue
    after = await Searching(world.reader, anew, world.clock).search(SCOPE, "cache", mode=Mode.SEMANTIC)
    assert [one.item for one in after.results] == [one.item for one in before.results]
    await anew.aclose()


async def test_what_is_forgotten_is_found_by_no_mode_at_once_and_takes_no_place(world: Searched) -> None:
    items = await world.write(*(f"cache note number {number}" for number in range(12)))
    for item in items[:10]:
        await world.change(item, Forgotten("crt_1"))
    for mode in Mode:
        found = await world.searching.search(SCOPE, "cache note number", k=2, mode=mode)  # the index has not looked yet
        assert {one.item.item_id for one in found.results} <= {item.item_id for item in items[10:]}
    for mode in Mode:
        assert len(await world.found("cache note number", k=2, mode=mode)) == 2
    assert world.index.figures.vectors == 2


async def test_what_is_quarantined_leaves_the_index_and_a_rewording_gets_a_new_vector(world: Searched) -> None:
    first, second = await world.write("The cache holds three replicas.", "The queue holds ten jobs.")
    await world.change(first, Quarantined("why"))
    await world.change(second, Reworded(statement("Birds fly south."), "usr_1"))
    await world.settle()
    assert await world.found("cache replicas", mode=Mode.SEMANTIC) == []
    assert await world.found("queue jobs", mode=Mode.SEMANTIC) == []
    assert await world.found("birds fly", mode=Mode.SEMANTIC) == ["Birds fly south."]


async def test_a_vector_of_a_wording_that_is_gone_is_not_kept(world: Searched) -> None:
    (item,) = await world.write("The cache holds three replicas.")
    (number,) = await world.reader.allowed(SCOPE, Wanted(), 10, world.clock.now()) or ()
    vector = (await world.embedder.embed_query("stale"),)
    await world.change(item, Reworded(statement("Birds fly south."), "usr_1"))
    assert await world.vectors.put(str(world.embedder.embedder_id), {number: (1, vector[0])}) == set()
    await world.change(item, Forgotten("crt_1"))
    assert await world.vectors.put(str(world.embedder.embedder_id), {number: (2, vector[0])}) == set()
    assert await world.vectors.count(str(world.embedder.embedder_id)) == 0


async def test_scopes_do_not_meet_by_meaning_either(world: Searched) -> None:
    (mine,) = await world.write("The cache holds three replicas.")
    await world.write("The cache holds three replicas, in research.", home=Home("acme", "research"))
    await world.write("The cache holds three replicas, elsewhere.", home=Home("umbra", "default"))
    assert await world.found("cache replicas", mode=Mode.SEMANTIC) == ["The cache holds three replicas."]
    await world.change(mine, Shared(Visibility.ORG, "usr_1"))
    assert len(await world.found("cache replicas", RESEARCH, mode=Mode.SEMANTIC)) == 2
    assert len(await world.found("cache replicas", Scope("acme", None), mode=Mode.SEMANTIC)) == 2


async def test_a_filter_that_keeps_one_of_many_finds_it_by_meaning(world: Searched) -> None:
    await world.writer.write(HOME, [addition(f"cache note number {number}") for number in range(300)])
    rare = statement("a rare cache note", kind=ItemKind.NOTE, topics=("rare",))
    await world.writer.write(HOME, [addition(rare)])
    await world.settle()
    for wanted in (Wanted(kinds=(ItemKind.NOTE,)), Wanted(topics=("rare",))):
        assert await world.found("cache note", mode=Mode.SEMANTIC, wanted=wanted) == [rare.content]


async def test_more_than_the_lists_hold_are_asked_for_where_most_may_not_be_shown(world: Searched) -> None:
    items = await world.write(*(f"cache note number {number}" for number in range(250)))
    for item in items[:248]:
        await world.writer.write(HOME, [Changing(item.item_id, Quarantined("why"))])
    answer = await world.searching.search(SCOPE, "cache note number", k=2, mode=Mode.SEMANTIC)
    assert len(answer.results) == 2


async def test_a_store_that_is_away_stops_the_lane_and_loses_nothing(world: Searched) -> None:
    await world.settle()
    await world.writer.write(HOME, [addition(f"cache note number {number}") for number in range(20)])
    world.clock.at += 2 * FRESH_S
    world.embedder.fails = [Unavailable("The embedder is away.")]
    with pytest.raises(Unavailable):
        await world.index.step()
    await world.settle()
    assert len(await world.found("cache note number", k=50, mode=Mode.SEMANTIC)) == 20


async def test_a_text_that_cannot_be_embedded_keeps_no_other_waiting(world: Searched) -> None:
    await world.settle()
    world.embedder.fails = [InvalidInput("not this one")]
    await world.write("The cache holds three replicas.", "The queue holds ten jobs.")
    assert world.index.figures.waiting == 0
    assert len(await world.found("the cache holds three", mode=Mode.SEMANTIC)) == 1


async def test_two_indexes_at_once_write_the_same(world: Searched) -> None:
    other = MoundIndex(world.vectors, WordEmbedder(), world.clock)
    await world.writer.write(HOME, [addition(f"cache note number {number}", source(number)) for number in range(30)])

    async def emptied(index: MoundIndex) -> None:
        while await index.step():
            continue

    await asyncio.gather(emptied(world.index), emptied(other))
    assert await world.vectors.count(str(world.embedder.embedder_id)) == 30
    await other.aclose()


@pytest.mark.parametrize("query", ["", "  \n", "x" * 2_001])
async def test_a_blank_or_too_long_query_is_refused(world: Searched, query: str) -> None:
    with pytest.raises(InvalidInput):
        await world.searching.search(SCOPE, query)


@pytest.mark.parametrize(
    "query", ["a-b", "don't", "@x", "GB/s", "20.04", '"', "NEAR(", "a AND", "*", "\0", "x" * 1_999]
)
async def test_no_query_is_syntax_in_any_mode(world: Searched, query: str) -> None:
    await world.write("The cache holds three replicas.")
    for mode in Mode:
        with suppress(InvalidInput) if mode is Mode.SEMANTIC else nullcontext():  # NUL has no meaning to look for
            await world.searching.search(SCOPE, query, mode=mode)
