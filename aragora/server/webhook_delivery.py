"""The runbook's API of webhook delivery: `deliver_webhook`, `get_delivery_manager`, `WebhookDeliveryManager`.

It works in any process that sees the installation's settings, with a server beside it or without: what is delivered is
stored first, so a delivery that this process leaves behind is finished by the next one that looks. Retries are made
while the event loop of the caller runs.
"""

from __future__ import annotations

import asyncio
from collections.abc import Mapping, Sequence
from dataclasses import replace
from typing import Any, Final
from weakref import WeakKeyDictionary

from aragora.config.settings import Settings, settings_in
from aragora.errors import InvalidInput
from aragora.migrations.applying import apply_pending
from aragora.secrets.encryption import service_of
from aragora.webhooks.local import LocalDelivery
from aragora.webhooks.model import Delivery, DeliveryStatus, Rules

__all__ = ["Delivery", "DeliveryStatus", "WebhookDeliveryManager", "deliver_webhook", "get_delivery_manager"]

_DEFAULTS: Final = Rules()
_managers: Final[WeakKeyDictionary[asyncio.AbstractEventLoop, WebhookDeliveryManager]] = WeakKeyDictionary()


async def deliver_webhook(
    webhook_id: str, event_type: str, payload: Mapping[str, Any], url: str, secret: str | None = None
) -> Delivery:
    """Deliver one payload with the manager of this process (`WebhookDeliveryManager.deliver`)."""
    return await (await get_delivery_manager()).deliver(webhook_id, event_type, payload, url, secret)


async def get_delivery_manager() -> WebhookDeliveryManager:
    """The manager of this event loop, with the default settings; it is made with the first call. Raises Misconfigured
    for a wrong environment, Unavailable where the store is away."""
    loop = asyncio.get_running_loop()
    manager = _managers.get(loop)
    if manager is None:
        manager = _managers[loop] = WebhookDeliveryManager()
    await manager.start()
    return manager


class WebhookDeliveryManager:
    """Delivers webhooks, tries again, keeps dead letters. Belongs to one event loop.

    Args:
        max_retries: retries after the first request.
        base_delay_seconds: before the first retry; doubled with each.
        max_delay_seconds: the longest pause. Up to half as much again comes on top of each, at random.
        timeout_seconds: for one request, from the connection to the end of the answer.
        circuit_breaker_threshold: failures in a row after which a URL gets nothing for a minute.
        settings: those of another installation than the environment's.
    """

    def __init__(
        self,
        max_retries: int = _DEFAULTS.max_retries,
        base_delay_seconds: float = _DEFAULTS.base_s,
        max_delay_seconds: float = _DEFAULTS.max_s,
        timeout_seconds: float = _DEFAULTS.timeout_s,
        circuit_breaker_threshold: int = _DEFAULTS.failure_threshold,
        *,
        settings: Settings | None = None,
    ) -> None:
        """Raises InvalidInput for a number that makes no sense."""
        _check(
            max_retries=(max_retries, 0, 100),
            base_delay_seconds=(base_delay_seconds, 0.01, 3_600.0),
            max_delay_seconds=(max_delay_seconds, base_delay_seconds, 86_400.0),
            timeout_seconds=(timeout_seconds, 0.1, 300.0),
            circuit_breaker_threshold=(circuit_breaker_threshold, 1, 10_000),
        )
        self._rules = replace(
            _DEFAULTS,
            max_retries=max_retries,
            base_s=base_delay_seconds,
            max_s=max_delay_seconds,
            timeout_s=timeout_seconds,
            failure_threshold=circuit_breaker_threshold,
        )
        self._settings = settings
        self._starting = asyncio.Lock()
        self._local: LocalDelivery | None = None

    async def start(self) -> None:
        """Open the store, which is made where there is none; every other method does it too. Raises Misconfigured,
        Unavailable."""
        await self._opened()

    async def stop(self) -> None:
        """Let requests end that are on their way, and close. What waits for a retry stays in the store."""
        async with self._starting:
            local, self._local = self._local, None
        if local is not None:
            await local.aclose()

    async def deliver(
        self, webhook_id: str, event_type: str, payload: Mapping[str, Any], url: str, secret: str | None = None
    ) -> Delivery:
        """Store a delivery, send it once, and return it as it is then: its `status` is DELIVERED, RETRYING or
        DEAD_LETTERED. While the circuit of the URL is open nothing is sent, and it is RETRYING.

        Args:
            webhook_id: a name of the caller's for what is delivered to.
            event_type: of the runbook's types or any other name.
            payload: a JSON object. It goes out with `delivery_id` as its first member.
            url: where it goes: never to an internal address (ARAGORA_WEBHOOK_ALLOWED_NETWORKS).
            secret: with one the request is signed (docs/webhooks.md).

        Raises InvalidInput and TooLarge for what can never be delivered, before anything is stored; Unavailable where
        the store is away.
        """
        return await (await self._opened()).deliver(webhook_id, event_type, payload, url, secret)

    async def get_dead_letter_queue(self, limit: int = 100) -> Sequence[Delivery]:
        """Up to `limit` dead letters, those that died last first. Raises Unavailable."""
        _check(limit=(limit, 1, 100_000))
        return await (await self._opened()).dead_letters(limit)

    async def retry_dead_letter(self, delivery_id: str) -> bool:
        """Send a dead letter again under the same id, with all its retries. False where there is none of this id.
        Raises Unavailable."""
        return await (await self._opened()).retry(delivery_id)

    async def get_metrics(self) -> dict[str, float]:
        """What became of all deliveries that are kept: `total_deliveries`, `success_rate` (percent of those that have
        ended), `avg_latency_ms` (of a request), `dead_lettered`, `retries_pending`. Raises Unavailable."""
        summary = await (await self._opened()).summary()
        ended = summary.delivered + summary.dead_lettered
        return {
            "total_deliveries": summary.total,
            "success_rate": round(100.0 * summary.delivered / ended, 2) if ended else 100.0,
            "avg_latency_ms": round(1000.0 * summary.mean_duration_s, 2),
            "dead_lettered": summary.dead_lettered,
            "retries_pending": summary.retrying,
        }

    def _is_circuit_open(self, url: str) -> bool:
        """Whether deliveries to this URL wait because the last ones failed; as old as a second where another process
        delivers to it. The runbook calls it by this name."""
        return self._local is not None and self._local.refuses(url)

    async def _opened(self) -> LocalDelivery:
        async with self._starting:
            if self._local is not None and self._local.fenced:  # it hung for longer than its lease
                fenced, self._local = self._local, None
                await fenced.aclose(0.0)
            if self._local is None:
                settings = self._settings or settings_in(None)
                await apply_pending(settings)
                self._local = await LocalDelivery.open(settings, self._rules, service_of(settings))
            return self._local


def _check(**numbers: tuple[float, float, float]) -> None:
    """Raises InvalidInput for a value that is not from the first bound to the second."""
    for name, (value, low, high) in numbers.items():
        if not low <= value <= high:
            raise InvalidInput(f"{name} is {value}: give a number from {low:g} to {high:g}.")
