"""Providers that speak OpenAI's Chat Completions: OpenRouter, xAI, and any local server (Ollama, vLLM, llama.cpp)."""

from __future__ import annotations

from typing import Final

from aragora.agents.model import AgentSpec
from aragora.agents.providers.chat import ChatProvider, Dialect

_NO_KEY: Final = "none"  # the SDK insists on one


def openrouter_provider(spec: AgentSpec, key: str, base_url: str | None = None) -> ChatProvider:
    """OpenRouter tells what it billed; that is believed before the price table."""
    dialect = Dialect(
        "openrouter",
        base_url or "https://openrouter.ai/api/v1",
        bills_itself=True,
        extra_body={"usage": {"include": True}},
    )
    return ChatProvider(spec, key, dialect)


def xai_provider(spec: AgentSpec, key: str, base_url: str | None = None) -> ChatProvider:
    return ChatProvider(spec, key, Dialect("xai", base_url or "https://api.x.ai/v1", sends_temperature=True))


def local_provider(spec: AgentSpec, key: str, base_url: str) -> ChatProvider:
    """A server of one's own; `key` may be empty. The spec may leave the model to the server."""
    return ChatProvider(spec, key or _NO_KEY, Dialect("local", base_url, sends_temperature=True))
