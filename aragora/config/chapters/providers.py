"""Language-model providers: keys, addresses and models. Without any key the embedded model answers."""

from __future__ import annotations

from pathlib import Path

from pydantic import BaseModel, SecretStr

from aragora.config.variables import WebAddress, variable

_URL = "an http:// or https:// address"


class ProviderSettings(BaseModel):
    """Unset addresses and models mean the provider's own address and the catalog's model."""

    anthropic_api_key: SecretStr | None = variable("ANTHROPIC_API_KEY", "Key of the Anthropic API.")
    openai_api_key: SecretStr | None = variable("OPENAI_API_KEY", "Key of the OpenAI API.")
    openrouter_api_key: SecretStr | None = variable(
        "OPENROUTER_API_KEY",
        "Key of OpenRouter: the fallback provider, used by itself on 429, 529, 5xx or an open breaker.",
    )
    mistral_api_key: SecretStr | None = variable("MISTRAL_API_KEY", "Key of the Mistral API.")
    gemini_api_key: SecretStr | None = variable("GEMINI_API_KEY", "Key of the Google Gemini API.")
    xai_api_key: SecretStr | None = variable("XAI_API_KEY", "Key of the xAI API.")

    local_base_url: WebAddress | None = variable(
        "ARAGORA_LOCAL_BASE_URL",
        "Any OpenAI-compatible server (Ollama, vLLM, llama.cpp), e.g. `http://localhost:11434/v1`.",
        allowed=_URL,
    )
    local_model: str | None = variable("ARAGORA_LOCAL_MODEL", "Model to ask of that server; unset: its first one.")
    local_api_key: SecretStr | None = variable("ARAGORA_LOCAL_API_KEY", "Key of that server, where it wants one.")
    embedded_agents: bool = variable(
        "ARAGORA_EMBEDDED_AGENTS", "Offer the tiny embedded model as agents; it needs no key.", default=True
    )

    anthropic_base_url: WebAddress | None = variable(
        "ARAGORA_ANTHROPIC_BASE_URL", "Other address of the API.", allowed=_URL
    )
    openai_base_url: WebAddress | None = variable("ARAGORA_OPENAI_BASE_URL", "Other address of the API.", allowed=_URL)
    openrouter_base_url: WebAddress | None = variable(
        "ARAGORA_OPENROUTER_BASE_URL", "Other address of the API.", allowed=_URL
    )
    mistral_base_url: WebAddress | None = variable(
        "ARAGORA_MISTRAL_BASE_URL", "Other address of the API.", allowed=_URL
    )
    gemini_base_url: WebAddress | None = variable("ARAGORA_GEMINI_BASE_URL", "Other address of the API.", allowed=_URL)
    xai_base_url: WebAddress | None = variable("ARAGORA_XAI_BASE_URL", "Other address of the API.", allowed=_URL)

    anthropic_model: str | None = variable("ARAGORA_ANTHROPIC_MODEL", "Model to ask; unset: the catalog's.")
    openai_model: str | None = variable("ARAGORA_OPENAI_MODEL", "Model to ask; unset: the catalog's.")
    openrouter_model: str | None = variable("ARAGORA_OPENROUTER_MODEL", "Model to ask; unset: the catalog's.")
    mistral_model: str | None = variable("ARAGORA_MISTRAL_MODEL", "Model to ask; unset: the catalog's.")
    gemini_model: str | None = variable("ARAGORA_GEMINI_MODEL", "Model to ask; unset: the catalog's.")
    xai_model: str | None = variable("ARAGORA_XAI_MODEL", "Model to ask; unset: the catalog's.")

    stub_agents: int = variable(
        "ARAGORA_STUB_AGENTS", "Agents for load tests that answer without a model.", default=0, ge=0, le=1000
    )
    stub_latency_ms: int = variable(
        "ARAGORA_STUB_LATENCY_MS", "Milliseconds a stub agent takes to answer.", default=0, ge=0, le=600_000
    )
    stub_log: Path | None = variable("ARAGORA_STUB_LOG", "File to which stub agents append the id of each ask served.")
