"""A replay: an endpoint gets events of the past again, or for the first time, at a limited pace. Pure.

What is chosen
    failed      dead letters, brought back under their own ids with all their retries.
    missing     events in the journals of the organisation's debates that the endpoint would want now and that it has no
                delivery of: what happened before it was registered, or while it was disabled. They are made under the
                ids that follow from event and endpoint, so no replay can make a second one.
    all         both, and deliveries that arrived or were cancelled.
The range is about the time at which events happened: `since` is included, `until` not.

How it goes on
    Deliveries that are stored come first, in the order of their making; then the journals, debate by debate in the
    order in which they began, and each in the order of its events. A `Position` says how far it is. It is stored after
    every page, so a replay that is cut off anywhere goes on from there:
    - `chosen` are the deliveries that are to be brought back next. They are stored before the first of them is, so that
      none is forgotten and each is counted once.
    - A delivery that ended after the replay had begun is left alone: it is brought back once, however often a page is
      done again.
    - A delivery that is made a second time is the first one: its id is the same.

States: running; then done, stopped (by a person, or because the endpoint was disabled or deleted) or failed.
"""

from __future__ import annotations

import math
from collections.abc import Sequence
from dataclasses import dataclass, field, replace
from enum import StrEnum
from typing import Final

from aragora.errors import InvalidInput
from aragora.webhooks.events import CATALOGUE, EVERY, unknown_type
from aragora.webhooks.model import Delivery, DeliveryStatus

RANGE_MAX_S: Final = 90 * 86_400.0
RATE_PER_S: Final = 50.0
RATE_MIN_PER_S: Final = 0.01
RATE_MAX_PER_S: Final = 500.0
PAGE_MAX: Final = 100
"""Deliveries that are made at once."""
AHEAD_S: Final = 2.0
"""So many seconds' worth of a replay may wait for its endpoint: live events wait behind no more than that."""
BLOCKED_S: Final = 1.0
"""Until an endpoint for which too much waits is looked at again."""
TYPES_MAX: Final = 50


class Selection(StrEnum):
    """Which events."""

    FAILED = "failed"
    MISSING = "missing"
    ALL = "all"

    @property
    def statuses(self) -> tuple[DeliveryStatus, ...]:
        """The deliveries that are brought back."""
        if self is Selection.MISSING:
            return ()
        if self is Selection.FAILED:
            return (DeliveryStatus.DEAD_LETTERED,)
        return (DeliveryStatus.DEAD_LETTERED, DeliveryStatus.DELIVERED, DeliveryStatus.CANCELLED)

    @property
    def of_journal(self) -> bool:
        """Whether events without a delivery are looked for."""
        return self is not Selection.FAILED


class ReplayStatus(StrEnum):
    """Where a replay stands."""

    RUNNING = "running"
    DONE = "done"
    STOPPED = "stopped"
    FAILED = "failed"


@dataclass(frozen=True, slots=True)
class Stored:
    """A place among the deliveries of an endpoint: behind this one."""

    created_at: float
    delivery_id: str


@dataclass(frozen=True, slots=True)
class Journaled:
    """A place among the debates of an organisation, in order of their beginning: behind event `seq` of this one, or
    behind all of it where `seq` is None."""

    began_at: float
    debate_id: str
    seq: int | None = None


@dataclass(frozen=True, slots=True)
class Position:
    """How far a replay is. `chosen`: ids of deliveries that are to be brought back next. `older`: the debates that
    began about the time of the range are done, and those that began long before it are walked."""

    stored: Stored | None = None
    stored_done: bool = False
    chosen: tuple[str, ...] = ()
    journaled: Journaled | None = None
    older: bool = False


@dataclass(frozen=True, slots=True)
class Wish:
    """What a caller asks for. Times are seconds since the epoch; without `event_types`, all."""

    since: float
    until: float
    selection: Selection
    event_types: tuple[str, ...] = ()
    rate_per_s: float = RATE_PER_S


