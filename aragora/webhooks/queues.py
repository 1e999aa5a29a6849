"""What one owner has to deliver, in memory: a lane for each target, served in turn. It acts on nothing and knows no
clock: times come in as arguments.

Rules
- Turn and turn about: first the organisations, then the targets of one. While others have something to send, one
  organisation has at most a quarter of all slots; so a slow receiver takes nobody else's.
- Within a lane what is due first goes first. A lane that keeps order sends one at a time, in the order of arrival, and
  a delivery that is tried again keeps its place: the others wait until it is delivered or a dead letter.
- Bounds: a lane holds so many deliveries, and only a few while all together hold many: receivers that hang fill the
  memory with what waits for them, and must leave room for the others. What finds no place stays in the store, and the
  lane is told to be `hungry` once it has room.
- A slot is taken until what came of its request is stored: so what is sent again after a crash is never more than the
  slots, of one target never more than `UNSTORED` times its `max_in_flight`, and a store that is away ends the sending.
- Reading the store takes time, and what was read may be old: `reading` keeps out what has gone on meanwhile.
- Each step costs about the same however many lanes there are: a lane that can send nothing is asked again when its time
  comes, or when an answer comes for it, and not before.
"""

from __future__ import annotations

import heapq
import math
from collections import deque
from collections.abc import Iterable, Iterator, Sequence
from contextlib import contextmanager
from dataclasses import dataclass, field, replace
from itertools import count
from typing import Final

from aragora.webhooks.lane import Entry, Lane
from aragora.webhooks.machine import Leave, Moment, Settled, Target, settle, take, withdraw
from aragora.webhooks.model import Answer, Delivery, Rules

LANE_MAX: Final = 1_000
LANE_FEW: Final = 16
CROWDED: Final = 5_000
TOTAL_MAX: Final = 40_000
UNSTORED: Final = 2
"""So often its `max_in_flight` may a target's requests be on their way or answered and not stored yet: half of them are
written while the other half is sent."""
SHARE: Final = 4  # one organisation has a fourth of the slots while others want some


@dataclass(frozen=True, slots=True)
class Ticket:
    """Leave to send one delivery. It must come back: `settle`, or `give_back`. `refused_at` is when its target gave no
    leave for the last time."""

    delivery: Delivery
    leave: Leave = field(repr=False)
    tried_other_secret: bool = False
    refused_at: float = -math.inf


