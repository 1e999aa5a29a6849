"""Searches by words and by meaning over the real store, with an index that follows it."""

from __future__ import annotations

import asyncio
from collections.abc import AsyncIterator, Collection
from contextlib import nullcontext, suppress

import pytest
from sqlalchemy import delete, select
from worlds.backends import SetClock
from worlds.knowledge import HOME, SCOPE, about, addition, source, statement
from worlds.meanings import WordEmbedder
from worlds.searched import Searched

from aragora.errors import InvalidInput, Unavailable
from aragora.knowledge.counting import SEARCHES
from aragora.knowledge.indexing import FRESH_S, MoundIndex
from aragora.knowledge.ledger import Forgotten, Quarantined, Reworded, Shared
from aragora.knowledge.model import Home, ItemKind, Visibility
from aragora.knowledge.near import Near, Stage
from aragora.knowledge.planning import Changing
from aragora.knowledge.searching import Mode, Searching
from aragora.knowledge.store.tables import knowledge_vectors
from aragora.knowledge.store.vectors import Place
from aragora.knowledge.wanted import Wanted
from aragora.observability.registry import REGISTRY
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


async def test_an_issue_of_critics_is_found_by_its_words_alone_and_nothing_waits_for_its_vector(
    world: Searched,
) -> None:
    issue = statement("The cache of three replicas has no owner.", kind=ItemKind.CRITIQUE_PATTERN)
    await world.writer.write(HOME, [addition(issue), addition("The cache holds three replicas.")])
    await world.settle()
    answer = await world.searching.search(SCOPE, "cache replicas")
    assert {result.item.statement.kind for result in answer.results} == {ItemKind.CRITIQUE_PATTERN, ItemKind.FACT}
    assert answer.waiting == 0
    assert await world.vectors.count(str(world.embedder.embedder_id)) == 1


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


async def test_an_index_that_is_built_anew_does_not_bring_back_what_was_forgotten(world: Searched) -> None:
    gone, kept = await world.write("The cache holds three replicas.", "The cache holds ten jobs.")
    await world.change(gone, Forgotten("crt_1"))
    anew = MoundIndex(world.vectors, WordEmbedder(), world.clock)
    while await anew.step():
        continue
    for mode in Mode:
        answer = await Searching(world.reader, anew, world.clock).search(SCOPE, "cache holds three", mode=mode)
        assert [one.item.item_id for one in answer.results] == [kept.item_id]
    assert anew.figures.vectors == 1
    await anew.aclose()


@pytest.mark.parametrize("as_of", ["now", "then"])
async def test_words_and_meaning_apply_one_rule_of_what_is_live(world: Searched, as_of: str) -> None:
    now = world.clock.now()
    ended, begins = (
        statement("cache note ended", valid_to=now + 1.0),
        statement("cache note begins", valid_from=now + 9),
    )
    (_, third) = await world.write("cache note live", "cache note quarantined")
    (forgotten,) = await world.write("cache note forgotten")
    await world.writer.write(HOME, [addition(ended), addition(begins)])
    told, told_anew = about("cache note", "old"), about("cache note", "new")
    await world.writer.write(HOME, [addition(told), addition(told_anew, source(2, 1))])
    await world.settle()
    await world.change(third, Quarantined("why"))
    await world.change(forgotten, Forgotten("crt_1"))
    wanted = Wanted(as_of=None if as_of == "now" else now)
    world.clock.at += 20.0
    found = [sorted(await world.found("cache note", k=50, mode=mode, wanted=wanted)) for mode in Mode]
    assert found[0] == found[1] == found[2]
    shown = {"now": {"begins", "new."}, "then": {"ended", "old.", "new."}}
    rest = {content.rpartition(" ")[2] for content in found[0]} - {"live"}
    assert rest == shown[as_of]


async def test_k_come_back_by_each_mode_whatever_filter_keeps_them(world: Searched) -> None:
    now = world.clock.now()
    bulk = [addition(f"cache note number {number}", base=0.2) for number in range(250)]
    rare = [
        addition(
            statement(f"cache note {number}, rare", topics=("rare",), domain="far", valid_from=now - 1e6),
            source(900 + number),
            base=0.9,
        )
        for number in range(5)
    ]
    past = [addition(statement(f"cache note {number}, past", valid_to=now - 1e6)) for number in range(5)]
    await world.writer.write(HOME, bulk)
    await world.writer.write(HOME, [*rare, *past])
    await world.settle()
    filters = (
        Wanted(topics=("rare",)),
        Wanted(domain="far"),
        Wanted(min_confidence=0.8),
        Wanted(topics=("rare",), as_of=now),
        Wanted(kinds=(ItemKind.FACT,), min_confidence=0.8),
    )
    for mode in Mode:
        for wanted in filters:
            assert len(await world.found("cache note", k=5, mode=mode, wanted=wanted)) == 5, (mode, wanted)
        assert len(await world.found("cache note", k=100, mode=mode, wanted=Wanted(as_of=now - 2e6))) == 100


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
    await world.writer.write(HOME, [Changing(item.item_id, Quarantined("why")) for item in items[:248]])
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


