"""Group commit counts what units are worth, whatever they are; how groups are made and fail is in the journal writer's
tests."""

from __future__ import annotations

import asyncio
from collections.abc import Sequence

import pytest
from hypothesis import given
from hypothesis import strategies as st

from aragora.errors import AragoraError, Conflict, Unavailable
from aragora.storage.group_commit import Bounds, GroupCommit


class Backend:
    """Takes numbers and remembers the groups in which they came."""

    def __init__(self) -> None:
        self.groups: list[list[int]] = []

    async def write(self, units: Sequence[int]) -> list[int]:
        self.groups.append(list(units))
        await asyncio.sleep(0)
        return [-unit for unit in units]

    async def aclose(self) -> None:
        self.groups.append([])


def grouped(backend: Backend, pending: int, group: int) -> GroupCommit[int]:
    return GroupCommit("the numbers", backend, refused, Bounds(pending, group), size=lambda unit: unit)


def refused(unit: int, _: Exception) -> AragoraError:
    return Conflict(f"{unit} is refused")


async def test_a_group_holds_what_fits_and_a_unit_that_is_larger_goes_alone() -> None:
    backend = Backend()
    units = grouped(backend, 1_000, 10)
    outcomes = await asyncio.gather(*map(units.submit, (4, 5, 2, 50, 10, 1)))
    assert outcomes == [-4, -5, -2, -50, -10, -1]
    assert backend.groups == [[4, 5], [2], [50], [10], [1]]


async def test_what_waits_is_bounded_by_its_size_and_room_comes_back() -> None:
    units = grouped(Backend(), 10, 5)
    taken = [units.submit(6), units.submit(6)]
    with pytest.raises(Unavailable, match=r"^the numbers has 2 units waiting"):
        units.submit(1)
    await asyncio.gather(*taken)
    assert await units.submit(1) == -1


async def test_after_closing_nothing_is_taken_and_what_was_taken_is_written() -> None:
    backend = Backend()
    units = grouped(backend, 10, 5)
    taken = units.submit(3)
    await units.aclose()
    assert taken.result() == -3
    with pytest.raises(Unavailable, match=r"^the numbers is closed"):
        units.submit(1)
    assert backend.groups == [[3], []]


@given(st.lists(st.integers(1, 30), max_size=40), st.integers(1, 20))
def test_groups_keep_the_order_and_their_bound(sizes: list[int], bound: int) -> None:
    backend = Backend()

    async def submit_all() -> None:
        units = grouped(backend, 10_000, bound)
        await asyncio.gather(*map(units.submit, sizes))

    asyncio.run(submit_all())
    assert [unit for group in backend.groups for unit in group] == sizes
    assert all(sum(group) <= bound or len(group) == 1 for group in backend.groups)
