"""Health, metrics, exports, receipts, streams and pages."""

from __future__ import annotations

import asyncio
import csv
import io
import re
from dataclasses import replace
from typing import Any

import pytest
from hypothesis import HealthCheck, given, settings
from hypothesis import strategies as st

from aragora import encoding
from aragora.agents.agents_file import WORK
from aragora.debate.model import ConsensusMode, Decision
from aragora.debate.records import SET_ASIDE, ReceiptRecord
from aragora.errors import Unavailable
from aragora.server.nodes import NodeState, NodeView
from aragora.server.ports import Readiness, Vitals


async def test_health_is_the_runbooks_shape(client: Any) -> None:
    assert (await client.get("/api/health")).json() == {"status": "healthy", "version": "1.2.3", "uptime": 12}


@pytest.mark.parametrize(
    ("state", "health", "ready"),
    [("ready", 200, 200), ("degraded", 200, 200), ("draining", 200, 503), ("starting", 503, 503)],
)
async def test_readiness_follows_the_life_of_the_server(
    client: Any, boards: Any, state: str, health: int, ready: int
) -> None:
    boards.state = Readiness(state, ("because",))
    assert (await client.get("/api/health")).status_code == health
    answer = await client.get("/api/health/ready")
    assert (answer.status_code, answer.json()["status"]) == (ready, state)
    if ready == 503:
        assert answer.json()["error"]["code"] == "unavailable"
        assert "retry-after" in answer.headers
    assert (await client.get("/api/health/live")).status_code == 200


async def test_a_database_that_is_away_is_named_by_both_healths(client: Any, boards: Any) -> None:
    boards.signs = Vitals(store_up=False)
    health = await client.get("/api/health")
    assert (health.status_code, health.json()["status"]) == (200, "degraded")
    ready = await client.get("/api/health/ready")
    assert (ready.status_code, ready.json()["status"]) == (503, "unavailable")
    assert "retry-after" in ready.headers
    for answer in (health, ready):
        (reason,) = answer.json()["reasons"]
        assert reason.startswith("database: ")
    boards.signs = Vitals()
    assert (await client.get("/api/health/ready")).status_code == 200


async def test_background_work_that_fails_degrades_the_health_and_is_named(client: Any, boards: Any) -> None:
    boards.signs = Vitals(troubled=("outbox ratings",))
    health = (await client.get("/api/health")).json()
    assert health["status"] == "degraded"
    assert health["reasons"] == ["background work fails and is tried again: outbox ratings"]
    assert (await client.get("/api/health/ready")).status_code == 200


async def test_a_wrong_agents_file_is_told_with_where_its_line_stands(client: Any, boards: Any) -> None:
    boards.signs = Vitals(troubled=(WORK,))
    (reason,) = (await client.get("/api/health")).json()["reasons"]
    assert reason.startswith("agents.toml is wrong: ")
    assert "logs/server.log" in reason
    assert "ARAGORA_LOG_FILE" in reason


async def test_debates_that_are_set_aside_degrade_the_health(client: Any, boards: Any) -> None:
    boards.signs = Vitals(troubled=(SET_ASIDE,))
    health = (await client.get("/api/health")).json()
    assert health["status"] == "degraded"
    (reason,) = health["reasons"]
    assert reason.startswith("debates are set aside: ")


THREE_NODES = (
    NodeView("1" * 56, "192.0.2.10", NodeState.READY, replica=True),
    NodeView("2" * 56, "192.0.2.11", NodeState.DRAINING, replica=True),
    NodeView("3" * 56, "192.0.2.12", NodeState.GONE, replica=False),
)


@pytest.mark.parametrize(
    ("peer", "status", "state"),
    [
        ("192.0.2.10", 200, "ready"),
        ("192.0.2.11", 503, "draining"),
        ("192.0.2.12", 503, "gone"),
        ("203.0.113.9", 200, "ready"),  # past the proxies: the node of the replica itself
    ],
)
async def test_ready_is_of_the_node_whose_proxy_was_asked_whichever_replica_answers(
    serve: Any, boards: Any, peer: str, status: int, state: str
) -> None:
    boards.cluster = THREE_NODES
    answer = await serve().client(peer).get("/api/health/ready")
    assert (answer.status_code, answer.json()["status"]) == (status, state)
    if status == 503:
        assert answer.json()["error"]["code"] == "unavailable"
        assert "send what is new to another one" in answer.json()["error"]["message"]


