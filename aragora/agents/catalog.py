"""The agents there are: what the keys and settings make available, the default team, and the way to their providers.

Names are stable, they stand in journals and ratings: `anthropic-api`, `openai-api`, `mistral-api`, `gemini`, `grok`,
`openrouter`, `local`, `embedded-*`, `stub-N`. Every agent with a real model also comes in personas
(`anthropic-api-skeptic`), so that a single key is enough for a debate with several voices.
"""

from __future__ import annotations

from collections.abc import Callable, Iterator
from dataclasses import dataclass, replace
from typing import Final

from pydantic import SecretStr

from aragora.agents.model import AgentSpec, Provider
from aragora.agents.personas import EMBEDDED_PERSONAS, PERSONAS
from aragora.config.settings import Settings
from aragora.errors import InvalidInput, NotFound

EMBEDDED_MODEL: Final = "gemma-3-270m-q4_k_m"
_TEAM_OF_LAST_RESORT: Final = ("embedded", "stub")


@dataclass(frozen=True, slots=True)
class _Offer:
    """A provider that a key makes available. `setting` is the prefix of its fields in `Settings`."""

    agent: str
    provider: str
    setting: str
    model: str
    openrouter_maker: str
    options: tuple[tuple[str, str], ...] = ()  # only for the catalog's own model


_OFFERS: Final = (
    _Offer("anthropic-api", "anthropic", "anthropic", "claude-sonnet-5-5", "anthropic", (("effort", "low"),)),
    _Offer("openai-api", "openai", "openai", "gpt-6.1-sol", "openai", (("reasoning_effort", "low"),)),
    _Offer("gemini", "gemini", "gemini", "gemini-3.8-flash", "google"),
    _Offer("mistral-api", "mistral", "mistral", "mistral-large-latest", "mistralai"),
    _Offer("grok", "xai", "xai", "grok-4.3", "x-ai"),
    _Offer("openrouter", "openrouter", "openrouter", "anthropic/claude-sonnet-5.5", ""),
)
_OPENROUTER_NAMES: Final = {
    "claude-sonnet-5-5": "claude-sonnet-5.5",
    "mistral-large-latest": "mistral-large",
}
_MAX_TOKENS: Final = 4096  # thoughts of reasoning models count too
_EMBEDDED_MAX_TOKENS: Final = 160


def available(settings: Settings) -> tuple[AgentSpec, ...]:
    """Every agent that these settings allow, the better ones first; each real one followed by its personas."""
    return tuple(_specs(settings))


def spec_of(name: str, settings: Settings) -> AgentSpec:
    """The agent of that name. Raises NotFound with the names there are."""
    specs = available(settings)
    for spec in specs:
        if spec.name == name:
            return spec
    known = ", ".join(spec.name for spec in specs) or "none: set a key, see docs/agents.md"
    raise NotFound(f"There is no agent {name!r}. Available: {known}.", code="unknown_agent")


def default_team(settings: Settings, size: int = 3) -> tuple[str, ...]:
    """`size` agents for a debate nobody was named for: real models first, one of each provider, then their personas;
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
    if spec.provider not in _BUILDERS:
        raise InvalidInput(f"Agent {spec.name} names the unknown provider {spec.provider!r}.")
    return _BUILDERS[spec.provider](spec, settings)


def build_fallback(spec: AgentSpec, settings: Settings) -> Provider | None:
    """OpenRouter with the same model family, where its key is set and the agent is not OpenRouter's own."""
    if spec.fallback_model is None or settings.openrouter_api_key is None:
        return None
    return _openrouter(replace(spec, provider="openrouter", model=spec.fallback_model, options=None), settings)


def _specs(settings: Settings) -> Iterator[AgentSpec]:
    for offer in _OFFERS:
        if getattr(settings, f"{offer.setting}_api_key") is not None:
            yield from _voices(_offered(offer, settings))
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


