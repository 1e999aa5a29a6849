"""What an attempt adds to the counters."""

from __future__ import annotations

import math
from dataclasses import replace

import pytest
from worlds.webhook_deliveries import WALL, answered, delivery, failed

from aragora.observability.samples import CounterDelta
from aragora.webhooks import counting
from aragora.webhooks.model import Answer, Attempt, Delivery, Failure
from aragora.webhooks.networks import Reason

NEVER = -math.inf


def counted(after: Delivery, answer: Answer, lag_s: float | None = None) -> dict[str, dict[str, str]]:
    """The labels by the samples, without those of the latency."""
    deltas = counting.of_attempt(after, Attempt(after.delivery_id, after.attempts, WALL, answer), lag_s)
    return {one.sample: dict(one.labels) for one in deltas if "latency" not in one.sample}


def test_what_the_guard_refused_counts_by_why() -> None:
    refused = replace(failed(Failure.BLOCKED), refused_for=Reason.METADATA)
    assert counted(delivery(attempts=1), refused) == {
        counting.DELIVERIES: {"event_type": "debate_end", "status": "blocked"},
        counting.BLOCKED: {"reason": "metadata"},
    }
    assert counting.BLOCKED not in counted(delivery(attempts=1), answered(500))


def test_an_event_outside_the_catalogue_counts_as_other() -> None:
    told = counted(delivery(attempts=2, event_type="of.somebody"), answered(200))
    assert {labels["event_type"] for labels in told.values()} == {"other"}
    assert counting.RETRIES in told


def test_the_lag_is_one_observation_without_labels() -> None:
    deltas = counting.of_attempt(delivery(attempts=1), Attempt("dlv", 1, WALL, answered(200)), 0.02)
    assert {delta for delta in deltas if "lag" in delta.sample} == {
        CounterDelta("aragora_webhook_lag_seconds_bucket", (("le", "0.025"),), 1.0),
        CounterDelta("aragora_webhook_lag_seconds_sum", (), 0.02),
        CounterDelta("aragora_webhook_lag_seconds_count", (), 1.0),
    }


@pytest.mark.parametrize(
    ("one", "refused_at", "lag_s"),
    [
        pytest.param(delivery(), NEVER, 7.0, id="first request"),
        pytest.param(delivery(), WALL - 1.0, 7.0, id="its target refused before"),
        pytest.param(delivery(), WALL + 1.0, None, id="its target refused since it was due"),
        pytest.param(delivery(attempts=1), NEVER, None, id="retry"),
        pytest.param(delivery(due_at=WALL + 2.0), NEVER, None, id="parked, or of a replay"),
    ],
)
def test_only_what_nothing_held_back_tells_how_long_events_wait_for_us(
    one: Delivery, refused_at: float, lag_s: float | None
) -> None:
    assert counting.lag_s(one, WALL - 2.0, WALL + 5.0, refused_at) == lag_s


def test_a_clock_that_was_set_back_gives_no_lag_below_none() -> None:
    assert counting.lag_s(delivery(), WALL + 9.0, WALL, NEVER) == 0.0
