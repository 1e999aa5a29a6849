"""The destinations of a server's dispatcher: registered endpoints, as they were read a moment ago, and direct
deliveries that it has taken over."""

from __future__ import annotations

from collections.abc import Collection, Sequence
from dataclasses import replace
from typing import Final, Protocol

from aragora.clock import Clock
from aragora.resilience.cache import Cache
from aragora.webhooks.destinations import Destination, Destinations, of_endpoint
from aragora.webhooks.endpoint import Endpoint
from aragora.webhooks.model import Delivery, TargetStatus

TOGETHER: Final = 3
"""So many endpoints are read in one reading rather than one by one."""
KEPT: Final = 10_000
KEPT_S: Final = 30.0
"""Whoever changes an endpoint tells the dispatcher; this is for a message that was lost."""


class Loading(Protocol):
    """Reads endpoints (`aragora.webhooks.store.endpoints.EndpointStore`)."""

    async def load(self, endpoint_id: str) -> Endpoint: ...

    async def load_all(self, endpoint_ids: Collection[str]) -> list[Endpoint]: ...


class RegisteredDestinations:
    """Fulfils `aragora.webhooks.destinations.Destinations`."""

    def __init__(self, endpoints: Loading, direct: Destinations, clock: Clock) -> None:
        self._endpoints = endpoints
        self._direct = direct
        self._clock = clock
        self._kept: Cache[str, tuple[Endpoint, Destination]] = Cache(KEPT, KEPT_S)
        self._ended: set[str] = set()

    async def prepare(self, deliveries: Sequence[Delivery]) -> None:
        now = self._clock.monotonic()
        targets = {one.target_id for one in deliveries if one.direct is None}
        fills = {each: self._kept.filling(each) for each in targets if self._kept.get(each, now) is None}
        if len(fills) < TOGETHER:
            return
        for endpoint in await self._endpoints.load_all(fills):
            destination = of_endpoint(endpoint, self._clock.now())
            fills[endpoint.endpoint_id]((endpoint, destination), self._clock.monotonic())

    async def of(self, delivery: Delivery) -> Destination:
        """Raises NotFound, Unavailable, DecryptionFailed."""
        if delivery.direct is not None:
            return await self._direct.of(delivery)
        return await self.of_endpoint(delivery.target_id)

    async def of_endpoint(self, endpoint_id: str) -> Destination:
        """Raises as `of`."""
        kept = self._kept.get(endpoint_id, self._clock.monotonic())
        if kept is None:
            fill = self._kept.filling(endpoint_id)
            endpoint = await self._endpoints.load(endpoint_id)
            kept = endpoint, of_endpoint(endpoint, self._clock.now())
            fill(kept, self._clock.monotonic())
        endpoint, destination = kept
        if endpoint.old_secrets:  # which end: only then is another moment another destination
            destination = of_endpoint(endpoint, self._clock.now())
        return replace(destination, status=TargetStatus.DISABLED) if endpoint_id in self._ended else destination

    def ends(self, endpoint_id: str) -> None:
        """Take an endpoint for disabled, until it was `changed`: the store is told a moment later."""
        self._ended.add(endpoint_id)

    def changed(self, endpoint_id: str) -> None:
        """Read an endpoint anew."""
        self._ended.discard(endpoint_id)
        self._kept.drop(endpoint_id)
