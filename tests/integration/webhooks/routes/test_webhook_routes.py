"""Webhooks over HTTP: registered, changed, rotated, deleted; audited, and told to the dispatcher."""

from __future__ import annotations

from collections.abc import Callable
from dataclasses import replace
from typing import Any

import httpx2
import pytest
from standins.names import Names
from worlds.memory_dispatching import MemoryDispatching
from worlds.memory_server import RECEIVER, Served
from worlds.webhook_deliveries import answered, delivery, failed

from aragora.errors import Unavailable
from aragora.server.webhooks import WebhookServices
from aragora.webhooks.egress import USER_AGENT
from aragora.webhooks.model import Failure, TargetRow
from aragora.webhooks.store.units import KeepTarget

pytestmark = pytest.mark.slow

SECRET = "a-secret-that-i-chose"
TOKEN = "Bearer of-the-header"
UNKNOWN = f"wh_{1:032x}"
Make = Callable[..., Any]


async def test_a_webhook_is_shown_as_it_was_made_with_its_secret_once(client: httpx2.AsyncClient, create: Make) -> None:
    wanted = {
        "description": "for the wiki",
        "headers": {"X-Token": TOKEN},
        "filter": {"domain": ["law", "tax"]},
        "payload": "thin",
        "schedule": "runbook",
        "rate_per_s": 5.0,
        "max_in_flight": 2,
        "fifo": True,
        "retry_4xx": False,
        "give_up_after_s": 3600.0,
    }
    made = await create(**wanted)
    webhook_id = made["webhook_id"]

    shown = (await client.get(f"/api/webhooks/{webhook_id}")).json()
    (listed,) = (await client.get("/api/webhooks")).json()["webhooks"]

    assert made.pop("secret").startswith("whsec_")
    assert made.pop("standard_secret").startswith("whsec_")
    assert made == shown == listed
    assert {name: shown[name] for name in wanted} == {**wanted, "headers": {"X-Token": "[set]"}}
    assert (shown["url"], shown["status"], shown["version"], shown["created_by"]) == (RECEIVER, "enabled", 1, "local")


async def test_a_chosen_secret_comes_with_the_form_that_libraries_take(create: Make) -> None:
    made = await create(secret=SECRET)
    assert made["secret"] == SECRET
    assert made["standard_secret"] == "whsec_YS1zZWNyZXQtdGhhdC1pLWNob3Nl"


async def test_the_same_url_and_events_are_refused_the_second_time(client: httpx2.AsyncClient, create: Make) -> None:
    await create(events=["debate_end", "consensus"])
    again = await client.post("/api/webhooks", json={"url": RECEIVER, "events": ["consensus", "debate_end"]})
    assert (again.status_code, again.json()["error"]["code"]) == (409, "webhook_exists")
    assert len((await client.get("/api/webhooks")).json()["webhooks"]) == 1
    await create(events=["consensus"])


async def test_lists_go_on_where_they_ended_and_choose_by_status(client: httpx2.AsyncClient, create: Make) -> None:
    ids = [(await create(url=f"{RECEIVER}/{number}"))["webhook_id"] for number in range(5)]
    await client.post(f"/api/webhooks/{ids[3]}/pause")

    found, cursor = [], None
    for _ in range(3):
        page = (await client.get("/api/webhooks", params={"limit": 2, **({"cursor": cursor} if cursor else {})})).json()
        found += [one["webhook_id"] for one in page["webhooks"]]
        cursor = page["next_cursor"]
    paused = (await client.get("/api/webhooks?status=paused")).json()["webhooks"]

    assert (found, cursor) == (ids, None)
    assert [one["webhook_id"] for one in paused] == [ids[3]]
    for query in ("limit=0", "limit=201", "cursor=bogus", "status=asleep"):
        assert (await client.get(f"/api/webhooks?{query}")).status_code == 422


async def test_a_change_changes_what_it_names_and_a_stale_one_is_refused(
    client: httpx2.AsyncClient, create: Make
) -> None:
    made = await create(headers={"X-Token": TOKEN}, rate_per_s=5.0)
    path = f"/api/webhooks/{made['webhook_id']}"

    changed = await client.patch(path, json={"version": 1, "events": ["*"], "rate_per_s": None})
    stale = await client.patch(path, json={"version": 1, "description": "too late"})

    assert changed.status_code == 200, changed.text
    expected = {**made, "events": ["*"], "rate_per_s": None, "version": 2, "updated_at": changed.json()["updated_at"]}
    assert changed.json() == {name: value for name, value in expected.items() if "secret" not in name or "old" in name}
    assert (stale.status_code, stale.json()["error"]["code"]) == (409, "version_conflict")
    assert (await client.get(path)).json() == changed.json()


