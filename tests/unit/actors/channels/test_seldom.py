"""Of many like events few are worth a line."""

from __future__ import annotations

from actors.channels.seldom import FRESH_S, Seldom


def test_the_first_event_and_each_power_of_two_are_due() -> None:
    seldom = Seldom()
    assert [times for times in (seldom.due(1.0) for _ in range(20)) if times] == [1, 2, 4, 8, 16]


def test_after_a_minute_it_begins_again() -> None:
    seldom = Seldom()
    assert [seldom.due(0.0), seldom.due(1.0), seldom.due(2.0)] == [1, 2, 0]
    assert seldom.due(FRESH_S - 0.1) == 4
    assert seldom.due(FRESH_S) == 1


def test_an_event_a_millisecond_for_an_hour_is_a_few_lines_a_minute() -> None:
    seldom = Seldom()
    lines = sum(bool(seldom.due(number / 1000)) for number in range(600_000))
    assert lines <= 10 * 17
