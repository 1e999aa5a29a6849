"""Deliveries and dead letters over HTTP: shown with what was tried, sent again, cancelled, deleted."""

from __future__ import annotations

import asyncio
from collections.abc import Callable
from dataclasses import replace
from typing import Any

import httpx2
import pytest
from worlds.memory_dispatching import MemoryDispatching
from worlds.memory_server import RECEIVER
from worlds.webhook_deliveries import WALL, answered, delivery
from worlds.webhook_store import attempted

from aragora.errors import Unavailable
from aragora.server.webhooks import WebhookServices
from aragora.webhooks import reviving
from aragora.webhooks.body import with_delivery_id
from aragora.webhooks.fanout import PARKED_AT
from aragora.webhooks.model import DeliveryStatus

pytestmark = pytest.mark.slow

Make = Callable[..., Any]
BODY = '{"type": "debate_end", "data": {"share": 1e+22, "name": "\\u00e9"}}'


@pytest.fixture
async def its(create: Make) -> dict[str, str]:
    """Whose a delivery to a registered webhook is."""
    webhook_id = (await create(headers={"X-Token": "Bearer of-the-header"}))["webhook_id"]
    return {"webhook_id": webhook_id, "target_id": webhook_id}


async def test_a_delivery_is_shown_with_its_body_to_the_byte_and_every_attempt(
    client: httpx2.AsyncClient, enqueue: Make, its: dict[str, str]
) -> None:
    waits = delivery(1, **its)
    failing = replace(answered(503), text="busy", address="203.0.113.7")
    retrying = {"status": DeliveryStatus.RETRYING, "ended_at": None, "due_at": WALL + 9.0, "last_code": 503}
    await enqueue(waits, after=attempted(waits, failing, **retrying), body=BODY)

    answer = await client.get(f"/api/webhooks/deliveries/{waits.delivery_id}")
    shown = answer.json()
    (listed,) = (await client.get(f"/api/webhooks/{its['webhook_id']}/deliveries")).json()["deliveries"]

    assert with_delivery_id(BODY, waits.delivery_id).decode() in answer.text
    assert shown["payload"]["delivery_id"] == waits.delivery_id
    assert listed == {name: shown[name] for name in listed}
    assert (shown["status"], shown["attempts"], shown["due_at"], shown["last_code"]) == ("RETRYING", 1, WALL + 9.0, 503)
    assert shown["tries"] == [
        {
            "number": 1, "started_at": WALL + 1.0, "duration_s": 0.01, "status": 503, "error": "status",
            "message": "the receiver answered 503", "address": "203.0.113.7", "text": "busy",
        }
    ]  # fmt: skip
    assert shown["headers"] == {
        "Content-Type": "application/json", "webhook-id": "evt_1", "X-Webhook-Delivery-Id": waits.delivery_id,
        "X-Webhook-Event": "debate_end", "X-Token": "[set]",
    }  # fmt: skip


async def test_what_waits_for_a_webhook_that_is_not_enabled_is_due_at_no_time(
    client: httpx2.AsyncClient, enqueue: Make, its: dict[str, str]
) -> None:
    await enqueue(delivery(1, due_at=PARKED_AT, **its))
    (listed,) = (await client.get(f"/api/webhooks/{its['webhook_id']}/deliveries")).json()["deliveries"]
    stats = (await client.get(f"/api/webhooks/{its['webhook_id']}/stats")).json()
    assert (listed["status"], listed["due_at"]) == ("PENDING", None)
    assert (stats["waiting"], stats["oldest_due_at"], stats["next_try_at"]) == (1, None, None)


async def test_lists_are_newest_first_and_choose(
    client: httpx2.AsyncClient, enqueue: Make, its: dict[str, str]
) -> None:
    for number in range(1, 5):
        died = WALL + number if number % 2 else None
        kind = "consensus" if number == 4 else "debate_end"
        await enqueue(delivery(number, created_at=WALL + number, event_type=kind, **its), died=died)
    path = f"/api/webhooks/{its['webhook_id']}/deliveries"

    async def numbers(query: str) -> list[int]:
        found = (await client.get(f"{path}?{query}")).json()["deliveries"]
        return [int(one["delivery_id"][4:], 16) for one in found]

    first = (await client.get(f"{path}?limit=3")).json()
    assert await numbers("") == [4, 3, 2, 1]
    assert await numbers(f"limit=3&cursor={first['next_cursor']}") == [1]
    assert await numbers("status=DEAD_LETTERED") == [3, 1]
    assert await numbers("event_type=consensus") == [4]
    assert await numbers(f"since={WALL + 2}&until={WALL + 4}") == [3, 2]


