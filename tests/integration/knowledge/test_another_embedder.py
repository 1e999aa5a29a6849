"""Another embedder takes the place of the current one: searches go on, nothing is compared with what it may not be."""

from __future__ import annotations

import asyncio
from collections.abc import AsyncIterator
from contextlib import AsyncExitStack
from typing import Protocol

import pytest
from worlds.backends import SetClock
from worlds.knowledge import HOME, SCOPE, addition, source, statement
from worlds.meanings import WordEmbedder
from worlds.searched import Searched

from aragora.errors import InvalidInput, Unavailable
from aragora.knowledge.indexing import FRESH_S, LANE_BATCH
from aragora.knowledge.ledger import Forgotten, Reworded
from aragora.knowledge.searching import Mode
from aragora.storage.database import Database

ITEMS = 3 * LANE_BATCH
OLD, NEW = "old", "new"


class Begin(Protocol):
    """A process with an index whose settings name an embedder, and that can run the others."""

    def __call__(self, embedder: WordEmbedder, *others: WordEmbedder) -> Searched: ...


@pytest.fixture
async def begin(database: Database, clock: SetClock) -> AsyncIterator[Begin]:
    async with AsyncExitStack() as stack:

        def begun(embedder: WordEmbedder, *others: WordEmbedder) -> Searched:
            made = Searched(database, clock, embedder, others)
            stack.push_async_callback(made.index.aclose)
            return made

        yield begun


@pytest.fixture
async def before(begin: Begin) -> Searched:
    """The mound with the old embedder, which has embedded all items."""
    world = begin(WordEmbedder(OLD))
    await world.write(*(f"cache note number {number}" for number in range(ITEMS)))
    return world


async def by_meaning(world: Searched) -> int:
    return len(await world.found("cache note number", k=100, mode=Mode.SEMANTIC))


async def kept(world: Searched) -> dict[str, int]:
    """How many vectors of each embedder the store has."""
    return {name: await world.vectors.count(str(WordEmbedder(name).embedder_id)) for name in (OLD, NEW)}


async def test_searches_go_by_the_old_vectors_until_all_of_the_new_ones_are_there(
    before: Searched, begin: Begin
) -> None:
    world = begin(WordEmbedder(NEW, dimension=32), WordEmbedder(OLD))
    shares = []
    while await world.index.step():
        world.clock.at += 2 * FRESH_S
        assert await by_meaning(world) == ITEMS
        shares.append(await world.vectors.count(str(world.embedder.embedder_id)))
        answer = await world.searching.search(SCOPE, "cache note number")
        assert (answer.mode, answer.degraded, answer.waiting) == (Mode.HYBRID, "", 0)
    assert shares[:3] == [LANE_BATCH, 2 * LANE_BATCH, ITEMS]
    assert not world.index.figures.arriving
    assert await by_meaning(world) == ITEMS
    assert await world.vectors.count(str(WordEmbedder(OLD).embedder_id)) == 0


async def test_after_a_stop_it_goes_on_where_it_stood(before: Searched, begin: Begin) -> None:
    made = 0
    for _ in range(ITEMS):  # a process that is gone after each step
        embedder = WordEmbedder(NEW)
        world = begin(embedder, WordEmbedder(OLD))
        await world.index.step()
        made += len(embedder.passages)
        if (await kept(world))[OLD] == 0:
            break
    assert made == ITEMS
    assert await kept(before) == {OLD: 0, NEW: ITEMS}


async def test_where_the_old_one_cannot_be_run_words_alone_are_searched_and_the_answer_says_so(
    before: Searched, begin: Begin
) -> None:
    world = begin(WordEmbedder(NEW))
    await world.index.step()
    answer = await world.searching.search(SCOPE, "cache note number", k=5)
    assert (len(answer.results), answer.mode) == (5, Mode.LEXICAL)
    assert "the embedder was changed" in answer.degraded
    with pytest.raises(Unavailable):
        await world.searching.search(SCOPE, "cache", mode=Mode.SEMANTIC)
    await world.settle()
    assert await by_meaning(world) == ITEMS


async def test_going_back_before_it_has_arrived_loses_nothing(before: Searched, begin: Begin) -> None:
    await begin(WordEmbedder(NEW), WordEmbedder(OLD)).index.step()
    assert await kept(before) == {OLD: ITEMS, NEW: LANE_BATCH}
    embedder = WordEmbedder(OLD)
    world = begin(embedder, WordEmbedder(NEW))
    await world.settle()
    assert await by_meaning(world) == ITEMS
    assert embedder.passages == []
    assert await kept(before) == {OLD: ITEMS, NEW: 0}


