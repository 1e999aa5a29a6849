"""The application behind deploy/nginx/aragora.conf: pages, API, WebSockets and event streams over TLS, at the root of a
host and under a base path."""

from __future__ import annotations

import asyncio
import re
import socket
import ssl
from collections.abc import AsyncIterator
from contextlib import asynccontextmanager
from functools import partial
from pathlib import Path
from typing import Any

import aiohttp
import httpx2
import pytest
from websockets.asyncio import client as websocket
from worlds import nginx
from worlds.nginx import NAME, Proxy
from worlds.waiting import WAIT_S

from aragora.client import AragoraClient
from aragora.debate.model import RoundStarted

pytestmark = pytest.mark.slow

TOKEN = "a-token-of-the-test-that-nobody-guesses"
AUTHORIZED = {"Authorization": f"Bearer {TOKEN}"}
BASES = ["", "/aragora"]
LINKS = re.compile(r"""(?:href|src)="([^"]+)"|["`](/[a-z][^"`$ ]*)""")
EDITED = {"": lambda shipped: shipped, "/aragora": nginx.under_base_path}


@asynccontextmanager
async def fronted(serve: Any, directory: Path, base: str) -> AsyncIterator[tuple[Proxy, httpx2.AsyncClient]]:
    """nginx before the application, and a client that knows the token and asks for paths below `base`."""
    async with serve(allowed_hosts=(NAME,), api_token=TOKEN) as address:
        port = int(address.partition(":")[2])
        front = nginx.running(directory, [port], changed=EDITED[base])
        proxy = await asyncio.to_thread(front.__enter__)
        try:
            async with httpx2.AsyncClient(
                base_url=f"https://127.0.0.1:{proxy.https_port}{base}/",
                headers={"Host": NAME, **AUTHORIZED},
                verify=nginx.unverified(),
                timeout=WAIT_S,
            ) as client:
                yield proxy, client
        finally:
            await asyncio.to_thread(front.__exit__, None, None, None)


@pytest.fixture(params=BASES, ids=["root", "base path"])
def base(request: pytest.FixtureRequest) -> str:
    path: str = request.param
    return path


@pytest.fixture
def front(serve: Any, tmp_path: Path, base: str) -> Any:
    return partial(fronted, serve, tmp_path, base)


async def test_the_page_and_all_that_it_names_are_served(front: Any, base: str) -> None:
    async with front() as (_, client):
        page = await client.get("")
        assert page.status_code == 200
        assert "script-src 'self'" in page.headers["content-security-policy"]
        named = {link for link in _links(page.text) if link.startswith(f"{base}/assets/")}
        assert len(named) == 3
        for path in {link.removeprefix(f"{base}/") for link in named} | {"assets/api.js", "assets/gate.js"}:
            file = await client.get(path)
            assert file.status_code == 200
            assert [link for link in _links(file.text) if not link.startswith(f"{base}/")] == []
        assert [link for link in _links(page.text) if not link.startswith(f"{base}/")] == []


async def test_a_page_of_our_own_may_open_a_debate_and_another_may_not(front: Any, world: Any, base: str) -> None:
    async with front() as (_, client):
        question = {"question": "Tea or coffee?"}
        opened = await client.post("api/debates", json=question, headers={"Origin": f"https://{NAME}"})
        assert opened.status_code == 202
        assert opened.headers["location"].endswith(f"{base}/api/debates/{opened.json()['debate_id']}")
        other = await client.post("api/debates", json=question, headers={"Origin": "https://evil.example"})
        assert (other.status_code, other.json()["error"]["code"]) == (403, "origin_not_allowed")


async def test_events_of_a_stream_arrive_as_they_happen(front: Any, world: Any) -> None:
    world.add()
    async with front() as (_, client), asyncio.timeout(WAIT_S):
        headers = {"Accept": "text/event-stream"}
        async with client.stream("GET", "api/debates/deb_1/events", headers=headers) as stream:
            assert stream.status_code == 200
            ids = (int(line[3:]) async for line in stream.aiter_lines() if line.startswith("id:"))
            assert await anext(ids) == 1
            for number in range(3):  # the next is published only after the last was seen
                seq = await world.publish("deb_1", RoundStarted(number, ()))
                assert await anext(ids) == seq


async def test_a_websocket_replays_follows_and_ends(front: Any, world: Any, wire: Any, base: str) -> None:
    world.add()
    async with front() as (proxy, _):
        url = f"wss://127.0.0.1:{proxy.https_port}{base}/ws"
        async with websocket.connect(
            url, ssl=nginx.unverified(), open_timeout=WAIT_S, additional_headers=AUTHORIZED
        ) as client:
            assert (await wire.next_of(client, "connection_info"))["type"] == "connection_info"
            await wire.say(client, type="subscribe", debate_id="deb_1", after_seq=0)
            await wire.next_of(client, "debate_start")
            await world.publish("deb_1", RoundStarted(0, ()))
            assert (await wire.next_of(client, "round_start"))["seq"] == 2
            await world.end("deb_1")
            await wire.seqs_until_end(client)


