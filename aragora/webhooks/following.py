"""What follows from attempts at registered endpoints, wherever they are made: an endpoint is disabled, its owner is
told, what waits for it is parked. It is the dispatcher that does so; the process of one endpoint asks it to.
"""

from __future__ import annotations

from collections.abc import Callable
from typing import Protocol

from aragora.supervision import begin
from aragora.webhooks.machine import Notice, Settled
from aragora.webhooks.model import Delivery
from aragora.webhooks.registered import RegisteredDestinations


class Authority(Protocol):
    """Changes what everybody goes by. Every method raises Unavailable where it cannot be reached, or its store."""

    async def disable(self, org_id: str, endpoint_id: str, reason: str) -> None:
        """Send an endpoint nothing more until a person enables it."""
        ...

    async def tell(self, notice: Notice, settled: Settled) -> None:
        """Tell the owner of an endpoint how it fares, where that is due: an operational event."""
        ...

    async def park(self, endpoint_id: str) -> None:
        """Let what waits for an endpoint wait until it is enabled."""
        ...


class Consequences:
    """Fulfils `aragora.webhooks.deliverer.Following`. `attempted` hears of each delivery that was tried."""

    def __init__(
        self,
        authority: Authority,
        destinations: RegisteredDestinations,
        attempted: Callable[[Delivery], None],
    ) -> None:
        self._authority = authority
        self._destinations = destinations
        self._attempted = attempted
        self.are_fenced = False

    def settled(self, settled: Settled) -> None:
        delivery = settled.delivery
        if delivery.direct is not None:  # no registered endpoint
            return
        endpoint_id = delivery.target_id
        self._attempted(delivery)
        if settled.disable is not None:
            self._destinations.ends(endpoint_id)
            begin(self._authority.disable(delivery.org_id, endpoint_id, settled.disable), "disabling a webhook")
        for notice in settled.notices:
            begin(self._authority.tell(notice, settled), "telling of a webhook")

    def moved(self, delivery: Delivery) -> None:
        """Nothing follows."""

    def held(self, target_id: str) -> None:
        begin(self._authority.park(target_id), "parking deliveries")

    def fenced(self) -> None:
        self.are_fenced = True
