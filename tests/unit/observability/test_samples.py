from __future__ import annotations

import pytest
from hypothesis import given
from hypothesis import strategies as st

from aragora.observability.metrics import ANSWER_BUCKETS
from aragora.observability.registry import Registry
from aragora.observability.samples import buckets_by, quantile

INF = float("inf")


def test_observations_count_as_evenly_spread_in_their_bucket() -> None:
    assert quantile(0.5, {1.0: 10, 2.0: 10, INF: 0}) == pytest.approx(1.0)
    assert quantile(0.95, {1.0: 10, 2.0: 10, INF: 0}) == pytest.approx(1.9)
    assert quantile(0.25, {4.0: 4}) == pytest.approx(1.0)


def test_without_observations_there_is_no_quantile() -> None:
    assert quantile(0.5, {}) is None
    assert quantile(0.5, {1.0: 0.0}) is None


def test_beyond_the_highest_bound_only_that_bound_can_be_said() -> None:
    assert quantile(0.95, {1.0: 1, INF: 99}) == 1.0


@given(st.lists(st.floats(0.0, 119.0), min_size=1, max_size=50), st.sampled_from([0.5, 0.95]))
def test_the_estimate_lies_in_the_bucket_of_the_true_quantile(latencies: list[float], share: float) -> None:
    registry = Registry()
    for latency in latencies:
        registry.observe("aragora_agent_latency_seconds", latency, agent="gpt")
    buckets = buckets_by("agent", "aragora_agent_latency_seconds_bucket", registry.drain())["gpt"]
    estimate = quantile(share, buckets)
    assert estimate is not None
    rank = next(i for i in range(1, len(latencies) + 1) if i >= share * len(latencies) - 1e-9)
    true = sorted(latencies)[rank - 1]
    upper = next(bound for bound in ANSWER_BUCKETS if true <= bound)
    lower = max((bound for bound in ANSWER_BUCKETS if bound < true), default=0.0)
    assert lower - 1e-9 <= estimate <= upper + 1e-9
