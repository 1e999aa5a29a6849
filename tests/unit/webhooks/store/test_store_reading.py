"""The pure parts of reading deliveries."""

from __future__ import annotations

import math

from hypothesis import given
from hypothesis import strategies as st

from aragora.webhooks.store.deliveries import nearest_rank


@given(st.lists(st.floats(0.0, 100.0), min_size=1), st.floats(0.001, 1.0))
def test_a_quantile_is_the_smallest_value_that_so_many_do_not_exceed(values: list[float], share: float) -> None:
    ordered = sorted(values)
    found = nearest_rank(ordered, share)
    assert found in ordered
    not_above = sum(value <= found for value in ordered)
    below = sum(value < found for value in ordered)
    assert not_above >= math.ceil(share * len(ordered)) > below


def test_of_nothing_there_is_no_quantile() -> None:
    assert nearest_rank([], 0.5) is None
