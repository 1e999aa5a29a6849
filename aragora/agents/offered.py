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
from urllib.parse import urlsplit

import aiohttp

from aragora.agents import naming
from aragora.agents.causes import WRONG_KEY, code_of, remedy_of
from aragora.agents.declared import DeclaredAgent
from aragora.agents.offers import OfferedModel, read_models
from aragora.config.providers import BY_NAME, PROVIDERS
from aragora.config.settings import Settings

TIMEOUT_S: Final = 10.0
LIST_MAX_BYTES: Final = 16_000_000  # OpenRouter's list is about a megabyte

_WORDS_MAX_BYTES: Final = 4_000
_ANTHROPIC_VERSION: Final = "2023-06-01"
_NO_LIST: Final = "it answers, but not as a server of models does"
_LOCAL_KEY: Final = "ARAGORA_LOCAL_API_KEY"
_LOCAL_ADDRESS: Final = "ARAGORA_LOCAL_BASE_URL"
_OK: Final = 200
_NOT_FOUND: Final = 404
_ELSEWHERE: Final = range(300, 400)


@dataclass(frozen=True, slots=True)
class Offer:
    """What one provider or server offers. `problem` says what happened where its list could not be read, and `remedy`
    what to do; both are empty where it could. `left_out` counts models beyond the most that are told, `first` is asked
    where no model is named. `agents` are the declared agents that ask this very server."""

    source: str  # a declared provider, or local
    address: str  # without user and password
    models: tuple[OfferedModel, ...] = ()
    left_out: int = 0
    first: str = ""
    problem: str = ""
    remedy: str = ""
    agents: tuple[str, ...] = ()


@dataclass(frozen=True, slots=True)
class _Server:
    """One to ask. `key_variable` and `address_named` say where a person sets its key and its address."""

    source: str
    address: str
    key: str | None
    key_variable: str | None
    address_named: str
    agents: tuple[str, ...] = ()


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
            address = settings.provider_address(provider.name)
            yield _Server(
                provider.name, address, key.get_secret_value(), provider.key_variable, provider.address_variable
            )
    if settings.local_base_url is not None:
        local = settings.local_api_key
        key_of_local = None if local is None else local.get_secret_value()
        yield _Server(naming.LOCAL, settings.local_base_url, key_of_local, _LOCAL_KEY, _LOCAL_ADDRESS)


def _of_agents(agents: Iterable[DeclaredAgent], settings: Settings) -> Iterator[_Server]:
    """One for each address, or key of its own, that agents.toml names."""
    found: dict[tuple[str, str, str | None], list[str]] = {}
    for agent in agents:
        address = agent.address or _usual_address(agent.provider, settings)
        if address is not None and (agent.address is not None or agent.key_variable is not None):
            found.setdefault((agent.provider, address, agent.key_variable), []).append(agent.name)
    for (source, address, variable), names in found.items():
        key = None if variable is None else settings.named_key(variable)
        text = None if key is None else key.get_secret_value()
        yield _Server(source, address, text, variable, "the address in agents.toml", tuple(names))


def _usual_address(provider: str, settings: Settings) -> str | None:
    return settings.provider_address(provider) if provider in BY_NAME else settings.local_base_url


async def _offer(server: _Server, timeout_s: float) -> Offer:
    offer = Offer(server.source, without_credentials(server.address), agents=server.agents)
    if server.agents and server.key_variable is not None and server.key is None:
        return replace(offer, problem=f"{server.key_variable} is not set", remedy="Set it to the key of this server.")
    try:
        async with asyncio.timeout(timeout_s):
            status, body = await _fetched(server)
    except TimeoutError:
        there = f"Is it running, and is {server.address_named} right?"
        return replace(offer, problem=f"it gave no answer within {timeout_s:g} s", remedy=there)
    except (aiohttp.ClientError, OSError, ValueError) as error:  # told by its class only: its text may hold the key
        problem = f"it could not be reached ({type(error).__name__})"
        key = f", and {server.key_variable}" if server.key is not None else ""
        return replace(offer, problem=problem, remedy=f"Is it running, and is {server.address_named}{key} right?")
    if status != _OK:
        return replace(offer, problem=f"it answered {status}", remedy=_remedy(server, status, body))
    read = read_models(server.source, _json(body), on_the_spot=not server.agents)
    if read is None:
        return replace(offer, problem=_NO_LIST, remedy=_wrong_address(server))
    return replace(offer, models=read.models, left_out=read.left_out, first=read.first)


def _remedy(server: _Server, status: int, body: bytes) -> str:
    """What to do about an answer with this status. Its words are looked through, and never shown: they repeat keys."""
    if status in _ELSEWHERE or status == _NOT_FOUND:
        return _wrong_address(server)
    code = code_of(status, body[:_WORDS_MAX_BYTES].decode("utf-8", "replace"))
    if code != WRONG_KEY:
        return remedy_of(code)
    if server.key_variable is None:
        return "This server wants a key: name the variable that holds it as key_variable in agents.toml."
    return f"Check {server.key_variable}{'' if server.key else ', which is not set'}, and start the server again."


def _wrong_address(server: _Server) -> str:
    own_sdk = server.source in BY_NAME and BY_NAME[server.source].dialect is None  # which puts the version behind it
    often = "It ends without /v1." if own_sdk else "It mostly ends in /v1."
    return f"Is {server.address_named} the address of its API? {often}"


def without_credentials(address: str) -> str:
    """The address as it may be shown: without the user and password that it may hold."""
    parts = urlsplit(address)
    return parts._replace(netloc=parts.netloc.rpartition("@")[2]).geturl()


async def _fetched(server: _Server) -> tuple[int, bytes]:
    """Status and body of the list; of a body that is too long its beginning, which is no list. Raises what aiohttp
    raises."""
    url, headers = _request(server)
    async with (
        aiohttp.ClientSession() as session,
        session.get(url, headers=headers, allow_redirects=False) as answer,
    ):
        return answer.status, await _list_in(answer)


async def _list_in(answer: aiohttp.ClientResponse) -> bytes:
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
