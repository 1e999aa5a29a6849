"""What one group of delivery units comes to: pure functions from the state of the store to outcomes and rows.

Rules:
    fenced          a unit whose tenure is not its key's newest epoch: Fenced, nothing of it is written.
    cancel waiting, first of all, so that an attempt which ends at that moment finds its delivery cancelled.
    reschedule
    enqueue         the deliveries that the store does not hold; of two units with the same one the first has it.
    attempted       the delivery waits, and this is the attempt after its last: written.
    moved           the delivery waits, and has made as many attempts as the caller thinks: written.
    revived         the delivery has ended, with as many attempts as the caller thinks: written.
    keep target     replaces what is kept of the target.
    otherwise       KNOWN where the store holds what the unit would write, else STALE; nothing is written.
Later units of the same group see what the earlier ones did.
"""

from __future__ import annotations

from collections.abc import Iterable, Mapping, Sequence
from dataclasses import dataclass, field
from typing import Any

from aragora.errors import AragoraError, Conflict, Fenced, InvalidInput
from aragora.observability.samples import CounterDelta, add_counters
from aragora.storage.failures import is_constraint
from aragora.storage.storable import check_counters, check_values
from aragora.webhooks.model import Attempt, Delivery, DeliveryStatus, TargetRow
from aragora.webhooks.store.rows import (
    changed_of,
    values_of_attempt,
    values_of_delivery,
    values_of_event,
    values_of_target,
)
from aragora.webhooks.store.units import (
    Attempted,
    CancelWaiting,
    Effect,
    Enqueue,
    KeepTarget,
    Moved,
    OfOneDelivery,
    Outcome,
    Reschedule,
    Revived,
    Tenure,
    Told,
    Unit,
)


@dataclass(frozen=True, slots=True)
class Standing:
    """Where a stored delivery stands."""

    status: DeliveryStatus
    attempts: int
    due_at: float
    ended_at: float | None
    holder: str | None

    @classmethod
    def of(cls, delivery: Delivery) -> Standing:
        """Where a delivery stands."""
        return cls(delivery.status, delivery.attempts, delivery.due_at, delivery.ended_at, delivery.holder)


@dataclass(slots=True)
class Writes:
    """What the group writes besides new deliveries and cancellations."""

    deliveries: dict[str, Delivery] = field(default_factory=dict)
    attempts: list[tuple[Delivery, Attempt]] = field(default_factory=list)
    targets: dict[str, TargetRow] = field(default_factory=dict)
    counters: dict[tuple[str, str], float] = field(default_factory=dict)


def check(unit: Unit) -> None:
    """Refuse a unit that no state of the store could accept, before it can spoil the transaction of others. Raises
    InvalidInput."""
    if isinstance(unit, Enqueue):
        _check_new(unit)
    elif isinstance(unit, CancelWaiting):
        check_values("target", unit.target_id, (unit.target_id, unit.at, unit.reason))
        check_counters("target", unit.target_id, unit.counters)
    elif isinstance(unit, Reschedule):
        check_values("target", unit.target_id, (unit.target_id, unit.at, unit.since, unit.until))
    elif isinstance(unit, KeepTarget):
        _check_target(unit.target, unit.target.target_id)
    else:
        _check_after(unit)


def size(unit: Unit) -> int:
    """About how many rows a unit writes."""
    if isinstance(unit, Enqueue):
        return 1 + len(unit.deliveries)
    return unit.limit if isinstance(unit, CancelWaiting | Reschedule) else 1


def tenure_keys(units: Sequence[Unit]) -> list[str]:
    """The keys whose epoch the group needs to know, sorted: the order in which rows are locked."""
    return sorted({unit.tenure.key for unit in units if unit.tenure is not None})


def fences(units: Sequence[Unit], epochs: Mapping[str, int]) -> dict[int, Fenced]:
    """The error of each unit, by its place, whose tenure has a successor or was never taken."""
    found: dict[int, Fenced] = {}
    for place, unit in enumerate(units):
        tenure = unit.tenure
        if tenure is not None and epochs.get(tenure.key) != tenure.epoch:
            found[place] = _succeeded(tenure, epochs.get(tenure.key))
    return found


def delivery_ids(units: Iterable[Unit]) -> list[str]:
    """The deliveries whose standing the group needs to know, sorted: the order in which rows are locked."""
    return sorted({unit.after.delivery_id for unit in units if isinstance(unit, Attempted | Moved | Revived)})


def standings_of(rows: Iterable[Sequence[Any]]) -> dict[str, Standing]:
    """By delivery, from rows (delivery_id, status, attempts, due_at, ended_at, holder)."""
    return {row[0]: Standing(DeliveryStatus(row[1]), *row[2:]) for row in rows}


def resolve(
    units: Sequence[Unit],
    fenced: Mapping[int, Fenced],
    changed: Mapping[int, int],
    new: Iterable[str],
    standings: Mapping[str, Standing],
) -> tuple[list[Outcome], Writes]:
    """The outcome of each unit, in order, and what the group writes.

    Args:
        units: checked units in the order in which they came.
        fenced: by place, those that must write nothing.
        changed: by place, how many deliveries a `CancelWaiting` or `Reschedule` has changed.
        new: the enqueued deliveries that the store did not hold.
        standings: by delivery id, as it is after these; one that is missing does not exist.
    """
    group = _Group(dict(standings), set(new))
    outcomes: list[Outcome] = []
    for place, unit in enumerate(units):
        outcomes.append(fenced[place] if place in fenced else group.outcome(unit, changed.get(place, 0)))
    return outcomes, group.writes


