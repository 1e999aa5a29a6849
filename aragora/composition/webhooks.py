"""The feature `webhooks`: endpoints and deliveries over HTTP. Its stores open with first use; who delivers is given."""

from __future__ import annotations

import asyncio
from contextlib import AsyncExitStack

from starlette.middleware import Middleware

from aragora.clock import Clock
from aragora.composition.encrypted_stores import marks
from aragora.config.settings import Settings
from aragora.debate.store.debates import DebateStore
from aragora.identity.parts import IdentityParts
from aragora.observability.registry import REGISTRY, Registry
from aragora.secrets.encryption import EncryptionService
from aragora.server.chapters.webhook_deliveries import webhook_deliveries
from aragora.server.chapters.webhook_replays import webhook_replays
from aragora.server.chapters.webhooks import webhooks
from aragora.server.feature import Feature, Layer, Stage
from aragora.server.middleware.own_deliveries import OwnDeliveriesMiddleware
from aragora.server.webhooks import WebhookPorts, WebhookServices
from aragora.storage.contexts import Context
from aragora.storage.database import Database
from aragora.webhooks import counting
from aragora.webhooks.egress import USER_AGENT
from aragora.webhooks.guard import Guard, Refused
from aragora.webhooks.happenings import Happenings
from aragora.webhooks.ports import Dispatching
from aragora.webhooks.registering import CheckUrl, Registering
from aragora.webhooks.replays import Replays
from aragora.webhooks.resolver import Resolver
from aragora.webhooks.retention import DAY_S, counted
from aragora.webhooks.reviving import Reviving
from aragora.webhooks.selecting import Selecting
from aragora.webhooks.store.deliveries import DeliveryStore
from aragora.webhooks.store.endpoints import EndpointStore
from aragora.webhooks.store.purging import DeliveryPurge
from aragora.webhooks.store.replayable import Replayable
from aragora.webhooks.store.replays import ReplayStore
from aragora.webhooks.store.writer import DeliveryWriter


def open_webhooks(
    settings: Settings,
    parts: IdentityParts,
    dispatching: Dispatching,
    clock: Clock,
    *,
    guard: Guard,
) -> Feature[WebhookPorts]:
    """Webhooks in the store of the settings, sealed with the key and audited in the log of identity.

    Args:
        dispatching: who delivers.
        guard: judges the URLs of endpoints, as it judges every connection.
    """
    access = WebhookAccess(settings, parts.crypto, guard, clock)
    return Feature(
        "webhooks",
        WebhookPorts(access.services, dispatching, parts, parts.limits, clock),
        # `replays` and `dead-letters` first: they are no ids of webhooks.
        chapters=(webhook_replays, webhook_deliveries, webhooks),
        layers=(Layer(Stage.ORIGIN, Middleware(OwnDeliveriesMiddleware, product=USER_AGENT.partition("/")[0])),),
        closers=(access.aclose,),
    )


class WebhookAccess:
    """Gives the one set of services of this process."""

    def __init__(self, settings: Settings, crypto: EncryptionService, guard: Guard, clock: Clock) -> None:
        self._settings = settings
        self._crypto = crypto
        self._guard = guard
        self._clock = clock
        self._opening = asyncio.Lock()
        self._open = AsyncExitStack()
        self._services: WebhookServices | None = None

    async def services(self) -> WebhookServices:
        """The services; they connect with their first operation."""
        async with self._opening:
            if self._services is None:
                async with marks(self._settings, self._clock) as noted:
                    self._crypto.refuse_plaintext_in(await noted.all())
                self._services = self._opened()
            return self._services

    async def aclose(self) -> None:
        """Write what was submitted, and close the connections."""
        self._services = None
        await self._open.aclose()

    def _opened(self) -> WebhookServices:
        database = Database.open(self._settings, Context.WEBHOOKS)
        self._open.push_async_callback(database.aclose)
        writer = DeliveryWriter(database)
        self._open.push_async_callback(writer.aclose)
        resolver = Resolver(self._guard, clock=self._clock)
        self._open.push_async_callback(resolver.close)
        deliveries = DeliveryStore(database)
        endpoints = EndpointStore(database, self._clock, self._crypto)
        debates = Database.open(self._settings, Context.DEBATES)
        self._open.push_async_callback(debates.aclose)
        journals = DebateStore(debates)
        selecting = Selecting(Replayable(database), journals, Happenings(journals, self._clock))
        purging = DeliveryPurge(database, counted, self._clock)
        return WebhookServices(
            Registering(
                endpoints,
                writer,
                counting_refusals(resolver.check),
                self._clock,
                limit=self._settings.webhook_max_endpoints,
            ),
            Reviving(deliveries, endpoints, writer, purging, self._clock),
            deliveries,
            Replays(
                ReplayStore(database),
                endpoints,
                selecting,
                self._clock,
                delivered_s=self._settings.webhook_delivered_days * DAY_S,
            ),
        )


def counting_refusals(check_url: CheckUrl, registry: Registry = REGISTRY) -> CheckUrl:
    """`check_url`, which counts what the guard refuses: somebody tried to have us reach inside."""

    async def check(url: str) -> None:
        try:
            await check_url(url)
        except Refused as refused:
            registry.inc(counting.BLOCKED, reason=refused.reason.value)
            raise

    return check
