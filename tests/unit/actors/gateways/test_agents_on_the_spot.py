"""The board of agents beside those that are named on the spot: whoever has a process or a breaker is shown."""

from __future__ import annotations

from pathlib import Path
from typing import Any

from actors.gateways.operations import StoredAgentBoard
from aragora.config.settings import Settings
from aragora.resilience.circuit_breaker import BreakerRow


class Runtime:
    """Knows which actors have a process now."""

    def __init__(self, *awake: str) -> None:
        self._awake = frozenset(awake)

    async def alive(self, _kind: object) -> frozenset[str]:
        return self._awake


class Breakers:
    """The rows of the breakers by agent."""

    def __init__(self, *agents: str) -> None:
        self._rows = {agent: (BreakerRow(state="open", last_error="no luck"), 1) for agent in agents}

    async def all(self) -> dict[str, tuple[BreakerRow, int]]:
        return self._rows


class Counters:
    """Nothing was counted."""

    async def all(self) -> dict[str, float]:
        return {}


def board(settings: Settings, runtime: Runtime, breakers: Breakers) -> StoredAgentBoard:
    doubles: Any = (runtime, settings, breakers, Counters())
    return StoredAgentBoard(*doubles)


async def test_a_model_named_on_the_spot_is_on_the_board_while_it_has_a_process_or_a_breaker() -> None:
    settings = Settings(local_base_url="http://localhost:1/v1", embedded_agents=False)  # type: ignore[call-arg]
    shown = board(
        settings, Runtime("local:qwen3:8b@skeptic#2", "local"), Breakers("local:llama3.2", "openai:gone", "of-old")
    )
    agents = {view.name: view for view in await shown.agents()}
    assert list(agents) == ["local", "local-skeptic", "local-pragmatist", "local:llama3.2", "local:qwen3:8b@skeptic"]
    asked = agents["local:qwen3:8b@skeptic"]
    assert (asked.provider, asked.model, asked.active, asked.breaker.state) == ("local", "qwen3:8b", True, "closed")
    assert agents["local:llama3.2"].breaker.state == "open"
    assert [view.agent for view in await shown.breakers()][-1] == "local:llama3.2"


async def test_an_agent_that_is_declared_while_the_server_runs_is_on_the_board(tmp_path: Path) -> None:
    shown = board(Settings(data_dir=tmp_path, embedded_agents=False), Runtime(), Breakers())  # type: ignore[call-arg]
    assert await shown.agents() == []
    (tmp_path / "agents.toml").write_text("[agents.ann]\nprovider = 'local'\nmodel = 'm'\naddress = 'http://box/v1'\n")
    assert [view.name for view in await shown.agents()] == ["ann", "ann-skeptic", "ann-pragmatist"]
