"""OpenAI over its official SDK. No temperature is sent: models from GPT-5 on refuse one while they reason."""

from __future__ import annotations

from aragora.agents.model import AgentSpec
from aragora.agents.providers.chat import ChatProvider, Dialect


def openai_provider(spec: AgentSpec, key: str, base_url: str | None = None) -> ChatProvider:
    """`base_url` is another address of the API; None means OpenAI's own."""
    address = base_url or "https://api.openai.com/v1"
    return ChatProvider(spec, key, Dialect("openai", address, max_tokens_field="max_completion_tokens"))
