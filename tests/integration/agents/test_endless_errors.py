"""A server whose error has a body without an end: every SDK tells the cause at once, and keeps little of the body."""

from __future__ import annotations

import asyncio
from collections.abc import AsyncIterator
from contextlib import suppress
from dataclasses import dataclass

import pytest

from aragora.agents.model import AgentSpec, ModelCall, Provider, ProviderFault, Turn
from aragora.agents.providers.anthropic import AnthropicProvider
from aragora.agents.providers.bounded import ERROR_MAX_BYTES
from aragora.agents.providers.chat import ChatProvider
from aragora.agents.providers.gemini import GeminiProvider
from aragora.agents.providers.mistral import MistralProvider
from aragora.config.providers import ChatDialect

pytestmark = pytest.mark.slow
KEY = "sk-test-0123456789"
ON_ITS_WAY_BYTES = 30_000_000  # in the buffers of sockets and clients
MOST_BYTES = 200_000_000
HEAD = b"HTTP/1.1 500 Oops\r\ncontent-type: application/json\r\ntransfer-encoding: chunked\r\n\r\n"
WORDS = b'{"error": {"message": "the first words, '
CALL = ModelCall("You debate.", (Turn("user", "Why?"),), {"type": "object"}, "proposal", 100, 0.5, 20.0, "ask-1")


@dataclass
class Endless:
    """Such a server, and how much it has sent."""

    address: str = ""
    sent: int = 0

    async def serve(self, reader: asyncio.StreamReader, writer: asyncio.StreamWriter) -> None:
        with suppress(ConnectionError, asyncio.IncompleteReadError):
            await reader.readuntil(b"\r\n\r\n")
            writer.write(HEAD + b"%x\r\n%s\r\n" % (len(WORDS), WORDS))
            while self.sent < MOST_BYTES:
                writer.write(b"10000\r\n" + b"x" * 65_536 + b"\r\n")
                self.sent += 65_536
                await writer.drain()
            writer.write(b"0\r\n\r\n")
        writer.close()


@pytest.fixture
async def endless() -> AsyncIterator[Endless]:
    found = Endless()
    async with await asyncio.start_server(found.serve, "127.0.0.1", 0) as server:
        found.address = f"http://127.0.0.1:{server.sockets[0].getsockname()[1]}"
        yield found


def provider_of(name: str, address: str) -> Provider:
    spec = AgentSpec("ann", name, "a-model")
    match name:
        case "anthropic":
            return AnthropicProvider(spec, KEY, address)
        case "mistral":
            return MistralProvider(spec, KEY, address)
        case "gemini":
            return GeminiProvider(spec, KEY, address)
        case _:
            return ChatProvider(spec, KEY, f"{address}/v1", ChatDialect())


@pytest.mark.parametrize("name", ["local", "anthropic", "mistral", "gemini"])
async def test_an_error_without_an_end_is_told_with_its_first_words(name: str, endless: Endless) -> None:
    provider = provider_of(name, endless.address)
    with pytest.raises(ProviderFault) as failed:
        await provider.complete(CALL)
    await provider.aclose()
    assert f"{name} answered 500" in failed.value.told
    assert "the first words" in failed.value.told
    assert endless.sent < ON_ITS_WAY_BYTES + ERROR_MAX_BYTES
