"""Delivering without a server: the process that calls `deliver_webhook` is an owner of its own, with a lease."""

from __future__ import annotations

import asyncio
from collections.abc import Mapping, Sequence
from dataclasses import dataclass, replace
from typing import Any, Final, Self

import structlog

from aragora.background import Every
from aragora.clock import Clock, SystemClock
from aragora.config.settings import Settings
from aragora.errors import InvalidInput, NotFound, Unavailable
from aragora.ids import LOCAL_ORG, new_id
from aragora.secrets.encryption import EncryptionService
from aragora.storage.contexts import Context
from aragora.storage.database import Database
from aragora.webhooks.body import body_of
from aragora.webhooks.deliverer import Sending
from aragora.webhooks.direct import Direct, DirectDestinations, sealed, target_of
from aragora.webhooks.egress import guard_of, open_sender
from aragora.webhooks.events import check_name
from aragora.webhooks.guard import Guard
from aragora.webhooks.machine import Settled, held_back, refused_for_s, revived
from aragora.webhooks.model import Delivery, DeliveryStatus, EventRecord, Rules
from aragora.webhooks.owner import LEASED, Owner
from aragora.webhooks.sender import Sender
from aragora.webhooks.store.overview import Summary
from aragora.webhooks.store.units import Effect, Enqueue, Revived, Tenure

LEASES: Final = 2.0
"""The lease of an owner is so many times the longest attempt."""
LOOK_S: Final = 1.0  # how old the mirror of open breakers may be
MAX_NAME_CHARS: Final = 128
MAX_SECRET_CHARS: Final = 1_024
DRAIN_S: Final = 30.0
FENCED: Final = "another process delivers this process's webhooks, because it did not move for long: call again"

log = structlog.get_logger("aragora.webhooks")


@dataclass(slots=True)
class _Waiting:
    """Callers that wait for what becomes of the next request of their delivery."""

    outcomes: dict[str, asyncio.Future[Delivery]]
    are_fenced: bool = False

    def settled(self, settled: Settled) -> None:
        self.moved(settled.delivery)

    def moved(self, delivery: Delivery) -> None:
        outcome = self.outcomes.get(delivery.delivery_id)
        if outcome is not None and not outcome.done():
            outcome.set_result(delivery)

    def held(self, target_id: str) -> None:
        """Only endpoints are disabled, and none of them is delivered to here."""

    def fenced(self) -> None:
        self.are_fenced = True
        for outcome in self.outcomes.values():
            if not outcome.done():
                outcome.set_exception(Unavailable(FENCED, retry_after_s=0.0))