async def test_what_is_written_meanwhile_is_found_by_meaning_before_and_after(before: Searched, begin: Begin) -> None:
    world = begin(WordEmbedder(NEW), WordEmbedder(OLD))
    await world.index.step()
    (added, reworded, gone) = [
        one.item
        for one in await world.writer.write(
            HOME, [addition(f"bird note {number}", source(100 + number)) for number in range(3)]
        )
    ]
    world.clock.at += 2 * FRESH_S
    await world.index.step()
    assert len(await world.found("bird", mode=Mode.SEMANTIC)) == 3
    await world.change(reworded, Reworded(statement("a whale note"), "usr_1"))
    await world.change(gone, Forgotten("crt_1"))
    await world.settle()
    assert await world.found("bird", mode=Mode.SEMANTIC) == [added.statement.content]
    assert "a whale note" in await world.found("whale", mode=Mode.SEMANTIC)
    assert await kept(world) == {OLD: 0, NEW: ITEMS + 2}


async def test_what_changes_during_the_move_is_as_it_is_then(
    before: Searched, begin: Begin, monkeypatch: pytest.MonkeyPatch
) -> None:
    world = begin(WordEmbedder(NEW), WordEmbedder(OLD))
    gone = (await world.searching.search(SCOPE, "cache note number 7", k=1, mode=Mode.LEXICAL)).results[0].item
    read = world.vectors.page

    async def page(embedder_id: str, after: int, limit: int = 5) -> object:
        found = await read(embedder_id, after, limit)
        if after == 0 and embedder_id == str(world.embedder.embedder_id):
            await world.change(gone, Forgotten("crt_1"))
            await by_meaning(world)  # the index follows while it moves
        return found

    monkeypatch.setattr(world.vectors, "page", page)
    await world.settle()
    assert world.index.figures.vectors == ITEMS - 1
    assert await by_meaning(world) == ITEMS - 1


async def test_a_text_that_the_new_one_refuses_does_not_hold_it_up(before: Searched, begin: Begin) -> None:
    embedder = WordEmbedder(NEW)
    embedder.fails = [InvalidInput("not this one")]
    world = begin(embedder, WordEmbedder(OLD))
    await world.settle()
    assert await by_meaning(world) == ITEMS - 1
    assert await kept(world) == {OLD: 0, NEW: ITEMS - 1}


async def test_a_new_one_that_is_away_leaves_the_old_one_in_place(before: Searched, begin: Begin) -> None:
    embedder = WordEmbedder(NEW)
    embedder.fails = [Unavailable("The embedder is away.")] * 2
    world = begin(embedder, WordEmbedder(OLD))
    for _ in range(2):
        with pytest.raises(Unavailable):
            await world.index.step()
    assert await by_meaning(world) == ITEMS
    await world.settle()
    assert await kept(world) == {OLD: 0, NEW: ITEMS}


async def test_one_that_has_made_no_vector_gives_its_place_at_once(begin: Begin) -> None:
    first = begin(WordEmbedder(OLD))
    first.embedder.fails = [Unavailable("The embedder is away.")]
    await first.writer.write(HOME, [addition("The cache holds three replicas.")])
    with pytest.raises(Unavailable):
        await first.index.step()
    world = begin(WordEmbedder(NEW))
    world.embedder.fails = [Unavailable("The embedder is away.")]
    with pytest.raises(Unavailable):
        await world.index.step()
    assert not world.index.figures.arriving
    await world.settle()
    assert await world.found("cache replicas", mode=Mode.SEMANTIC) == ["The cache holds three replicas."]


async def test_searches_during_the_whole_change_fail_never(before: Searched, begin: Begin) -> None:
    world = begin(WordEmbedder(NEW, dimension=32), WordEmbedder(OLD))
    await world.index.step()
    done = asyncio.Event()

    async def arriving() -> None:
        await world.settle()
        done.set()

    async def searching() -> int:
        count = 0
        while not done.is_set():
            assert len((await world.searching.search(SCOPE, "cache note number", k=50)).results) == ITEMS
            count += 1
        return count

    counts = await asyncio.gather(searching(), searching(), arriving())
    assert min(counts[:2]) > 0
