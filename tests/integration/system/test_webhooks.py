"""Webhooks of a live server: what happens in a debate arrives at a receiver, signed, in order of its happening."""

from __future__ import annotations

import base64
import hashlib
import hmac
import json
import sqlite3
import time
from collections.abc import Iterator
from contextlib import closing
from threading import Event
from typing import Any

import psutil
import pytest
from cryptography.hazmat.primitives.asymmetric.ed25519 import Ed25519PublicKey
from worlds.figures import Figures, figures
from worlds.live_server import LiveServer
from worlds.server_processes import named
from worlds.waiting import WAIT_S
from worlds.webhook_receiver import Arrived, receiving

from actors.gateways.webhook_figures import COUNTED_S
from aragora.webhooks.counting import BLOCKED
from aragora.webhooks.events import CATALOGUE
from aragora.webhooks.hot_endpoint import key_of
from aragora.webhooks.hot_endpoints import IN_PROCESS
from aragora.webhooks.model import Rules
from aragora.webhooks.queues import UNSTORED
from tests.contract.verify_signature import verify_signature


@pytest.fixture
def registered(server: LiveServer) -> Iterator[tuple[dict[str, Any], Arrived]]:
    """A receiver that is registered at the shared server for all ordinary events."""
    with receiving() as (url, arrived):
        made = server.post("/api/webhooks", {"url": url, "events": ["*"]})
        yield made, arrived
        assert server.request("DELETE", f"/api/webhooks/{made['webhook_id']}").status == 204


def test_every_ordinary_event_of_a_debate_arrives_signed_once_and_in_order(
    server: LiveServer, registered: tuple[dict[str, Any], Arrived]
) -> None:
    made, arrived = registered
    debate_id = server.debate(rounds=2)
    assert server.ended(debate_id)["status"] == "completed"
    server.until(lambda: arrived_whole(server, arrived, debate_id))
    server.until(lambda: statuses(server, made) == {"DELIVERED"})  # each is stored once it was answered

    told = arrived.of(debate_id)
    journal = server.get(f"/api/debates/{debate_id}/events?limit=1000")["events"]
    assert sorted(each["seq"] for each in told) == ordinary_of(server, debate_id)
    by_seq = {each["seq"]: each for each in journal}
    for each in told:
        assert by_seq[each["seq"]]["data"].items() <= each["data"].items(), "the same data as over a WebSocket"
    for headers, body in arrived.requests:
        assert verify_signature(json.loads(body), headers["X-Webhook-Signature"], made["secret"])
        expected = hmac.new(made["secret"].encode(), body, hashlib.sha256).hexdigest()
        assert headers["X-Webhook-Signature"] == f"sha256={expected}"
        assert made["secret"] not in str(headers)


def ordinary_of(server: LiveServer, debate_id: str) -> list[int]:
    """The places in the journal of what an endpoint for all ordinary events gets."""
    ordinary = {
        "debate_start",
        "knowledge_offered",
        "debate_end",
        "consensus",
        "receipt",
        "convergence",
        "agent_error",
        "fallback",
        "trickster",
    }
    journal = server.get(f"/api/debates/{debate_id}/events?limit=1000")["events"]
    return [each["seq"] for each in journal if each["type"] in ordinary]


def arrived_whole(server: LiveServer, arrived: Arrived, debate_id: str) -> bool:
    """Whether every ordinary event of a debate that has ended is there: several are on their way at once."""
    return {each["seq"] for each in arrived.of(debate_id)} >= set(ordinary_of(server, debate_id))


def held(server: LiveServer, made: dict[str, Any]) -> tuple[int, str]:
    """How often the endpoint was given to a process or taken back, and who has it: before the first time nobody."""
    with closing(sqlite3.connect(server.data_dir / "webhooks.db", timeout=WAIT_S)) as database:
        query = "SELECT epoch, owner FROM webhook_owners WHERE key = ?"
        rows = database.execute(query, (key_of(made["webhook_id"]),)).fetchall()
    return (int(rows[0][0]), str(rows[0][1])) if rows else (0, "")


def statuses(server: LiveServer, made: dict[str, Any]) -> set[str]:
    page = server.get(f"/api/webhooks/{made['webhook_id']}/deliveries")
    return {each["status"] for each in page["deliveries"]}


