"""Asking providers and servers for their models: what each answers, and what is told where one does not."""

from __future__ import annotations

import asyncio
from collections.abc import AsyncIterator, Awaitable, Callable
from typing import Any

import pytest
from aiohttp import web
from aiohttp.test_utils import TestServer

from aragora.agents import offered as module
from aragora.agents.declared import parse
from aragora.agents.offered import Offer, offered
from aragora.config.settings import Settings

KEY = "sk-very-secret-key-0123456789"
LIST = {"object": "list", "data": [{"id": "qwen3:8b"}, {"id": "nomic-embed-text"}]}

Answer = Callable[[web.Request], Awaitable[web.StreamResponse]]


class Servers:
    """One server for all providers; `answers` are looked up by the first part of the path."""

    def __init__(self) -> None:
        self.answers: dict[str, Answer] = {}
        self.seen: list[tuple[str, dict[str, str]]] = []
        self.url = ""

    async def handle(self, request: web.Request) -> web.StreamResponse:
        self.seen.append((request.path_qs, {name.lower(): value for name, value in request.headers.items()}))
        return await self.answers[request.path.split("/")[1]](request)

    def answering(self, name: str, body: Any, status: int = 200) -> str:
        """The address of a server that answers so."""

        async def answer(_request: web.Request) -> web.StreamResponse:
            return web.json_response(body, status=status)

        self.answers[name] = answer
        return f"{self.url}/{name}"


@pytest.fixture
async def servers() -> AsyncIterator[Servers]:
    made = Servers()
    app = web.Application()
    app.router.add_get("/{tail:.*}", made.handle)
    async with TestServer(app) as running:
        made.url = str(running.make_url("")).rstrip("/")
        yield made


def settings(**fields: Any) -> Settings:
    return Settings.model_validate(fields)


def listed(offer: Offer) -> list[str]:
    return [model.agent for model in offer.models if model.chats]


async def test_every_provider_is_asked_in_its_own_way_with_its_own_key(servers: Servers) -> None:
    fields: dict[str, Any] = {}
    for name in ("anthropic", "openai", "gemini", "mistral", "xai", "openrouter"):
        body = {"models": [{"name": "models/m"}]} if name == "gemini" else {"data": [{"id": "m"}]}
        fields |= {f"{name}_api_key": f"key-of-{name}", f"{name}_base_url": servers.answering(name, body)}
    offers = await offered(settings(**fields))
    assert [listed(offer) for offer in offers] == [[f"{offer.source}:m"] for offer in offers]
    assert len(offers) == 6
    asked = {path.split("/")[1]: (path, headers) for path, headers in servers.seen}
    assert asked["anthropic"][0] == "/anthropic/v1/models?limit=1000"
    assert asked["anthropic"][1]["x-api-key"] == "key-of-anthropic"
    assert "anthropic-version" in asked["anthropic"][1]
    assert asked["gemini"][0] == "/gemini/v1beta/models?pageSize=1000"
    assert asked["gemini"][1]["x-goog-api-key"] == "key-of-gemini"
    assert asked["mistral"][0] == "/mistral/v1/models"
    assert asked["openrouter"][0] == "/openrouter/models"
    for name in ("openai", "mistral", "xai", "openrouter"):
        assert asked[name][1]["authorization"] == f"Bearer key-of-{name}"


async def test_servers_of_declared_agents_are_asked_once_each_with_their_own_key(
    servers: Servers, monkeypatch: pytest.MonkeyPatch
) -> None:
    address = servers.answering("box", LIST)
    monkeypatch.setenv("BOX_KEY", "key-of-the-box")
    monkeypatch.delenv("NO_KEY", raising=False)
    text = "\n".join(
        f"[agents.{name}]\nprovider = 'local'\nmodel = '{name}'\naddress = '{address}'\nkey_variable = '{variable}'"
        for name, variable in (("ann", "BOX_KEY"), ("bob", "BOX_KEY"), ("cid", "NO_KEY"))
    )
    declared = parse(text.encode(), "agents.toml").agents
    usual = servers.answering("usual", LIST)
    offers = await offered(settings(local_base_url=usual, local_api_key=KEY), declared)
    assert [(offer.address, offer.agents) for offer in offers] == [
        (usual, ()), (address, ("ann", "bob")), (address, ("cid",)),
    ]  # fmt: skip
    assert listed(offers[0]) == ["local:qwen3:8b"]
    assert [model.model for model in offers[1].models] == ["nomic-embed-text", "qwen3:8b"]
    assert (offers[2].problem, offers[2].remedy) == ("NO_KEY is not set", "Set it to the key of this server.")
    assert {headers["authorization"] for path, headers in servers.seen if path.startswith("/box")} == {
        "Bearer key-of-the-box"
    }


