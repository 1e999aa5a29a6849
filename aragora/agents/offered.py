"""What each key and each server of one's own offers: the models that could debate, asked of the providers themselves.

All are asked at once, each within `TIMEOUT_S`. Whatever comes back is bounded and read with care: a list that cannot be
read is that provider's problem and is told with its cause, the others are listed all the same. A key follows no
redirect, and stands in no text.
"""

from __future__ import annotations

import asyncio
import json
from collections.abc import Iterable, Iterator, Mapping, Sequence
from dataclasses import dataclass, replace
from typing import Any, Final

import aiohttp

from aragora.agents import naming
from aragora.agents.causes import code_of, remedy_of
from aragora.agents.declared import DeclaredAgent
from aragora.agents.offers import OfferedModel, read_models
from aragora.config.providers import BY_NAME, PROVIDERS
from aragora.config.settings import Settings

TIMEOUT_S: Final = 10.0
LIST_MAX_BYTES: Final = 16_000_000  # OpenRouter's list is about a megabyte

_WORDS_MAX_BYTES: Final = 4_000
_ANTHROPIC_VERSION: Final = "2023-06-01"
_NO_LIST: Final = "what it answers is no list of models: is this the address of its API?"


@dataclass(frozen=True, slots=True)
class Offer:
    """What one provider or server offers. `problem` is empty where its list could be read; `left_out` counts models
    beyond the most that are told. `agents` are the declared agents that ask this very server."""

    source: str  # a declared provider, or local
    address: str
    models: tuple[OfferedModel, ...] = ()
    left_out: int = 0
    problem: str = ""
    agents: tuple[str, ...] = ()


@dataclass(frozen=True, slots=True)
class _Server:
    """One to ask. Where it is known already that it cannot be asked, `problem` says why."""

    source: str
    address: str
    key: str | None = None
    agents: tuple[str, ...] = ()
    problem: str = ""


async def offered(
    settings: Settings, declared: Sequence[DeclaredAgent] = (), timeout_s: float = TIMEOUT_S
) -> list[Offer]:
    """The offers of all providers whose key is set, of the local server, and of the servers of the agents that are
    `declared`. What fails is told in its offer."""
    servers = (*_usual(settings), *_of_agents(declared, settings))
    return list(await asyncio.gather(*(_offer(server, timeout_s) for server in servers)))


def _usual(settings: Settings) -> Iterator[_Server]:
    for provider in PROVIDERS:
        key = settings.provider_key(provider.name)
        if key is not None:
            yield _Server(provider.name, settings.provider_address(provider.name), key.get_secret_value())
    if settings.local_base_url is not None:
        local = settings.local_api_key
        yield _Server(naming.LOCAL, settings.local_base_url, None if local is None else local.get_secret_value())


def _of_agents(agents: Iterable[DeclaredAgent], settings: Settings) -> Iterator[_Server]:
    """One for each address, or key of its own, that agents.toml names."""
    found: dict[tuple[str, str, str | None], list[str]] = {}
    for agent in agents:
        address = agent.address or _usual_address(agent.provider, settings)
        if address is not None and (agent.address is not None or agent.key_variable is not None):
            found.setdefault((agent.provider, address, agent.key_variable), []).append(agent.name)
    for (source, address, variable), names in found.items():
        key = None if variable is None else settings.named_key(variable)
        problem = f"{variable} is not set: set it to the key of this server" if variable and key is None else ""
        yield _Server(source, address, None if key is None else key.get_secret_value(), tuple(names), problem)


def _usual_address(provider: str, settings: Settings) -> str | None:
    return settings.provider_address(provider) if provider in BY_NAME else settings.local_base_url


async def _offer(server: _Server, timeout_s: float) -> Offer:
    offer = Offer(server.source, server.address, agents=server.agents, problem=server.problem)
    if offer.problem:
        return offer
    try:
        async with asyncio.timeout(timeout_s):
            status, body = await _fetched(server)
    except TimeoutError:
        return replace(
            offer, problem=f"it gave no answer within {timeout_s:g} s: is it running, and is its address right?"
        )
    except (aiohttp.ClientError, OSError, ValueError) as error:  # told by its class only: its text may hold the key
        return replace(
            offer,
            problem=f"it could not be reached ({type(error).__name__}): is it running, and are address and key right?",
        )
    if status != 200:
        words = body[:_WORDS_MAX_BYTES].decode("utf-8", "replace")  # looked through, and never shown: they repeat keys
        return replace(offer, problem=f"it answered {status}: {remedy_of(code_of(status, words))}")
    read = read_models(server.source, _json(body), on_the_spot=not server.agents)
    return replace(offer, problem=_NO_LIST) if read is None else replace(offer, models=read[0], left_out=read[1])


async def _fetched(server: _Server) -> tuple[int, bytes]:
    """Status and body of the list; of a body that is too long its beginning, which is no list. Raises what aiohttp
    raises."""
    url, headers = _request(server)
    async with (
        aiohttp.ClientSession() as session,
        session.get(url, headers=headers, allow_redirects=False) as answer,
    ):
        return answer.status, await list_in(answer)


async def list_in(answer: aiohttp.ClientResponse) -> bytes:
    """The body of an answer; of one that is too long its beginning, which is no list."""
    body = bytearray()
    async for piece in answer.content.iter_chunked(65_536):
        body += piece
        if len(body) > LIST_MAX_BYTES:
            break
    return bytes(body)


def _request(server: _Server) -> tuple[str, Mapping[str, str]]:
    """Where the list of models is, and the headers that show the key, as the provider wants them."""
    key = server.key or ""
    match server.source:
        case "anthropic":
            url = f"{server.address}/v1/models?limit=1000"
            return url, {"x-api-key": key, "anthropic-version": _ANTHROPIC_VERSION}
        case "gemini":
            return f"{server.address}/v1beta/models?pageSize=1000", {"x-goog-api-key": key}
        case "mistral":
            return f"{server.address}/v1/models", {"Authorization": f"Bearer {key}"}
        case _:
            return f"{server.address}/models", {"Authorization": f"Bearer {key}"} if key else {}


def _json(body: bytes) -> Any:
    """The document in `body`; None where it is none."""
    try:
        return json.loads(body)
    except (ValueError, RecursionError):
        return None