async def test_a_probe_that_is_told_not_now_drives_no_failure_out_of_the_list(
    client: Any, boards: Any, world: Any
) -> None:
    world.failure = Unavailable("the store is away")
    assert (await client.get("/api/debates")).status_code == 503
    boards.state = Readiness("draining", ("because",))
    assert (await client.get("/api/health/ready")).status_code == 503
    failures = (await client.get("/api/system/errors")).json()
    assert [(note["path"], note["status"], note["replica_id"]) for note in failures["errors"]] == [
        ("/api/debates", 503, "local")
    ]
    assert (failures["scope"], failures["replica_id"]) == ("cluster", "local")


async def test_a_server_that_starts_or_drains_says_so_before_any_node(serve: Any, boards: Any) -> None:
    boards.cluster, boards.state = THREE_NODES, Readiness("starting", ("the server is starting",))
    answer = await serve().client("192.0.2.11").get("/api/health/ready")
    assert (answer.status_code, answer.json()["status"]) == (503, "starting")


async def test_health_counts_the_nodes_and_misses_the_one_that_is_gone(client: Any, boards: Any) -> None:
    boards.cluster = THREE_NODES
    health = await client.get("/api/health")
    assert (health.status_code, health.json()["status"]) == (200, "degraded")
    assert health.json()["reasons"] == ["of 3 nodes, 1 left without being stopped"]
    assert health.json()["nodes"] == {"ready": 1, "draining": 1, "gone": 1, "without_replica": 0}
    assert "192.0.2" not in health.text, "addresses are nobody else's business"


async def test_a_node_that_drains_on_purpose_leaves_the_server_healthy(client: Any, boards: Any) -> None:
    boards.cluster = THREE_NODES[:2]
    health = (await client.get("/api/health")).json()
    assert (health["status"], "reasons" in health, health["nodes"]["draining"]) == ("healthy", False, 1)


async def test_administrators_see_each_node(client: Any, serve: Any, boards: Any) -> None:
    boards.cluster = THREE_NODES
    assert (await client.get("/api/system/nodes")).json()["nodes"][1] == {
        "node_id": "2" * 56,
        "address": "192.0.2.11",
        "state": "draining",
        "replica": True,
    }
    assert (await serve(api_token="secret").client().get("/api/system/nodes")).status_code == 401


async def test_websocket_health_sums_replicas_and_says_when_it_cannot(
    client: Any, boards: Any, monkeypatch: pytest.MonkeyPatch
) -> None:
    await boards.report("one", 2, 10, 1)
    await boards.report("two", 3, 5, 0)
    assert (await client.get("/api/health/ws")).json() == {"status": "healthy", "clients": 5}
    stats = (await client.get("/api/ws/stats")).json()
    assert stats == {"connections": 5, "messages_sent": 15, "messages_dropped": 1}

    async def away() -> None:
        raise Unavailable("WebSocket manager not configured")

    monkeypatch.setattr(boards, "totals", away)
    assert (await client.get("/api/health/ws")).json() == {
        "status": "unavailable",
        "clients": 0,
        "message": "WebSocket manager not configured",
    }


async def test_metrics_are_the_same_text_at_both_paths(client: Any) -> None:
    first, second = await client.get("/metrics"), await client.get("/api/metrics")
    assert first.text == second.text
    assert first.headers["content-type"] == "text/plain; version=0.0.4; charset=utf-8"


