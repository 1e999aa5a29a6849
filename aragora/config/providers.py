"""The language-model providers that are reached with a key, each declared once.

The settings (key, address, model), docs/ENVIRONMENT.md, the catalog of agents, the price look-up, `aragora doctor`
and `aragora demo` read this table. A provider that speaks Chat Completions needs a row here and its prices in
aragora/agents/prices.toml, and no other code. The providers without a key (a local server, the embedded model, the
stubs) have settings of their own.
"""

from __future__ import annotations

from collections.abc import Mapping
from dataclasses import dataclass, field
from typing import Any, Final


@dataclass(frozen=True, slots=True)
class ChatDialect:
    """How one provider speaks OpenAI's Chat Completions."""

    max_tokens_field: str = "max_tokens"
    sends_temperature: bool = False
    bills_itself: bool = False  # reports the cost of each call in USD, which is used instead of the price table
    extra_body: Mapping[str, Any] = field(default_factory=dict)


@dataclass(frozen=True, slots=True)
class ProviderDeclaration:
    """One provider. Its variables follow from `name`: XAI_API_KEY, ARAGORA_XAI_BASE_URL, ARAGORA_XAI_MODEL."""

    name: str  # in settings, prices, usage records and journals
    title: str  # as people write it
    agent: str  # the public name of its agent, in journals and ratings
    model: str  # asked unless the settings choose another
    address: str  # of its API, unless the settings name another
    dialect: ChatDialect | None  # None: an SDK of its own, see aragora.agents.building
    maker: str = ""  # its name at OpenRouter; empty: OpenRouter is no fallback for it
    options: Mapping[str, str] = field(default_factory=dict)  # sent with the declared model only
    models_at_openrouter: Mapping[str, str] = field(default_factory=dict)  # where OpenRouter's name differs
    key_note: str = ""
    takes_temperature: bool = True  # False: none is ever sent, since its models refuse one or nobody asked for it

    @property
    def key_variable(self) -> str:
        """The environment variable that holds its key."""
        return f"{self.name.upper()}_API_KEY"

    @property
    def address_variable(self) -> str:
        """The environment variable that names another address of its API."""
        return f"ARAGORA_{self.name.upper()}_BASE_URL"

    @property
    def model_variable(self) -> str:
        """The environment variable that chooses another model."""
        return f"ARAGORA_{self.name.upper()}_MODEL"

    @property
    def key_meaning(self) -> str:
        """What the key is, for docs/ENVIRONMENT.md."""
        return self.key_note or f"Key of the {self.title} API."

    def openrouter_model(self, model: str) -> str | None:
        """OpenRouter's name of `model`; None where OpenRouter is no fallback for this provider."""
        return f"{self.maker}/{self.models_at_openrouter.get(model, model)}" if self.maker else None


FALLBACK: Final = "openrouter"  # the provider that is asked when another one fails

PROVIDERS: Final = (  # the order of the default team
    ProviderDeclaration(
        name="anthropic",
        title="Anthropic",
        agent="anthropic-api",
        model="claude-sonnet-5-5",
        address="https://api.anthropic.com",
        dialect=None,
        maker="anthropic",
        options={"effort": "low"},
        models_at_openrouter={"claude-sonnet-5-5": "claude-sonnet-5.5"},
        takes_temperature=False,
    ),
    ProviderDeclaration(
        name="openai",
        title="OpenAI",
        agent="openai-api",
        model="gpt-6.1-sol",
        address="https://api.openai.com/v1",
        # No temperature: models from GPT-5 on refuse one while they reason.
        dialect=ChatDialect(max_tokens_field="max_completion_tokens"),
        maker="openai",
        options={"reasoning_effort": "low"},
    ),
    ProviderDeclaration(
        name="gemini",
        title="Google Gemini",
        agent="gemini",
        model="gemini-3.8-flash",
        address="https://generativelanguage.googleapis.com",
        dialect=None,
        maker="google",
        takes_temperature=False,
    ),
    ProviderDeclaration(
        name="mistral",
        title="Mistral",
        agent="mistral-api",
        model="mistral-large-latest",
        address="https://api.mistral.ai",
        dialect=None,
        maker="mistralai",
        models_at_openrouter={"mistral-large-latest": "mistral-large"},
    ),
    ProviderDeclaration(
        name="xai",
        title="xAI",
        agent="grok",
        model="grok-4.3",
        address="https://api.x.ai/v1",
        dialect=ChatDialect(sends_temperature=True),
        maker="x-ai",
    ),
    ProviderDeclaration(
        name=FALLBACK,
        title="OpenRouter",
        agent="openrouter",
        model="anthropic/claude-sonnet-5.5",
        address="https://openrouter.ai/api/v1",
        dialect=ChatDialect(bills_itself=True, extra_body={"usage": {"include": True}}),
        key_note="Key of OpenRouter: the fallback provider, asked on 429, 529, 5xx or an open breaker.",
    ),
)
BY_NAME: Final = {provider.name: provider for provider in PROVIDERS}
