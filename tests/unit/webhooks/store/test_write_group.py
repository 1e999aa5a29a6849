"""The rules of a group of delivery units, without a database: property tests over any order of units, and what they
leave is compared with a store that applies one unit at a time."""

from __future__ import annotations

import sqlite3
from collections.abc import Sequence
from dataclasses import replace

import pytest
from hypothesis import given
from hypothesis import strategies as st
from worlds.webhook_deliveries import WALL, answered, delivery
from worlds.webhook_store import DELIVERED, attempted, dead, enqueued

from aragora.errors import Conflict, Fenced, InvalidInput
from aragora.webhooks.machine import cancelled, revived
from aragora.webhooks.model import Delivery, DeliveryStatus, TargetRow
from aragora.webhooks.store.units import (
    Attempted,
    CancelWaiting,
    Effect,
    KeepTarget,
    Moved,
    OfOneDelivery,
    Revived,
    Tenure,
    Told,
    Unit,
)
from aragora.webhooks.store.write_group import (
    Standing,
    Writes,
    check,
    delivery_ids,
    fences,
    refusal,
    resolve,
    size,
    tenure_keys,
)

ONE = delivery(1)


def resolved(units: Sequence[Unit], *stored: Delivery, new: Sequence[str] = ()) -> tuple[list[object], Writes]:
    standings = {it.delivery_id: Standing.of(it) for it in stored}
    outcomes, writes = resolve(units, {}, {}, new, standings)
    return list(outcomes), writes


def test_units_of_one_delivery_follow_each_other_within_a_group() -> None:
    again = attempted(ONE, answered(500), status=DeliveryStatus.RETRYING, ended_at=None, due_at=WALL + 2.0)
    last = dead(again.after)
    fresh = Revived(revived(last.after, WALL + 9.0))
    outcomes, writes = resolved([again, last, fresh, attempted(fresh.after)], ONE)
    assert [told.effect for told in outcomes if isinstance(told, Told)] == [Effect.WRITTEN] * 4
    assert writes.deliveries[ONE.delivery_id].status is DeliveryStatus.DELIVERED
    assert [attempt.number for _, attempt in writes.attempts] == [1, 2, 3]
    assert list(writes.counters.values()) == [3.0]


def test_of_two_units_that_enqueue_the_same_delivery_the_first_has_it() -> None:
    unit = enqueued(ONE)
    assert resolved([unit, unit], new=[ONE.delivery_id])[0] == [{ONE.delivery_id}, frozenset()]


def test_a_cancellation_counts_for_each_delivery_and_not_at_all_for_none() -> None:
    unit = CancelWaiting("wh_1", WALL, counters=(DELIVERED,))
    outcomes, writes = resolve([unit, unit], {}, {0: 7}, (), {})
    assert outcomes == [7, 0]
    assert list(writes.counters.values()) == [7.0]
    assert resolve([unit], {}, {}, (), {})[1].counters == {}


def test_the_last_of_several_states_of_a_target_is_kept_and_none_of_a_stale_attempt() -> None:
    first, second = TargetRow("wh_1", failures=1), TargetRow("wh_1", failures=2)
    stale = replace(attempted(delivery(9)), target=TargetRow("wh_1", failures=9))
    _, writes = resolved([replace(attempted(ONE), target=first), KeepTarget(second), stale], ONE)
    assert writes.targets == {"wh_1": second}


def test_a_unit_is_fenced_unless_its_tenure_is_the_newest() -> None:
    units: list[Unit] = [enqueued(ONE, tenure=Tenure("a", epoch)) for epoch in (1, 2, 3)] + [
        enqueued(ONE),
        enqueued(ONE, tenure=Tenure("b", 1)),
    ]
    assert tenure_keys(units) == ["a", "b"]
    found = fences(units, {"a": 2})
    assert sorted(found) == [0, 2, 4]
    assert all(isinstance(each, Fenced) for each in found.values())
    outcomes, _ = resolve(units, found, {}, [ONE.delivery_id], {})
    assert outcomes[1] == {ONE.delivery_id}
    assert outcomes[0] is found[0]


def test_a_unit_counts_for_the_rows_it_writes() -> None:
    assert [size(unit) for unit in (enqueued(ONE, delivery(2, event_id="evt_1")), attempted(ONE))] == [3, 1]
    assert size(CancelWaiting("wh_1", WALL, limit=40)) == 40
    assert size(KeepTarget(TargetRow("wh_1"))) == 1