def test_a_test_send_tells_what_the_receiver_answered(
    server: LiveServer, registered: tuple[dict[str, Any], Arrived]
) -> None:
    made, arrived = registered
    told = server.post(f"/api/webhooks/{made['webhook_id']}/test", {})
    assert (told["delivered"], told["status"]) == (True, 200)
    types = [json.loads(body)["type"] for _, body in arrived.requests]
    assert types.count("webhook.test") == 1


def test_an_endpoint_gets_what_happened_before_it_was_registered_once_it_is_replayed(
    server: LiveServer, registered: tuple[dict[str, Any], Arrived]
) -> None:
    debate_id = server.debate(rounds=2)
    assert server.ended(debate_id)["status"] == "completed"
    _, other = registered  # what it has got, an endpoint that is registered later does not get by itself
    server.until(lambda: arrived_whole(server, other, debate_id))
    with receiving() as (url, arrived):
        made = server.post("/api/webhooks", {"url": url, "events": ["*"], "filter": {"debate_id": [debate_id]}})
        path = f"/api/webhooks/{made['webhook_id']}/replay"
        wanted = {"since": time.time() - 3_600.0, "select": "missing"}
        counted = server.request("POST", path, {**wanted, "dry_run": True})
        assert counted.status == 200, counted.body
        assert counted.json["matching"] > 2
        replay = server.post(path, wanted)
        done = f"/api/webhooks/replays/{replay['replay_id']}"
        server.until(lambda: server.get(done)["status"] == "done")
        assert server.get(done)["made"] == counted.json["matching"]
        server.until(lambda: len(arrived.of(debate_id)) == counted.json["matching"])
        again = server.post(path, wanted)
        server.until(lambda: server.get(f"/api/webhooks/replays/{again['replay_id']}")["status"] == "done")
        assert len(arrived.of(debate_id)) == counted.json["matching"]
        assert server.request("DELETE", f"/api/webhooks/{made['webhook_id']}").status == 204
    journal = server.get(f"/api/debates/{debate_id}/events?limit=1000")["events"]
    by_seq = {each["seq"]: each for each in journal}
    for each in arrived.of(debate_id):
        assert by_seq[each["seq"]]["data"].items() <= each["data"].items()


def test_an_endpoint_with_a_key_gets_its_challenge_first_and_then_what_happens_signed_by_the_key(
    server: LiveServer, registered: tuple[dict[str, Any], Arrived]
) -> None:
    with receiving() as (url, arrived):
        made = server.post(
            "/api/webhooks", {"url": url, "events": ["debate_end"], "signature": "ed25519", "verify": True}
        )
        path = f"/api/webhooks/{made['webhook_id']}"
        assert (made["status"], made["secret"]) == ("unverified", None)
        before = server.debate()
        assert server.ended(before)["status"] == "completed"
        server.until(lambda: arrived_whole(server, registered[1], before))  # nobody gets it from now on

        told = server.post(f"{path}/verify", {})
        assert (told["verified"], told["webhook_status"], told["status"]) == (True, "enabled", 200)
        after = server.debate()
        assert server.ended(after)["status"] == "completed"
        server.until(lambda: arrived.of(after))
        assert server.request("DELETE", path).status == 204

    assert arrived.of(before) == []
    key = Ed25519PublicKey.from_public_bytes(base64.b64decode(made["public_key"].removeprefix("whpk_")))
    for headers, body in arrived.requests:
        version, _, signature = headers["webhook-signature"].partition(",")
        assert version == "v1a"
        key.verify(
            base64.b64decode(signature), f"{headers['webhook-id']}.{headers['webhook-timestamp']}.".encode() + body
        )
        assert "X-Webhook-Signature" not in headers
    assert [json.loads(body)["type"] for _, body in arrived.requests] == ["webhook.verification", "debate_end"]


def test_an_endpoint_inside_is_refused(server: LiveServer) -> None:
    for url in ("http://169.254.169.254/latest", "http://10.0.0.8/", "http://[::ffff:10.0.0.8]/", "http://2130706433/"):
        refused = server.request("POST", "/api/webhooks", {"url": url, "events": ["*"]})
        assert refused.status == 422, url


def test_an_endpoint_that_is_sent_much_has_a_process_of_its_own_and_loses_nothing_when_that_is_killed(
    server: LiveServer,
) -> None:
    with receiving() as (url, arrived):
        made = server.post("/api/webhooks", {"url": url, "events": ["*", "agent_message", "critique", "vote"]})
        try:
            all_arrive_although_the_process_is_killed(server, made, arrived)
        finally:
            assert server.request("DELETE", f"/api/webhooks/{made['webhook_id']}").status == 204