async def test_our_own_client_works_with_the_address_of_the_proxy(
    front: Any, world: Any, base: str, monkeypatch: pytest.MonkeyPatch
) -> None:
    """It checks certificates, and has no switch against that: here only its connector takes the test's."""
    connector = partial(aiohttp.TCPConnector, ssl=nginx.unverified())
    session = aiohttp.ClientSession
    monkeypatch.setattr(aiohttp, "ClientSession", lambda **options: session(connector=connector(), **options))
    world.add()
    await world.rounds("deb_1", 2)
    await world.end("deb_1")
    async with (
        front() as (proxy, _),
        AragoraClient(f"https://127.0.0.1:{proxy.https_port}{base}", token=TOKEN) as client,
    ):
        assert await client.alive()
        followed = [event.seq async for event in client.follow("deb_1")]
        assert followed == [event.seq async for event in client.journal("deb_1")]


async def test_what_is_guarded_is_guarded_alike(front: Any, base: str) -> None:
    async with front() as (proxy, _):
        for path in ("/api/admin/audit", "//api/admin/audit", "/API/system/errors", "/metrics", "/-/routes"):
            for prefix in {"", base}:
                refused = await asyncio.to_thread(proxy.ask, f"{prefix}{path}", of=nginx.OUTSIDE)
                assert refused.status == 403, prefix + path
            asked = await asyncio.to_thread(proxy.ask, f"{base}{path}", of=nginx.INSIDE, **AUTHORIZED, Host=NAME)
            assert asked.status != 403, base + path


async def test_what_a_debate_says_is_not_edited(front: Any, world: Any) -> None:
    """Under a base path the pages' own addresses are; nothing else may be."""
    said = 'Is "/api/debates" or `/api/x` the better path?'
    world.add(question=said)
    async with front() as (_, client):
        assert (await client.get("api/debates/deb_1")).json()["question"] == said
        events = (await client.get("api/debates/deb_1/events")).json()["events"]
        assert events[0]["data"]["spec"]["question"] == said


async def test_the_base_path_without_its_slash_leads_to_the_page(serve: Any, tmp_path: Path) -> None:
    async with fronted(serve, tmp_path, "/aragora") as (proxy, _):
        led = await asyncio.to_thread(proxy.ask, "/aragora", Host=NAME)
        assert led.status == 301
        assert led.headers["location"].endswith("/aragora/")


async def test_tls_is_1_2_or_newer_and_offers_http_2(serve: Any, tmp_path: Path) -> None:
    async with fronted(serve, tmp_path, "") as (proxy, _):
        assert await asyncio.to_thread(_agreed, proxy, ssl.TLSVersion.TLSv1_3) == ("TLSv1.3", "h2")
        assert await asyncio.to_thread(_agreed, proxy, ssl.TLSVersion.TLSv1_2) == ("TLSv1.2", "h2")
        with pytest.raises(ssl.SSLError):
            await asyncio.to_thread(_agreed, proxy, ssl.TLSVersion.TLSv1_1)


async def test_port_8765_may_be_published_too(serve: Any, world: Any, wire: Any, tmp_path: Path) -> None:
    (port,) = nginx.free_ports(1)

    def opened(shipped: str) -> str:
        assert "    # listen 8765 ssl http2;\n" in shipped
        return shipped.replace("# listen 8765 ", f"listen 127.0.0.1:{port} ")

    async with serve(allowed_hosts=(NAME,), api_token=TOKEN) as address:
        front = nginx.running(tmp_path, [int(address.partition(":")[2])], changed=opened)
        await asyncio.to_thread(front.__enter__)
        try:
            async with websocket.connect(
                f"wss://127.0.0.1:{port}/ws", ssl=nginx.unverified(), open_timeout=WAIT_S, additional_headers=AUTHORIZED
            ) as client:
                await wire.next_of(client, "connection_info")
        finally:
            await asyncio.to_thread(front.__exit__, None, None, None)


def _links(text: str) -> list[str]:
    """The addresses that a page, or a script of one, names, other than files beside it."""
    found = [one or other for one, other in LINKS.findall(text)]
    return [link for link in found if not link.startswith(("#", "./"))]


def _agreed(proxy: Proxy, version: ssl.TLSVersion) -> tuple[str | None, str | None]:
    """The version and the protocol that a client of this version of TLS and nginx agree on."""
    context = nginx.unverified()
    context.set_ciphers("DEFAULT@SECLEVEL=0")
    context.minimum_version = context.maximum_version = version
    context.set_alpn_protocols(["h2", "http/1.1"])
    with (
        socket.create_connection(("127.0.0.1", proxy.https_port), timeout=WAIT_S) as plain,
        context.wrap_socket(plain, server_hostname=NAME) as secured,
    ):
        return secured.version(), secured.selected_alpn_protocol()