async def test_a_rotation_overlaps_and_is_finished(
    client: httpx2.AsyncClient, create: Make, services: WebhookServices
) -> None:
    made = await create(secret=SECRET)
    path = f"/api/webhooks/{made['webhook_id']}"

    rotated = (await client.post(f"{path}/rotate", json={"overlap_hours": 2})).json()
    during = await services.registering.store.get("local", made["webhook_id"])
    shown = (await client.get(path)).json()
    finished = (await client.post(f"{path}/rotate/finish")).json()
    after = await services.registering.store.get("local", made["webhook_id"])

    assert rotated["secret"] == during.secret == after.secret != SECRET
    assert [one.secret for one in during.old_secrets] == [SECRET]
    (ends_at,) = shown["old_secrets_end_at"]
    assert ends_at == pytest.approx(shown["updated_at"] + 7_200.0, abs=1.0)
    assert (finished["old_secrets_end_at"], after.old_secrets) == ([], ())
    assert not {"secret", "standard_secret"} & (shown.keys() | finished.keys())


async def test_a_fourth_old_secret_and_the_same_secret_are_refused(client: httpx2.AsyncClient, create: Make) -> None:
    path = f"/api/webhooks/{(await create(secret=SECRET))['webhook_id']}/rotate"
    same = await client.post(path, json={"secret": SECRET})
    told = [(await client.post(path)).status_code for _ in range(4)]
    assert (same.status_code, told) == (422, [200, 200, 200, 409])


async def test_a_status_has_its_reason_and_enabling_forgets_the_failures(
    client: httpx2.AsyncClient, create: Make, rows: Make, services: WebhookServices, enqueue: Make
) -> None:
    webhook_id = (await create())["webhook_id"]
    path = f"/api/webhooks/{webhook_id}"
    await services.registering._writer.keep(
        KeepTarget(TargetRow(webhook_id, "open", 7, failing_since=5.0, failures=20))
    )

    disabled = (await client.post(f"{path}/disable", json={"reason": "moved away"})).json()
    failing = (await client.get(f"{path}/stats")).json()
    paused = (await client.post(f"{path}/pause")).json()
    enabled = (await client.post(f"{path}/enable")).json()
    well = (await client.get(f"{path}/stats")).json()

    assert (disabled["status"], disabled["reason"]) == ("disabled", "moved away")
    assert (paused["status"], paused["reason"], enabled["status"], enabled["reason"]) == ("paused", "", "enabled", "")
    assert (failing["breaker"], failing["consecutive_failures"], failing["failing_since"]) == ("open", 7, 5.0)
    assert (well["breaker"], well["consecutive_failures"], well["failing_since"]) == ("closed", 0, None)
    assert rows("SELECT failures FROM webhook_targets") == [(0,)]


async def test_a_deletion_cancels_what_waits(
    client: httpx2.AsyncClient, create: Make, enqueue: Make, rows: Make
) -> None:
    webhook_id = (await create())["webhook_id"]
    its = {"webhook_id": webhook_id, "target_id": webhook_id}
    await enqueue(delivery(1, **its))
    await enqueue(delivery(2, **its), died=1_800_000_005.0)

    gone = await client.delete(f"/api/webhooks/{webhook_id}")
    again = await client.delete(f"/api/webhooks/{webhook_id}")

    assert (gone.status_code, again.status_code) == (204, 404)
    assert (await client.get("/api/webhooks")).json() == {"webhooks": [], "next_cursor": None}
    found = rows("SELECT status FROM webhook_deliveries ORDER BY delivery_id")
    assert found == [("CANCELLED",), ("DEAD_LETTERED",)]


async def test_the_dispatcher_hears_of_every_change(
    client: httpx2.AsyncClient, create: Make, dispatching: MemoryDispatching
) -> None:
    webhook_id = (await create())["webhook_id"]
    path = f"/api/webhooks/{webhook_id}"
    steps: list[tuple[str, str, Any]] = [
        ("PATCH", "", {"version": 1, "fifo": True}), ("POST", "/pause", None), ("POST", "/disable", None),
        ("POST", "/enable", None), ("POST", "/rotate", None), ("POST", "/rotate/finish", None), ("DELETE", "", None),
    ]  # fmt: skip
    for method, what, body in steps:
        before = len(dispatching.told)
        assert (await client.request(method, path + what, json=body)).is_success
        assert ("changed", webhook_id) in dispatching.told[before:], what
    assert dispatching.told.count(("work", webhook_id)) == 1  # enabled: what has waited goes out