async def test_a_delivery_is_sent_again_once_however_often_the_button_is_pressed(
    client: httpx2.AsyncClient, enqueue: Make, its: dict[str, str], dispatching: MemoryDispatching
) -> None:
    ended = delivery(1, **its)
    await enqueue(ended, after=attempted(ended))
    path = f"/api/webhooks/deliveries/{ended.delivery_id}"

    pressed = await asyncio.gather(*(client.post(f"{path}/resend") for _ in range(4)))

    assert {answer.status_code for answer in pressed} == {202}
    assert {answer.json()["status"] for answer in pressed} == {"PENDING"}
    shown = (await client.get(path)).json()
    assert (shown["status"], shown["attempts"], len(shown["tries"])) == ("PENDING", 1, 1)
    assert ("work", its["webhook_id"]) in dispatching.told


async def test_a_delivery_whose_retry_is_scheduled_is_not_sent_twice(
    client: httpx2.AsyncClient, enqueue: Make, its: dict[str, str], rows: Make
) -> None:
    waits = delivery(1, **its)
    retrying = {"status": DeliveryStatus.RETRYING, "ended_at": None, "due_at": WALL + 9.0}
    await enqueue(waits, after=attempted(waits, answered(500), **retrying))
    before = rows("SELECT * FROM webhook_deliveries")

    resent = await client.post(f"/api/webhooks/deliveries/{waits.delivery_id}/resend")
    retried = await client.post(f"/api/webhooks/dead-letters/{waits.delivery_id}/retry")

    assert (resent.status_code, resent.json()["error"]["code"]) == (409, "delivery_waits")
    assert (retried.status_code, retried.json()["error"]["code"]) == (409, "not_dead_lettered")
    assert rows("SELECT * FROM webhook_deliveries") == before


async def test_a_delivery_is_cancelled_once_and_one_that_has_ended_is_not(
    client: httpx2.AsyncClient, enqueue: Make, its: dict[str, str], dispatching: MemoryDispatching
) -> None:
    waits, ended = delivery(1, **its), delivery(2, **its)
    await enqueue(waits)
    await enqueue(ended, after=attempted(ended))

    told = [await client.post(f"/api/webhooks/deliveries/{waits.delivery_id}/cancel") for _ in range(2)]
    late = await client.post(f"/api/webhooks/deliveries/{ended.delivery_id}/cancel")

    assert [(one.status_code, one.json()["status"]) for one in told] == [(200, "CANCELLED")] * 2
    assert (late.status_code, late.json()["error"]["code"]) == (409, "delivery_ended")
    assert (f"cancelled {waits.delivery_id}", its["webhook_id"]) in dispatching.told
    assert (await client.get(f"/api/webhooks/deliveries/{waits.delivery_id}")).json()["due_at"] is None


async def test_a_dead_letter_is_shown_retried_and_deleted(
    client: httpx2.AsyncClient, enqueue: Make, its: dict[str, str], dispatching: MemoryDispatching
) -> None:
    dead, other = delivery(1, **its), delivery(2, **its)
    await enqueue(dead, died=WALL + 1.0)
    await enqueue(other, died=WALL + 2.0)
    path = "/api/webhooks/dead-letters"

    listed = (await client.get(path)).json()["dead_letters"]
    shown = (await client.get(f"{path}/{dead.delivery_id}")).json()
    retried = [await client.post(f"{path}/{dead.delivery_id}/retry") for _ in range(2)]
    purged = [await client.delete(f"{path}/{other.delivery_id}") for _ in range(2)]

    assert [one["delivery_id"] for one in listed] == [other.delivery_id, dead.delivery_id]
    assert (shown["status"], shown["last_error"], len(shown["tries"])) == (
        "DEAD_LETTERED",
        "the receiver answered 500",
        1,
    )
    assert [(one.status_code, one.json()["status"]) for one in retried] == [(202, "PENDING")] * 2
    assert [one.status_code for one in purged] == [204, 404]
    assert (await client.get(path)).json() == {"dead_letters": [], "next_cursor": None}
    assert (await client.get(f"{path}/{dead.delivery_id}")).status_code == 404
    assert ("work", its["webhook_id"]) in dispatching.told


