"""Real SDKs in a running server, against stand-ins that speak the wire formats: debates, fallback, breakers.

A server of its own: its agents have keys.
"""

from __future__ import annotations

import json
import subprocess
from collections.abc import Iterator
from dataclasses import dataclass
from pathlib import Path
from typing import Any

import pytest
from websockets.exceptions import ConnectionClosed
from websockets.sync.client import connect
from worlds.figures import Figures, figures
from worlds.live_server import LiveServer, running
from worlds.standing_in import standing_in
from worlds.waiting import WAIT_S

from tests.standins.providers import KEY, Behaviour, ProviderStandIn

pytestmark = pytest.mark.slow

TEAM = ["openai-api", "anthropic-api", "anthropic-api-skeptic"]
DEBATE_S = 120.0


@dataclass
class World:
    server: LiveServer
    openai: ProviderStandIn
    anthropic: ProviderStandIn
    openrouter: ProviderStandIn

    def debate(self, **settings: Any) -> dict[str, Any]:
        return self.server.ended(self.server.long_debate(agents=TEAM, rounds=1, **settings), DEBATE_S)

    def figures(self) -> Figures:
        return figures(self.server.get("/metrics"))

    def agent(self, name: str) -> dict[str, Any]:
        agents: list[dict[str, Any]] = self.server.get("/api/agents/health")["agents"]
        return next(agent for agent in agents if agent["name"] == name)

    def events(self, debate_id: str, kind: str) -> list[dict[str, Any]]:
        told: list[dict[str, Any]] = self.server.get(f"/api/debates/{debate_id}/events?limit=1000")["events"]
        return [event for event in told if event["type"] == kind]


@pytest.fixture(scope="module")
def world(tmp_path_factory: pytest.TempPathFactory) -> Iterator[World]:
    directory = tmp_path_factory.mktemp("providers") / "data"
    with (
        standing_in(3) as (openai, anthropic, openrouter),
        running(
            directory,
            OPENAI_API_KEY=KEY,
            ARAGORA_OPENAI_BASE_URL=openai.chat,
            ANTHROPIC_API_KEY=KEY,
            ARAGORA_ANTHROPIC_BASE_URL=anthropic.anthropic,
            OPENROUTER_API_KEY=KEY,
            ARAGORA_OPENROUTER_BASE_URL=openrouter.chat,
        ) as server,
    ):
        yield World(server, openai, anthropic, openrouter)


def test_a_debate_over_the_sdks_of_openai_and_anthropic_ends_with_a_valid_receipt(world: World) -> None:
    ended = world.debate()

    assert ended["status"] == "completed", ended["reason"]
    receipt = world.server.get(f"/api/debates/{ended['debate_id']}/receipt")
    verification = world.server.post("/api/receipts/verify", receipt)
    assert verification["valid"], verification
    answers = world.events(ended["debate_id"], "agent_message")
    assert {answer["data"]["usage"]["provider"] for answer in answers} == {"openai", "anthropic"}
    assert all(answer["data"]["usage"]["input_tokens"] > 0 for answer in answers)
    assert len(world.openai.seen) >= 4, "proposal, critiques, revision, vote"
    assert len(world.anthropic.seen) >= 8
    assert not world.openrouter.seen
    assert ended["cost_usd"] > 0


def test_an_answer_after_a_429_comes_from_openrouter_is_told_and_counted(world: World) -> None:
    before, asked = world.figures(), len(world.openrouter.seen)
    world.openai.next(*[Behaviour(status=429, headers={"Retry-After": "1"})] * 2)

    ended = world.debate()

    after = world.figures()
    assert ended["status"] == "completed", ended["reason"]
    assert len(world.openrouter.seen) - asked == 2
    fallbacks = world.events(ended["debate_id"], "fallback")
    assert [event["agent"] for event in fallbacks] == ["openai-api"] * 2
    assert {event["data"]["fallback"]["reason"] for event in fallbacks} == {"rate_limited"}
    for name, labels in {
        "aragora_fallback_activations_total": {},
        "aragora_fallback_success_total": {"outcome": "success"},
        "aragora_fallback_latency_seconds_count": {},
    }.items():
        assert after.value(name, **labels) - before.value(name, **labels) == 2, name
    receipt = world.server.get(f"/api/debates/{ended['debate_id']}/receipt")
    assert world.server.post("/api/receipts/verify", receipt)["valid"]
    assert "rate_limited" in json.dumps(receipt), "the receipt tells who answered for whom, and why"