async def test_what_was_stored_stays_stored_where_the_dispatcher_does_not_answer(
    client: httpx2.AsyncClient, create: Make, dispatching: MemoryDispatching
) -> None:
    dispatching.failure = Unavailable("away")
    path = f"/api/webhooks/{(await create())['webhook_id']}"

    paused = await client.post(f"{path}/pause")
    tested = await client.post(f"{path}/test")

    assert (paused.status_code, (await client.get(path)).json()["status"]) == (200, "paused")
    assert (tested.status_code, tested.json()["error"]["code"]) == (503, "unavailable")


async def test_a_test_tells_what_the_receiver_did(
    client: httpx2.AsyncClient, create: Make, dispatching: MemoryDispatching
) -> None:
    webhook_id = (await create())["webhook_id"]
    path = f"/api/webhooks/{webhook_id}/test"
    dispatching.answer = replace(answered(503, duration_s=0.5), text="x" * 5_000)
    refused = (await client.post(path, json={"event_type": "debate_end"})).json()
    dispatching.answer = failed(Failure.BLOCKED)
    blocked = (await client.post(path)).json()

    assert refused == {
        "delivered": False, "status": 503, "duration_s": 0.5, "error": "status",
        "message": "the receiver answered 503", "text": "x" * 1_024,
    }  # fmt: skip
    assert (blocked["delivered"], blocked["status"], blocked["error"]) == (False, None, "blocked")
    assert dispatching.told[1:] == [("test debate_end", webhook_id), ("test webhook.test", webhook_id)]


async def test_a_webhook_is_tested_five_times_a_minute(
    client: httpx2.AsyncClient, create: Make, dispatching: MemoryDispatching
) -> None:
    one, other = (await create())["webhook_id"], (await create(url=f"{RECEIVER}/2"))["webhook_id"]
    told = [(await client.post(f"/api/webhooks/{one}/test")).status_code for _ in range(6)]
    last = await client.post(f"/api/webhooks/{one}/test")

    assert told == [200] * 5 + [429]
    assert int(last.headers["retry-after"]) >= 1
    assert (await client.post(f"/api/webhooks/{other}/test")).status_code == 200
    assert sum(what.startswith("test") for what, _ in dispatching.told) == 6
    limits = (await client.get("/api/system/rate-limits")).json()["rate_limits"]
    assert {"name": "webhook_test", "limit": "5/minute", "refused": 2} in limits


async def test_event_types_are_listed_with_schema_and_example(client: httpx2.AsyncClient) -> None:
    types = {one["name"]: one for one in (await client.get("/api/webhooks/event-types")).json()["event_types"]}
    assert {"debate_end", "consensus", "webhook.disabled", "vote"} <= types.keys()
    assert (types["vote"]["high_volume"], types["debate_end"]["high_volume"]) == (True, False)
    assert types["debate_end"]["schema"]["properties"].keys() >= types["debate_end"]["example"].keys()


async def test_every_change_is_in_the_audit_log_and_a_refused_one_says_so(
    client: httpx2.AsyncClient, create: Make
) -> None:
    webhook_id = (await create())["webhook_id"]
    path = f"/api/webhooks/{webhook_id}"
    for method, what, body in (
        ("PATCH", "", {"version": 1, "fifo": True, "description": "d"}), ("PATCH", "", {"version": 1, "fifo": False}),
        ("POST", "/pause", None), ("POST", "/disable", None), ("POST", "/enable", None), ("POST", "/test", None),
        ("POST", "/rotate", {"overlap_hours": 0.5}), ("POST", "/rotate/finish", None), ("DELETE", "", None),
    ):  # fmt: skip
        await client.request(method, path + what, json=body)
    refused = await client.post("/api/webhooks", json={"url": "http://10.0.0.1/", "events": ["*"]})

    entries = (await client.get("/api/admin/audit")).json()["entries"]

    assert refused.status_code == 422
    told = [(one["action"].removeprefix("webhook."), one["outcome"], one["details"]) for one in reversed(entries)]
    assert told == [
        ("create", "success", {}), ("change", "success", {"fields": "description,fifo"}),
        ("change", "success", {"fields": "fifo"}), ("change", "failure", {"reason": "version_conflict"}),
        ("pause", "success", {}), ("disable", "success", {}), ("enable", "success", {}),
        ("test", "success", {"event_type": "webhook.test"}), ("rotate", "success", {"overlap_hours": "0.5"}),
        ("finish_rotation", "success", {}), ("delete", "success", {}),
    ]  # fmt: skip
    assert {(one["target"], one["actor"], one["org_id"]) for one in entries} == {(webhook_id, "local", "local")}


