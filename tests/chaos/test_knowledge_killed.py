"""Writers of the Knowledge Mound are killed at every step: afterwards all is as if none had been.

What the actors of adapters and of the index do is done here in processes without Ray, so that each step can be struck.
"""

from __future__ import annotations

import asyncio
from collections.abc import Iterator
from pathlib import Path

import pytest
from chaos.conftest import Tally
from worlds import knowledge_lives
from worlds.backends import SetClock
from worlds.forking import Lives
from worlds.knowledge import HOME, addition, statement
from worlds.knowledge_places import Directory, Place, PostgresDatabase, settings_of

from aragora.knowledge.ledger import Forgotten, Reworded
from aragora.knowledge.planning import Changing
from aragora.knowledge.store.writing import KnowledgeWriter
from aragora.storage.contexts import Context
from aragora.storage.database import Database

pytestmark = [pytest.mark.slow, pytest.mark.chaos, pytest.mark.timeout(300)]

STEPS_MAX = 600
ITEMS = 20


@pytest.fixture(scope="module")
def deaths() -> Iterator[Lives]:
    """The program of which those that die are forked."""
    program = Lives(knowledge_lives.PROGRAM)
    yield program
    program.close()


@pytest.fixture(params=["sqlite", "postgresql"])
def place(request: pytest.FixtureRequest, migrated: Path, tmp_path: Path) -> Place:
    """A mound that holds nothing."""
    if request.param == "sqlite":
        return Directory(migrated, tmp_path).copied("start")
    server = request.getfixturevalue("postgres").get_uri()
    return PostgresDatabase(request.getfixturevalue("migrated_url"), server).copied("start")


async def _write(place: Place) -> list[str]:
    database = Database.open(settings_of(place.word), Context.MEMORY)
    units = [addition(f"The cache of machine {number} holds.") for number in range(ITEMS)]
    kept = await KnowledgeWriter(database, SetClock()).write(HOME, units)
    await database.aclose()
    return [one.item.item_id for one in kept]


async def _change(place: Place, gone: str, reworded: str) -> None:
    database = Database.open(settings_of(place.word), Context.MEMORY)
    units = [
        Changing(gone, Forgotten("crt_1")),
        Changing(reworded, Reworded(statement("It holds no more."), "usr_1")),
    ]
    await KnowledgeWriter(database, SetClock()).write(HOME, units)
    await database.aclose()


def struck_at_each_step(lives: Lives, deed: str, start: Place, expected: str) -> int:
    """Do the deed once for each of its steps (`worlds.knowledge_lives`), killed there; then once to its end. Returns
    how many steps it has."""
    for step in range(1, STEPS_MAX):
        place = start.copied(f"{deed}{step}")
        (how, *_) = lives.order(deed, place.word, step)
        assert how in {"killed", "done"}
        if how == "killed":
            asyncio.run(knowledge_lives.DEEDS[deed](place.word, 0))
        assert place.digest() == expected, f"after a kill at step {step}"
        place.drop()
        if how == "done":
            return step - 1
    raise AssertionError(f"{deed} has more than {STEPS_MAX} steps")


def test_an_adapter_that_is_killed_at_any_step_of_a_batch_leaves_the_items_of_one_that_was_not(
    deaths: Lives, place: Place, tally: Tally
) -> None:
    asyncio.run(knowledge_lives.learn(place.word, debates=1))  # so the second one adds, supports and links
    never = place.copied("never")
    asyncio.run(knowledge_lives.learn(never.word))
    expected = never.digest()
    assert expected != place.digest()
    steps = struck_at_each_step(deaths, "learn", place, expected)
    assert steps > (30 if place.is_sqlite else 10)
    tally.struck(*(["adapter of knowledge killed at a step"] * steps))


def test_the_adapter_of_tasks_that_is_killed_at_any_step_loses_and_doubles_nothing(
    deaths: Lives, place: Place, tally: Tally
) -> None:
    asyncio.run(knowledge_lives.tasks(place.word, attempts=2))  # so further failures add and support
    never = place.copied("never")
    asyncio.run(knowledge_lives.tasks(never.word))
    expected = never.digest()
    assert expected != place.digest()
    steps = struck_at_each_step(deaths, "tasks", place, expected)
    assert steps > (30 if place.is_sqlite else 3)
    tally.struck(*(["adapter of tasks killed at a step"] * steps))


def test_an_index_that_is_killed_at_any_step_leaves_the_vectors_of_one_that_was_not(
    deaths: Lives, place: Place, tally: Tally
) -> None:
    asyncio.run(_write(place))
    never = place.copied("never")
    asyncio.run(knowledge_lives.embed(never.word))
    steps = struck_at_each_step(deaths, "embed", place, never.digest())
    assert steps > ITEMS  # each vector that is made is a step, and so is what keeps some
    tally.struck(*(["index of meanings killed at a step"] * steps))


def test_an_index_that_was_cut_off_writes_nothing_when_it_comes_back(deaths: Lives, place: Place, tally: Tally) -> None:
    ids = asyncio.run(_write(place))
    how, pid = deaths.order("zombie", place.word, 1)
    assert how == "stopped"
    asyncio.run(_change(place, ids[-1], ids[-2]))  # of the newest, which it has made vectors of
    asyncio.run(knowledge_lives.embed(place.word))  # its successor
    before = place.digest()
    assert deaths.order("go", pid) == ["done"]
    assert place.digest() == before
    tally.struck("zombie index of meanings")
