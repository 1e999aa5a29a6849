"""The row of an installation: of several that are written at once one stands."""

from __future__ import annotations

import asyncio
from collections.abc import AsyncIterator
from dataclasses import replace
from pathlib import Path

import pytest
from worlds.backends import SetClock, databases_of, postgres_settings

from aragora.cluster.answers import CHALLENGE_BYTES
from aragora.cluster.store import Installation, InstallationStore
from aragora.errors import Misconfigured
from aragora.storage.contexts import Context
from aragora.storage.database import Database

pytestmark = pytest.mark.slow


@pytest.fixture
async def database(postgres_url: str, tmp_path: Path) -> AsyncIterator[Database]:
    settings = await postgres_settings(postgres_url, tmp_path)
    async with databases_of(settings, Context.CORE) as databases:
        yield databases[Context.CORE]


def installation(number: int) -> Installation:
    answers = {"ARAGORA_JWT_SECRET": (f"{number:064x}",), "ARAGORA_ENCRYPTION_KEY": ("a", f"{number}")}
    return Installation(bytes([number] * CHALLENGE_BYTES), answers, {"ARAGORA_ENV": "production"}, f"1.0.{number}")


async def test_of_heads_that_found_at_once_one_wins_and_what_it_wrote_stands(
    database: Database, clock: SetClock
) -> None:
    store = InstallationStore(database, clock)
    assert await store.read() is None
    won = await asyncio.gather(*(store.found(installation(number)) for number in range(8)))
    assert won.count(True) == 1
    assert await store.read() == installation(won.index(True))


async def test_of_changes_at_once_one_is_made_and_the_others_learn_that_theirs_was_not(
    database: Database, clock: SetClock
) -> None:
    store = InstallationStore(database, clock)
    before = installation(0)
    await store.found(before)
    made = await asyncio.gather(*(store.replace(before, installation(number)) for number in range(1, 8)))
    assert made.count(True) == 1
    assert await store.read() == installation(1 + made.index(True))


async def test_what_joins_later_changes_neither_challenge_nor_answers(database: Database, clock: SetClock) -> None:
    store = InstallationStore(database, clock)
    await store.found(installation(1))
    await store.note("1.1.0", {"ARAGORA_ENV": "development"})
    assert await store.read() == replace(installation(1), release="1.1.0", shared={"ARAGORA_ENV": "development"})


@pytest.mark.parametrize(
    "change",
    ["scheme = 'another'", "challenge = 'xx'", "answers = 'x'", "answers = '{\"A\": 1}'", "shared = 'null'"],
)
async def test_a_row_of_another_release_or_hand_is_told_with_a_remedy(
    change: str, database: Database, clock: SetClock
) -> None:
    store = InstallationStore(database, clock)
    await store.found(installation(1))
    async with database.writing() as connection:
        await connection.exec_driver_sql(f"UPDATE installation SET {change}")
    with pytest.raises(Misconfigured, match="delete the row"):
        await store.read()


def test_what_is_stored_is_not_in_the_repr() -> None:
    assert installation(1).challenge.hex() not in repr(installation(1))
    assert "0001" not in repr(installation(1))
