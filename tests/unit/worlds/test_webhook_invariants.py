"""The judge of the chaos tests of webhooks sees what it is there for: what is lost, repeated, or otherwise wrong."""

from __future__ import annotations

from collections.abc import Callable
from dataclasses import dataclass, field, replace
from types import SimpleNamespace
from typing import Any

import pytest
from worlds.webhook_arrivals import ATTEMPT, DELIVERY, Arrival
from worlds.webhook_invariants import Blow, Expected, Findings, Stored, judge

from aragora.encoding import encode_text
from aragora.webhooks.ids import delivery_id

Row = SimpleNamespace


@dataclass
class History:
    """Two events of one debate, at an endpoint that keeps order and at one that fails, and nothing wrong with them."""

    requests: list[Arrival] = field(default_factory=list)
    delivered: set[str] = field(default_factory=set)
    blows: list[Blow] = field(default_factory=list)
    stored: Stored = field(init=False)
    expected: Expected = field(
        default_factory=lambda: Expected({"wh_good": "good", "wh_bad": "bad"}, failing=["wh_bad"], ordered=["wh_good"])
    )

    def __post_init__(self) -> None:
        deliveries, attempts = [], []
        for seq, event_type in ((1, "debate_start"), (9, "debate_end")):
            for endpoint, status, numbers in (("wh_good", "DELIVERED", (1,)), ("wh_bad", "DEAD_LETTERED", (1, 2))):
                one = delivery_id(f"deb_1:{seq}", endpoint)
                deliveries.append(
                    self.delivery(one, f"deb_1:{seq}", endpoint, event_type, status=status, attempts=len(numbers))
                )
                for number in numbers:
                    failure, code = (None, 200) if status == "DELIVERED" else ("status", 500)
                    attempts.append(Row(delivery_id=one, number=number, failure=failure, code=code))
                    self.requests.append(self.arrival(one, f"deb_1:{seq}", endpoint.removeprefix("wh_"), number))
                if status == "DELIVERED":
                    self.delivered.add(one)
        self.stored = Stored(
            debates=[Row(debate_id="deb_1", org_id="acme", status="completed")],
            journal=[
                Row(debate_id="deb_1", seq=seq, type=of)
                for seq, of in ((1, "debate_start"), (2, "agent_message"), (9, "debate_end"))
            ],
            told=[],
            endpoints=[
                Row(endpoint_id=one, org_id="acme", events='["*"]', status="enabled") for one in ("wh_good", "wh_bad")
            ],
            events=[Row(event_id=f"deb_1:{seq}") for seq in (1, 9)],
            deliveries=deliveries,
            attempts=attempts,
            targets=[Row(target_id="wh_bad", breaker="open", retry_at=5.0)],
            counters=[
                counted("aragora_webhook_deliveries_total", of, amount, status=status)
                for of in ("debate_start", "debate_end")
                for status, amount in (("delivered", 1.0), ("failed", 2.0))
            ]
            + [
                counted(name, of, amount)
                for of in ("debate_start", "debate_end")
                for name, amount in (
                    ("aragora_webhook_delivery_latency_seconds_count", 3.0),
                    ("aragora_webhook_retries_total", 1.0),
                    ("aragora_webhook_dead_lettered_total", 1.0),
                )
            ],
        )

    @staticmethod
    def delivery(one: str, event_id: str, target: str, of: str, *, status: str, attempts: int) -> Any:
        return Row(
            delivery_id=one,
            event_id=event_id,
            target_id=target,
            event_type=of,
            status=status,
            attempts=attempts,
            created_at=float(event_id.rpartition(":")[2]),
            ended_at=99.0,
            direct=None,
        )

    @staticmethod
    def arrival(one: str, event_id: str, place: str, attempt: int) -> Arrival:
        headers = {DELIVERY: one, ATTEMPT: str(attempt), "webhook-id": event_id}
        return Arrival(place, 1, 0.0, 0.0, headers, one.encode())

    def change(self, table: str, place: int, **changes: Any) -> None:
        """Change one row."""
        rows = list(getattr(self.stored, table))
        rows[place] = Row(**{**vars(rows[place]), **changes})
        self.stored = replace(self.stored, **{table: rows})

    def drop(self, table: str, place: int) -> None:
        rows = list(getattr(self.stored, table))
        del rows[place]
        self.stored = replace(self.stored, **{table: rows})

    def found(self) -> Findings:
        return judge(self.stored, self.requests, self.delivered, self.blows, self.expected)


