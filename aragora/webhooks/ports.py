"""What the routes ask of whoever delivers: the dispatcher of a server. Who follows these ports is bound by the
composition."""

from __future__ import annotations

from typing import Protocol

from aragora.webhooks.model import Answer


class Dispatching(Protocol):
    """The dispatcher. Every method raises Unavailable where it does not answer; what is in the store then waits there,
    and is found within five minutes: by a sweep of the dispatcher, or by the job that wakes it."""

    async def endpoint_changed(self, endpoint_id: str) -> None:
        """An endpoint was added, changed, enabled, paused, disabled or deleted: from the return of this call on,
        everything that is delivered or told of debates goes by it."""
        ...

    async def work(self, endpoint_id: str) -> None:
        """Something waits in the store for this endpoint: revived, replayed, resent."""
        ...

    async def cancelled(self, endpoint_id: str, delivery_id: str) -> None:
        """A delivery was cancelled in the store: what is held of it in memory is not sent, unless it is on its way."""
        ...

    async def replays(self) -> None:
        """A replay was begun: it is worked off from now on."""
        ...

    async def test(self, endpoint_id: str, event_type: str) -> Answer:
        """Send the example of a type to this endpoint, now, once: it touches no breaker and no count. Raises
        NotFound."""
        ...

    async def verify(self, endpoint_id: str, challenge: str, version: int) -> Answer:
        """Send this challenge to the endpoint as it is at this version, now, once. Raises NotFound, Conflict."""
        ...
