"""The runbook's API of webhook delivery, typed as it is printed there, against receivers on loopback."""

from __future__ import annotations

import asyncio
import json
from collections.abc import AsyncIterator
from contextlib import asynccontextmanager
from pathlib import Path
from typing import Any

import pytest
from structlog.testing import capture_logs
from worlds.waiting import eventually

from aragora.config.settings import Settings
from aragora.errors import InvalidInput, TooLarge
from aragora.server.webhook_delivery import (
    Delivery,
    WebhookDeliveryManager,
    deliver_webhook,
    get_delivery_manager,
)
from aragora.webhooks.model import DeliveryStatus
from tests.contract.verify_signature import verify_signature
from tests.standins.receivers import Receiver, Visit, answer, answering, answering_in_turn, listening

LOOPBACK = {"webhook_allowed_networks": ("127.0.0.1/32",)}
SECRET = "your-secret-key"


@pytest.fixture
def settings(tmp_path: Path) -> Settings:
    return Settings(data_dir=tmp_path, **LOOPBACK)


@asynccontextmanager
async def manager_of(settings: Settings, **changes: Any) -> AsyncIterator[WebhookDeliveryManager]:
    manager = WebhookDeliveryManager(settings=settings, **changes)
    try:
        yield manager
    finally:
        await manager.stop()


async def delivered(manager: WebhookDeliveryManager, url: str, **payload: Any) -> Delivery:
    return await manager.deliver("wh-123", "debate_end", payload or {"debate_id": "d-456"}, url, SECRET)


async def test_the_runbook_s_first_lines_work_as_they_are_printed(
    tmp_path: Path, monkeypatch: pytest.MonkeyPatch, capsys: pytest.CaptureFixture[str]
) -> None:
    monkeypatch.setenv("ARAGORA_DATA_DIR", str(tmp_path))
    monkeypatch.setenv("ARAGORA_WEBHOOK_ALLOWED_NETWORKS", "127.0.0.1/32")
    async with listening(answering(answer(204))) as receiver:
        delivery = await deliver_webhook(
            webhook_id="wh-123",
            event_type="debate_end",
            payload={"debate_id": "d-456", "result": "consensus"},
            url=f"{receiver.url}/webhook",
            secret="your-hmac-secret",
        )
        print(f"Status: {delivery.status}")  # noqa: T201  as the runbook has it
        assert capsys.readouterr().out == "Status: DELIVERED\n"
        manager = await get_delivery_manager()
        assert manager is await get_delivery_manager()
        assert manager._is_circuit_open(f"{receiver.url}/webhook") is False
        metrics = await manager.get_metrics()
        await manager.stop()
    (request,) = receiver.received
    payload = json.loads(request.body)
    assert list(payload) == ["delivery_id", "debate_id", "result"]
    assert payload["delivery_id"] == delivery.delivery_id
    assert verify_signature(payload, request.header("X-Webhook-Signature") or "", "your-hmac-secret")
    assert set(metrics) == {"total_deliveries", "success_rate", "avg_latency_ms", "dead_lettered", "retries_pending"}
    assert (metrics["total_deliveries"], metrics["success_rate"]) == (1, 100.0)


async def test_a_delivery_that_fails_is_tried_again_while_the_loop_runs_and_then_a_dead_letter(
    settings: Settings,
) -> None:
    async with (
        listening(answering(answer(500))) as receiver,
        manager_of(settings, max_retries=2, base_delay_seconds=0.01) as manager,
    ):
        delivery = await delivered(manager, receiver.url)
        assert delivery.status == "RETRYING"

        async def dead() -> Any:
            return await manager.get_dead_letter_queue(limit=100)

        (letter,) = await eventually(dead)
        assert (letter.delivery_id, letter.event_type, letter.attempts) == (delivery.delivery_id, "debate_end", 3)
        assert letter.last_error == "answered 500 (Internal Server Error)"
        assert len(receiver.received) == 3
        assert [each.header("X-Webhook-Attempt") for each in receiver.received] == ["1", "2", "3"]
        assert len({each.header("webhook-id") for each in receiver.received}) == 1
        metrics = await manager.get_metrics()
        assert (metrics["dead_lettered"], metrics["success_rate"], metrics["retries_pending"]) == (1, 0.0, 0)


async def test_a_dead_letter_is_sent_again_once_under_its_id(settings: Settings) -> None:
    async with (
        listening(answering_in_turn(answer(500), answer(200))) as receiver,
        manager_of(settings, max_retries=0) as manager,
    ):
        delivery = await delivered(manager, receiver.url)
        assert delivery.status == "DEAD_LETTERED"
        assert await manager.retry_dead_letter(delivery_id=delivery.delivery_id)

        async def arrived() -> bool:
            metrics = await manager.get_metrics()
            return (metrics["dead_lettered"], metrics["success_rate"]) == (0, 100.0) and len(receiver.received) == 2

        await eventually(arrived)
        assert not await manager.retry_dead_letter(delivery.delivery_id), "it is no dead letter any more"
        assert not await manager.retry_dead_letter("dlv_unknown")
    first, second = receiver.received
    assert first.header("webhook-id") == second.header("webhook-id")
    assert first.body == second.body


