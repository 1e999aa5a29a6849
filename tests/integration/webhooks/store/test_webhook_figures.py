"""What the metrics page shows of webhooks."""

from __future__ import annotations

from worlds.backends import SetClock
from worlds.webhook_deliveries import WALL, answered, delivery
from worlds.webhook_store import attempted, endpoint, enqueued

from actors.gateways.webhook_figures import COUNTED_S, WebhookFigures
from aragora.secrets.encryption import EncryptionService
from aragora.secrets.keyring import Keyring
from aragora.storage.database import Database
from aragora.webhooks.model import DeliveryStatus, TargetRow
from aragora.webhooks.store.endpoints import EndpointStore
from aragora.webhooks.store.units import KeepTarget
from aragora.webhooks.store.writer import DeliveryWriter


async def readings(figures: WebhookFigures) -> dict[str, float]:
    return {
        delta.sample.removeprefix("aragora_webhook_") + "".join(value for _, value in delta.labels): delta.amount
        for delta in await figures.gauges()
    }


async def test_the_page_tells_what_waits_and_for_how_long_and_which_breakers_refuse(
    database: Database, writer: DeliveryWriter
) -> None:
    clock = SetClock(WALL + 60.0)
    await EndpointStore(database, clock, EncryptionService(Keyring.ephemeral())).add(endpoint(1), limit=10)
    for number in (1, 2):
        await writer.enqueue(enqueued(delivery(number)))
    retrying = {"status": DeliveryStatus.RETRYING, "ended_at": None, "due_at": WALL + 90.0, "last_code": 500}
    await writer.attempted(attempted(delivery(1), answered(500), **retrying))
    for target_id, breaker, retry_at in (
        ("wh_1", "open", WALL + 90.0),
        ("wh_2", "open", WALL + 30.0),
        ("wh_3", "half_open", None),
        ("wh_4", "closed", None),
        ("url_5", "open", WALL + 90.0),
    ):
        await writer.keep(KeepTarget(TargetRow(target_id, breaker, 5, retry_at=retry_at)))
    figures = WebhookFigures(database, clock)

    assert await readings(figures) == {
        "circuit_breaker_statewh_1": 1.0,
        "circuit_breaker_statewh_2": 0.0,
        "circuit_breaker_statewh_3": 0.0,
        "waitingPENDING": 1.0,
        "waitingIN_PROGRESS": 0.0,
        "waitingRETRYING": 1.0,
        "endpointsenabled": 1.0,
        "endpointspaused": 0.0,
        "endpointsdisabled": 0.0,
        "endpointsunverified": 0.0,
        "oldest_due_seconds": 60.0,
    }


async def test_counts_are_as_old_as_half_a_minute_and_breakers_are_fresh(
    database: Database, writer: DeliveryWriter
) -> None:
    clock = SetClock(WALL)
    figures = WebhookFigures(database, clock)
    assert (await readings(figures))["waitingPENDING"] == 0.0
    await writer.enqueue(enqueued(delivery(1)))
    await writer.keep(KeepTarget(TargetRow("wh_1", "open", 5, retry_at=WALL + 60.0)))

    now = await readings(figures)
    assert (now["waitingPENDING"], now["circuit_breaker_statewh_1"]) == (0.0, 1.0)
    clock.at += COUNTED_S
    assert (await readings(figures))["waitingPENDING"] == 1.0
