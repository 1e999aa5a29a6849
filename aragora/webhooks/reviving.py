"""What people do with deliveries: send one again, cancel it, and retry or delete dead letters, one or many.

A delivery that waits is never made to wait twice: whoever asks again for what was just asked gets the same answer, and
whoever asks while a retry is scheduled is told so. Whether a request is on its way at this moment is known to the
dispatcher only. A delivery that is cancelled then stays cancelled, although its receiver may get it.
"""

from __future__ import annotations

import asyncio
from collections.abc import AsyncIterator, Sequence
from dataclasses import dataclass, replace
from typing import Final

from aragora.clock import Clock
from aragora.errors import Conflict, NotFound
from aragora.secrets.encryption import DecryptionFailed
from aragora.storage.collection import Unreadable
from aragora.webhooks import machine
from aragora.webhooks.counting import of_end
from aragora.webhooks.fanout import STEP_S
from aragora.webhooks.model import Delivery, DeliveryStatus
from aragora.webhooks.store.deliveries import Account, DeliveryStore, Wanted
from aragora.webhooks.store.endpoints import EndpointStore
from aragora.webhooks.store.purging import STEP, DeliveryPurge
from aragora.webhooks.store.units import Effect, Moved, Revived
from aragora.webhooks.store.writer import DeliveryWriter

BULK_MAX: Final = 10_000
"""Dead letters that one call retries or deletes."""
CANCEL_ATTEMPTS: Final = 5
CANCELLED: Final = "a person cancelled it"


@dataclass(frozen=True, slots=True)
class Bulk:
    """What became of many dead letters. `skipped` are those whose endpoint is gone; `more`: there are further ones, so
    call again. `targets` are those for which something waits now."""

    count: int
    skipped: int = 0
    more: bool = False
    targets: frozenset[str] = frozenset()


