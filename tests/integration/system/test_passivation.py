"""Agents are virtual: an idle one has no process, and the next ask wakes it. Its own server: the setting is special."""

from __future__ import annotations

from pathlib import Path

import pytest
from worlds.live_server import running

pytestmark = pytest.mark.slow


def test_an_idle_agent_has_no_process_and_wakes_with_the_next_ask(tmp_path: Path) -> None:
    with running(tmp_path / "data", ARAGORA_PASSIVATE_AFTER_S="1") as server:

        def awake() -> set[str]:
            return {agent["name"] for agent in server.get("/api/agents/health")["agents"] if agent["active"]}

        assert awake() == set()
        first = server.ended(server.debate(agents=["stub-1", "stub-2"]))
        server.until(lambda: awake() == set())
        second = server.ended(server.debate(agents=["stub-1", "stub-2"]))
        assert first["status"] == second["status"] == "completed"