class Queues:
    """The lanes of one owner.

    Args:
        slots: how many requests may be on their way in all.
        lane_max: how many deliveries a lane holds; `LANE_FEW` once all together hold `crowded`.
        total_max: how many all together hold at most.
    """

    def __init__(
        self, *, slots: int, lane_max: int = LANE_MAX, crowded: int = CROWDED, total_max: int = TOTAL_MAX
    ) -> None:
        self._slots = slots
        self._lane_max = lane_max
        self._crowded = crowded
        self._total_max = total_max
        self._lanes: dict[str, Lane] = {}
        self._turns: dict[str, deque[Lane]] = {}  # of each organisation that has an active lane
        self._orgs: deque[str] = deque()
        self._wake: list[tuple[float, int, str]] = []
        self._out_of: dict[str, int] = {}  # requests on their way, by organisation
        self._number = count()
        self._size = 0
        self._hungry: set[str] = set()
        self._away: set[str] = set()  # on their way, also of lanes that were closed since
        self._readings = 0
        self._passed: dict[str, int] = {}  # deliveries that came back while the store is read, and their attempts
        self.in_flight = 0

    def __len__(self) -> int:
        """The deliveries held, those on their way included."""
        return self._size

    def __contains__(self, target_id: str) -> bool:
        return target_id in self._lanes

    def open(self, target_id: str, org_id: str, rules: Rules, target: Target) -> None:
        """Begin a lane. Raises ValueError where there is one."""
        if target_id in self._lanes:
            raise ValueError("this target has a lane")
        self._lanes[target_id] = Lane(target_id, org_id, rules, target)

    def change(self, target_id: str, rules: Rules, target: Target) -> None:
        """Go on under other rules, and with this state of the machine. What is on its way stays counted."""
        lane = self._lanes[target_id]
        lane.rules = rules
        lane.target = replace(target, in_flight=lane.target.in_flight)
        self._activate(lane)

    def close(self, target_id: str) -> None:
        """Forget a lane and what waits in it. What is on its way comes back without effect on a later lane; until then
        it is not taken again."""
        lane = self._lanes.pop(target_id)
        self._size -= len(lane.by_id)
        lane.by_id.clear()

    def rest(self, target_id: str) -> None:
        """Give no more leave for a target until `resume`; what comes for it meanwhile is held."""
        self._lanes[target_id].resting = True

    def resume(self, target_id: str) -> None:
        """Give leave again."""
        lane = self._lanes[target_id]
        lane.resting = False
        self._activate(lane)

    def is_out(self, target_id: str) -> bool:
        """Whether a delivery of a target is on its way, or its attempt not stored yet."""
        lane = self._lanes.get(target_id)
        return lane is not None and bool(lane.out)

    @property
    def full(self) -> bool:
        """Whether no lane takes any more."""
        return self._size >= self._total_max

    def target(self, target_id: str) -> Target:
        """The state of a target's machine."""
        return self._lanes[target_id].target

    def rules(self, target_id: str) -> Rules:
        """The rules of a target."""
        return self._lanes[target_id].rules

    def held(self, target_id: str) -> int:
        """How many deliveries a target's lane holds, those on their way included."""
        lane = self._lanes.get(target_id)
        return 0 if lane is None else len(lane)

    def idle(self) -> Iterator[str]:
        """The targets for which nothing waits and nothing is on its way."""
        return (target_id for target_id, lane in self._lanes.items() if not len(lane) and not lane.spilled)

    @contextmanager
    def reading(self) -> Iterator[None]:
        """For the block, deliveries are read from the store or written to it, to be pushed at its end. Of those that
        come back meanwhile, `push` takes no row that is older than that: it would be sent twice."""
        self._readings += 1
        try:
            yield
        finally:
            self._readings -= 1
            if not self._readings:
                self._passed.clear()

    def push(self, delivery: Delivery, wait_s: float, now: float) -> bool:
        """Take a delivery, due `wait_s` seconds from `now`, into its target's lane. False where there is no room: it
        stays in the store. One that is held already stays as it is, and one that has gone on since it was read does
        too."""
        lane = self._lanes[delivery.target_id]
        if delivery.delivery_id in lane.by_id or delivery.delivery_id in self._away:
            return True
        if delivery.attempts < self._passed.get(delivery.delivery_id, 0):
            return True
        behind = lane.rules.fifo and lane.spilled  # others of the store come first
        if behind or len(lane) >= self.room or self.full:
            lane.spilled = True
            self._feel(lane)
            return False
        self._size += 1
        lane.place(Entry(delivery, now + wait_s), next(self._number), now, first=False)
        self._activate(lane)
        return True

    def hungry(self) -> list[str]:
        """The targets of which the store holds more, and whose lanes have room: `fill` them. Each is told once."""
        hungry, self._hungry = self._hungry & self._lanes.keys(), set()
        return sorted(hungry)

    @property
    def any_hungry(self) -> bool:
        """Whether there is one."""
        return bool(self._hungry)

    @property
    def room(self) -> int:
        """How many deliveries a lane may hold now."""
        return self._lane_max if self._size < self._crowded else min(self._lane_max, LANE_FEW)

    def begin_filling(self, target_id: str) -> None:
        """What waits for a target is about to be read: until `fill`, a lane that keeps order takes nothing else."""
        self._lanes[target_id].spilled = True

    def fill(self, target_id: str, waiting: Sequence[tuple[Delivery, float]], now: float, *, whole: bool) -> None:
        """Take what waits for a target in this order, each due in so many seconds. `whole`: there is no more in the
        store."""
        lane = self._lanes[target_id]
        lane.spilled = False
        taken = [self.push(delivery, wait_s, now) for delivery, wait_s in waiting]
        lane.spilled = not whole or not all(taken)
        self._feel(lane)

    def cancel(self, target_id: str, delivery_ids: Iterable[str]) -> None:
        """Forget deliveries that wait. One that is on its way, its attempt perhaps stored and not yet back, is
        forgotten once it comes back."""
        lane = self._lanes.get(target_id)
        if lane is None:
            return
        for delivery_id in delivery_ids:
            if lane.by_id.pop(delivery_id, None) is not None:
                self._size -= 1
            elif delivery_id in lane.out:
                lane.unwanted.add(delivery_id)

    def take(self, now: float) -> Ticket | float | None:
        """Leave for the next delivery; else the time at which asking again makes sense, or None: after the next push,
        change or answer."""
        while self._wake and self._wake[0][0] <= now:
            at, _, target_id = heapq.heappop(self._wake)
            lane = self._lanes.get(target_id)
            if lane is not None:
                lane.wakes_at = None if lane.wakes_at == at else lane.wakes_at
                self._activate(lane)
        if self.in_flight < self._slots:
            ticket = self._next(now)
            if ticket is not None:
                return ticket
        return self._wake[0][0] if self._wake else None

    def settle(self, ticket: Ticket, answer: Answer, at: Moment, *, two_secrets: bool) -> Settled:
        """What follows from the answer to a ticket's request, which is to be stored. The delivery is out of the lane,
        and its slot taken: `back` brings it in again where it is to be tried again, `ended` lets go of it."""
        delivery = ticket.delivery
        lane = self._lane_of(delivery)
        target, rules = (lane.target, lane.rules) if lane is not None else (Target(in_flight=1), Rules())
        other = two_secrets and not ticket.tried_other_secret
        settled = settle(target, delivery, answer, ticket.leave, rules, at=at, other_secret=other)
        if lane is not None:
            lane.target = settled.target
            self._activate(lane)
        return settled

    def back(self, settled: Settled, wait_s: float, now: float) -> None:
        """Take a delivery in again, once its attempt is stored."""
        self._return(settled.delivery, wait_s, now, tried_other_secret=settled.again)

    def ended(self, delivery: Delivery) -> None:
        """Let go of a delivery that came out of `take`: it has ended, or somebody else has it."""
        lane = self._lane_of(delivery)
        self._free(delivery)
        self._size -= 1
        if lane is not None:
            lane.out.discard(delivery.delivery_id)
            lane.unwanted.discard(delivery.delivery_id)
            self._activate(lane)
            self._feel(lane)

    def give_back(self, ticket: Ticket, wait_s: float, now: float) -> None:
        """Return a ticket whose request was not sent; the delivery waits for `wait_s` seconds more."""
        delivery = ticket.delivery
        lane = self._lane_of(delivery)
        if lane is not None:
            lane.target = withdraw(lane.target, ticket.leave, lane.rules, now)
        self._return(delivery, wait_s, now, tried_other_secret=ticket.tried_other_secret)

    def _return(self, delivery: Delivery, wait_s: float, now: float, *, tried_other_secret: bool) -> None:
        lane = self._lane_of(delivery)
        if lane is None or delivery.delivery_id in lane.unwanted:
            self.ended(delivery)
            return
        self._free(delivery)
        lane.out.discard(delivery.delivery_id)
        entry = Entry(delivery, now + wait_s, tried_other_secret)
        lane.place(entry, next(self._number), now, first=lane.rules.fifo or tried_other_secret)
        self._activate(lane)

    def _lane_of(self, delivery: Delivery) -> Lane | None:
        """The lane out of which a delivery came; None where it was closed meanwhile, and perhaps opened again."""
        lane = self._lanes.get(delivery.target_id)
        return lane if lane is not None and delivery.delivery_id in lane.out else None

    def _next(self, now: float) -> Ticket | None:
        """From the next organisation in turn that may send and can."""
        share = max(1, self._slots // SHARE)
        over: list[str] = []
        found: Ticket | None = None
        while self._orgs and found is None:
            org_id = self._orgs.popleft()
            if self._out_of.get(org_id, 0) >= share and self._orgs:
                over.append(org_id)  # it comes again where the others turn out to have nothing
                continue
            found = self._of(org_id, now)
            if self._turns[org_id]:
                self._orgs.append(org_id)
            else:
                del self._turns[org_id]
            if found is None and not self._orgs and over:
                self._orgs.append(over.pop(0))
        self._orgs.extend(over)
        return found

    def _of(self, org_id: str, now: float) -> Ticket | None:
        turn = self._turns[org_id]
        while turn:
            lane = turn.popleft()
            ticket = self._from(lane, now)
            if ticket is not None:
                turn.append(lane)
                return ticket
            lane.active = False
        return None

    def _from(self, lane: Lane, now: float) -> Ticket | None:
        """Leave for the head of a lane; where it has none, the lane sleeps until its time."""
        if lane.resting:
            return None
        entry = lane.head(now)
        if not isinstance(entry, Entry):
            self._sleep(lane, entry)
            return None
        if lane.rules.fifo and lane.out:
            lane.refused_at = now
            return None  # until the one on its way has come back, also where its attempt is not stored yet
        if len(lane.out) >= UNSTORED * lane.rules.max_in_flight:
            lane.refused_at = now
            return None  # until the store has caught up: all these would be sent again if this process died now
        lane.target, leave = take(lane.target, lane.rules, now)
        if not isinstance(leave, Leave):
            lane.refused_at = now
            self._sleep(lane, leave.until)
            return None
        delivery_id = lane.ready.popleft()
        del lane.by_id[delivery_id]
        lane.out.add(delivery_id)
        self._away.add(delivery_id)
        self.in_flight += 1
        self._out_of[lane.org_id] = self._out_of.get(lane.org_id, 0) + 1
        return Ticket(entry.delivery, leave, entry.tried_other_secret, lane.refused_at)

    def _feel(self, lane: Lane) -> None:
        """Note that a lane is hungry. A lane that is being filled has not been told so far, and is empty."""
        if lane.spilled and len(lane) <= self.room // 2 and not self.full:
            self._hungry.add(lane.target_id)

    def _sleep(self, lane: Lane, until: float | None) -> None:
        """Ask a lane again at `until`, unless it is asked before."""
        if until is not None and (lane.wakes_at is None or until < lane.wakes_at):
            lane.wakes_at = until
            heapq.heappush(self._wake, (until, next(self._number), lane.target_id))

    def _activate(self, lane: Lane) -> None:
        """Ask a lane at the next `take`."""
        if lane.active or not lane.by_id:
            return
        lane.active = True
        turn = self._turns.get(lane.org_id)
        if turn is None:
            turn = self._turns[lane.org_id] = deque()
            self._orgs.append(lane.org_id)
        turn.append(lane)

    def _free(self, delivery: Delivery) -> None:
        """The delivery came back: its slot is free."""
        self._away.discard(delivery.delivery_id)
        if self._readings:
            self._passed[delivery.delivery_id] = delivery.attempts
        self.in_flight -= 1
        left = self._out_of.pop(delivery.org_id, 1) - 1
        if left:
            self._out_of[delivery.org_id] = left