@pytest.mark.parametrize(
    "pattern", ["agent=openai-api", r"rate_limit\|429", "debate completed", "POST /api/debates 202"]
)
def test_the_runbooks_greps_find_what_they_look_for(world: World, pattern: str) -> None:
    """After the debates above; the logs of agents come from processes of their own."""
    found = world.server.until(lambda: grep(pattern, world.server.data_dir / "logs" / "server.log"))

    for line in found.splitlines():
        entry = json.loads(line)
        assert entry["timestamp"]
        assert entry["level"]
    if pattern == "agent=openai-api":
        answered = [json.loads(line) for line in found.splitlines() if "answered" in line]
        assert answered[0]["latency_s"] > 0
        assert answered[0]["tokens"] > 0
        assert answered[0]["debate_id"].startswith("deb_")


def test_the_runbooks_grep_finds_websockets_that_ended_badly(world: World) -> None:
    with connect(f"ws://127.0.0.1:{world.server.ws_port}/ws", open_timeout=WAIT_S) as client:
        client.send(b"no text")
        with pytest.raises(ConnectionClosed):
            list(client)

    log = world.server.data_dir / "logs" / "server.log"
    as_printed = f'grep "WebSocket" {log} | grep -i error'
    world.server.until(lambda: subprocess.run(["sh", "-c", as_printed], check=False, timeout=60).returncode == 0)


def test_a_failed_request_is_found_in_the_log_by_the_id_that_its_answer_told(world: World) -> None:
    missing = world.server.request("GET", "/api/debates/deb_nowhere")
    assert missing.status == 404

    found = world.server.until(
        lambda: grep(missing.json["request_id"], world.server.data_dir / "logs" / "server.log"),
    )

    assert json.loads(found.splitlines()[0])["status"] == 404


def test_five_failures_open_the_breaker_and_debates_go_on_over_the_fallback(world: World) -> None:
    """Last of this file: from here on the agent's breaker stays open for a minute."""
    world.openai.next(*[Behaviour(status=500)] * 200)

    for _ in range(3):
        ended = world.debate()
        assert ended["status"] == "completed", ended["reason"]
    world.server.until(lambda: world.agent("openai-api")["breaker"]["state"] == "open")
    asked = len(world.openai.seen)
    ended = world.debate()

    assert ended["status"] == "completed", ended["reason"]
    assert len(world.openai.seen) == asked, "an open breaker spares the provider"
    reasons = {event["data"]["fallback"]["reason"] for event in world.events(ended["debate_id"], "fallback")}
    assert reasons == {"breaker_open"}
    assert world.figures().value("aragora_circuit_breaker_state", agent="openai-api") == 2
    assert world.figures().value("aragora_circuit_breaker_state", agent="anthropic-api") == 0
    (breaker,) = [one for one in breakers(world) if one["agent"] == "openai-api"]
    assert breaker["state"] == "open"
    assert breaker["consecutive_failures"] >= 5
    assert breaker["retry_at"] == pytest.approx(breaker["opened_at"] + 60, abs=2)
    assert world.agent("openai-api")["last_error"]
    assert KEY not in world.server.request("GET", "/api/agents/health").body


def test_no_key_is_in_any_log_or_database(world: World) -> None:
    files = [path for path in world.server.data_dir.rglob("*") if path.is_file()]

    assert files
    for path in files:
        assert KEY.encode() not in path.read_bytes(), path
    assert KEY not in world.server.told()


def grep(pattern: str, log: Path) -> str:
    """The lines of the log that the command finds."""
    return subprocess.run(["grep", pattern, str(log)], capture_output=True, text=True, timeout=60, check=False).stdout


def breakers(world: World) -> list[dict[str, Any]]:
    found: list[dict[str, Any]] = world.server.get("/api/circuit-breakers")["circuit_breakers"]
    return found
