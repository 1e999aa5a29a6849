"""A wrong key in a running server: told in the debate and by the agent's health, and not tried with every ask."""

from __future__ import annotations

from typing import Any

import pytest
from worlds.live_server import LiveServer

from aragora.agents.causes import remedy_of
from tests.standins.providers import ProviderStandIn

from .conftest import WRONG_KEY

pytestmark = pytest.mark.slow


def test_a_wrong_key_is_the_agents_cause_and_the_debate_goes_on_without_it(
    local_server: LiveServer, openai: ProviderStandIn
) -> None:
    server = local_server
    ended = server.ended(server.debate(agents=["openai-api", "local", "local-skeptic"], rounds=1))

    assert ended["status"] == "completed", ended["reason"]
    told = server.get(f"/api/debates/{ended['debate_id']}/events?limit=1000")["events"]
    failures = [event["data"] for event in told if event["type"] == "agent_error"]
    assert {failure["code"] for failure in failures} == {"wrong_key"}
    assert "Incorrect API key provided" in failures[0]["message"]

    def agents() -> dict[str, Any]:
        return {agent["name"]: agent for agent in server.get("/api/agents/health")["agents"]}

    cause = server.until(lambda: agents()["openai-api"]["cause"])  # told late where the breaker started slowly
    assert (cause["code"], cause["remedy"]) == ("wrong_key", remedy_of("wrong_key"))
    assert "Incorrect API key provided" in cause["message"]
    assert agents()["openai-api"]["breaker"]["state"] == "closed"
    assert agents()["openai-api"]["last_error"].startswith("wrong_key: ")
    assert agents()["local"]["cause"] is None
    assert WRONG_KEY not in server.request("GET", "/api/agents/health").body
    assert (len(openai.seen), len(failures) > 1) == (1, True), "the further asks were answered without a call"
