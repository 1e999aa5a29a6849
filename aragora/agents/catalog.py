"""The agents there are: which ones the keys and settings make available, the default team, and their providers.

Names are stable, because they stand in journals and ratings: the agents of `aragora.config.providers`, `local`,
`embedded-*`, `stub-N`. Every agent with a real model also comes in personas (`anthropic-api-skeptic`), so that a
single key is enough for a debate with several voices.
"""

from __future__ import annotations

from collections.abc import Callable, Iterator, Mapping
from dataclasses import replace
from typing import Final

from aragora.agents.model import AgentSpec, Provider
from aragora.agents.providers.anthropic import AnthropicProvider
from aragora.agents.providers.chat import ChatProvider
from aragora.agents.providers.embedded import EmbeddedProvider
from aragora.agents.providers.gemini import GeminiProvider
from aragora.agents.providers.mistral import MistralProvider
from aragora.agents.providers.stub import StubProvider
from aragora.config.providers import BY_NAME, FALLBACK, PROVIDERS, ChatDialect, ProviderDeclaration
from aragora.config.settings import Settings
from aragora.errors import InvalidInput, NotFound

PERSONAS: Final[Mapping[str, str]] = {
    "skeptic": (
        "You are a skeptic: you look for the assumption that does not hold, the evidence that is missing, and the "
        "case in which the obvious answer fails."
    ),
    "pragmatist": (
        "You are a pragmatist: you judge by what works, what it costs, how hard it is to undo, and what a careful "
        "person would do with the time and money there is."
    ),
}
EMBEDDED_PERSONAS: Final[Mapping[str, str]] = {
    "analyst": "weighs the facts and names the reason that decides",
    "skeptic": "looks for the risk and the case where it fails",
    "pragmatist": "says what works best in practice and costs least",
}
EMBEDDED_MODEL: Final = "gemma-3-270m-q4_k_m"

_TEAM_OF_LAST_RESORT: Final = ("embedded", "stub")
_MAX_TOKENS: Final = 4096  # the thoughts of reasoning models count too
_EMBEDDED_MAX_TOKENS: Final = 160
_LOCAL_DIALECT: Final = ChatDialect(sends_temperature=True)
_NO_KEY: Final = "none"  # the SDK insists on a key


def available(settings: Settings) -> tuple[AgentSpec, ...]:
    """Every agent that these settings allow, the better ones first; each real one followed by its personas."""
    return tuple(_specs(settings))


def spec_of(name: str, settings: Settings) -> AgentSpec:
    """The agent `name`. Raises NotFound with the names that there are."""
    specs = available(settings)
    for spec in specs:
        if spec.name == name:
            return spec
    known = ", ".join(spec.name for spec in specs) or "none: set a key, see docs/agents.md"
    raise NotFound(f"There is no agent {name!r}. Available: {known}.", code="unknown_agent")


def default_team(settings: Settings, size: int = 3) -> tuple[str, ...]:
    """`size` agents for a debate that names none: real models first, one of each provider, then their personas;
    embedded agents only where there is no real one, stubs only where there is nothing else."""
    specs = available(settings)
    real = [spec for spec in specs if spec.provider not in _TEAM_OF_LAST_RESORT]
    for pool in (real, *([spec for spec in specs if spec.provider == kind] for kind in _TEAM_OF_LAST_RESORT)):
        if pool:
            plain_first = sorted(pool, key=lambda spec: bool(spec.persona))
            return tuple(spec.name for spec in plain_first[:size])
    return ()


def build_provider(spec: AgentSpec, settings: Settings) -> Provider:
    """The provider of an agent. Raises InvalidInput where its key or address is not set (any more)."""
    if spec.provider in BY_NAME:
        return _declared(spec, BY_NAME[spec.provider], settings)
    if spec.provider not in _WITHOUT_KEY:
        raise InvalidInput(f"Agent {spec.name} names the unknown provider {spec.provider!r}.")
    return _WITHOUT_KEY[spec.provider](spec, settings)


def build_fallback(spec: AgentSpec, settings: Settings) -> Provider | None:
    """OpenRouter with the same model family, where its key is set and the agent is not OpenRouter's own."""
    if spec.fallback_model is None or settings.provider_key(FALLBACK) is None:
        return None
    return build_provider(replace(spec, provider=FALLBACK, model=spec.fallback_model, options=None), settings)


def _specs(settings: Settings) -> Iterator[AgentSpec]:
    for provider in PROVIDERS:
        if settings.provider_key(provider.name) is not None:
            yield from _voices(_agent_of(provider, settings))
    if settings.local_base_url is not None:
        yield from _voices(AgentSpec("local", "local", settings.local_model or "", max_tokens=_MAX_TOKENS))
    if settings.embedded_agents:
        for name, persona in EMBEDDED_PERSONAS.items():
            yield AgentSpec(
                f"embedded-{name}",
                "embedded",
                EMBEDDED_MODEL,
                persona=persona,
                temperature=0.6,
                max_tokens=_EMBEDDED_MAX_TOKENS,
                options={"persona": name},
            )
    for number in range(1, settings.stub_agents + 1):
        yield AgentSpec(f"stub-{number}", "stub", "stub")


def _agent_of(provider: ProviderDeclaration, settings: Settings) -> AgentSpec:
    chosen = settings.provider_model(provider.name)
    model = chosen or provider.model
    return AgentSpec(
        provider.agent,
        provider.name,
        model,
        provider.openrouter_model(model),
        max_tokens=_MAX_TOKENS,
        options=dict(provider.options) if chosen is None and provider.options else None,
    )


def _voices(spec: AgentSpec) -> Iterator[AgentSpec]:
    yield spec
    for name, persona in PERSONAS.items():
        yield replace(spec, name=f"{spec.name}-{name}", persona=persona)


def _declared(spec: AgentSpec, provider: ProviderDeclaration, settings: Settings) -> Provider:
    key = settings.provider_key(provider.name)
    if key is None:
        raise InvalidInput(f"{provider.key_variable} is not set; set it, or choose another agent.")
    address = settings.provider_address(provider.name)
    if provider.dialect is None:
        return _OWN_SDKS[provider.name](spec, key.get_secret_value(), address)
    return ChatProvider(spec, key.get_secret_value(), address, provider.dialect)


def _local(spec: AgentSpec, settings: Settings) -> Provider:
    if settings.local_base_url is None:
        raise InvalidInput("ARAGORA_LOCAL_BASE_URL is not set; set it, or choose another agent.")
    key = settings.local_api_key.get_secret_value() if settings.local_api_key else _NO_KEY
    return ChatProvider(spec, key, settings.local_base_url, _LOCAL_DIALECT)


def _embedded(spec: AgentSpec, settings: Settings) -> Provider:
    return EmbeddedProvider(spec, settings.data_dir / "models")


def _stub(spec: AgentSpec, settings: Settings) -> Provider:
    return StubProvider(spec.model, settings.stub_latency_ms / 1000, settings.stub_log)


_OWN_SDKS: Final[Mapping[str, Callable[[AgentSpec, str, str], Provider]]] = {
    "anthropic": AnthropicProvider,
    "gemini": GeminiProvider,
    "mistral": MistralProvider,
}
_WITHOUT_KEY: Final[Mapping[str, Callable[[AgentSpec, Settings], Provider]]] = {
    "local": _local,
    "embedded": _embedded,
    "stub": _stub,
}
