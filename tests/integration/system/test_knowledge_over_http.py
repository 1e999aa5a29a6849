"""Knowledge on a running server: what is added is found by its meaning once it is embedded, and its health is whole."""

from __future__ import annotations

from typing import Any

import pytest
from worlds.figures import Figures, figures
from worlds.live_server import LiveServer
from worlds.waiting import WAIT_S, wait_until

from aragora.knowledge.adapting import EVERY

pytestmark = pytest.mark.slow

OWN = "of-blocks"
"""A workspace in which no other test keeps anything: debates leave items whose words may be nearer."""


def test_what_is_added_is_found_by_its_meaning_and_health_says_that_all_works(server: LiveServer) -> None:
    for content in ("The cache keeps three replicas of each block.", "Invoices are due within thirty days."):
        item = {"content": content, "kind": "fact", "workspace": OWN}
        answer = server.request("POST", "/api/knowledge/items", item)
        assert answer.status in (200, 201), answer.body

    def found() -> dict[str, Any]:
        answer: dict[str, Any] = server.get(
            f"/api/knowledge/search?workspace={OWN}&q=how%20many%20copies%20of%20a%20block%20are%20kept&explain=true"
        )
        return answer

    def first_by_meaning() -> dict[str, Any]:
        """The first result, where it was found by meaning: what debates before this test left may still wait."""
        told = found()
        results = told["results"] if told["mode"] == "hybrid" else []
        return results[0] if results and "semantic" in results[0]["parts"]["places"] else {}

    first = wait_until(first_by_meaning, "what was added is found by its meaning", WAIT_S)
    assert first["item"]["content"] == "The cache keeps three replicas of each block."
    health = server.get("/api/health/knowledge-mound")
    assert health["status"] == "healthy", health
    assert health["summary"]["healthy"] == health["summary"]["total_components"] == 11
    assert health["components"]["vector_index"]["active"], health


TASKS = "/api/control-plane/tasks"


def ended_task(server: LiveServer, how: str, **said: Any) -> str:
    """A task that an agent has claimed and completed, or failed; its id."""
    task_id: str = server.post(TASKS, {"type": "debate", "capabilities": ["zoning"]})["task_id"]
    server.post(f"{TASKS}/{task_id}/claim", {"agent_id": "ada", "capabilities": ["zoning"]})
    server.post(f"{TASKS}/{task_id}/{how}", {"agent_id": "ada", **said})
    return task_id


def test_what_went_wrong_with_a_task_is_found_and_every_outcome_is_counted(server: LiveServer) -> None:
    def outcomes(status: str) -> float:
        page = figures(server.request("GET", "/metrics").body)
        return page.value("aragora_km_cp_task_outcomes_total", type="debate", status=status)

    before = {status: outcomes(status) for status in ("failed", "completed")}
    failed = ended_task(server, "fail", error="the zwieback register was closed", again=False)
    ended_task(server, "complete", result={"ok": True}, latency_ms=5.0)

    def found() -> list[dict[str, Any]]:
        answer = server.get("/api/knowledge/search?q=zwieback%20register&kind=outcome")
        return [hit["item"] for hit in answer["results"]]

    (item,) = wait_until(found, "the failure is found", WAIT_S)
    assert item["content"] == "Task type debate, agent ada: failed: the zwieback register was closed"
    assert (item["domain"], item["topics"], item["status"]) == ("debate", ["zoning"], "live")
    assert [(one["kind"], one["root"], one["agent"]) for one in item["sources"]] == [("task", f"task:{failed}", "ada")]
    why = server.get(f"/api/knowledge/items/{item['item_id']}/why")
    assert (why["independent_roots"], why["receipts"]) == (1, {})
    lines = server.request("GET", "/api/knowledge/export").body.splitlines()
    (exported,) = [line for line in lines if item["item_id"] in line and "zwieback register" in line]  # of all there is
    told = server.request("POST", "/api/knowledge/import", exported.encode(), Content_Type="application/jsonl")
    assert told.status == 200, told.body
    for status, count in before.items():  # processes report every five seconds
        wait_until(lambda status=status, count=count: outcomes(status) == count + 1, f"{status} is counted", WAIT_S)  # type: ignore[misc]


def test_the_operator_sees_the_adapters_and_moves_them_and_has_the_index_built_anew(
    server: LiveServer,
) -> None:
    ended_task(server, "complete", result=1)
    debate_id = server.debate(question="Which question does nobody else put to this server?")
    assert server.ended(debate_id)["status"] == "completed"

    def learnt() -> dict[str, dict[str, Any]]:
        listed = {one["adapter"]: one for one in server.get("/api/knowledge/adapters")["adapters"]}
        return listed if all(one["backlog"] == 0 and one["last"] for one in listed.values()) else {}

    adapters = wait_until(learnt, f"everybody has learnt from {debate_id}", WAIT_S)
    assert set(adapters) == set(EVERY)
    assert {one["state"] for one in adapters.values()} == {"awake"}
    debate = server.get(f"/api/debates/{debate_id}")
    told = server.request("POST", "/api/debates/estimate", {"question": debate["question"], "suggested": True}).json
    assert told["settled"]["position"] == debate["decision"]["position"], told
    assert (told["settled"]["valid"], told["settled_why"]) == (True, "")
    assert [one["agent"] for one in told["agents_known"]["ratings"]["agents"]] == told["agents"]
    assert told["agents_known"]["ratings"]["why"] == ""
    assert "not read in time" not in told["team"]["why"] + told["agents_known"]["changes"]["why"]
    synced = server.request("POST", "/api/knowledge/adapters/consensus/sync", {})
    assert synced.status == 200, synced.body
    assert (synced.json["adapter"], synced.json["backlog"]) == ("consensus", 0)
    server.request("POST", "/api/knowledge/items", {"content": "It wakes the index, and nobody searches."})
    begun = server.request("POST", "/api/knowledge/reindex", {"embed_anew": True})
    assert begun.status == 202, begun.body

    def rebuilt() -> dict[str, Any]:
        told: dict[str, Any] = server.get("/api/knowledge/reindex")["rebuild"]
        return told if told["stage"] == "done" else {}

    done = wait_until(rebuilt, "the index is built anew", 4 * WAIT_S)  # all items of this server are embedded again
    assert done["rebuild_id"] == begun.json["rebuild"]["rebuild_id"]
    assert done["done"] >= 1

    def counted() -> Figures | None:  # processes report every five seconds, readings are half a minute old
        page = figures(server.request("GET", "/metrics").body)
        known = {name for name, _ in page.samples}
        return page if "aragora_km_embedder_up" in known and "aragora_km_index_vectors" in known else None

    page = wait_until(counted, "the index is on the metrics page", 2 * WAIT_S)
    assert page.value("aragora_km_embedder_up") == 1.0
    assert page.value("aragora_km_adapter_backlog", adapter="consensus") == 0.0
    wait_until(
        lambda: figures(server.request("GET", "/metrics").body).value(
            "aragora_km_forward_sync_latency_seconds_count", adapter="consensus"
        ),
        "the lag of the debate is counted",
        WAIT_S,
    )
