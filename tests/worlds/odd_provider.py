"""A provider that answers with whatever JSON a test wants, to the real SDKs, without a network.

A body is written as JSON of Python's own kind: NaN, 1e999 and lone surrogates come through as servers really send them.
"""

from __future__ import annotations

import asyncio
import json
from collections.abc import AsyncIterator, Callable, Iterator
from dataclasses import dataclass, field
from typing import Any, Final

import httpx2

from aragora.agents.model import AgentSpec, Provider
from aragora.agents.providers.anthropic import AnthropicProvider
from aragora.agents.providers.chat import ChatProvider
from aragora.agents.providers.mistral import MistralProvider
from aragora.agents.providers.sdk import LazyClient
from aragora.config.providers import ChatDialect

ADDRESS: Final = "http://provider"
KEY: Final = "sk-test-0123456789"
GOOD: Final = json.dumps({"answer": "Yes. It is simple.", "evidence": ["a test"], "confidence": 0.8})
ABSENT: Final = object()
"""A field that is left out."""

Reply = httpx2.Response
Serve = Callable[[str], Reply]


@dataclass
class OddProvider:
    """Answers each ask (by its prompt's question) with `serve(question)`; a well-behaved one where it returns None."""

    serve: Callable[[str], Reply | None]
    model: Any = "a-model"  # what it offers
    asked: list[str] = field(default_factory=list)

    def handle(self, request: httpx2.Request) -> Reply:
        if request.method == "GET":
            return httpx2.Response(200, content=_json({"object": "list", "data": [{"id": self.model}]}))
        body = request.content.decode()
        self.asked.append(body)
        return self.serve(body) or (messages() if "/messages" in request.url.path else chat())

    def chat_provider(self, name: str = "openrouter", model: str = "openai/gpt-5.4") -> Provider:
        """Over OpenAI's SDK."""
        from openai import AsyncOpenAI

        provider = ChatProvider(AgentSpec("ann", name, model), KEY, ADDRESS, ChatDialect(bills_itself=True))
        client = AsyncOpenAI(api_key=KEY, base_url=ADDRESS, max_retries=0, http_client=self._http())
        provider._client = LazyClient(lambda: client)
        return provider

    def anthropic_provider(self) -> Provider:
        """Over Anthropic's SDK."""
        from anthropic import AsyncAnthropic

        provider = AnthropicProvider(AgentSpec("ann", "anthropic", "claude-haiku-4-5"), KEY, ADDRESS)
        client = AsyncAnthropic(api_key=KEY, base_url=ADDRESS, max_retries=0, http_client=self._http())
        provider._client = LazyClient(lambda: client)
        return provider

    def mistral_provider(self) -> Provider:
        """Over Mistral's SDK."""
        from mistralai.client import Mistral

        provider = MistralProvider(AgentSpec("ann", "mistral", "mistral-large"), KEY, ADDRESS)
        client = Mistral(api_key=KEY, server_url=ADDRESS, async_client=self._http())
        provider._client = LazyClient(lambda: client)
        return provider

    def _http(self) -> httpx2.AsyncClient:
        return httpx2.AsyncClient(transport=httpx2.MockTransport(self.handle), base_url=ADDRESS)


def chat(content: Any = GOOD, usage: Any = ABSENT, finish: Any = "stop", more: tuple[Any, ...] = ()) -> Reply:
    """A stream of Chat Completions; `more` are further chunks before its last."""
    first = {"id": "c", "model": "m", "choices": [{"index": 0, "delta": {"content": content}, "finish_reason": None}]}
    last = {"id": "c", "model": "m", "choices": [{"index": 0, "delta": {}, "finish_reason": finish}]}
    if usage is not ABSENT:
        last["usage"] = usage
    return stream(first, *more, last)


def messages(text: Any = GOOD, usage: Any = ABSENT, stop: Any = "end_turn") -> Reply:
    """A stream of Anthropic's Messages; `usage` is told at the beginning and at the end."""
    told = {} if usage is ABSENT else {"usage": usage}
    message = {"id": "m", "type": "message", "role": "assistant", "model": "m", "content": []}
    return stream(
        {"type": "message_start", "message": message | told},
        {"type": "content_block_start", "index": 0, "content_block": {"type": "text", "text": ""}},
        {"type": "content_block_delta", "index": 0, "delta": {"type": "text_delta", "text": text}},
        {"type": "message_delta", "delta": {"stop_reason": stop}} | told,
        {"type": "message_stop"},
    )


def stream(*chunks: Any) -> Reply:
    """Server-sent events with these bodies."""
    return httpx2.Response(
        200, content=b"".join(_events(chunks)), headers={"content-type": "text/event-stream; charset=utf-8"}
    )


def document(body: Any) -> Reply:
    """One JSON document where a stream was asked for."""
    return httpx2.Response(200, content=_json(body), headers={"content-type": "application/json"})


def raw(body: bytes, status: int = 200, kind: str = "text/event-stream") -> Reply:
    """Bytes, whatever they are."""
    return httpx2.Response(status, content=body, headers={"content-type": kind})


def endless(anthropic: bool, began: bool) -> Reply:
    """A stream of Anthropic's Messages, or of Chat Completions, that begins or not, and then says nothing more."""
    chunk = {"id": "c", "model": "m", "choices": [{"index": 0, "delta": {"content": "So"}, "finish_reason": None}]}
    delta = {"type": "content_block_delta", "index": 0, "delta": {"type": "text_delta", "text": "So"}}

    async def silent() -> AsyncIterator[bytes]:
        if began:
            kind = b"event: content_block_delta\n" if anthropic else b""
            yield kind + b"data: " + _json(delta if anthropic else chunk) + b"\n\n"
        await asyncio.Event().wait()

    return httpx2.Response(200, content=silent(), headers={"content-type": "text/event-stream"})


def failure(status: int, body: Any, headers: dict[str, str] | None = None) -> Reply:
    """An error answer."""
    return httpx2.Response(status, content=_json(body), headers={"content-type": "application/json"} | (headers or {}))


def _events(chunks: tuple[Any, ...]) -> Iterator[bytes]:
    for chunk in chunks:
        kind = chunk.get("type") if isinstance(chunk, dict) else None
        named = f"event: {kind}\n".encode() if isinstance(kind, str) and kind.isidentifier() else b""
        yield named + b"data: " + _json(chunk) + b"\n\n"
    yield b"data: [DONE]\n\n"


def _json(value: Any) -> bytes:
    return json.dumps(value).replace("Infinity", "1e999").encode()
