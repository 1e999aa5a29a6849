from __future__ import annotations

from concurrent.futures import ThreadPoolExecutor

import pytest

from aragora.observability.registry import OTHER, SERIES_CAP, Registry
from aragora.observability.samples import CounterDelta


def test_a_drain_hands_out_each_increment_once() -> None:
    registry = Registry()
    registry.inc("aragora_auth_failures_total")
    registry.inc("aragora_auth_failures_total", 2)
    assert registry.drain() == (CounterDelta("aragora_auth_failures_total", (), 3.0),)
    assert registry.drain() == ()


def test_what_could_not_be_written_is_counted_with_the_next_drain() -> None:
    registry = Registry()
    registry.inc("aragora_auth_failures_total")
    drained = registry.drain()
    registry.inc("aragora_auth_failures_total")
    registry.restore(drained)
    assert registry.drain() == (CounterDelta("aragora_auth_failures_total", (), 2.0),)


def test_labels_come_sorted_whatever_the_order_of_naming() -> None:
    registry = Registry()
    registry.inc("aragora_encryption_operations_total", store="sync", operation="encrypt")
    registry.inc("aragora_encryption_operations_total", operation="encrypt", store="sync")
    (delta,) = registry.drain()
    assert (delta.labels, delta.amount) == ((("operation", "encrypt"), ("store", "sync")), 2.0)


def test_an_observation_counts_bucket_sum_and_count() -> None:
    registry = Registry()
    registry.observe("aragora_encryption_operation_latency_seconds", 0.3, operation="encrypt")
    pairs = (("operation", "encrypt"),)
    assert set(registry.drain()) == {
        CounterDelta("aragora_encryption_operation_latency_seconds_bucket", (("le", "0.5"), *pairs), 1.0),
        CounterDelta("aragora_encryption_operation_latency_seconds_sum", pairs, 0.3),
        CounterDelta("aragora_encryption_operation_latency_seconds_count", pairs, 1.0),
    }


def test_gauges_are_read_and_never_drained() -> None:
    registry = Registry()
    registry.set("aragora_websocket_connections", 3)
    assert registry.drain() == ()
    assert registry.gauges() == registry.gauges() == (CounterDelta("aragora_websocket_connections", (), 3),)


def test_threads_lose_no_increment_and_repeat_none() -> None:
    registry = Registry()

    def count(_: int) -> float:
        for _ in range(500):
            registry.inc("aragora_auth_failures_total")
        return sum(delta.amount for delta in registry.drain())

    with ThreadPoolExecutor(8) as pool:
        drained = sum(pool.map(count, range(16)))
    assert drained + sum(delta.amount for delta in registry.drain()) == 8000


def test_series_beyond_the_cap_fold_into_one() -> None:
    registry = Registry()
    for number in range(SERIES_CAP + 5):
        registry.inc("aragora_background_failures_total", loop=f"made-up-{number}")
    drained = {delta.labels: delta.amount for delta in registry.drain()}
    assert len(drained) == SERIES_CAP + 1
    assert drained[("loop", OTHER),] == 5


def test_undeclared_names_labels_and_uses_are_refused() -> None:
    registry = Registry()
    with pytest.raises(KeyError):
        registry.inc("aragora_unheard_of_total")
    with pytest.raises(ValueError, match="labels"):
        registry.inc("aragora_auth_failures_total", ip="127.0.0.1")
    with pytest.raises(ValueError, match="not a counter"):
        registry.inc("aragora_websocket_connections")
    with pytest.raises(ValueError, match="never goes down"):
        registry.inc("aragora_auth_failures_total", -1)