async def test_after_five_failures_the_circuit_is_open_and_deliveries_are_queued_at_once(settings: Settings) -> None:
    async with listening(answering(answer(503))) as receiver, manager_of(settings, max_retries=0) as manager:
        for _ in range(5):
            await delivered(manager, receiver.url)
        assert manager._is_circuit_open(receiver.url) is True
        assert manager._is_circuit_open(f"{receiver.url}/other") is False
        held = await delivered(manager, receiver.url)
        assert (held.status, held.attempts) == ("RETRYING", 0)
        assert len(receiver.received) == 5
    async with manager_of(settings) as successor:
        await successor.start()
        assert successor._is_circuit_open(receiver.url) is True, "the next process knows it too"


@pytest.mark.parametrize(
    ("payload", "error"),
    [
        ({"n": float("nan")}, InvalidInput),
        ({"text": "\ud83d"}, InvalidInput),
        (["no object"], InvalidInput),
        ({"big": "x" * 300_000}, TooLarge),
        ({"not": {1, 2}}, InvalidInput),
    ],
)
async def test_what_can_never_be_delivered_is_refused_before_it_is_stored(
    settings: Settings, payload: Any, error: type[Exception]
) -> None:
    async with manager_of(settings) as manager:
        with pytest.raises(error):
            await manager.deliver("wh-123", "debate_end", payload, "http://127.0.0.1:8099/", SECRET)
        assert (await manager.get_metrics())["total_deliveries"] == 0


@pytest.mark.parametrize(
    "url", ["ftp://example.com/", "http://10.0.0.1/", "http://169.254.169.254/latest", "http://localhost/", "nonsense"]
)
async def test_a_url_that_leads_inside_or_nowhere_is_refused(settings: Settings, url: str) -> None:
    async with manager_of(settings) as manager:
        with pytest.raises(InvalidInput):
            await delivered(manager, url)
        assert (await manager.get_metrics())["total_deliveries"] == 0


@pytest.mark.parametrize("numbers", [{"max_retries": -1}, {"timeout_seconds": 0.0}, {"base_delay_seconds": 0.0}])
def test_numbers_that_make_no_sense_are_refused(numbers: dict[str, Any]) -> None:
    with pytest.raises(InvalidInput, match="give a number from"):
        WebhookDeliveryManager(**numbers)


async def test_no_secret_means_no_signature(settings: Settings) -> None:
    async with listening(answering(answer())) as receiver, manager_of(settings) as manager:
        await manager.deliver("wh-123", "anything.of.mine", {}, receiver.url)
    (request,) = receiver.received
    assert request.header("X-Webhook-Signature") is None
    assert request.header("webhook-signature") is None
    assert request.header("X-Webhook-Event") == "anything.of.mine"


async def test_what_a_process_leaves_behind_is_finished_by_the_next_and_never_sent_by_both(settings: Settings) -> None:
    async with listening(answering_in_turn(answer(500), answer(200))) as receiver:
        async with manager_of(settings, base_delay_seconds=0.2) as manager:
            delivery = await delivered(manager, receiver.url)
            assert delivery.status == "RETRYING"
        async with manager_of(settings) as successor:
            await successor.start()

            async def arrived() -> bool:
                return (await successor.get_metrics())["retries_pending"] == 0

            await eventually(arrived)
    assert [each.header("X-Webhook-Delivery-Id") for each in receiver.received] == [delivery.delivery_id] * 2


async def test_managers_side_by_side_deliver_what_is_theirs_and_nothing_twice(settings: Settings) -> None:
    async with (
        listening(answering(answer())) as receiver,
        manager_of(settings) as one,
        manager_of(settings) as other,
    ):
        made = await asyncio.gather(*(delivered(it, receiver.url, n=n) for n in range(25) for it in (one, other)))
    assert {each.status for each in made} == {DeliveryStatus.DELIVERED}
    ids = [each.header("X-Webhook-Delivery-Id") for each in receiver.received]
    assert len(ids) == len(set(ids)) == 50


async def test_a_receiver_that_hangs_delays_no_other(settings: Settings) -> None:
    released = asyncio.Event()

    async def hanging(visit: Visit) -> None:
        while True:
            await visit.request()
            await released.wait()
            await visit.send(answer())

    async with (
        listening(hanging) as hung,
        listening(answering(answer())) as healthy,
        manager_of(settings, max_retries=0) as manager,
    ):
        waiting = [asyncio.create_task(delivered(manager, hung.url)) for _ in range(20)]
        await eventually(lambda: hung.received)
        assert (await delivered(manager, healthy.url)).status == "DELIVERED"
        assert not any(task.done() for task in waiting)
        released.set()
        assert {each.status for each in await asyncio.gather(*waiting)} == {"DELIVERED"}


async def test_the_secret_is_in_no_log_no_file_and_no_header(settings: Settings, receiver_500: Receiver) -> None:
    secret = "a-secret-that-nobody-else-has"
    with capture_logs() as lines:
        async with manager_of(settings, max_retries=0) as manager:
            delivery = await manager.deliver("wh-1", "debate_end", {"a": 1}, f"{receiver_500.url}/t0ken", secret)
    assert secret not in repr(delivery) + str(lines)
    assert "t0ken" not in repr(delivery) + str(lines)
    for file in settings.data_dir.rglob("*"):
        if file.is_file():
            assert secret.encode() not in file.read_bytes(), file
            assert b"t0ken" not in file.read_bytes(), file
    assert all(secret not in value for each in receiver_500.received for _, value in each.headers)


@pytest.fixture
async def receiver_500() -> AsyncIterator[Receiver]:
    async with listening(answering(answer(500))) as receiver:
        yield receiver
