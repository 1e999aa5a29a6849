"""PostgreSQL goes while agents are asked that were never asked before: the debates wait for it, and whoever looks sees
what is away."""

from __future__ import annotations

import shutil
import signal
from collections.abc import Iterator
from dataclasses import dataclass
from pathlib import Path
from typing import Any

import pytest
from chaos.conftest import Tally
from worlds.figures import figures
from worlds.live_server import LiveServer, running
from worlds.postgres_process import fresh_postgres, start, stop

pytestmark = [pytest.mark.slow, pytest.mark.chaos, pytest.mark.timeout(400)]

AGENTS = ("stub-1", "stub-2", "stub-3")
END_S = 120.0


@dataclass
class Served:
    server: LiveServer
    postgres: Any
    asked: Path

    def asks(self) -> int:
        """How many asks the agents have served."""
        return len(self.asked.read_text().splitlines()) if self.asked.exists() else 0


@pytest.fixture(scope="module")
def served() -> Iterator[Served]:
    from actors.cluster import short_directory

    directory = short_directory("chaos")
    try:
        with fresh_postgres() as postgres:
            variables = {
                "DATABASE_URL": postgres.get_uri(),
                "ARAGORA_STUB_LATENCY_MS": "100",
                "ARAGORA_STUB_LOG": str(directory / "asked.log"),
                "ARAGORA_DB_POOL_TIMEOUT": "5",
            }
            with running(directory / "data", **variables) as server:
                yield Served(server, postgres, directory / "asked.log")
    finally:
        shutil.rmtree(directory, ignore_errors=True)


def test_an_outage_while_cold_agents_are_asked_fails_no_debate_and_is_seen_where_one_looks(
    served: Served, tally: Tally
) -> None:
    server, postgres = served.server, served.postgres
    before = figures(server.get("/metrics"))
    assert before.value("aragora_store_up") == 1.0
    opened = [server.debate(rounds=1, agents=AGENTS) for _ in range(3)]
    for debate_id in opened:  # its first phase is on disk, so its asks are on their way to processes that start
        server.until(lambda: "round_start" in server.request("GET", f"/api/debates/{debate_id}/events").body)  # noqa: B023
    stop(postgres, signal.SIGKILL)
    try:
        ready = server.until(
            lambda: answer if (answer := server.request("GET", "/api/health/ready")).status == 503 else None
        )
        assert ready is not None
        assert "database" in ready.json["error"]["message"]
        health = server.request("GET", "/api/health")
        assert (health.status, health.json["status"]) == (200, "degraded")
        assert any(reason.startswith("database") for reason in health.json["reasons"])
        page = server.request("GET", "/metrics")
        assert page.status == 200
        away = figures(page.body)
        assert away.value("aragora_store_up") == 0.0
        assert "aragora_debates_total" not in page.body
        server.until(lambda: served.asks() >= len(opened) * len(AGENTS))  # unguarded, and answered all the same
    finally:
        start(postgres)
    for debate_id in opened:
        ended = server.ended(debate_id, END_S)
        assert ended["status"] == "completed", ended
        journal = server.get(f"/api/debates/{debate_id}/events?limit=1000")["events"]
        assert [event["type"] for event in journal if event["type"] == "agent_error"] == []
    server.until(lambda: server.request("GET", "/api/health/ready").status == 200)
    server.until(lambda: server.get("/api/health")["status"] == "healthy")
    after = figures(server.get("/metrics"))
    assert after.value("aragora_store_up") == 1.0
    assert after.value("aragora_debates_completed") == before.value("aragora_debates_completed") + len(opened)
    tally.struck("PostgreSQL away while cold agents are asked")