@dataclass(frozen=True, slots=True)
class Replay:
    """One replay, as it is stored.

    Args:
        matching: what it found when it was asked for; `more` says that there was more than was counted.
        revision: grows with every change, so that of two that would change it one is told.
        made: events of the journal that have got a delivery.
        revived: deliveries that were brought back.
        skipped: events that could not be told: their debate was deleted meanwhile, or their row is damaged; and
            deliveries that were purged, or sent again by somebody else meanwhile.
    """

    replay_id: str
    org_id: str
    webhook_id: str
    created_at: float
    created_by: str
    wish: Wish
    status: ReplayStatus = ReplayStatus.RUNNING
    reason: str = ""
    matching: int = 0
    more: bool = False
    position: Position = field(default_factory=Position)
    revision: int = 0
    made: int = 0
    revived: int = 0
    skipped: int = 0
    ended_at: float | None = None

    def counted(self, matching: int, *, more: bool) -> Replay:
        """The replay with what it was found to bring."""
        return replace(self, matching=matching, more=more)

    def progressed(self, position: Position, *, made: int = 0, revived: int = 0, skipped: int = 0) -> Replay:
        """The replay after a page."""
        return replace(
            self,
            position=position,
            made=self.made + made,
            revived=self.revived + revived,
            skipped=self.skipped + skipped,
        )

    def ended(self, status: ReplayStatus, at: float, reason: str = "") -> Replay:
        """The replay after its end, at the time `at` (seconds since the epoch)."""
        return replace(self, status=status, reason=reason, ended_at=at)


def check(wish: Wish, now: float) -> Wish:
    """The wish, where it can be fulfilled; `until` is now at the latest, for what happens later is told anyway. Raises
    InvalidInput, which names the field and the mend."""
    if wish.since >= now:
        raise InvalidInput("since is in the future: a replay is of what has happened, so give an earlier time.")
    if wish.until <= wish.since:
        raise InvalidInput("until is not after since: give a later until, or leave it out for now.")
    until = min(wish.until, now)
    if until - wish.since > RANGE_MAX_S:
        raise InvalidInput(
            f"since and until are over {RANGE_MAX_S / 86_400:g} days apart: ask for less at a time, one range after "
            "the other."
        )
    if not RATE_MIN_PER_S <= wish.rate_per_s <= RATE_MAX_PER_S:
        raise InvalidInput(f"rate_per_s is not from {RATE_MIN_PER_S:g} to {RATE_MAX_PER_S:g}: choose one that is.")
    _check_types(wish.event_types)
    return replace(wish, until=until, event_types=tuple(sorted(wish.event_types)))


def types_to_read(subscribed: Sequence[str], wanted: Sequence[str]) -> tuple[str, ...]:
    """The types of events of debates that an endpoint has chosen and the replay is about, sorted."""
    return tuple(
        sorted(
            name
            for name, kind in CATALOGUE.items()
            if kind.of_debate
            and (name in subscribed or (EVERY in subscribed and not kind.high_volume))
            and (not wanted or name in wanted)
        )
    )


def is_due(replay: Replay, delivery: Delivery) -> bool:
    """Whether a stored delivery is to be brought back: it ended before the replay began, as one that is chosen."""
    return (
        delivery.status in replay.wish.selection.statuses
        and delivery.ended_at is not None
        and delivery.ended_at < replay.created_at
        and not is_back(replay, delivery)
    )


def is_back(replay: Replay, delivery: Delivery) -> bool:
    """Whether a delivery that was chosen has been brought back since, by this replay or somebody else."""
    return delivery.budget_at >= replay.created_at


def is_ours(replay: Replay, made_at: float) -> bool:
    """Whether a delivery of an event in the journal was missing when the replay began."""
    return made_at >= replay.created_at


def ahead(rate_per_s: float) -> int:
    """How many deliveries of an endpoint may wait while a replay at this rate makes more."""
    return max(1, math.ceil(rate_per_s * AHEAD_S))


def page_size(rate_per_s: float, waiting: int) -> int:
    """How many deliveries a replay makes next, while so many wait for its endpoint; 0: none for now."""
    return max(0, min(PAGE_MAX, math.ceil(rate_per_s), ahead(rate_per_s) - waiting))


def pause_s(count: int, rate_per_s: float) -> float:
    """Seconds from the beginning of a page with so many deliveries to that of the next."""
    return count / rate_per_s


def _check_types(names: Sequence[str]) -> None:
    if len(names) > TYPES_MAX:
        raise InvalidInput(f"event_types has {len(names)} types; at most {TYPES_MAX} are taken.")
    for position, name in enumerate(names):
        if name not in CATALOGUE:
            raise InvalidInput(f"event_types: {unknown_type(name).message}")
        if name in names[:position]:
            raise InvalidInput(f"event_types names {name} twice: once is enough.")
