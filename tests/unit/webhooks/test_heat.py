"""Which targets are hot: over a whole window, and no longer than that."""

from __future__ import annotations

from hypothesis import given
from hypothesis import strategies as st

from aragora.webhooks.heat import HOT_RATE, WINDOW_S, Heat

HOT = int(HOT_RATE * WINDOW_S)


def noted(heat: Heat, target_id: str, times: int, now: float) -> None:
    for _ in range(times):
        heat.note(target_id, now)


def test_a_target_is_hot_once_a_whole_window_was_and_the_hottest_comes_first() -> None:
    heat = Heat()
    noted(heat, "warm", HOT - 1, 3.0)
    noted(heat, "hot", HOT, 3.0)
    noted(heat, "hottest", HOT + 1, 9.9)

    assert heat.hot(9.9) == [], "the window has not ended"
    assert heat.hot(10.0) == ["hottest", "hot"]
    assert heat.rate("warm", 10.0) == (HOT - 1) / WINDOW_S


def test_what_was_hot_a_window_ago_is_hot_no_more() -> None:
    heat = Heat()
    noted(heat, "once", HOT, 3.0)
    noted(heat, "other", 1, 13.0)

    assert heat.hot(13.0) == ["once"]
    assert heat.hot(20.0) == []
    assert heat.rate("once", 20.0) == 0.0


def test_after_a_silence_nothing_is_hot() -> None:
    heat = Heat()
    noted(heat, "once", HOT, 3.0)

    assert heat.hot(35.0) == []


@given(st.lists(st.tuples(st.sampled_from("abc"), st.floats(0.0, 100.0)), max_size=50))
def test_only_the_last_two_windows_are_held(notes: list[tuple[str, float]]) -> None:
    heat = Heat()
    for target_id, now in sorted(notes, key=lambda note: note[1]):
        heat.note(target_id, now)

    for one in "abc":
        assert heat.rate(one, 100.0) == sum(90.0 <= now < 100.0 for each, now in notes if each == one) / WINDOW_S
