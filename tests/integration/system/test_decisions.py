"""A decision that is given again by a running server, with all that goes with its debate."""

from __future__ import annotations

import asyncio
import json
from concurrent.futures import ThreadPoolExecutor
from typing import Any

import pytest
from worlds.event_client import listening
from worlds.figures import figures
from worlds.live_server import LiveServer
from worlds.waiting import WAIT_S, wait_until

from aragora.composition.local_router import LocalRouter
from aragora.config.settings import Settings

pytestmark = pytest.mark.slow

DECISIONS = "/api/decisions"
ASKED = {"question": "Should the ledger move to the quiet datacentre?", "domain": "ledgers", "rounds": 1}


def decide(server: LiveServer, **more: Any) -> dict[str, Any]:
    answer = server.request("POST", DECISIONS, {**ASKED, **more})
    assert answer.status in (200, 202), answer.body
    told: dict[str, Any] = answer.json
    return told


async def heard(port: int, debate_id: str) -> list[dict[str, Any]]:
    async with listening(port) as client:
        await client.subscribe(debate_id)
        await client.until_ended([debate_id])
        return client.events[debate_id]


def test_a_hit_is_read_as_json_as_a_stream_and_over_the_websocket_like_its_debate(server: LiveServer) -> None:
    """C5: the debate of a hit is the first one, and its events come in the same order wherever they are read."""
    opened = decide(server)
    debate_id = opened["debate_id"]
    ended = server.ended(debate_id)
    assert ended["outcome"]["reached"], "the stubs vote for one answer"
    hit = decide(server)
    assert (hit["cached"], hit["debate_id"], hit["cost_usd"]) == (True, debate_id, 0.0), hit["route"]
    assert server.post("/api/receipts/verify", hit["receipt"])["valid"]
    page = server.get(f"/api/debates/{debate_id}/events?limit=1000")["events"]
    stream = server.request("GET", f"/api/debates/{debate_id}/events", Accept="text/event-stream").body
    streamed = [json.loads(line.removeprefix("data:")) for line in stream.splitlines() if line.startswith("data:")]
    told = asyncio.run(heard(server.ws_port, debate_id))
    order = [(event["seq"], event["type"]) for event in page]
    assert order[-1][1] == "debate_end"
    assert [(event["seq"], event["type"]) for event in streamed if event["seq"]] == order
    assert [(event["seq"], event["type"]) for event in told] == order


def test_what_its_own_debate_taught_leaves_a_decision_and_what_people_say_ends_it(server: LiveServer) -> None:
    question = "Should the ledger be audited by strangers?"
    first = decide(server, question=question)["debate_id"]
    server.ended(first)

    def learnt() -> bool:
        told = server.get("/api/knowledge/search?q=ledger%20audited%20by%20strangers")
        return any(one["item"]["sources"][0].get("debate_id") == first for one in told["results"])

    wait_until(learnt, "the mound has learnt from the debate", WAIT_S)
    assert decide(server, question=question)["debate_id"] == first
    item = {"content": "Strangers audit ledgers badly.", "kind": "fact", "domain": "ledgers"}
    assert server.request("POST", "/api/knowledge/items", item).status in (200, 201)
    assert decide(server, question=question)["debate_id"] != first


def test_a_hundred_equal_questions_at_once_are_one_debate_and_an_invalidation_reaches_the_server(
    server: LiveServer,
) -> None:
    question = "Should the ledger be kept in stone?"
    with ThreadPoolExecutor(20) as threads:
        told = list(threads.map(lambda _: decide(server, question=question), range(100)))
    (debate_id,) = {one["debate_id"] for one in told}
    server.ended(debate_id)
    assert decide(server, question=question)["cached"]
    beside = LocalRouter(Settings(data_dir=server.data_dir))
    assert asyncio.run(beside.invalidate_workspace("default")) >= 1
    assert decide(server, question=question)["debate_id"] != debate_id

    def counted() -> bool:
        page = figures(server.request("GET", "/metrics").body)
        return (
            page.value("aragora_decision_cache_hits_total") >= 1
            and page.value("aragora_decision_cache_misses_total") >= 2
            and page.value("aragora_decision_cache_invalidations_total", type="workspace") >= 1
        )

    wait_until(counted, "the figures are on the page", WAIT_S)
