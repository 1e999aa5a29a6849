"""The clock for moments: it never runs backwards, and never ahead of the time of day while that only runs on."""

from __future__ import annotations

from hypothesis import given
from hypothesis import strategies as st

from aragora.workflows.running.steady_clock import SteadyClock

BEGAN = 1_000_000.0


class Busy:
    """The clocks of a process that is put aside for a while before each look at one of them."""

    def __init__(self, pauses: list[float]) -> None:
        self._pauses = iter(pauses)
        self.passed = 0.0

    def now(self) -> float:
        self.passed += next(self._pauses, 0.0)
        return BEGAN + self.passed

    def monotonic(self) -> float:
        self.passed += next(self._pauses, 0.0)
        return self.passed


@given(st.lists(st.sampled_from([0.0, 0.25, 1.0, 64.0]), max_size=40))
def test_a_process_that_is_put_aside_is_never_ahead_of_its_time(pauses: list[float]) -> None:
    busy = Busy(pauses)
    steady, before = SteadyClock(busy), 0.0
    for _ in range(15):
        told = steady.now()
        assert before <= told <= BEGAN + busy.passed
        before = told
    assert steady.now() == BEGAN + busy.passed, "undisturbed it is exact"