async def test_who_may_not_manage_webhooks_is_refused(server: Served, client: httpx2.AsyncClient) -> None:
    member = {"X-User-ID": "u", "X-Org-ID": "local", "X-User-Roles": "member"}
    owner = {**member, "X-User-Roles": "owner"}
    tried = 0
    for chapter in server.features["webhooks"].chapters:
        for route in chapter.routes:
            path = route.path.format(webhook_id=UNKNOWN, delivery_id="dlv_1", replay_id="rpl_1")
            for method in route.methods:
                refused = await client.request(method, path, headers=member)
                assert (refused.status_code, refused.json()["error"]["code"]) == (403, "forbidden"), path
                assert (await client.request(method, path, headers=owner)).status_code != 403, path
                tried += 1
    assert tried == 28


async def test_static_paths_are_not_taken_for_ids(client: httpx2.AsyncClient) -> None:
    for name, field in (("event-types", "event_types"), ("dead-letters", "dead_letters")):
        assert field in (await client.get(f"/api/webhooks/{name}")).json()
    for what in ("retry", "purge"):
        assert (await client.post(f"/api/webhooks/dead-letters/{what}")).status_code == 202
    for path in ("deliveries", "replays"):
        assert (await client.get(f"/api/webhooks/{path}")).json()["error"]["message"] == f"there is no webhook {path}"


async def test_a_delivery_of_our_own_that_comes_back_does_nothing(client: httpx2.AsyncClient) -> None:
    """The loop: a webhook that leads here would open a debate, whose end would send the next one."""
    ours = {"User-Agent": USER_AGENT, "X-Webhook-Delivery-Id": f"dlv_{1:032x}"}
    body = {"url": RECEIVER, "events": ["debate_end"]}
    for path, sent in (("/api/debates", {"question": "Tea?"}), ("/api/webhooks", body), ("/api/nothing-here", {})):
        refused = await client.post(path, json=sent, headers=ours)
        assert (refused.status_code, refused.json()["error"]["code"]) == (409, "webhook_loop"), path
    assert (await client.get("/api/webhooks", headers=ours)).json()["webhooks"] == []
    assert (await client.get("/api/debates")).json()["debates"] == []
    for name, value in ours.items():
        alone = await client.post("/api/webhooks", json=body, headers={name: value})
        assert alone.status_code in (201, 409)
        assert alone.json().get("error", {}).get("code") != "webhook_loop"


async def test_a_name_is_looked_up_and_judged_when_it_is_registered_and_changed(
    client: httpx2.AsyncClient, create: Make, names: Names
) -> None:
    names.set("inside.example.com", "10.0.0.7")
    names.set("mixed.example.com", "127.0.0.1", "169.254.169.254")
    made = await create(url="http://hooks.example.com:8081/in")

    told = set()
    for host in ("inside", "mixed"):
        wanted = {"url": f"http://{host}.example.com/", "events": ["debate_end"]}
        for answer in (
            await client.post("/api/webhooks", json=wanted),
            await client.patch(f"/api/webhooks/{made['webhook_id']}", json={"version": 1, "url": wanted["url"]}),
        ):
            assert answer.status_code == 422, answer.text
            told.add(answer.json()["error"]["message"])
    told.add(
        (await client.post("/api/webhooks", json={"url": "http://own.test/", "events": ["*"]})).json()["error"][
            "message"
        ]
    )
    told.add(
        (await client.post("/api/webhooks", json={"url": "http://[::1]/", "events": ["*"]})).json()["error"]["message"]
    )

    assert len(told) == 1  # which of them stands behind our walls is not told
    assert names.asked_for("hooks.example.com") == 1


async def test_organisations_have_their_own_and_no_more_than_they_may(
    client: httpx2.AsyncClient, create: Make, services: WebhookServices
) -> None:
    await create()
    other = {"X-User-ID": "eve", "X-Org-ID": "org_2", "X-User-Roles": "owner"}
    body = {"url": RECEIVER, "events": ["debate_end"]}
    assert (await client.post("/api/webhooks", json=body, headers=other)).status_code == 201
    services.registering._limit = 1
    full = await client.post("/api/webhooks", json={**body, "events": ["consensus"]}, headers=other)
    assert (full.status_code, full.json()["error"]["code"]) == (409, "too_many_webhooks")
    assert len((await client.get("/api/webhooks", headers=other)).json()["webhooks"]) == 1


async def test_the_file_holds_no_url_secret_or_header_in_clear(create: Make, files: Make) -> None:
    await create(url=f"{RECEIVER}?token=of-the-url", secret=SECRET, headers={"X-Token": TOKEN})
    kept = files()
    assert b"debate_end" in kept
    assert [text for text in ("of-the-url", SECRET, TOKEN) if text.encode() in kept] == []
