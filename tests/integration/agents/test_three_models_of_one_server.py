"""Three models of one local address debate as three agents: over the real SDK, without a cluster."""

from __future__ import annotations

from dataclasses import replace
from pathlib import Path
from typing import Self

import pytest
from worlds import debating

from aragora.agents.answering import Answering
from aragora.agents.catalog import Catalog, build_fallback, build_provider
from aragora.agents.gate import LeasedGate, LocalBreaker
from aragora.clock import SystemClock
from aragora.config.settings import Settings
from aragora.debate.model import AgentAnswer, AgentFailure
from aragora.debate.protocol import preset
from tests.standins.providers import KEY, Behaviour, ProviderStandIn

from .conftest import call_for

pytestmark = pytest.mark.slow

DECLARED = """\
[agents.large]
provider = "local"
model = "qwen3:32b"
temperature = 0.1
price = { input_usd_per_mtok = 1000, output_usd_per_mtok = 0 }

[teams]
box = ["large", "local:llama3.2", "local:gemma3@skeptic"]
"""


class Box:
    """The agents of the team `box` in this process, each with a breaker of its own."""

    def __init__(self, settings: Settings) -> None:
        self.specs = Catalog(settings).roster().debaters(("team:box",))
        clock = SystemClock()
        self.agents = {
            spec.name: Answering(
                spec,
                build_provider(spec, settings),
                build_fallback(spec, settings),
                LeasedGate(LocalBreaker(clock), clock),
                clock,
            )
            for spec in self.specs
        }

    async def __aenter__(self) -> Self:
        return self

    async def __aexit__(self, *_: object) -> None:
        for answering in self.agents.values():
            await answering.aclose()

    async def debate(self) -> debating.Run:
        run = debating.start(debating.spec_of(tuple(self.agents), preset("ensemble")))
        while requests := run.pending():
            for request in requests:
                run.give(await self.agents[request.ask.agent].answer(request))
            run.advance()
        return run


def settings_of(standin: ProviderStandIn, directory: Path) -> Settings:
    (directory / "agents.toml").write_text(DECLARED)
    fields = {"data_dir": directory, "local_base_url": standin.chat, "local_api_key": KEY, "embedded_agents": False}
    return Settings.model_validate(fields)


async def test_each_is_asked_for_its_own_model_and_the_debate_is_decided(
    standin: ProviderStandIn, tmp_path: Path
) -> None:
    async with Box(settings_of(standin, tmp_path)) as box:
        run = await box.debate()
    assert run.state.participants == ("large", "local:llama3.2", "local:gemma3@skeptic")
    assert run.state.decision is not None
    proposing = standin.seen[:3]
    assert [seen.body["model"] for seen in proposing] == ["qwen3:32b", "llama3.2", "gemma3"]
    assert [seen.body["temperature"] for seen in proposing] == [0.1, 0.7, 0.7]
    systems = [seen.body["messages"][0]["content"] for seen in proposing]
    assert ["skeptic" in system for system in systems] == [False, False, True]


async def test_each_has_its_own_price_and_its_own_breaker(standin: ProviderStandIn, tmp_path: Path) -> None:
    async with Box(settings_of(standin, tmp_path)) as box:
        run = debating.start(debating.spec_of(tuple(box.agents), preset("ensemble")))
        requests = {request.ask.agent: request for request in run.pending()}
        standin.always = Behaviour(status=401)
        for _ in range(6):
            refused = await box.agents["local:llama3.2"].answer(requests["local:llama3.2"])
        asked = len(standin.seen)
        standin.always = Behaviour()
        large, skeptic = [await box.agents[name].answer(requests[name]) for name in ("large", "local:gemma3@skeptic")]
        still = await box.agents["local:llama3.2"].answer(requests["local:llama3.2"])
    assert isinstance(refused, AgentFailure)
    assert isinstance(still, AgentFailure), "its breaker is open, whatever the same server answers now"
    assert len(standin.seen) == asked + 2
    assert isinstance(large, AgentAnswer)
    assert isinstance(skeptic, AgentAnswer)
    assert large.usage.cost_usd == pytest.approx(large.usage.input_tokens / 1000)
    assert skeptic.usage.cost_usd == 0


async def test_a_temperature_that_is_declared_is_sent_also_where_the_catalog_sends_none(
    standin: ProviderStandIn, tmp_path: Path
) -> None:
    (tmp_path / "agents.toml").write_text(
        "[agents.cool]\nprovider = 'openai'\nmodel = 'gpt-4o-mini'\ntemperature = 0.1\n"
    )
    settings = Settings.model_validate({"data_dir": tmp_path, "openai_api_key": KEY, "openai_base_url": standin.chat})
    roster = Catalog(settings).roster()
    for name in ("cool", "openai-api"):
        provider = build_provider(roster.spec_of(name), settings)
        await provider.complete(replace(call_for(), temperature=roster.spec_of(name).temperature))
        await provider.aclose()
    assert [seen.body.get("temperature") for seen in standin.seen] == [0.1, None]