async def test_many_are_retried_and_deleted_by_a_filter_and_audited(
    client: httpx2.AsyncClient, create: Make, enqueue: Make, its: dict[str, str], dispatching: MemoryDispatching
) -> None:
    gone = (await create(url=f"{RECEIVER}/gone"))["webhook_id"]
    for number in range(1, 9):
        kind = "consensus" if number > 6 else "debate_end"
        whose = {"webhook_id": gone, "target_id": gone} if number in (1, 2) else its
        await enqueue(delivery(number, event_type=kind, **whose), died=WALL + number)
    await client.delete(f"/api/webhooks/{gone}")
    dispatching.told.clear()
    path = "/api/webhooks/dead-letters"

    purged = await client.post(f"{path}/purge", json={"event_type": "consensus"})
    retried = await client.post(f"{path}/retry", json={"until": WALL + 6})
    nothing = await client.post(f"{path}/retry", json={"webhook_id": "wh-of-nobody"})

    assert (purged.status_code, purged.json()) == (202, {"purged": 2, "more": False})
    assert (retried.status_code, retried.json()) == (202, {"retried": 3, "skipped": 2, "more": False})
    assert nothing.json() == {"retried": 0, "skipped": 0, "more": False}
    assert dispatching.told == [("work", its["webhook_id"])]
    left = (await client.get(path)).json()["dead_letters"]
    assert [int(one["delivery_id"][4:], 16) for one in left] == [6, 2, 1]
    entries = (await client.get("/api/admin/audit?limit=6")).json()["entries"]
    assert [(one["action"].removeprefix("webhook."), one["details"]) for one in reversed(entries)][:4] == [
        ("purge_dead_letters", {"event_type": "consensus"}), ("purged_dead_letters", {"count": "2"}),
        ("retry_dead_letters", {"until": str(WALL + 6)}), ("retried_dead_letters", {"count": "3"}),
    ]  # fmt: skip


async def test_one_call_does_not_go_on_for_ever(
    client: httpx2.AsyncClient, enqueue: Make, its: dict[str, str], monkeypatch: pytest.MonkeyPatch
) -> None:
    monkeypatch.setattr(reviving, "BULK_MAX", 4)
    monkeypatch.setattr(reviving, "STEP", 2)
    for number in range(1, 8):
        await enqueue(delivery(number, **its), died=WALL + number)
    path = "/api/webhooks/dead-letters"
    assert (await client.post(f"{path}/retry")).json() == {"retried": 4, "skipped": 0, "more": True}
    assert (await client.post(f"{path}/purge")).json() == {"purged": 3, "more": False}


async def test_dead_letters_of_a_deleted_webhook_do_not_keep_a_call_from_the_others(
    client: httpx2.AsyncClient, create: Make, enqueue: Make, its: dict[str, str], monkeypatch: pytest.MonkeyPatch
) -> None:
    gone = (await create(url=f"{RECEIVER}/gone"))["webhook_id"]
    for number in range(1, 11):
        whose = {"webhook_id": gone, "target_id": gone} if number > 4 else its
        await enqueue(delivery(number, **whose), died=WALL + number)
    await client.delete(f"/api/webhooks/{gone}")
    monkeypatch.setattr(reviving, "BULK_MAX", 3)
    path = "/api/webhooks/dead-letters/retry"
    assert (await client.post(path)).json() == {"retried": 3, "skipped": 6, "more": True}
    assert (await client.post(path)).json() == {"retried": 1, "skipped": 6, "more": False}


async def test_many_are_retried_in_the_order_in_which_they_were_made_not_died(
    client: httpx2.AsyncClient, enqueue: Make, its: dict[str, str], services: WebhookServices
) -> None:
    for number in range(1, 6):
        await enqueue(delivery(number, created_at=WALL + number, **its), died=WALL + 100.0 - number)
    await client.post("/api/webhooks/dead-letters/retry")
    due = await services.deliveries.due(1e12, 10)
    assert [int(one.delivery_id[4:], 16) for one in due] == [1, 2, 3, 4, 5]
    assert len({one.due_at for one in due}) == 5, "no two at once: ids must not decide"


