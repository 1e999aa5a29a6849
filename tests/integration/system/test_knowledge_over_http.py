"""Knowledge on a running server: what is added is found by its meaning once it is embedded, and its health is whole."""

from __future__ import annotations

from typing import Any

import pytest
from worlds.live_server import LiveServer
from worlds.waiting import WAIT_S, wait_until

pytestmark = pytest.mark.slow


def test_what_is_added_is_found_by_its_meaning_and_health_says_that_all_works(server: LiveServer) -> None:
    for content in ("The cache keeps three replicas of each block.", "Invoices are due within thirty days."):
        answer = server.request("POST", "/api/knowledge/items", {"content": content, "kind": "fact"})
        assert answer.status in (200, 201), answer.body

    def found() -> dict[str, Any]:
        answer: dict[str, Any] = server.get(
            "/api/knowledge/search?q=how%20many%20copies%20of%20a%20block%20are%20kept&explain=true"
        )
        return answer

    wait_until(lambda: (told := found())["mode"] == "hybrid" and told["waiting"] == 0, "everything is embedded", WAIT_S)
    first = found()["results"][0]
    assert first["item"]["content"] == "The cache keeps three replicas of each block."
    assert "semantic" in first["parts"]["places"]
    health = server.get("/api/health/knowledge-mound")
    assert health["status"] == "healthy", health
    assert health["summary"]["healthy"] == health["summary"]["total_components"] == 11
    assert health["components"]["vector_index"]["active"], health
