"""Counters: exact sums, whoever adds."""

from __future__ import annotations

import asyncio
from collections.abc import Callable
from pathlib import Path

import pytest
from sqlalchemy import text

from aragora.debate.records import Commit
from aragora.debate.store.journal_writer import JournalWriter
from aragora.errors import Unavailable
from aragora.observability.samples import CounterDelta
from aragora.storage.contexts import Context, Location
from aragora.storage.counters import CounterStore
from aragora.storage.database import Database

Open = Callable[[Context], Database]


def asked(amount: float = 1.0, agent: str = "ann") -> CounterDelta:
    return CounterDelta("aragora_asks_total", (("agent", agent),), amount)


async def test_what_is_added_comes_back_summed_and_sorted(opened: Open) -> None:
    store = CounterStore(opened(Context.CORE))
    await store.add([asked(1.0, "bob"), asked(2.0), asked(0.5)])
    await store.add([asked(4.0)])
    assert await store.all() == [asked(6.5), asked(1.0, "bob")]


async def test_adding_nothing_writes_nothing(opened: Open) -> None:
    store = CounterStore(opened(Context.CORE))
    await store.add([])
    assert await store.all() == []


async def test_writers_at_the_same_time_lose_no_count(opened: Open) -> None:
    stores = [CounterStore(opened(Context.CORE)) for _ in range(4)]
    names = ("ann", "bob", "eve")
    await asyncio.gather(
        *(store.add([asked(1.0, name) for name in order]) for store in stores for order in (names, names[::-1]) * 5)
    )
    assert await stores[0].all() == [asked(40.0, name) for name in names]


async def test_the_journal_counts_apart_from_everybody_else(
    opened: Open, writer: JournalWriter, build: type, debates_db: Database
) -> None:
    await writer.open(build.new_debate("deb_1"))
    await writer.commit(Commit("deb_1", build.rows("deb_1", 2, 2), counters=(asked(3.0),)))
    processes = CounterStore(opened(Context.CORE))
    await processes.add([asked(1.0)])
    assert await CounterStore(debates_db).all() == [asked(3.0)]
    assert await processes.all() == [asked(1.0)]


async def test_a_database_without_its_tables_names_the_command_that_makes_them(tmp_path: Path) -> None:
    database = Database(Location(Context.CORE, tmp_path / "core.db"))
    with pytest.raises(Unavailable, match=r"aragora\.migrations\.apply"):
        await CounterStore(database).add([asked()])
    await database.aclose()


def test_a_context_without_counters_has_no_counter_store(opened: Open) -> None:
    with pytest.raises(KeyError):
        CounterStore(opened(Context.USAGE))


async def test_a_damaged_series_is_left_out_of_the_others(opened: Open) -> None:
    database = opened(Context.CORE)
    store = CounterStore(database)
    await store.add([asked(1.0, "bob"), asked(2.0)])
    async with database.writing() as connection:
        await connection.execute(text("UPDATE process_counters SET labels = '[[5' WHERE labels LIKE '%bob%'"))
    assert await store.all() == [asked(2.0)]