@pytest.mark.parametrize("body", [{"since": 5, "until": 5}, {"until": 1e300}, {"all": True}, {"since": "yesterday"}])
async def test_a_filter_that_makes_no_sense_deletes_nothing(
    body: dict[str, Any], client: httpx2.AsyncClient, enqueue: Make, its: dict[str, str]
) -> None:
    await enqueue(delivery(1, **its), died=WALL)
    for what in ("retry", "purge"):
        assert (await client.post(f"/api/webhooks/dead-letters/{what}", json=body)).status_code == 422
    assert len((await client.get("/api/webhooks/dead-letters")).json()["dead_letters"]) == 1


async def test_a_direct_delivery_is_sent_again_by_whoever_delivers_now(
    client: httpx2.AsyncClient, enqueue: Make, rows: Make, dispatching: MemoryDispatching
) -> None:
    await enqueue(delivery(1, webhook_id="wh-123", target_id="url_1", direct="{}", holder="manager_gone"), died=WALL)
    answer = await client.post(f"/api/webhooks/dead-letters/{delivery(1).delivery_id}/retry")
    assert answer.status_code == 202, answer.text
    assert rows("SELECT status, holder FROM webhook_deliveries") == [("PENDING", None)]
    assert dispatching.told == [("work", "url_1")]


async def test_a_delivery_whose_webhook_is_gone_is_not_sent_again(
    client: httpx2.AsyncClient, enqueue: Make, its: dict[str, str]
) -> None:
    await enqueue(delivery(1, **its), died=WALL)
    await client.delete(f"/api/webhooks/{its['webhook_id']}")
    for path in ("deliveries/{}/resend", "dead-letters/{}/retry"):
        refused = await client.post(f"/api/webhooks/{path.format(delivery(1).delivery_id)}")
        assert (refused.status_code, refused.json()["error"]["code"]) == (409, "webhook_gone")
    assert (await client.get(f"/api/webhooks/deliveries/{delivery(1).delivery_id}")).status_code == 200


async def test_a_dispatcher_that_is_away_does_not_undo_what_was_stored(
    client: httpx2.AsyncClient, enqueue: Make, its: dict[str, str], dispatching: MemoryDispatching
) -> None:
    await enqueue(delivery(1, **its), died=WALL)
    dispatching.failure = Unavailable("away")
    assert (await client.post("/api/webhooks/dead-letters/retry")).json()["retried"] == 1
    shown = (await client.get(f"/api/webhooks/deliveries/{delivery(1).delivery_id}")).json()
    assert shown["status"] == "PENDING"


async def test_figures_tell_how_a_webhook_does(
    client: httpx2.AsyncClient, enqueue: Make, its: dict[str, str], services: WebhookServices
) -> None:
    now = services.registering._clock.now()
    for number, code in enumerate((200, 200, 200, 500), 1):
        one = delivery(number, created_at=now, due_at=now, budget_at=now, **its)
        ends = {} if code == 200 else {"status": DeliveryStatus.RETRYING, "ended_at": None, "due_at": now + 60.0}
        await enqueue(one, after=attempted(one, answered(code, duration_s=number / 10), at=now - 5.0, **ends))

    stats = (await client.get(f"/api/webhooks/{its['webhook_id']}/stats?hours=1")).json()

    assert (stats["attempts"], stats["delivered"], stats["success_rate"]) == (4, 3, 0.75)
    assert (stats["p50_s"], stats["p99_s"]) == (0.2, 0.4)
    assert (stats["waiting"], stats["dead_lettered"]) == (1, 0)
    assert stats["oldest_due_at"] == stats["next_try_at"] == pytest.approx(now + 60.0)
    assert stats["until"] - stats["since"] == pytest.approx(3_600.0)
    await client.post(f"/api/webhooks/{its['webhook_id']}/pause")
    assert (await client.get(f"/api/webhooks/{its['webhook_id']}/stats")).json()["next_try_at"] is None
