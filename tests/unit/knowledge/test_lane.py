"""What waits for its vector: the newest first, each once, within a bound."""

from __future__ import annotations

from collections.abc import Sequence

from hypothesis import given
from hypothesis import strategies as st

from aragora.knowledge.lane import Lane

NUMBERS = st.lists(st.integers(1, 9), max_size=30)


@given(NUMBERS, st.integers(1, 9))
def test_the_newest_come_first_and_each_once(numbers: Sequence[int], count: int) -> None:
    lane = Lane(100)
    for number in numbers:
        lane.wait_for(number)
    latest = list(dict.fromkeys(reversed(numbers)))
    assert lane.newest(count) == latest[:count]
    assert len(lane) == len(latest)
    assert not lane.overflowed


@given(NUMBERS, st.integers(1, 5))
def test_no_more_wait_than_the_bound_and_the_rest_is_said_to_be_in_the_store(numbers: Sequence[int], most: int) -> None:
    lane = Lane(most)
    for number in numbers:
        lane.wait_for(number)
    assert len(lane) <= most
    assert set(lane) <= set(numbers)
    assert lane.overflowed or set(lane) == set(numbers)


def test_what_the_store_says_waits_keeps_its_order_behind_what_is_newer() -> None:
    lane = Lane(10)
    lane.filled([7, 5, 3])
    lane.wait_for(9)
    assert lane.newest(4) == [9, 7, 5, 3]
    lane.done([9, 5])
    assert lane.newest(4) == [7, 3]


def test_a_lane_that_is_full_of_the_store_asks_again_until_it_has_all() -> None:
    lane = Lane(2)
    lane.filled([7, 5])
    assert lane.overflowed
    lane.done([7, 5])
    lane.filled([3])
    assert (lane.newest(9), lane.overflowed) == ([3], False)


def test_what_was_refused_waits_again_only_once_it_says_something_else_or_all_begins_anew() -> None:
    lane = Lane(10)
    lane.filled([2, 1])
    lane.refuse(2)
    lane.done([2])
    lane.filled([2, 1])
    assert list(lane) == [1]
    lane.changed(2)
    lane.wait_for(2)
    assert lane.newest(1) == [2]
    lane.refuse(2)
    lane.clear()
    lane.filled([2, 1])
    assert lane.newest(9) == [2, 1]
