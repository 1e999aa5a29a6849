"""A workspace so large that its vectors are compressed is searched, followed and built anew as a small one is."""

from __future__ import annotations

from collections.abc import AsyncIterator

import pytest
from worlds.backends import SetClock
from worlds.knowledge import HOME, SCOPE, statement
from worlds.searched import Searched

from aragora.knowledge.ledger import Forgotten, Reworded
from aragora.knowledge.model import Home
from aragora.knowledge.searching import Mode
from aragora.scope import Scope
from aragora.storage.database import Database

MANY = [f"The {thing} {number} holds {number} parts." for number in range(20) for thing in ("cache", "queue")]
ELSEWHERE = Home(HOME.org_id, "elsewhere")


@pytest.fixture
async def world(database: Database, clock: SetClock) -> AsyncIterator[Searched]:
    made = Searched(database, clock, compressed_from=10)
    yield made
    await made.index.aclose()


async def meant(world: Searched, query: str) -> list[str]:
    return await world.found(query, mode=Mode.SEMANTIC, k=50)


async def test_the_answer_says_that_not_every_vector_was_compared_and_is_the_same(
    world: Searched, database: Database, clock: SetClock
) -> None:
    await world.write(*MANY)
    answer = await world.searching.search(SCOPE, "cache 7")
    assert not answer.exact
    exact = Searched(database, clock)
    await exact.settle()
    assert (await exact.searching.search(SCOPE, "cache 7")).exact
    for query in ("cache 7", "queue", "parts of the cache"):
        assert await meant(world, query) == await meant(exact, query)
    await exact.index.aclose()


async def test_what_was_reworded_or_forgotten_is_not_found_by_what_it_meant(world: Searched) -> None:
    forgotten, reworded, *_ = await world.write("zebra crossing", "otter crossing", *MANY)
    await world.change(forgotten, Forgotten("certificate"))
    await world.change(reworded, Reworded(statement("badger tunnel"), "ann"))
    await world.settle()
    assert await meant(world, "zebra") == []
    assert await meant(world, "otter") == []
    assert (await meant(world, "badger"))[:1] == ["badger tunnel"]


async def test_it_is_built_anew_from_the_store(world: Searched) -> None:
    await world.write(*MANY)
    before = await meant(world, "cache 7")
    world.index.rebuild(anew=True)
    await world.settle()
    assert await meant(world, "cache 7") == before
    assert not (await world.searching.search(SCOPE, "cache 7")).exact


async def test_a_small_workspace_beside_it_stays_exact(world: Searched) -> None:
    await world.write(*MANY)
    await world.write("The cache holds three replicas.", home=ELSEWHERE)
    found = await world.searching.search(Scope(HOME.org_id, frozenset({"elsewhere"})), "cache replicas")
    assert found.exact