@pytest.mark.parametrize(
    ("status", "body", "told", "remedy"),
    [
        (401, {"error": {"message": f"Incorrect API key provided: {KEY}"}}, "answered 401", "Check OPENAI_API_KEY"),
        (402, {}, "answered 402", "Add credit"),
        (404, {"error": "model not found"}, "answered 404", "ARAGORA_OPENAI_BASE_URL the address of its API"),
        (500, {}, "answered 500", "Try again later"),
        (302, {}, "answered 302", "ARAGORA_OPENAI_BASE_URL the address of its API"),
        (200, {"error": "no"}, "not as a server of models does", "/v1"),
        (200, "Ollama is running", "not as a server of models does", "/v1"),
    ],
)
async def test_a_server_that_refuses_is_told_with_its_cause_and_the_others_are_listed(
    servers: Servers, status: int, body: Any, told: str, remedy: str
) -> None:
    bad = servers.answering("bad", body, status)
    good = servers.answering("good", LIST)
    first, second = await offered(settings(openai_api_key=KEY, openai_base_url=bad, local_base_url=good))
    assert told in first.problem
    assert remedy in first.remedy
    assert KEY not in first.problem + first.remedy
    assert listed(second) == ["local:qwen3:8b"]


async def test_a_password_in_an_address_is_used_and_not_shown(servers: Servers) -> None:
    address = servers.answering("box", LIST).replace("//", "//me:hidden@")
    (offer,) = await offered(settings(local_base_url=address))
    assert listed(offer) == ["local:qwen3:8b"]
    assert "hidden" not in repr(offer)
    assert servers.seen[0][1]["authorization"].startswith("Basic ")


async def test_a_server_that_is_not_there_or_says_nothing_is_told(servers: Servers) -> None:
    async def silent(_request: web.Request) -> web.StreamResponse:
        await asyncio.Event().wait()
        raise AssertionError

    servers.answers["silent"] = silent
    away = settings(openai_api_key=KEY, openai_base_url="http://127.0.0.1:9/v1", local_base_url=f"{servers.url}/silent")
    first, second = await offered(away, timeout_s=0.2)
    assert first.problem.startswith("it could not be reached (Client")
    assert second.problem.startswith("it gave no answer within 0.2 s")


async def test_a_key_that_no_header_can_hold_is_told_without_it(servers: Servers) -> None:
    address = servers.answering("box", LIST)
    (offer,) = await offered(settings(openai_api_key="sk-\n-secret", openai_base_url=address))
    assert "OPENAI_API_KEY right" in offer.remedy
    assert "secret" not in offer.problem + offer.remedy


async def test_a_body_without_end_is_not_read_to_it(servers: Servers, monkeypatch: pytest.MonkeyPatch) -> None:
    async def endless(request: web.Request) -> web.StreamResponse:
        response = web.StreamResponse()
        await response.prepare(request)
        while True:
            await response.write(b" " * 65_536)

    servers.answers["endless"] = endless
    monkeypatch.setattr(module, "LIST_MAX_BYTES", 1_000_000)
    (offer,) = await offered(settings(local_base_url=f"{servers.url}/endless"))
    assert "not as a server of models does" in offer.problem


async def test_a_key_follows_no_redirect(servers: Servers) -> None:
    async def elsewhere(_request: web.Request) -> web.StreamResponse:
        raise web.HTTPFound(f"{servers.url}/thief/models")

    servers.answers["moved"] = elsewhere
    servers.answering("thief", LIST)
    (offer,) = await offered(settings(openai_api_key=KEY, openai_base_url=f"{servers.url}/moved"))
    assert "302" in offer.problem
    assert [path for path, _ in servers.seen] == ["/moved/models"]