async def test_an_export_holds_every_debate_in_each_format(client: Any, world: Any) -> None:
    for number in range(300):
        world.add(f"deb_{number}", question=f'=SUM("{number}"),\nline')
    await world.end("deb_0")
    whole = (await client.get("/api/debates/export?format=json")).json()["debates"]
    assert [one["debate_id"] for one in whole] == list(world.records)
    lines = (await client.get("/api/debates/export?format=jsonl")).text.splitlines()
    assert [encoding.decode(line) for line in lines] == whole
    rows = list(csv.DictReader(io.StringIO((await client.get("/api/debates/export?format=csv")).text)))
    assert len(rows) == 300
    assert rows[0]["question"].startswith("'=SUM")
    assert rows[0]["answer"] == "Tea."
    markdown = await client.get("/api/debates/export?format=markdown")
    assert markdown.text.count("\n## ") == 300
    assert markdown.headers["content-disposition"] == 'attachment; filename="debates.md"'
    assert (await client.get("/api/debates/export?format=xml")).status_code == 422


HOSTILE = "<img src=x onerror=alert(1)> [x](javascript:alert(1)) ![y](http://z) | `code`\n# heading\n- item"


async def test_texts_never_become_markup_in_a_markdown_export(client: Any, world: Any) -> None:
    world.add(question=HOSTILE)
    decision = Decision(True, HOSTILE, HOSTILE, 0.75, ConsensusMode.MAJORITY, (), (), 1, 0.0)
    world.records["deb_1"] = replace(world.records["deb_1"], decision=encoding.encode_text(decision))
    page = (await client.get("/api/debates/export?format=markdown")).text
    assert "<img" not in page
    assert not re.search(r"(?<!\\)[\[\]|]", page)
    headings = [line for line in page.splitlines() if line.startswith("#")]
    assert headings[0] == "# Debates"
    assert len(headings) == 2
    assert not [line for line in page.splitlines() if line.startswith("- item")]


async def test_a_listing_tells_what_was_decided(client: Any, world: Any) -> None:
    world.add("deb_1")
    world.add("deb_2")
    await world.end("deb_1")
    long = Decision(False, "word " * 100, None, 0.25, ConsensusMode.MAJORITY, (), (), 1, 0.0)
    world.add("deb_3")
    world.records["deb_3"] = replace(world.records["deb_3"], decision=encoding.encode_text(long))
    listed = {one["debate_id"]: one["outcome"] for one in (await client.get("/api/debates")).json()["debates"]}
    assert listed["deb_1"] == {
        "reached": True,
        "answer": "Tea.",
        "winner": "ada",
        "confidence": 0.75,
        "headline": "",
        "position": "",
        "degraded": False,
    }
    assert listed["deb_2"] is None
    assert listed["deb_3"]["answer"].endswith(" word…")
    assert len(listed["deb_3"]["answer"]) <= 280


async def test_a_receipt_that_names_a_member_twice_is_not_valid(client: Any) -> None:
    twice = b'{"hash": "bad", "hash": "good"}'
    answer = await client.post("/api/receipts/verify", content=twice, headers={"Content-Type": "application/json"})
    assert answer.status_code == 200
    assert answer.json()["valid"] is False
    assert "a name stands twice" in answer.json()["checks"][0]["detail"]


async def test_an_empty_export_is_still_a_document(client: Any) -> None:
    assert (await client.get("/api/debates/export")).json() == {"debates": []}


async def test_a_receipt_comes_to_the_byte_and_is_checked(client: Any, world: Any) -> None:
    world.add()
    assert (await client.get("/api/debates/deb_1/receipt")).status_code == 404
    document = '{"b":1.0,"a":"é"}'
    world.receipts["deb_1"] = ReceiptRecord("rcp_1", "deb_1", 1, "h", "0" * 64, document, 0.0)
    assert (await client.get("/api/debates/deb_1/receipt")).content == document.encode()
    assert (await client.post("/api/receipts/verify", json={"hash": "good"})).json()["valid"] is True
    assert (await client.post("/api/receipts/verify", json={"hash": "bad"})).json()["valid"] is False