def endpoint_processes(server: LiveServer) -> list[psutil.Process]:
    """The processes that the server's webhooks have."""
    return named(server.data_dir, "ray::WebhookEndpointActor")


def all_arrive_although_the_process_is_killed(server: LiveServer, made: dict[str, Any], arrived: Arrived) -> None:
    debates: list[str] = []
    others = {one.pid for one in endpoint_processes(server)}  # of endpoints that other tests had: they are going

    def debating() -> None:
        debates.extend(server.debate(rounds=5) for _ in range(8))
        for debate_id in debates[-8:]:
            assert server.ended(debate_id)["status"] == "completed"

    def processes() -> list[psutil.Process]:
        """Those that may have the endpoint, once one of them has: a process is there before it is given anything."""
        debating()
        if held(server, made)[1] != IN_PROCESS:
            return []
        return [one for one in endpoint_processes(server) if one.pid not in others]

    killed = server.until(processes)
    twice, (epoch, _) = arrived.twice, held(server, made)
    for one in killed:
        one.kill()
    debating()
    expected = {
        f"{debate_id}:{event['seq']}"
        for debate_id in debates
        for event in server.get(f"/api/debates/{debate_id}/events?limit=1000")["events"]
        if event["type"] in CATALOGUE
    }
    server.until(lambda: {headers["webhook-id"] for headers, _ in arrived.requests} >= expected)
    # On a busy machine a successor may be taken for dead too. Each costs what was not stored yet then, and no more.
    ends = held(server, made)[0] - epoch
    assert arrived.twice - twice <= ends * UNSTORED * Rules().max_in_flight


def test_the_page_shows_how_webhooks_fare(server: LiveServer) -> None:
    """Lag, what is on its way while a receiver takes its time, what the guard refused, and a closed breaker."""
    released = Event()
    released.set()

    def page() -> Figures:
        return figures(server.get("/metrics"))

    with receiving(before_answer=released.wait) as (url, arrived):
        made = server.post("/api/webhooks", {"url": url, "events": ["debate_end"]})
        assert server.ended(server.debate())["status"] == "completed"
        server.until(lambda: statuses(server, made) == {"DELIVERED"})
        # The first page is asked for now: for half a minute the next ones tell the same of breakers and endpoints.
        server.until(lambda: page().value("aragora_webhook_in_flight") == 0.0)
        before = page()
        released.clear()
        try:
            assert server.ended(server.debate())["status"] == "completed"
            server.until(lambda: page().value("aragora_webhook_in_flight") == 1.0)
            assert len(arrived.requests) == 2
            assert server.request("POST", "/api/webhooks", {"url": "http://10.0.0.8/", "events": ["*"]}).status == 422
        finally:
            released.set()
        server.until(lambda: page().value("aragora_webhook_in_flight") == 0.0)
        breaker = {"endpoint": made["webhook_id"]}
        server.until(
            lambda: ("aragora_webhook_circuit_breaker_state", tuple(breaker.items())) in page().samples,
            within_s=COUNTED_S + WAIT_S,
        )
        # The process that refused the address tells the store of it a moment later.
        server.until(lambda: page().value(BLOCKED, reason="private") > before.value(BLOCKED, reason="private"))
        after = page()
        assert server.request("DELETE", f"/api/webhooks/{made['webhook_id']}").status == 204

    def grown(name: str, **labels: str) -> float:
        return after.value(name, **labels) - before.value(name, **labels)

    assert grown("aragora_webhook_deliveries_total", status="delivered", event_type="debate_end") == 1
    assert grown("aragora_webhook_delivery_latency_seconds_count", event_type="debate_end") == 1
    assert grown("aragora_webhook_lag_seconds_count") == 1
    assert 0.0 < grown("aragora_webhook_lag_seconds_sum") < WAIT_S
    assert grown(BLOCKED, reason="private") == 1
    assert after.value("aragora_webhook_circuit_breaker_state", **breaker) == 0.0
    assert after.value("aragora_webhook_endpoints", status="enabled") >= 1
    for gauge in ("oldest_due_seconds", "oldest_held_seconds", "oldest_event_seconds"):
        assert 0.0 <= after.value(f"aragora_webhook_{gauge}") < WAIT_S, gauge
        assert (f"aragora_webhook_{gauge}", ()) in after.samples
    assert {dict(labels)["state"] for name, labels in after.samples if name == "aragora_webhook_waiting"} == {
        "PENDING",
        "RETRYING",
    }