class LocalDelivery:
    """The owner that this process is. Belongs to one event loop. `begin` it before its first use."""

    def __init__(
        self,
        database: Database,
        crypto: EncryptionService,
        guard: Guard,
        sender: Sending,
        rules: Rules,
        *,
        slots: int,
        max_payload_bytes: int,
        clock: Clock | None = None,
    ) -> None:
        self._clock = clock or SystemClock()
        self._database = database
        self._crypto = crypto
        self._guard = guard
        self._sender = sender
        self._rules = rules
        self._max_payload_bytes = max_payload_bytes
        self._lease_s = LEASES * rules.timeout_s
        self._key = new_id(LEASED.rstrip("_"))
        self._tenure: Tenure | None = None
        self._waiting = _Waiting({})
        self._owner = Owner(
            database,
            destinations=DirectDestinations(crypto),
            sender=sender,
            follower=self._waiting,
            clock=self._clock,
            slots=slots,
        )
        self._renewing = Every("lease of webhooks", self._lease_s / 4, self._renew)
        self._looking = Every("breakers of webhooks", LOOK_S, self._look)
        self._open_until: Mapping[str, float] = {}
        self._step = asyncio.Lock()  # a statement that is cut off leaves its connection to the garbage collector

    @classmethod
    async def open(cls, settings: Settings, rules: Rules, crypto: EncryptionService) -> Self:
        """Over the store of the settings, which must be migrated. Raises Unavailable, Misconfigured."""
        clock, guard = SystemClock(), guard_of(settings)
        local = cls(
            Database.open(settings, Context.WEBHOOKS),
            crypto,
            guard,
            open_sender(settings, guard, clock),
            rules,
            slots=settings.webhook_max_in_flight,
            max_payload_bytes=settings.webhook_max_payload_bytes,
            clock=clock,
        )
        await local.begin()
        return local

    async def begin(self) -> None:
        """Take a lease and start to deliver. Raises Unavailable."""
        epoch = await self._owner.owners.take(self._key, self._key, self._lease_s)
        assert epoch is not None, "the key is new"
        self._tenure = Tenure(self._key, epoch)
        await self._look()
        self._owner.begin(self._tenure, self._key)
        self._renewing.start()
        self._looking.start()

    @property
    def fenced(self) -> bool:
        """Whether another owner has taken over: open a new one."""
        return self._waiting.are_fenced

    async def aclose(self, limit_s: float = DRAIN_S) -> None:
        """Let what is on its way end within `limit_s` seconds; what waits for a retry is left to whoever comes next."""
        async with self._step:
            await self._looking.aclose()
        cut = await self._owner.aclose(limit_s)
        async with self._step:
            await self._renewing.aclose()
        if cut:
            log.warning("requests of webhooks were cut off, and are sent again by whoever comes next", requests=cut)
        if self._tenure is not None:
            await self._owner.owners.release(self._tenure.key, self._tenure.epoch)
        if isinstance(self._sender, Sender):
            await self._sender.aclose()
        await self._database.aclose()

    async def deliver(
        self, webhook_id: str, event_type: str, payload: Mapping[str, Any], url: str, secret: str | None
    ) -> Delivery:
        """Store a delivery and send it once; returns it as it is after that request: DELIVERED, RETRYING or
        DEAD_LETTERED. While the breaker of the URL refuses, nothing is sent, and it is RETRYING.

        Raises InvalidInput and TooLarge, before anything is stored, for what can never be delivered; Unavailable where
        the store is away.
        """
        _check(webhook_id, secret)
        check_name(event_type)
        self._guard.url(url)
        body = body_of(payload, self._max_payload_bytes)
        delivery_id, wall, target_id = new_id("dlv"), self._clock.now(), target_of(LOCAL_ORG, url)
        await self._owner.lane(target_id, LOCAL_ORG, self._rules)
        event = EventRecord(delivery_id, LOCAL_ORG, event_type, body, wall)
        delivery = Delivery(
            delivery_id=delivery_id,
            event_id=delivery_id,
            org_id=LOCAL_ORG,
            webhook_id=webhook_id,
            target_id=target_id,
            event_type=event_type,
            status=DeliveryStatus.PENDING,
            created_at=wall,
            due_at=wall,
            budget_at=wall,
            direct=sealed(self._crypto, delivery_id, Direct(url, secret, self._rules)),
            holder=self._key,
        )
        held_s = refused_for_s(self._owner.queues.target(target_id), self._rules, self._clock.monotonic())
        if held_s > 0.0:
            delivery = held_back(delivery, held_s, wall)
        await self._owner.writer.enqueue(Enqueue(event, (delivery,), self._tenure))
        if held_s > 0.0:
            self._owner.push(delivery, event, held_s)
            return delivery
        return await self._outcome(delivery, event)

    def refuses(self, url: str) -> bool:
        """Whether the breaker of a URL is open; as old as `LOOK_S` seconds where another process delivers to it."""
        target_id, queues = target_of(LOCAL_ORG, url), self._owner.queues
        if target_id in queues:
            rules = queues.rules(target_id)
            return refused_for_s(queues.target(target_id), rules, self._clock.monotonic()) > 0.0
        return self._open_until.get(target_id, 0.0) > self._clock.now()

    async def dead_letters(self, limit: int) -> Sequence[Delivery]:
        """Up to `limit` dead letters, those that died last first. Raises Unavailable."""
        return await self._owner.overview.last_dead(LOCAL_ORG, limit)

    async def retry(self, delivery_id: str) -> bool:
        """Send a dead letter again, with all its retries; False where there is none of this id. Raises Unavailable."""
        try:
            delivery = await self._owner.store.get(LOCAL_ORG, delivery_id)
        except NotFound:
            return False
        if delivery.status is not DeliveryStatus.DEAD_LETTERED:
            return False
        after = revived(delivery, self._clock.now())
        if delivery.direct is not None:
            after = replace(after, holder=self._key)
        told = await self._owner.writer.revived(Revived(after, tenure=self._tenure))
        if told.effect is Effect.STALE:
            return False
        if after.direct is not None:
            await self._owner.take_up([after])
        return True

    async def summary(self) -> Summary:
        """What became of all deliveries. Raises Unavailable."""
        return await self._owner.overview.summary(LOCAL_ORG)

    async def _outcome(self, delivery: Delivery, event: EventRecord) -> Delivery:
        """The delivery after its first request; as it was stored where that cannot be made for long."""
        outcome: asyncio.Future[Delivery] = asyncio.get_running_loop().create_future()
        self._waiting.outcomes[delivery.delivery_id] = outcome
        try:
            self._owner.push(delivery, event, 0.0)
            async with asyncio.timeout(self._lease_s):
                return await outcome
        except TimeoutError:
            return delivery
        finally:
            del self._waiting.outcomes[delivery.delivery_id]

    async def _renew(self) -> None:
        """Keep the lease; take over what the dead have left, and what found no room. Raises Unavailable."""
        assert self._tenure is not None
        async with self._step:
            if not await self._owner.owners.renew(self._key, self._tenure.epoch, self._lease_s):
                self._waiting.fenced()
                return
            await self._owner.adopt()
            await self._owner.refill()

    async def _look(self) -> None:
        """Read which breakers are open. Raises Unavailable."""
        async with self._step:
            self._open_until = await self._owner.overview.open_until()


def _check(webhook_id: str, secret: str | None) -> None:
    if not webhook_id or len(webhook_id) > MAX_NAME_CHARS or not webhook_id.isprintable():
        raise InvalidInput(f"webhook_id is a name of 1 to {MAX_NAME_CHARS} printable characters.")
    if secret is not None and not 0 < len(secret) <= MAX_SECRET_CHARS:
        raise InvalidInput(f"The secret is a text of 1 to {MAX_SECRET_CHARS} characters, or None to send unsigned.")