def counted(sample: str, event_type: str, value: float, **labels: str) -> Any:
    named = sorted({"event_type": event_type, **labels}.items())
    return Row(sample=sample, labels=encode_text(named), value=value)


def test_a_history_in_which_all_is_well() -> None:
    found = History().found()
    assert found.problems() == []
    assert (found.wanted, found.deliveries, found.delivered, found.dead) == (4, 4, 2, 2)
    assert (found.requests, found.duplicates, found.bound) == (6, 0, 0)


def no_delivery(it: History) -> None:
    lost = it.stored.deliveries[0].delivery_id
    it.drop("deliveries", 0)
    it.drop("attempts", 0)
    it.requests = [one for one in it.requests if one.delivery_id != lost]


def never_answered(it: History) -> None:
    it.delivered.clear()


def still_waits(it: History) -> None:
    it.change("deliveries", 0, status="RETRYING", ended_at=None)


def dead_though_nothing_fails(it: History) -> None:
    it.change("deliveries", 0, status="DEAD_LETTERED")


@pytest.mark.parametrize("lose", [no_delivery, never_answered, still_waits, dead_though_nothing_fails])
def test_what_is_lost_is_found(lose: Callable[[History], None]) -> None:
    it = History()
    lose(it)
    assert it.found().lost


def test_a_request_that_comes_again_is_found_unless_it_was_open_at_a_blow() -> None:
    it = History()
    it.requests.append(it.requests[0])
    assert it.found().repeated
    it.blows = [Blow("killed", frozenset({it.requests[0].key}), slots=1)]
    assert it.found().problems() == []
    it.requests.append(it.requests[0])
    assert it.found().repeated, "once for each blow"
    assert it.found().duplicates == 2


def test_more_open_requests_than_slots_are_found() -> None:
    it = History()
    it.blows = [Blow("killed", frozenset(one.key for one in it.requests[:2]), slots=1)]
    assert it.found().repeated


def under_a_new_id(it: History) -> None:
    it.requests.append(it.arrival("dlv_new", "deb_1:1", "good", 1))


def of_another_event(it: History) -> None:
    it.requests[0] = it.arrival(it.requests[0].delivery_id, "evt_new", "good", 1)


def to_another_place(it: History) -> None:
    it.requests[0] = it.arrival(it.requests[0].delivery_id, "deb_1:1", "bad", 1)


def with_other_bytes(it: History) -> None:
    it.requests[2] = replace(it.requests[2], body=b"other")


def not_stored(it: History) -> None:
    it.requests.append(it.arrival(it.requests[0].delivery_id, "deb_1:1", "good", 2))


def never_came(it: History) -> None:
    del it.requests[-1]


def in_another_order(it: History) -> None:
    it.requests.reverse()


def with_a_gap(it: History) -> None:
    it.change("attempts", 2, number=3)


def delivered_without_a_success(it: History) -> None:
    it.change("attempts", 0, failure="timeout")


def event_gone(it: History) -> None:
    it.drop("events", 0)


def counter_off(it: History) -> None:
    it.change("counters", 0, value=2.0)


def counter_missing(it: History) -> None:
    it.drop("counters", -1)


def left_in_the_outbox(it: History) -> None:
    it.stored = replace(it.stored, told=[Row(outbox_id="deb_1:events:1")])


def breaker_open_where_nothing_fails(it: History) -> None:
    it.change("targets", 0, target_id="wh_good")


def breaker_open_for_ever(it: History) -> None:
    it.change("targets", 0, retry_at=None)


@pytest.mark.parametrize(
    "spoil",
    [
        under_a_new_id,
        of_another_event,
        to_another_place,
        with_other_bytes,
        not_stored,
        never_came,
        in_another_order,
        with_a_gap,
        delivered_without_a_success,
        event_gone,
        counter_off,
        counter_missing,
        left_in_the_outbox,
        breaker_open_where_nothing_fails,
        breaker_open_for_ever,
    ],
)
def test_what_is_otherwise_wrong_is_found(spoil: Callable[[History], None]) -> None:
    it = History()
    spoil(it)
    assert it.found().wrong
