"""What the delivery writer writes: units, each of which counts as a whole or not at all, and what becomes of them.

A delivery waits exactly as long as it has no `ended_at`: the store finds what waits by that column alone, so a unit
whose status and `ended_at` disagree is refused.
"""

from __future__ import annotations

from dataclasses import dataclass
from enum import StrEnum
from typing import Final

from aragora.observability.samples import CounterDelta
from aragora.webhooks.model import Attempt, Delivery, DeliveryStatus, EventRecord, TargetRow

CANCELLED_AT_ONCE: Final = 1_000


@dataclass(frozen=True, slots=True)
class Tenure:
    """A claim to the deliveries of a shard, a target or a process: it holds until someone takes a higher epoch of the
    same key (`aragora.webhooks.store.owners`)."""

    key: str
    epoch: int


class Effect(StrEnum):
    """What a unit about one delivery did."""

    WRITTEN = "written"
    KNOWN = "known"  # it was written before: the answer to it was lost, and the caller has sent it again
    STALE = "stale"  # the delivery is elsewhere by now, ended or revived by someone else, or purged: nothing written


@dataclass(frozen=True, slots=True)
class Told:
    """The effect of a unit, and the status that the delivery has now: None where there is none (any more)."""

    effect: Effect
    status: DeliveryStatus | None


@dataclass(frozen=True, slots=True)
class Enqueue:
    """New deliveries of one event. The event and each delivery that the store holds already stay as they are: fan-out
    may be repeated. Its outcome is the ids of the deliveries that are new, each of which adds `counters`. Without
    deliveries nothing is written."""

    event: EventRecord
    deliveries: tuple[Delivery, ...]
    tenure: Tenure | None = None
    counters: tuple[CounterDelta, ...] = ()


@dataclass(frozen=True, slots=True)
class Attempted:
    """The next attempt of a delivery that waits, and the delivery after it. It must be the attempt that follows the
    last stored one (`attempt.number` = stored attempts + 1 = `after.attempts`), else it is STALE. `counters` are added,
    and `target` is kept, where it is WRITTEN, only there."""

    after: Delivery
    attempt: Attempt
    counters: tuple[CounterDelta, ...] = ()
    tenure: Tenure | None = None
    target: TargetRow | None = None


@dataclass(frozen=True, slots=True)
class Moved:
    """A delivery that waits is elsewhere without an attempt: it waits for another time, is cancelled, or a dead letter
    because of its age. STALE where it does not wait any more, or `after.attempts` is not the stored number."""

    after: Delivery
    counters: tuple[CounterDelta, ...] = ()
    tenure: Tenure | None = None


@dataclass(frozen=True, slots=True)
class Revived:
    """A delivery that had ended waits again, with a fresh budget (`after.budget_from` = `after.attempts`). STALE where
    it waits already: a second press of the button does nothing."""

    after: Delivery
    counters: tuple[CounterDelta, ...] = ()
    tenure: Tenure | None = None


@dataclass(frozen=True, slots=True)
class CancelWaiting:
    """Cancel up to `limit` deliveries of a target that wait, those due first. Its outcome is how many: call again
    until it is 0. `counters` is what each of them adds. Of the units that are written together these come first, so an
    attempt that ends at the same moment is STALE."""

    target_id: str
    at: float
    reason: str = "the endpoint was deleted"
    limit: int = CANCELLED_AT_ONCE
    counters: tuple[CounterDelta, ...] = ()
    tenure: Tenure | None = None


@dataclass(frozen=True, slots=True)
class KeepTarget:
    """What is kept of a target from now on, without an attempt. Its outcome is None."""

    target: TargetRow
    tenure: Tenure | None = None


@dataclass(frozen=True, slots=True)
class Reschedule:
    """Make up to `limit` deliveries of a target that wait, and are due from `since` until before `until`, due `at`.
    Its outcome is how many: call again until it is 0. Times are seconds since the epoch."""

    target_id: str
    at: float
    since: float
    until: float
    limit: int = CANCELLED_AT_ONCE
    tenure: Tenure | None = None


OfOneDelivery = Attempted | Moved | Revived
OfManyDeliveries = CancelWaiting | Reschedule
Unit = Enqueue | OfOneDelivery | OfManyDeliveries | KeepTarget
Outcome = frozenset[str] | Told | int | Exception | None
