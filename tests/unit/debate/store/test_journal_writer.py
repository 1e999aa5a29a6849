"""How the writer makes groups and what it does with a group that fails; a backend in memory stands in for the disk."""

from __future__ import annotations

import asyncio
import sqlite3
from collections.abc import Callable, Sequence
from pathlib import Path

import pytest
from worlds.waiting import eventually

from aragora.debate.journal import JournalRow
from aragora.debate.records import Commit
from aragora.debate.store.journal_writer import MAX_GROUP_UNITS, JournalWriter, in_groups
from aragora.debate.store.write_group import Outcome, Unit
from aragora.errors import Fenced, Unavailable
from aragora.storage.contexts import Context, Location
from aragora.storage.database import Database

Write = Callable[[Sequence[Unit]], list[Outcome]]


class Backend:
    """Remembers the groups it was given, in the order in which they came."""

    def __init__(self, write: Write) -> None:
        self.groups: list[list[str]] = []
        self._write = write

    async def write(self, units: Sequence[Unit]) -> list[Outcome]:
        self.groups.append([unit.debate_id for unit in units if isinstance(unit, Commit)])
        await asyncio.sleep(0)
        return self._write(units)

    async def aclose(self) -> None:
        self.groups.append(["closed"])


def writer_over(write: Write) -> tuple[JournalWriter, Backend]:
    writer = JournalWriter(Database(Location(Context.DEBATES, Path("unused.db"))))
    backend = Backend(write)
    writer._units = in_groups(backend)
    return writer, backend


def commit(debate_id: str) -> Commit:
    return Commit(debate_id, (JournalRow(debate_id, 2, "x", "{}", 1.0),))


def written(units: Sequence[Unit]) -> list[Outcome]:
    return [None] * len(units)


async def test_what_comes_while_a_group_is_written_is_the_next_group() -> None:
    writer, backend = writer_over(written)
    await asyncio.gather(*(writer.commit(commit(name)) for name in "abc"))
    first = asyncio.create_task(writer.commit(commit("d")))
    await eventually(lambda: len(backend.groups) >= 2, pause_s=0)
    await asyncio.gather(first, *(writer.commit(commit(name)) for name in "ef"))
    await writer.aclose()
    assert backend.groups == [["a", "b", "c"], ["d"], ["e", "f"], ["closed"]]


async def test_no_group_is_larger_than_its_bound() -> None:
    writer, backend = writer_over(written)
    await asyncio.gather(*(writer.commit(commit(f"{number}")) for number in range(MAX_GROUP_UNITS + 5)))
    assert [len(group) for group in backend.groups] == [MAX_GROUP_UNITS, 5]


async def test_an_outcome_goes_to_its_own_unit() -> None:
    fenced = Fenced("gone on without you")
    writer, _ = writer_over(lambda units: [fenced if unit.debate_id == "b" else None for unit in units])  # type: ignore[union-attr]
    results = await asyncio.gather(*(writer.commit(commit(name)) for name in "abc"), return_exceptions=True)
    assert results == [None, fenced, None]


async def test_a_refused_unit_fails_alone_in_groups_of_one() -> None:
    def write(units: Sequence[Unit]) -> list[Outcome]:
        if any(unit.debate_id == "b" for unit in units if isinstance(unit, Commit)):
            raise sqlite3.DataError("string or blob too big")
        return written(units)

    writer, backend = writer_over(write)
    results = await asyncio.gather(*(writer.commit(commit(name)) for name in "abc"), return_exceptions=True)
    assert [type(result).__name__ for result in results] == ["NoneType", "InvalidInput", "NoneType"]
    assert backend.groups == [["a", "b", "c"], ["a"], ["b"], ["c"]]


async def test_a_store_that_goes_away_among_single_units_is_not_waited_for_again() -> None:
    def write(units: Sequence[Unit]) -> list[Outcome]:
        if len(units) > 1:
            raise sqlite3.IntegrityError("UNIQUE constraint failed")
        raise Unavailable("locked")

    writer, backend = writer_over(write)
    results = await asyncio.gather(*(writer.commit(commit(name)) for name in "abc"), return_exceptions=True)
    assert [type(result) for result in results] == [Unavailable] * 3
    assert len({id(result) for result in results}) == 3
    assert backend.groups == [["a", "b", "c"], ["a"]]


async def test_after_a_store_was_away_the_next_group_is_tried() -> None:
    answers = iter([Unavailable("disk full"), None])

    def write(units: Sequence[Unit]) -> list[Outcome]:
        if (error := next(answers)) is not None:
            raise error
        return written(units)

    writer, _ = writer_over(write)
    with pytest.raises(Unavailable, match="disk full"):
        await writer.commit(commit("a"))
    await writer.commit(commit("a"))


async def test_nothing_is_taken_after_closing() -> None:
    writer, backend = writer_over(written)
    await writer.aclose()
    with pytest.raises(Unavailable):
        await writer.commit(commit("a"))
    assert backend.groups == [["closed"]]