async def test_a_rebuilt_index_has_what_the_store_has_and_finds_the_same(world: Searched, database: Database) -> None:
    await world.write("The cache holds three replicas.", "The queue holds ten jobs.")
    before = await world.found("cache replicas", mode=Mode.SEMANTIC)
    embedded = len(world.embedder.passages)
    async with database.writing() as connection:  # a vector that the index has, and the store has not
        first = select(knowledge_vectors.c.item_no).order_by(knowledge_vectors.c.item_no.desc()).limit(1)
        await connection.execute(
            delete(knowledge_vectors).where(knowledge_vectors.c.item_no == first.scalar_subquery())
        )
    begun = world.index.rebuild(anew=False)
    assert begun.stage is Stage.LOADING
    assert world.index.rebuild(anew=False).rebuild_id == begun.rebuild_id
    assert world.index.busy
    await world.settle()
    done = world.index.rebuilding
    assert done is not None
    assert (done.rebuild_id, done.stage, done.done, done.of) == (begun.rebuild_id, Stage.DONE, 1, 1)
    assert len(world.embedder.passages) == embedded + 1  # the one that lacked
    assert await world.found("cache replicas", mode=Mode.SEMANTIC) == before
    assert not world.index.busy
    assert world.index.rebuild(anew=False).rebuild_id != begun.rebuild_id


async def test_while_the_index_is_rebuilt_the_words_answer(world: Searched) -> None:
    await world.write("The cache holds three replicas.")
    world.index.rebuild(anew=False)
    world.vectors.page = _refusing  # type: ignore[method-assign]
    with pytest.raises(Unavailable):
        await world.index.step()
    answer = await world.searching.search(SCOPE, "cache replicas")
    assert (len(answer.results), answer.mode) == (1, Mode.LEXICAL)
    assert "being loaded" in answer.degraded
    assert (await world.index.looked()).stored is None
    del world.vectors.page  # type: ignore[attr-defined]
    await world.settle()
    assert (await world.searching.search(SCOPE, "cache replicas")).mode is Mode.HYBRID


async def test_all_vectors_are_computed_again_after_what_waits_and_a_failure_loses_none(world: Searched) -> None:
    await world.write(*(f"cache note number {number}" for number in range(20)))
    world.embedder.passages.clear()
    world.index.rebuild(anew=False)
    world.index.rebuild(anew=True)
    assert await world.index.step()
    await world.writer.write(HOME, [addition("a new note")])
    world.clock.at += 2 * FRESH_S
    world.embedder.fails = [InvalidInput("not this one")]
    await world.settle()
    world.embedder.fails = []
    done = world.index.rebuilding
    assert done is not None
    assert (done.stage, done.embed_anew) == (Stage.DONE, True)
    assert done.done == done.of >= 20
    assert done.ended_at is not None
    assert len(set(world.embedder.passages)) >= 20
    figures = await world.index.looked()
    assert (figures.vectors, figures.stored, figures.embeds) == (figures.stored, figures.vectors, True)


async def test_an_embedder_that_is_away_holds_up_a_rebuild_and_ends_none(world: Searched) -> None:
    await world.write(*(f"cache note number {number}" for number in range(20)))
    world.index.rebuild(anew=True)
    await world.index.step()
    world.embedder.fails = [Unavailable("The embedder is away.")]
    with pytest.raises(Unavailable):
        await world.index.step()
    held = world.index.rebuilding
    assert held is not None
    assert held.stage is Stage.EMBEDDING
    await world.settle()
    done = world.index.rebuilding
    assert done is not None
    assert (done.stage, done.done, done.refused) == (Stage.DONE, 20, 0)


async def test_the_index_counts_itself_beside_the_store_and_sees_what_left_it(world: Searched) -> None:
    items = await world.write(*(f"cache note number {number}" for number in range(20)))
    for item in items[:15]:
        await world.change(item, Forgotten("crt_1"))
    figures = await world.index.looked()  # the index has not followed yet
    assert (figures.vectors, figures.stored) == (5, 5)


async def test_a_woken_index_looks_at_once_and_not_when_it_is_time(world: Searched, clock: SetClock) -> None:
    await world.settle()
    await world.writer.write(HOME, [addition("The cache holds three replicas.")])
    await world.index.step()
    assert world.index.figures.vectors == 0  # it looked just now
    world.index.wake()
    while await world.index.step():
        continue
    assert world.index.figures.vectors == 1


async def test_searches_are_counted_by_what_really_ran(world: Searched) -> None:
    await world.write("The cache holds three replicas.")
    await world.found("cache replicas")
    await Searching(world.reader, Away(), world.clock).search(SCOPE, "cache replicas")
    counted = {
        (labels["mode"], labels["degraded"])
        for labels in (dict(one.labels) for one in REGISTRY.drain() if one.sample == SEARCHES)
    }
    assert {("hybrid", "no"), ("lexical", "unavailable")} <= counted


async def _refusing(*_: object, **__: object) -> tuple[list[Place], None]:
    raise Unavailable("the store is away")


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
