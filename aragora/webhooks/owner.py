"""What every owner of deliveries does, wherever it runs: lanes that begin with the state their last owner kept, taking
up what is in the store, and taking over what another owner left behind.

An owner without a server holds a lease and marks its deliveries with its name (`Delivery.holder`). While the lease
runs, nobody else sends them. Once it has run out, because the process ended or hangs, whoever looks next takes its
deliveries over and fences it.
"""

from __future__ import annotations

import asyncio
import random
from collections.abc import Callable, Mapping, Sequence
from dataclasses import replace
from typing import Final

import structlog

from aragora.background import wait_until
from aragora.clock import Clock
from aragora.errors import NotFound
from aragora.secrets.encryption import DecryptionFailed
from aragora.storage.collection import Unreadable
from aragora.storage.database import Database
from aragora.supervision import begin
from aragora.webhooks.deliverer import Deliverer, Following, Sending
from aragora.webhooks.destinations import Destinations
from aragora.webhooks.kept import target_of, wait_s
from aragora.webhooks.machine import Target
from aragora.webhooks.model import Delivery, EventRecord, Rules, TargetRow
from aragora.webhooks.queues import Queues
from aragora.webhooks.store.deliveries import After, DeliveryStore
from aragora.webhooks.store.overview import Overview
from aragora.webhooks.store.owners import Owners
from aragora.webhooks.store.units import Effect, Moved, Tenure
from aragora.webhooks.store.writer import DeliveryWriter
from aragora.webhooks.trouble_log import TroubleLog

LEASED: Final = "manager_"
"""How the names of owners begin that hold a lease."""
AT_ONCE: Final = 1_000
LOOK_S: Final = 0.01  # while a target comes to rest

log = structlog.get_logger("aragora.webhooks")


