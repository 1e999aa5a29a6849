"""One endpoint in a process of its own: the same owner, queues and machine as in the dispatcher, over the same store.

The dispatcher grants it the endpoint with an epoch, and may take it back at any time by the next one: a process that
was cut off and comes back sends what it was about to, and stores nothing any more.
"""

from __future__ import annotations

import asyncio
import random
from collections import OrderedDict
from collections.abc import Callable, Sequence
from dataclasses import dataclass
from typing import Final

from aragora.background import Every
from aragora.clock import Clock
from aragora.errors import Fenced, NotFound
from aragora.secrets.encryption import EncryptionService
from aragora.storage.database import Database
from aragora.webhooks.deliverer import Sending
from aragora.webhooks.direct import DirectDestinations
from aragora.webhooks.following import Authority, Consequences
from aragora.webhooks.heat import Heat
from aragora.webhooks.model import Delivery, EventRecord, TargetStatus
from aragora.webhooks.owner import Owner
from aragora.webhooks.registered import RegisteredDestinations
from aragora.webhooks.store.endpoints import EndpointStore
from aragora.webhooks.store.units import Tenure

SWEEP_S: Final = 15.0
TRIED_KEPT: Final = 20_000
"""What this process has read from the store and sent may be handed over after that: so many are known by their ids."""


@dataclass(frozen=True, slots=True)
class Made:
    """A delivery that was stored just now, and its event."""

    event: EventRecord
    delivery: Delivery


@dataclass(frozen=True, slots=True)
class Warmth:
    """How much an endpoint is sent: requests a second in the last whole window, and the deliveries held."""

    rate_per_s: float
    held: int


def key_of(endpoint_id: str) -> str:
    """The key by which an endpoint is owned: the name of its actor."""
    return f"webhook/{endpoint_id}"


class HotEndpoint:
    """The owner of one endpoint. Belongs to one event loop. `begin` comes first; every method raises Fenced once
    another one owns the endpoint."""

    def __init__(
        self,
        endpoint_id: str,
        epoch: int,
        database: Database,
        crypto: EncryptionService,
        *,
        sender: Sending,
        authority: Authority,
        clock: Clock,
        slots: int,
        draw: Callable[[], float] = random.random,
    ) -> None:
        self.epoch = epoch
        self._endpoint_id = endpoint_id
        self._clock = clock
        self._heat = Heat()
        self._destinations = RegisteredDestinations(
            EndpointStore(database, clock, crypto), DirectDestinations(crypto), clock
        )
        self._following = Consequences(authority, self._destinations, self._note)
        self._owner = Owner(
            database,
            destinations=self._destinations,
            sender=sender,
            follower=self._following,
            clock=clock,
            slots=slots,
            draw=draw,
        )
        self._tried: OrderedDict[str, None] = OrderedDict()
        self._step = asyncio.Lock()  # a statement that is cut off leaves its connection to the garbage collector
        self._sweeping = Every("sweep of a webhook", SWEEP_S, self._sweep)

    async def begin(self) -> None:
        """Deliver what waits for the endpoint. Raises Unavailable, and delivers nothing then; Fenced where the grant is
        not the newest."""
        held = await self._owner.owners.current(key_of(self._endpoint_id))
        if held is None or held.epoch != self.epoch:
            raise Fenced(f"webhook {self._endpoint_id} was granted to another process since")
        self._owner.begin(Tenure(key_of(self._endpoint_id), self.epoch), None)
        try:
            await self.work()
        except BaseException:  # it has begun to send: nobody else would end it
            await self.release(0.0)
            raise
        self._sweeping.start()

    async def take(self, made: Sequence[Made]) -> None:
        """Deliver what was stored just now. Raises Unavailable."""
        self._refuse_fenced()
        for one in made:
            if one.delivery.delivery_id not in self._tried:
                await self._owner.take_up([one.delivery], one.event)

    async def work(self) -> None:
        """Take up what waits in the store. Raises Unavailable."""
        self._refuse_fenced()
        await self._owner.take_up_target(self._endpoint_id)

    async def changed(self) -> None:
        """Go by what the endpoint is now: one that is not enabled gets nothing more. Raises Unavailable."""
        self._refuse_fenced()
        self._destinations.changed(self._endpoint_id)
        try:
            destination = await self._destinations.of_endpoint(self._endpoint_id)
        except NotFound:
            self._close()
            return
        if destination.status is TargetStatus.ENABLED:
            await self._owner.change(self._endpoint_id, destination.rules)
        else:
            self._close()

    def cancelled(self, delivery_id: str) -> None:
        """Send nothing more of a delivery that was cancelled in the store."""
        self._refuse_fenced()
        self._owner.queues.cancel(self._endpoint_id, (delivery_id,))

    def warmth(self) -> Warmth:
        """How much the endpoint is sent."""
        self._refuse_fenced()
        rate = self._heat.rate(self._endpoint_id, self._clock.monotonic())
        return Warmth(rate, self._owner.queues.held(self._endpoint_id))

    @property
    def in_flight(self) -> int:
        """How many requests are on their way."""
        return self._owner.queues.in_flight

    async def release(self, limit_s: float) -> int:
        """Take up nothing more and let requests end within `limit_s` seconds; returns how many were cut off. What the
        next owner begins with was stored with each attempt."""
        async with self._step:
            await self._sweeping.aclose()
        return await self._owner.aclose(limit_s)

    async def _sweep(self) -> None:
        """Take up what no message told of. Raises Unavailable."""
        if self._following.are_fenced:
            return
        async with self._step:
            await self.work()

    def _note(self, delivery: Delivery) -> None:
        self._heat.note(delivery.target_id, self._clock.monotonic())
        self._tried[delivery.delivery_id] = None
        if len(self._tried) > TRIED_KEPT:
            self._tried.popitem(last=False)

    def _close(self) -> None:
        if self._endpoint_id in self._owner.queues:
            self._owner.queues.close(self._endpoint_id)

    def _refuse_fenced(self) -> None:
        if self._following.are_fenced:
            raise Fenced(f"webhook {self._endpoint_id} has another owner now")
