"""What follows from attempts at registered endpoints, wherever they are made: an endpoint is disabled, its owner is
told, what waits for it is parked. It is the dispatcher that does so; the process of one endpoint asks it to.
"""

from __future__ import annotations

from collections.abc import Callable
from typing import Protocol

from aragora.clock import Clock
from aragora.supervision import begin
from aragora.webhooks.machine import Settled
from aragora.webhooks.model import Delivery
from aragora.webhooks.notices import NoticeBook, Operational, told_of
from aragora.webhooks.registered import RegisteredDestinations


class Authority(Protocol):
    """Changes what everybody goes by. Every method raises Unavailable where it cannot be reached, or its store."""

    async def disable(self, org_id: str, endpoint_id: str, reason: str) -> None:
        """Send an endpoint nothing more until a person enables it."""
        ...

    async def tell(self, event: Operational, org_id: str) -> None:
        """Deliver an operational event to the endpoints of an organisation that want it."""
        ...

    async def park(self, endpoint_id: str) -> None:
        """Let what waits for an endpoint wait until it is enabled."""
        ...


class Consequences:
    """Fulfils `aragora.webhooks.deliverer.Following`. `attempted` hears of each target that a request was made to."""

    def __init__(
        self,
        authority: Authority,
        destinations: RegisteredDestinations,
        clock: Clock,
        attempted: Callable[[str], None],
    ) -> None:
        self._authority = authority
        self._destinations = destinations
        self._clock = clock
        self._attempted = attempted
        self._book = NoticeBook()
        self.are_fenced = False

    def settled(self, settled: Settled) -> None:
        delivery = settled.delivery
        if delivery.direct is not None:  # no registered endpoint
            return
        endpoint_id = delivery.target_id
        self._attempted(endpoint_id)
        if settled.disable is not None:
            self._destinations.ends(endpoint_id)
            begin(self._authority.disable(delivery.org_id, endpoint_id, settled.disable), "disabling a webhook")
        for notice in settled.notices:
            since = self._book.due(endpoint_id, notice, self._clock.monotonic(), self._clock.now())
            if since is not None:
                begin(self._authority.tell(told_of(notice, settled, since), delivery.org_id), "telling of a webhook")

    def moved(self, delivery: Delivery) -> None:
        """Nothing follows."""

    def held(self, target_id: str) -> None:
        begin(self._authority.park(target_id), "parking deliveries")

    def fenced(self) -> None:
        self.are_fenced = True
