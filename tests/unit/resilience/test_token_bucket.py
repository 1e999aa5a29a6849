"""No run of attempts gets more than the burst and what came back."""

from __future__ import annotations

from hypothesis import given
from hypothesis import strategies as st

from aragora.resilience.token_bucket import TokenBucket


@given(st.lists(st.floats(0, 5), max_size=200))
def test_no_run_of_attempts_gets_more_than_the_burst_and_what_came_back(pauses_s: list[float]) -> None:
    now, bucket, allowed = 0.0, TokenBucket(2.0, 5, 0.0), 0
    for pause_s in pauses_s:
        now += pause_s
        allowed += bucket.take(now) == 0.0
    assert allowed <= 5 + 2.0 * now + 1e-6


@given(st.lists(st.floats(0, 2), min_size=1, max_size=50))
def test_who_waits_as_long_as_told_gets_a_token(pauses_s: list[float]) -> None:
    now, bucket = 0.0, TokenBucket(2.0, 1, 0.0)
    for pause_s in pauses_s:
        now += pause_s
        wait_s = bucket.take(now)
        if wait_s > 0.0:
            now += wait_s + 1e-6
            assert bucket.take(now) == 0.0


def test_a_clock_that_goes_back_gives_nothing() -> None:
    bucket = TokenBucket(1.0, 1, 100.0)
    assert bucket.take(100.0) == 0.0
    assert bucket.take(50.0) == 1.0
