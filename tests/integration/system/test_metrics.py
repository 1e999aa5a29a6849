"""The metrics of a running server: exact, the same everywhere, and never falling, whatever dies."""

from __future__ import annotations

import itertools
from pathlib import Path
from typing import Any

import pytest
import yaml
from worlds.figures import Figures, figures
from worlds.live_server import LiveServer
from worlds.server_processes import COORDINATOR, kill_coordinator, named
from worlds.waiting import WAIT_S

pytestmark = pytest.mark.slow

CONTRACT = yaml.safe_load((Path(__file__).parents[2] / "contract" / "metrics.yaml").read_text())["metrics"]
NOW = [row for row in CONTRACT if "later" not in row]
ANSWERS = {"agent_message", "critique", "vote", "grouping", "abstention"}


def page(server: LiveServer) -> Figures:
    return figures(server.get("/metrics"))


def grown(before: Figures, after: Figures, name: str, **labels: str) -> float:
    return after.value(name, **labels) - before.value(name, **labels)


def test_every_metric_of_the_contract_is_declared_with_its_type(server: LiveServer) -> None:
    types = page(server).types

    for metric in NOW:
        for name in (metric["name"], *metric.get("aliases", [])):
            assert types.get(name) == metric["type"], name


def test_counts_are_exact_after_debates(server: LiveServer) -> None:
    """One answer, one observation of latency: as many per agent as its answers in the journals."""
    before = page(server)
    opened = [server.debate(rounds=2, agents=["stub-1", "stub-2", "stub-4"]) for _ in range(6)]
    cancelled = server.long_debate(rounds=20, agents=["stub-1", "stub-2"])
    server.request("POST", f"/api/debates/{cancelled}/cancel")
    server.ended(cancelled)
    for debate_id in opened:
        server.ended(debate_id)
    after = page(server)

    assert grown(before, after, "aragora_debates_total") == 7
    assert grown(before, after, "aragora_debates_completed") == 6
    assert grown(before, after, "aragora_debates_failed") == 0
    events = [event for one in (*opened, cancelled) for event in journal(server, one) if event["type"] in ANSWERS]
    for agent in ("stub-1", "stub-2", "stub-4"):
        answers = [event for event in events if event["agent"] == agent]
        assert answers
        for name in ("aragora_agent_latency_seconds", "aragora_agent_response_seconds"):
            assert grown(before, after, f"{name}_count", agent=agent) == len(answers)
            assert grown(before, after, f"{name}_bucket", agent=agent, le="+Inf") == len(answers)
        seconds = sum(event["data"]["usage"]["latency_s"] for event in answers)
        assert grown(before, after, "aragora_agent_latency_seconds_sum", agent=agent) == pytest.approx(seconds)
        usages = [event["data"]["usage"] for event in answers]
        tokens = sum(usage["input_tokens"] + usage["output_tokens"] for usage in usages)
        assert grown(before, after, "aragora_agent_tokens_total", agent=agent) == tokens


def test_both_paths_give_the_same_figures(server: LiveServer, debate_id: str) -> None:
    """Requests are counted too, so the pages differ by the requests for them and by nothing else: once what other
    processes counted of earlier requests is written, which may come between the two."""

    def alike() -> bool:
        one, other = figures(server.get("/metrics")), figures(server.get("/api/metrics"))
        differing = {
            name for (name, labels), value in other.samples.items() if one.samples.get((name, labels), 0.0) != value
        }
        return all(name.startswith("aragora_http_request") for name in differing)

    server.until(alike)


def test_no_counter_falls_when_the_coordinator_is_killed(server: LiveServer) -> None:
    before = page(server)
    running = [server.long_debate(rounds=20) for _ in range(4)]
    killed = kill_coordinator(server.data_dir)

    pages = [before]

    def all_ended() -> bool:
        pages.append(page(server))
        return all(server.get(f"/api/debates/{one}")["status"] == "completed" for one in running)

    server.until(all_ended, within_s=2 * WAIT_S)
    pages.append(page(server))

    for earlier, later in itertools.pairwise(pages):
        now = later.counters()
        fallen = {
            sample: (value, now.get(sample))
            for sample, value in earlier.counters().items()
            if now.get(sample, 0.0) < value
        }
        assert not fallen
    assert grown(before, pages[-1], "aragora_debates_total") == 4, "no debate is counted again after the restart"
    assert grown(before, pages[-1], "aragora_debates_completed") == 4
    assert [process.pid for process in named(server.data_dir, COORDINATOR)] != [killed]


def journal(server: LiveServer, debate_id: str) -> list[dict[str, Any]]:
    events: list[dict[str, Any]] = server.get(f"/api/debates/{debate_id}/events?limit=1000")["events"]
    return events
