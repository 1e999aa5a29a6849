"""Writers of the Knowledge Mound are killed at every step: afterwards all is as if none had been.

What the actors of adapters and of the index do is done here in processes without Ray, so that each step can be struck.
"""

from __future__ import annotations

import asyncio
import shutil
import sqlite3
from collections.abc import Iterator
from contextlib import closing
from hashlib import sha256
from pathlib import Path

import pytest
from chaos.conftest import Tally
from worlds import knowledge_lives
from worlds.backends import SetClock
from worlds.knowledge import HOME, addition, statement
from worlds.knowledge_lives import Lives

from aragora.config.settings import Settings
from aragora.knowledge.ledger import Forgotten, Reworded
from aragora.knowledge.planning import Changing
from aragora.knowledge.store.writing import KnowledgeWriter
from aragora.storage.contexts import Context
from aragora.storage.database import Database

pytestmark = [pytest.mark.slow, pytest.mark.chaos, pytest.mark.timeout(300)]

STEPS_MAX = 600
ITEMS = 20
TABLES = ("items", "ledger", "topics", "sources", "links", "vectors", "applied", "tokens", "workspaces", "observations")


@pytest.fixture(scope="module")
def deaths() -> Iterator[Lives]:
    """The program of which those that die are forked."""
    program = Lives()
    yield program
    program.close()


def digest(directory: Path) -> str:
    """Of all that the mound keeps; of what was applied not when."""
    held = sha256()
    with closing(sqlite3.connect(directory / f"{Context.MEMORY}.db")) as connection:
        for name in TABLES:
            columns = {"applied": "outbox_id", "tokens": "rowid, *"}.get(name, "*")
            for row in sorted(map(repr, connection.execute(f"SELECT {columns} FROM knowledge_{name}"))):
                held.update(f"{name} {row}\n".encode())
    return held.hexdigest()


def begun(migrated: Path, directory: Path) -> Path:
    """A data directory of its own, with the files of another."""
    shutil.copytree(migrated, directory)
    return directory


async def _write(directory: Path) -> list[str]:
    database = Database.open(Settings(data_dir=directory), Context.MEMORY)
    units = [addition(f"The cache of machine {number} holds.") for number in range(ITEMS)]
    kept = await KnowledgeWriter(database, SetClock()).write(HOME, units)
    await database.aclose()
    return [one.item.item_id for one in kept]


async def _change(directory: Path, gone: str, reworded: str) -> None:
    database = Database.open(Settings(data_dir=directory), Context.MEMORY)
    units = [
        Changing(gone, Forgotten("crt_1")),
        Changing(reworded, Reworded(statement("It holds no more."), "usr_1")),
    ]
    await KnowledgeWriter(database, SetClock()).write(HOME, units)
    await database.aclose()


def struck_at_each_step(lives: Lives, deed: str, start: Path, expected: str, within: Path) -> int:
    """Do the deed once for each of its steps, killed there; then once to its end. Returns how many steps it has."""
    for step in range(1, STEPS_MAX):
        directory = begun(start, within / f"{deed}{step}")
        (how, *_) = lives.order(deed, directory, step)
        assert how in {"killed", "done"}
        if how == "killed":
            asyncio.run(knowledge_lives.DEEDS[deed](directory, 0))
        assert digest(directory) == expected, f"after a kill at step {step}"
        shutil.rmtree(directory)
        if how == "done":
            return step - 1
    raise AssertionError(f"{deed} has more than {STEPS_MAX} steps")


def test_an_adapter_that_is_killed_at_any_step_of_a_batch_leaves_the_items_of_one_that_was_not(
    deaths: Lives, migrated: Path, tmp_path: Path, tally: Tally
) -> None:
    start = begun(migrated, tmp_path / "start")
    asyncio.run(knowledge_lives.learn(start, debates=1))  # so the second one adds, supports and links
    never = begun(start, tmp_path / "never")
    asyncio.run(knowledge_lives.learn(never))
    expected = digest(never)
    assert expected != digest(start)
    steps = struck_at_each_step(deaths, "learn", start, expected, tmp_path)
    assert steps > 30
    tally.struck(*(["adapter of knowledge killed at a step"] * steps))


def test_the_adapter_of_tasks_that_is_killed_at_any_step_loses_and_doubles_nothing(
    deaths: Lives, migrated: Path, tmp_path: Path, tally: Tally
) -> None:
    start = begun(migrated, tmp_path / "start")
    asyncio.run(knowledge_lives.tasks(start, attempts=2))  # so further failures add and support
    never = begun(start, tmp_path / "never")
    asyncio.run(knowledge_lives.tasks(never))
    expected = digest(never)
    assert expected != digest(start)
    steps = struck_at_each_step(deaths, "tasks", start, expected, tmp_path)
    assert steps > 30
    tally.struck(*(["adapter of tasks killed at a step"] * steps))


def test_an_index_that_is_killed_at_any_step_leaves_the_vectors_of_one_that_was_not(
    deaths: Lives, migrated: Path, tmp_path: Path, tally: Tally
) -> None:
    start = begun(migrated, tmp_path / "start")
    asyncio.run(_write(start))
    never = begun(start, tmp_path / "never")
    asyncio.run(knowledge_lives.embed(never))
    steps = struck_at_each_step(deaths, "embed", start, digest(never), tmp_path)
    assert steps > ITEMS  # each vector that is made is a step, and so is each statement that keeps some
    tally.struck(*(["index of meanings killed at a step"] * steps))


def test_an_index_that_was_cut_off_writes_nothing_when_it_comes_back(
    deaths: Lives, migrated: Path, tmp_path: Path, tally: Tally
) -> None:
    directory = begun(migrated, tmp_path / "data")
    ids = asyncio.run(_write(directory))
    how, pid = deaths.order("zombie", directory, 1)
    assert how == "stopped"
    asyncio.run(_change(directory, ids[-1], ids[-2]))  # of the newest, which it has made vectors of
    asyncio.run(knowledge_lives.embed(directory))  # its successor
    before = digest(directory)
    assert deaths.order("go", pid) == ["done"]
    assert digest(directory) == before
    tally.struck("zombie index of meanings")