class _Group:
    def __init__(self, standings: dict[str, Standing], new: set[str]) -> None:
        self.writes = Writes()
        self._standings = standings
        self._new = new

    def outcome(self, unit: Unit, changed: int) -> Outcome:
        if isinstance(unit, Enqueue):
            mine = frozenset(delivery.delivery_id for delivery in unit.deliveries) & self._new
            self._new -= mine
            self._count(unit.counters, len(mine))
            return mine
        if isinstance(unit, CancelWaiting):
            self._count(unit.counters, changed)
            return changed
        if isinstance(unit, Reschedule):
            return changed
        if isinstance(unit, KeepTarget):
            self.writes.targets[unit.target.target_id] = unit.target
            return None
        return self._of_one(unit)

    def _count(self, counters: Iterable[CounterDelta], times: int) -> None:
        if times:
            grown = [CounterDelta(one.sample, one.labels, one.amount * times) for one in counters]
            add_counters(self.writes.counters, grown)

    def _of_one(self, unit: OfOneDelivery) -> Told:
        after = unit.after
        now = self._standings.get(after.delivery_id)
        if now is None:
            return Told(Effect.STALE, None)
        if not _follows(unit, now):
            return Told(Effect.KNOWN if now == Standing.of(after) else Effect.STALE, now.status)
        add_counters(self.writes.counters, unit.counters)
        self.writes.deliveries[after.delivery_id] = after
        if isinstance(unit, Attempted):
            self.writes.attempts.append((after, unit.attempt))
            if unit.target is not None:
                self.writes.targets[after.target_id] = unit.target
        self._standings[after.delivery_id] = Standing.of(after)
        return Told(Effect.WRITTEN, after.status)


def refusal(unit: Unit, error: Exception) -> AragoraError:
    """The error for the one unit whose rows the database itself refused."""
    name = _name(unit)
    if not is_constraint(error):
        return InvalidInput(f"{name}: the database cannot hold one of its values: remove control characters")
    return Conflict(f"{name}: the store holds a row of this already, and another state: read it again")


def _follows(unit: OfOneDelivery, now: Standing) -> bool:
    """Whether the unit goes on from where its delivery stands."""
    if isinstance(unit, Attempted):
        return now.status.waits and now.attempts == unit.after.attempts - 1
    if now.attempts != unit.after.attempts:
        return False
    if isinstance(unit, Revived):
        return not now.status.waits
    return now.status.waits and now != Standing.of(unit.after)


def _succeeded(tenure: Tenure, epoch: int | None) -> Fenced:
    return Fenced(
        f"the deliveries of {tenure.key} are at epoch {epoch}, this owner began as {tenure.epoch}: another one owns them "
        "now; drop what is known of them"
    )


def _check_new(unit: Enqueue) -> None:
    check_values("event", unit.event.event_id, values_of_event(unit.event))
    check_counters("event", unit.event.event_id, unit.counters)
    for delivery in unit.deliveries:
        _check_delivery(delivery)
        if (delivery.event_id, delivery.org_id) != (unit.event.event_id, unit.event.org_id):
            raise InvalidInput(f"delivery {delivery.delivery_id} is not of the event it is enqueued with")
        if not delivery.status.waits:
            raise InvalidInput(f"delivery {delivery.delivery_id} is new and has ended: make it wait")


def _check_after(unit: OfOneDelivery) -> None:
    after = unit.after
    check_values("delivery", after.delivery_id, (after.delivery_id, *changed_of(after)))  # the rest is stored already
    _check_end(after)
    check_counters("delivery", after.delivery_id, unit.counters)
    if isinstance(unit, Attempted):
        attempt = unit.attempt
        if (attempt.delivery_id, attempt.number) != (after.delivery_id, after.attempts):
            raise InvalidInput(
                f"delivery {after.delivery_id}: the attempt is not the last one of the delivery after it"
            )
        check_values("delivery", after.delivery_id, values_of_attempt(after.target_id, attempt))
        if unit.target is not None:
            _check_target(unit.target, after.target_id)
    elif isinstance(unit, Revived) and not after.status.waits:
        raise InvalidInput(f"delivery {after.delivery_id} is revived and has ended: make it wait")


def _check_delivery(delivery: Delivery) -> None:
    check_values("delivery", delivery.delivery_id, values_of_delivery(delivery))
    _check_end(delivery)


def _check_end(delivery: Delivery) -> None:
    if delivery.status.waits != (delivery.ended_at is None):
        raise InvalidInput(
            f"delivery {delivery.delivery_id} is {delivery.status}: a delivery has `ended_at` exactly where it waits no more"
        )


def _check_target(target: TargetRow, target_id: str) -> None:
    if target.target_id != target_id:
        raise InvalidInput(f"the target {target.target_id} is not that of the delivery, {target_id}")
    check_values("target", target_id, values_of_target(target))


def _name(unit: Unit) -> str:
    if isinstance(unit, Enqueue):
        return f"the deliveries of event {unit.event.event_id}"
    if isinstance(unit, KeepTarget):
        return f"target {unit.target.target_id}"
    return (
        f"target {unit.target_id}"
        if isinstance(unit, CancelWaiting | Reschedule)
        else f"delivery {unit.after.delivery_id}"
    )
