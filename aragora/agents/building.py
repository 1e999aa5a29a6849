"""From an agent's specification to the provider that answers for it: its SDK, its key, its address, its price."""

from __future__ import annotations

from collections.abc import Callable, Mapping
from dataclasses import replace
from typing import Final

from aragora.agents import naming
from aragora.agents.model import AgentSpec, Provider
from aragora.agents.providers.anthropic import AnthropicProvider
from aragora.agents.providers.chat import ChatProvider
from aragora.agents.providers.embedded import EmbeddedProvider
from aragora.agents.providers.gemini import GeminiProvider
from aragora.agents.providers.mistral import MistralProvider
from aragora.agents.providers.priced import PricedProvider
from aragora.agents.providers.stub import StubProvider
from aragora.agents.providers.turns import TakingTurns, Turns
from aragora.config.providers import BY_NAME, FALLBACK, ChatDialect, ProviderDeclaration
from aragora.config.settings import Settings
from aragora.errors import InvalidInput

_LOCAL_DIALECT: Final = ChatDialect(sends_temperature=True)
_NO_KEY: Final = "none"  # the SDK insists on a key


def build_provider(spec: AgentSpec, settings: Settings) -> Provider:
    """The provider of an agent. Raises InvalidInput where its key or address is not set (any more)."""
    provider = _unpriced(spec, settings)
    return provider if spec.price is None else PricedProvider(provider, spec.price)


def build_fallback(spec: AgentSpec, settings: Settings) -> Provider | None:
    """OpenRouter with the same model family, where its key is set and the agent is not OpenRouter's own."""
    if spec.fallback_model is None or settings.provider_key(FALLBACK) is None:
        return None
    there = replace(
        spec,
        provider=FALLBACK,
        model=spec.fallback_model,
        options=None,
        key_variable=None,
        insists_on_temperature=False,
        price=None,
    )
    return build_provider(there, settings)


def _unpriced(spec: AgentSpec, settings: Settings) -> Provider:
    if spec.provider in BY_NAME:
        return _keyed(spec, BY_NAME[spec.provider], settings)
    if spec.provider not in _WITHOUT_KEY:
        raise InvalidInput(f"Agent {spec.name} names the unknown provider {spec.provider!r}.")
    return _WITHOUT_KEY[spec.provider](spec, settings)


def _keyed(spec: AgentSpec, provider: ProviderDeclaration, settings: Settings) -> Provider:
    variable = spec.key_variable or provider.key_variable
    key = settings.named_key(variable)
    if key is None:
        raise InvalidInput(f"{variable} is not set; set it, or choose another agent.")
    address = spec.address or settings.provider_address(provider.name)
    if provider.dialect is None:
        return _OWN_SDKS[provider.name](spec, key.get_secret_value(), address)
    dialect = provider.dialect
    if spec.insists_on_temperature:
        dialect = replace(dialect, sends_temperature=True)
    return ChatProvider(spec, key.get_secret_value(), address, dialect)


def _local(spec: AgentSpec, settings: Settings) -> Provider:
    address = spec.address or settings.local_base_url
    if address is None:
        raise InvalidInput("ARAGORA_LOCAL_BASE_URL is not set; set it, or choose another agent.")
    provider = ChatProvider(spec, _local_key(spec, settings), address, _LOCAL_DIALECT)
    if not settings.local_concurrency:
        return provider
    return TakingTurns(provider, Turns(settings.data_dir / "turns", address, settings.local_concurrency))


def _local_key(spec: AgentSpec, settings: Settings) -> str:
    """A server of the agent's own gets the agent's key or none: the usual one is another server's."""
    if spec.key_variable is not None:
        key = settings.named_key(spec.key_variable)
        if key is None:
            raise InvalidInput(f"{spec.key_variable} is not set; set it, or choose another agent.")
        return key.get_secret_value()
    if spec.address is not None or settings.local_api_key is None:
        return _NO_KEY
    return settings.local_api_key.get_secret_value()


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
    naming.LOCAL: _local,
    naming.EMBEDDED: _embedded,
    naming.STUB: _stub,
}