async def test_a_stream_replays_from_the_last_event_id_and_ends_with_the_debate(client: Any, world: Any) -> None:
    world.add()
    await world.rounds("deb_1", 700)
    asking = asyncio.create_task(
        client.get("/api/debates/deb_1/events", headers={"Accept": "text/event-stream", "Last-Event-ID": "5"})
    )
    await asyncio.sleep(0)
    await world.rounds("deb_1", 10)
    await world.end("deb_1")
    answer = await asking
    assert answer.headers["content-type"].startswith("text/event-stream")
    ids = [int(line[4:]) for line in answer.text.splitlines() if line.startswith("id: ")]
    assert ids == list(range(6, 713))
    assert '"type":"debate_end"' in answer.text


async def test_a_strange_last_event_id_is_refused(client: Any, world: Any) -> None:
    world.add()
    for odd in ("x", "-1", "1e3", "9" * 20, "²".encode()):
        answer = await client.get(
            "/api/debates/deb_1/events", headers={"Accept": "text/event-stream", "Last-Event-ID": odd}
        )
        assert answer.status_code == 422


async def test_the_page_and_all_its_files_are_served_under_a_strict_policy(client: Any) -> None:
    page = await client.get("/")
    assert page.headers["content-type"] == "text/html; charset=utf-8"
    policy = page.headers["content-security-policy"]
    assert "unsafe" not in policy
    assert "script-src 'self'" in policy
    assert "<script>" not in page.text
    assert " style=" not in page.text
    assert "onclick" not in page.text
    for name in ("page.js", "page.css", "dom.js", "api.js", "timeline.js", "receipt.js", "mark.svg"):
        asset = await client.get(f"/assets/{name}")
        assert asset.status_code == 200
        assert "innerHTML" not in asset.text
        assert 'set("token"' not in asset.text  # a token in an address ends up in logs and histories
        again = await client.get(f"/assets/{name}", headers={"If-None-Match": asset.headers["etag"]})
        assert (again.status_code, again.content) == (304, b"")


_JSON = st.recursive(
    st.none() | st.booleans() | st.integers() | st.floats() | st.text(max_size=20),
    lambda inner: st.lists(inner, max_size=4) | st.dictionaries(st.text(max_size=12), inner, max_size=4),
    max_leaves=12,
)
_FIELDS = st.sampled_from(
    ["question", "agents", "rounds", "protocol", "budget_usd", "choice", "intensity", "suggestion"]
)


@given(body=_JSON | st.dictionaries(_FIELDS, _JSON, max_size=5), path=st.sampled_from(["", "/deb_1/votes"]))
@settings(max_examples=80, deadline=None, suppress_health_check=[HealthCheck.function_scoped_fixture])
async def test_no_json_body_makes_the_server_fail(client: Any, world: Any, body: Any, path: str) -> None:
    world.add("deb_1")
    raw = encoding.encode(body) if _finite(body) else b'{"question": NaN, "budget_usd": Infinity}'
    answer = await client.post(f"/api/debates{path}", content=raw, headers={"Content-Type": "application/json"})
    assert answer.status_code < 500, answer.text


@pytest.mark.parametrize(
    "raw",
    [
        b"\xff\xfe", b"{", b"[" * 50_000, b'{"question":"\\ud800"}', b'{"question":1e999}', b"1" * 6000,
        b'{"question":"a","question":"b","rounds":NaN}', b'{"question":"a","rounds":' + b"9" * 5000 + b"}",
        b'{"question":"a\\u0000b","agents":["\\ud800"]}',
    ],
)  # fmt: skip
@pytest.mark.parametrize("content_type", ["application/json", "text/plain", "application/x-www-form-urlencoded", ""])
async def test_no_raw_body_makes_the_server_fail(client: Any, raw: bytes, content_type: str) -> None:
    for path in ("/api/debates", "/api/receipts/verify"):
        answer = await client.post(path, content=raw, headers={"Content-Type": content_type})
        assert 400 <= answer.status_code < 500 or (answer.status_code < 300 and content_type == "application/json")
        assert answer.headers["x-request-id"]


def _finite(value: Any) -> bool:
    try:
        encoding.encode(value)
    except (ValueError, OverflowError, UnicodeEncodeError):
        return False
    return True