def _offered(offer: _Offer, settings: Settings) -> AgentSpec:
    chosen: str | None = getattr(settings, f"{offer.setting}_model")
    model = chosen or offer.model
    family = f"{offer.openrouter_maker}/{_OPENROUTER_NAMES.get(model, model)}" if offer.openrouter_maker else None
    options = dict(offer.options) if chosen is None and offer.options else None
    return AgentSpec(offer.agent, offer.provider, model, family, max_tokens=_MAX_TOKENS, options=options)


def _voices(spec: AgentSpec) -> Iterator[AgentSpec]:
    yield spec
    for name, persona in PERSONAS.items():
        yield replace(spec, name=f"{spec.name}-{name}", persona=persona)


def _key(secret: SecretStr | None, variable: str) -> str:
    if secret is None:
        raise InvalidInput(f"{variable} is not set; set it, or choose another agent.")
    return secret.get_secret_value()


def _anthropic(spec: AgentSpec, settings: Settings) -> Provider:
    from aragora.agents.providers.anthropic import AnthropicProvider  # noqa: PLC0415  each SDK only where it is used

    return AnthropicProvider(spec, _key(settings.anthropic_api_key, "ANTHROPIC_API_KEY"), settings.anthropic_base_url)


def _openai(spec: AgentSpec, settings: Settings) -> Provider:
    from aragora.agents.providers.openai import openai_provider  # noqa: PLC0415

    return openai_provider(spec, _key(settings.openai_api_key, "OPENAI_API_KEY"), settings.openai_base_url)


def _openrouter(spec: AgentSpec, settings: Settings) -> Provider:
    from aragora.agents.providers.compatible import openrouter_provider  # noqa: PLC0415

    return openrouter_provider(
        spec, _key(settings.openrouter_api_key, "OPENROUTER_API_KEY"), settings.openrouter_base_url
    )


def _xai(spec: AgentSpec, settings: Settings) -> Provider:
    from aragora.agents.providers.compatible import xai_provider  # noqa: PLC0415

    return xai_provider(spec, _key(settings.xai_api_key, "XAI_API_KEY"), settings.xai_base_url)


def _local(spec: AgentSpec, settings: Settings) -> Provider:
    from aragora.agents.providers.compatible import local_provider  # noqa: PLC0415

    if settings.local_base_url is None:
        raise InvalidInput("ARAGORA_LOCAL_BASE_URL is not set; set it, or choose another agent.")
    key = settings.local_api_key.get_secret_value() if settings.local_api_key else ""
    return local_provider(spec, key, settings.local_base_url)


def _mistral(spec: AgentSpec, settings: Settings) -> Provider:
    from aragora.agents.providers.mistral import MistralProvider  # noqa: PLC0415

    return MistralProvider(spec, _key(settings.mistral_api_key, "MISTRAL_API_KEY"), settings.mistral_base_url)


def _gemini(spec: AgentSpec, settings: Settings) -> Provider:
    from aragora.agents.providers.gemini import GeminiProvider  # noqa: PLC0415

    return GeminiProvider(spec, _key(settings.gemini_api_key, "GEMINI_API_KEY"), settings.gemini_base_url)


def _embedded(spec: AgentSpec, settings: Settings) -> Provider:
    from aragora.agents.providers.embedded import EmbeddedProvider  # noqa: PLC0415

    return EmbeddedProvider(spec, settings.data_dir / "models")


def _stub(spec: AgentSpec, settings: Settings) -> Provider:
    from aragora.agents.providers.stub import StubProvider  # noqa: PLC0415

    return StubProvider(spec.model, settings.stub_latency_ms / 1000, settings.stub_log)


_BUILDERS: Final[dict[str, Callable[[AgentSpec, Settings], Provider]]] = {
    "anthropic": _anthropic,
    "openai": _openai,
    "openrouter": _openrouter,
    "xai": _xai,
    "local": _local,
    "mistral": _mistral,
    "gemini": _gemini,
    "embedded": _embedded,
    "stub": _stub,
}