@pytest.mark.parametrize("status", list(DeliveryStatus))
def test_a_delivery_has_an_end_exactly_where_it_waits_no_more(status: DeliveryStatus) -> None:
    for ended_at in (None, WALL):
        unit = Moved(replace(ONE, status=status, ended_at=ended_at))
        if status.waits == (ended_at is None):
            check(unit)
        else:
            with pytest.raises(InvalidInput, match="ended_at"):
                check(unit)


def test_what_the_database_refuses_is_told_of_the_unit_and_without_its_values() -> None:
    secret = replace(ONE, direct='{"secret":"https://example.com/x"}')
    for unit in (enqueued(secret), attempted(secret), CancelWaiting("wh_1", WALL), KeepTarget(TargetRow("wh_1"))):
        told = refusal(unit, UnicodeEncodeError("utf-8", "x", 0, 1, "surrogates"))
        assert isinstance(told, InvalidInput)
        assert "example.com" not in told.message
    assert isinstance(refusal(enqueued(ONE), sqlite3.IntegrityError("UNIQUE")), Conflict)


# --- Any order of units ------------------------------------------------------------------------------------

STATES = st.sampled_from(
    [
        ONE,
        replace(ONE, status=DeliveryStatus.RETRYING, attempts=1, due_at=WALL + 1.0),
        replace(ONE, status=DeliveryStatus.DEAD_LETTERED, attempts=1, ended_at=WALL),
        replace(ONE, status=DeliveryStatus.DELIVERED, attempts=2, ended_at=WALL),
        replace(ONE, status=DeliveryStatus.CANCELLED, attempts=0, ended_at=WALL),
    ]
)


@st.composite
def units(draw: st.DrawFn) -> OfOneDelivery:
    """A unit of someone who last saw the delivery in any state."""
    seen = draw(STATES)
    match draw(st.integers(0, 4)):
        case 0:
            return attempted(seen)
        case 1:
            return attempted(seen, answered(500), status=DeliveryStatus.RETRYING, ended_at=None, due_at=WALL + 5.0)
        case 2:
            return dead(seen)
        case 3:
            return Moved(cancelled(seen, "by a person", WALL + 3.0))
        case _:
            return Revived(revived(seen, WALL + 4.0))


@given(st.lists(units(), max_size=8), st.one_of(st.none(), STATES))
def test_a_group_comes_to_what_its_units_come_to_one_after_the_other(
    several: list[OfOneDelivery], stored: Delivery | None
) -> None:
    together, writes = resolved(several, *(() if stored is None else (stored,)))
    state, attempts, one_by_one = stored, 0, list[object]()
    for unit in several:
        outcomes, written = resolved([unit], *(() if state is None else (state,)))
        one_by_one += outcomes
        state = written.deliveries.get(ONE.delivery_id, state)
        attempts += len(written.attempts)
    assert together == one_by_one
    assert writes.deliveries.get(ONE.delivery_id, stored) == state
    assert len(writes.attempts) == attempts
    assert delivery_ids(several) == ([ONE.delivery_id] if several else [])


@given(st.lists(units(), max_size=12), STATES)
def test_attempts_are_numbered_without_a_gap_and_counted_once(several: list[OfOneDelivery], stored: Delivery) -> None:
    outcomes, writes = resolved(several, stored)
    numbers = [attempt.number for _, attempt in writes.attempts]
    assert numbers == list(range(stored.attempts + 1, stored.attempts + 1 + len(numbers)))
    assert sum(writes.counters.values()) == len(numbers)
    written = [
        unit for unit, told in zip(several, outcomes, strict=True) if told == Told(Effect.WRITTEN, unit.after.status)
    ]
    assert sum(isinstance(unit, Attempted) for unit in written) == len(numbers)


@given(st.lists(units(), max_size=8), STATES)
def test_what_is_said_to_be_written_or_known_is_what_the_store_then_held(
    several: list[OfOneDelivery], stored: Delivery
) -> None:
    state = stored
    for unit in several:
        outcomes, writes = resolved([unit], state)
        told = outcomes[0]
        assert isinstance(told, Told)
        before, state = state, writes.deliveries.get(ONE.delivery_id, state)
        assert told.status is state.status
        if told.effect is not Effect.STALE:
            assert Standing.of(state) == Standing.of(unit.after)
        if told.effect is not Effect.WRITTEN:
            assert state is before
        if told.effect is Effect.WRITTEN and not before.status.waits:
            assert isinstance(unit, Revived)
