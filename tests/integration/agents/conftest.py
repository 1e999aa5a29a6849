"""A stand-in for all providers, and the providers of the catalog pointed at it."""

from __future__ import annotations

from collections.abc import AsyncIterator, Callable
from typing import Any

import pytest

from aragora.agents import catalog
from aragora.agents.answer_format import answer_schema
from aragora.agents.answering import Answering
from aragora.agents.gate import LeasedGate, LocalBreaker
from aragora.agents.model import ModelCall, Provider, Turn
from aragora.clock import SystemClock
from aragora.config.providers import PROVIDERS
from aragora.config.settings import Settings
from aragora.debate.model import AgentRequest, Ask, AskKind, Brief, Candidate
from tests.standins.providers import KEY, ProviderStandIn

AGENTS = (*(provider.agent for provider in PROVIDERS), "local")
NAMES = (*(provider.name for provider in PROVIDERS), "local")


@pytest.fixture
async def standin() -> AsyncIterator[ProviderStandIn]:
    async with ProviderStandIn() as server:
        yield server


@pytest.fixture
def settings_with(standin: ProviderStandIn) -> Callable[..., Settings]:
    """Settings whose providers are the stand-in, with `key`; more as keyword arguments."""

    def made(key: str = KEY, **more: Any) -> Settings:
        own = {"anthropic": standin.anthropic, "mistral": standin.mistral, "gemini": standin.gemini}
        fields: dict[str, Any] = {f"{name}_api_key": key for name in NAMES}
        fields |= {f"{name}_base_url": own.get(name, standin.chat) for name in NAMES}
        return Settings.model_validate(fields | more)

    return made


@pytest.fixture
async def provider_of(settings_with: Callable[..., Settings]) -> AsyncIterator[Callable[..., Provider]]:
    """The provider of an agent's name; closed after the test."""
    made: list[Provider] = []

    def build(agent: str, **settings: Any) -> Provider:
        chosen = settings_with(**settings)
        made.append(catalog.build_provider(catalog.spec_of(agent, chosen), chosen))
        return made[-1]

    yield build
    for provider in made:
        await provider.aclose()


@pytest.fixture
async def answering_of(settings_with: Callable[..., Settings]) -> AsyncIterator[Callable[..., Answering]]:
    """An agent with its provider and fallback, behind a breaker of its own; closed after the test."""
    made: list[Answering] = []

    def build(agent: str, **settings: object) -> Answering:
        chosen, clock = settings_with(**settings), SystemClock()
        spec = catalog.spec_of(agent, chosen)
        provider, fallback = catalog.build_provider(spec, chosen), catalog.build_fallback(spec, chosen)
        made.append(Answering(spec, provider, fallback, LeasedGate(LocalBreaker(clock), clock), clock))
        return made[-1]

    yield build
    for answering in made:
        await answering.aclose()


def request_for(kind: AskKind = AskKind.PROPOSE, timeout_s: float = 20.0) -> AgentRequest:
    candidates = (Candidate("A", "One."), Candidate("B", "Two."))
    return AgentRequest(
        Ask(f"d1/1/{kind}/agent", "d1", "agent", kind, 1), Brief("Why?", candidates=candidates), timeout_s
    )


def call_for(kind: AskKind = AskKind.PROPOSE, timeout_s: float = 20.0) -> ModelCall:
    request = request_for(kind, timeout_s)
    name, schema = answer_schema(request)
    return ModelCall("You debate.", (Turn("user", "Why?"),), schema, name, 500, 0.5, timeout_s, "ask-1", request)