class Reviving:
    """Over the stores of the context `webhooks`. Every method raises Unavailable where the store is away, and NotFound,
    with one text, for what there is not or is another organisation's."""

    def __init__(
        self,
        store: DeliveryStore,
        endpoints: EndpointStore,
        writer: DeliveryWriter,
        purging: DeliveryPurge,
        clock: Clock,
    ) -> None:
        self.store = store
        self._endpoints = endpoints
        self._writer = writer
        self._purging = purging
        self._clock = clock

    async def dead_letter(self, org_id: str, delivery_id: str) -> Account:
        """A dead letter with its event and attempts."""
        account = await self.store.account(org_id, delivery_id)
        if account.delivery.status is not DeliveryStatus.DEAD_LETTERED:
            raise NotFound(f"there is no delivery {delivery_id} among the dead letters")
        return account

    async def resendable(self, org_id: str, delivery_id: str) -> Delivery:
        """The delivery, where it has ended and can be sent again, or was revived a moment ago. Raises Conflict where it
        waits already, or its endpoint is gone."""
        delivery = await self.store.get(org_id, delivery_id)
        if delivery.status.waits and not _revived_already(delivery):
            raise Conflict(f"delivery {delivery_id} waits for its next attempt already", code="delivery_waits")
        await self._require_target(delivery)
        return delivery

    async def retryable(self, org_id: str, delivery_id: str) -> Delivery:
        """As `resendable`, of a dead letter. Raises Conflict for a delivery that is none."""
        delivery = await self.store.get(org_id, delivery_id)
        if delivery.status is not DeliveryStatus.DEAD_LETTERED and not _revived_already(delivery):
            raise Conflict(f"delivery {delivery_id} is {delivery.status}, no dead letter", code="not_dead_lettered")
        await self._require_target(delivery)
        return delivery

    async def revive(self, delivery: Delivery) -> Delivery:
        """Make a delivery that has ended wait again: the same ids, all its retries. Returns it as it is then. One that
        waits is left as it is."""
        return delivery if delivery.status.waits else await self._revive(delivery, self._clock.now())

    async def _revive(self, delivery: Delivery, at: float) -> Delivery:
        # Whoever held it before may be gone: it is for the dispatcher now.
        after = replace(machine.revived(delivery, at), holder=None)
        told = await self._writer.revived(Revived(after))
        if told.effect is Effect.STALE:  # somebody else was quicker
            return await self.store.get(delivery.org_id, delivery.delivery_id)
        return after

    async def cancellable(self, org_id: str, delivery_id: str) -> Delivery:
        """The delivery, where it waits or is cancelled. Raises Conflict where it has ended otherwise."""
        delivery = await self.store.get(org_id, delivery_id)
        if not delivery.status.waits and delivery.status is not DeliveryStatus.CANCELLED:
            raise Conflict(f"delivery {delivery_id} is {delivery.status}: nothing of it waits", code="delivery_ended")
        return delivery

    async def cancel(self, delivery: Delivery) -> Delivery:
        """Cancel a delivery that waits. Returns it as it is then. Raises Conflict where it ended meanwhile."""
        for _ in range(CANCEL_ATTEMPTS):
            if delivery.status is DeliveryStatus.CANCELLED:
                return delivery
            after = machine.cancelled(delivery, CANCELLED, self._clock.now())
            told = await self._writer.moved(Moved(after, counters=of_end(after)))
            if told.effect is not Effect.STALE:
                return after
            delivery = await self.cancellable(delivery.org_id, delivery.delivery_id)  # an attempt ended meanwhile
        raise Conflict(f"delivery {delivery.delivery_id} is being attempted again and again: try again")

    async def retry_all(self, org_id: str, wanted: Wanted, webhook_id: str | None = None) -> Bulk:
        """Revive the dead letters that are wanted, up to `BULK_MAX`, in the order in which they were made: their times
        keep it, so an endpoint with `fifo` gets them in this order. Those without a target are left alone, so that
        each call gets on with the others."""
        dead = await self.store.revivable(org_id, wanted, BULK_MAX + 1, webhook_id=webhook_id)
        chosen, began = dead[:BULK_MAX], self._clock.now()
        for first in range(0, len(chosen), STEP):
            page = enumerate(chosen[first : first + STEP], first)
            await asyncio.gather(*(self._revive(one, began + place * STEP_S) for place, one in page))
        skipped = await self.store.stranded(org_id, wanted, webhook_id=webhook_id)
        targets = frozenset(one.target_id for one in chosen)
        return Bulk(len(chosen), skipped, more=len(dead) > BULK_MAX, targets=targets)

    async def purge(self, delivery: Delivery) -> None:
        """Delete a dead letter with its attempts."""
        if not await self._purging.dead_letter(delivery.org_id, delivery.delivery_id):
            raise NotFound(f"there is no delivery {delivery.delivery_id} among the dead letters")

    async def purge_all(self, org_id: str, wanted: Wanted, webhook_id: str | None = None) -> Bulk:
        """Delete the dead letters that are wanted, with their attempts, up to `BULK_MAX`."""
        looked, purged = 0, 0
        async for dead in self._dead(org_id, wanted, webhook_id):
            if looked >= BULK_MAX:
                return Bulk(purged, more=True)
            looked += len(dead)
            purged += await self._purging.chosen(org_id, [one.delivery_id for one in dead])
        return Bulk(purged)

    async def _dead(self, org_id: str, wanted: Wanted, webhook_id: str | None) -> AsyncIterator[Sequence[Delivery]]:
        """The dead letters, in pages. Those that go meanwhile do not shift the pages after them: a cursor names a
        place."""
        cursor: str | None = None
        while True:
            page = await self.store.dead_letters(org_id, wanted, webhook_id=webhook_id, cursor=cursor, limit=STEP)
            if page.items:
                yield page.items
            if (cursor := page.next_cursor) is None:
                return

    async def _require_target(self, delivery: Delivery) -> None:
        if not await self._has_target(delivery):
            raise Conflict(
                f"the webhook of delivery {delivery.delivery_id} was deleted: it has nowhere to go", code="webhook_gone"
            )

    async def _has_target(self, delivery: Delivery) -> bool:
        """Whether there is somewhere to send it: a direct delivery has its URL with it."""
        if delivery.direct is not None:
            return True
        try:
            await self._endpoints.get(delivery.org_id, delivery.target_id)
        except NotFound:
            return False
        except (DecryptionFailed, Unreadable):
            return True  # it is there: its deliveries wait until its key is
        return True


def _revived_already(delivery: Delivery) -> bool:
    """Whether it was made to wait again after its attempts, and none of the new budget has been made."""
    return delivery.status is DeliveryStatus.PENDING and 0 < delivery.attempts == delivery.budget_from