class Owner:
    """One owner. Belongs to one event loop. `begin` comes first."""

    def __init__(
        self,
        database: Database,
        *,
        destinations: Destinations,
        sender: Sending,
        follower: Following,
        clock: Clock,
        slots: int,
        elsewhere: Callable[[str], bool] = lambda _: False,
        draw: Callable[[], float] = random.random,
    ) -> None:
        """`elsewhere` tells of a target whether another process has it now: nothing of it is taken up here."""
        self.store = DeliveryStore(database)
        self.overview = Overview(database)
        self.writer = DeliveryWriter(database)
        self.owners = Owners(database, clock)
        self.queues = Queues(slots=slots)
        self._destinations = destinations
        self._sender = sender
        self._follower = follower
        self._clock = clock
        self._elsewhere = elsewhere
        self._draw = draw
        self._troubles = TroubleLog(clock)
        self._deliverer: Deliverer | None = None
        self._holder: str | None = None
        self._refilling: asyncio.Task[None] | None = None

    def begin(self, tenure: Tenure, holder: str | None) -> None:
        """Deliver in the background, by this claim. Of the deliveries in the store those are taken up that `holder`
        has; None: those that nobody has."""
        self._holder = holder
        self._deliverer = Deliverer(
            self.queues,
            destinations=self._destinations,
            events=self.store,
            sender=self._sender,
            writer=self.writer,
            follower=self._follower,
            clock=self._clock,
            tenure=tenure,
            hungry=self._refill_soon,
            draw=self._draw,
            troubles=self._troubles,
        )
        self._deliverer.start()

    async def aclose(self, limit_s: float) -> int:
        """Let what is on its way end within `limit_s` seconds; returns how many requests were cut off."""
        cut = 0 if self._deliverer is None else await self._deliverer.drain(limit_s)
        if self._refilling is not None:
            await asyncio.wait({self._refilling})
        await self.writer.aclose()
        return cut

    def push(self, delivery: Delivery, event: EventRecord | None, after_s: float) -> None:
        """Deliver what was stored just now, after so many seconds; its target has a lane."""
        assert self._deliverer is not None, "begin comes first"
        if event is not None:
            self._deliverer.remember(event)
        self.queues.push(delivery, after_s, self._clock.monotonic())
        self._wake()

    async def lane(self, target_id: str, org_id: str, rules: Rules) -> None:
        """Begin the lane of a target where there is none, as its last owner left it. Raises Unavailable."""
        if target_id not in self.queues:
            rows = await self.store.targets((target_id,))
            if self._elsewhere(target_id):
                return
            self._open(target_id, org_id, rules, rows.get(target_id))

    async def take_up(self, deliveries: Sequence[Delivery], event: EventRecord | None = None) -> None:
        """Deliver what is in the store already, in this order; it was read or written within `queues.reading`. What
        finds no room stays there, and is taken up later; what cannot be read is passed over, and the log says why.
        Raises Unavailable."""
        new = {one.target_id for one in deliveries if one.target_id not in self.queues}
        rows: Mapping[str, TargetRow] = await self.store.targets(new) if new else {}
        await self._destinations.prepare(deliveries)
        for delivery in deliveries:
            if self.queues.full:
                return
            rules = await self._rules(delivery)
            if rules is None or self._elsewhere(delivery.target_id):
                continue
            if delivery.target_id not in self.queues:
                self._open(delivery.target_id, delivery.org_id, rules, rows.get(delivery.target_id))
                if rules.fifo:  # what came before it may wait in the store
                    await self.take_up_target(delivery.target_id)
                    continue
            self.push(delivery, event, wait_s(delivery, rules, self._clock.now()))

    async def take_up_target(self, target_id: str) -> None:
        """Take up what waits for a target, the first one first. Raises Unavailable."""
        if self._elsewhere(target_id):
            return
        if target_id in self.queues:
            self.queues.begin_filling(target_id)
        limit = self.queues.room + self.queues.held(target_id)  # what is held already comes first
        with self.queues.reading():
            waiting = await self._waiting(target_id, limit)
            ours = [one for one in waiting if one.holder == self._holder]
            if ours and target_id not in self.queues:
                rules = await self._rules(ours[0])
                if rules is not None and not self._elsewhere(target_id):
                    await self.lane(target_id, ours[0].org_id, rules)
            if target_id in self.queues:
                rules, wall = self.queues.rules(target_id), self._clock.now()
                timed = [(one, wait_s(one, rules, wall)) for one in ours]
                # Where none of these is ours, the next look would find the same: a sweep finds what is behind them.
                whole = len(waiting) < limit or not ours
                self.queues.fill(target_id, timed, self._clock.monotonic(), whole=whole)
                self._wake()

    async def take_up_due(self, before: float) -> None:
        """Take up what is due before this time and is held by nobody, as far as there is room. Raises Unavailable."""
        after: After | None = None
        while not self.queues.full:
            with self.queues.reading():
                due = await self.store.due(before, AT_ONCE, after=after)
                await self.take_up([one for one in due if one.holder == self._holder])
            if len(due) < AT_ONCE:
                return
            after = After(due[-1].due_at, due[-1].delivery_id)

    def _refill_soon(self) -> None:
        if self._refilling is None or self._refilling.done():
            self._refilling = begin(self.refill(), "refilling the queues of webhooks")

    async def refill(self) -> None:
        """Take up what found no room before. Raises Unavailable."""
        for target_id in self.queues.hungry():
            await self.take_up_target(target_id)

    async def adopt(self) -> None:
        """Take over what owners have left whose leases ran out. Raises Unavailable."""
        for key in await self.owners.lapsed(LEASED):
            waiting = await self.overview.held_by(key, AT_ONCE)
            if not waiting:
                await self.owners.forget(key)
                continue
            tenure = Tenure(key, await self.owners.advance(key, self._holder or "server"))
            ours = [replace(one, holder=self._holder) for one in waiting]
            told = [await self.writer.moved(Moved(one, tenure=tenure)) for one in ours]
            await self.take_up([one for one, each in zip(ours, told, strict=True) if each.effect is not Effect.STALE])
            log.info("webhooks of a process that is gone were taken over", holder=key, deliveries=len(ours))

    async def _waiting(self, target_id: str, limit: int) -> list[Delivery]:
        """Up to `limit` deliveries that wait for a target: in the order of their making where the target keeps order or
        is not known here yet, else by their due times, which is cheaper. Raises Unavailable."""
        if target_id in self.queues and not self.queues.rules(target_id).fifo:
            return await self.store.waiting_of(target_id, limit)
        return await self.overview.waiting_in_order(target_id, limit)

    def _wake(self) -> None:
        assert self._deliverer is not None, "begin comes first"
        self._deliverer.wake()

    async def quiesce(self, target_id: str, limit_s: float) -> bool:
        """Send nothing more to a target, and wait until nothing of it is on its way. False, and it is sent to again,
        where that takes longer than `limit_s` seconds. What its next owner begins with was stored with each attempt."""
        if target_id not in self.queues:
            return True
        self.queues.rest(target_id)

        async def still() -> bool:
            return not self.queues.is_out(target_id)

        rested = False
        try:
            rested = await wait_until(still, limit_s=limit_s, every_s=LOOK_S, clock=self._clock)
        finally:
            if not rested and target_id in self.queues:
                self.queues.resume(target_id)
                self._wake()
        return rested

    async def change(self, target_id: str, rules: Rules) -> None:
        """Go on with a target under these rules, and with what is kept of it: a person may have had its failures
        forgotten. Raises Unavailable."""
        row = (await self.store.targets((target_id,))).get(target_id)
        if target_id in self.queues:
            self.queues.change(target_id, rules, self._state(row, rules))

    def _open(self, target_id: str, org_id: str, rules: Rules, row: TargetRow | None) -> None:
        if target_id in self.queues:  # it was opened while the row was read
            return
        self.queues.open(target_id, org_id, rules, self._state(row, rules))

    def _state(self, row: TargetRow | None, rules: Rules) -> Target:
        now, wall = self._clock.monotonic(), self._clock.now()
        return Target() if row is None else target_of(row, rules, now, wall)

    async def _rules(self, delivery: Delivery) -> Rules | None:
        """How a delivery is tried; None where that cannot be read. Raises Unavailable."""
        try:
            return (await self._destinations.of(delivery)).rules
        except NotFound:
            return Rules()  # its target is gone: the deliverer cancels it
        except (DecryptionFailed, Unreadable) as unreadable:
            self._troubles.unreadable(delivery, unreadable.message)
            return None
