"""Executions watched on a real socket: as a stream, on the WebSocket and by a long poll, each the same as the pages."""

from __future__ import annotations

import asyncio
from collections.abc import AsyncIterator
from contextlib import asynccontextmanager
from functools import partial
from pathlib import Path
from typing import Any

import httpx2
import pytest
from websockets.asyncio import client as websocket
from worlds.migrated import migrated
from worlds.waiting import WAIT_S
from worlds.watched_executions import DEFINITION, STREAM, Stream, heard

from aragora.config.settings import Settings
from aragora.encoding import decode

pytestmark = pytest.mark.slow
connect = partial(websocket.connect, open_timeout=WAIT_S)


class Site:
    """A server with one execution that waits for `go`, then for `on`."""

    def __init__(self, address: str, http: httpx2.AsyncClient) -> None:
        self.address = address
        self.http = http

    async def begin(self) -> None:
        made = (await self.http.post("/api/workflows", json={"definition": DEFINITION})).json()
        begun = await self.http.post(f"/api/workflows/{made['workflow_id']}/execute", json={"inputs": {}})
        self.execution_id = begun.json()["execution_id"]
        self.path = f"/api/workflow-executions/{self.execution_id}"

    async def tell(self, act: str, body: Any = None) -> None:
        answer = await self.http.post(f"{self.path}/{act}", json=body or {})
        assert answer.status_code == 200, answer.text

    async def end(self) -> None:
        for name in ("go", "on"):
            await self.tell("signals", {"name": name})

    async def events(self, **query: Any) -> list[Any]:
        """What the pages have."""
        answer = await self.http.get(f"{self.path}/events", params={"limit": 1_000, **query})
        found: list[Any] = answer.json()["events"]
        return found

    @asynccontextmanager
    async def stream(self, after: int = 0, **headers: str) -> AsyncIterator[Stream]:
        request = self.http.stream("GET", f"{self.path}/events?after={after}", headers={**STREAM, **headers})
        async with request as answer:
            assert answer.status_code == 200, await answer.aread()
            yield Stream(answer.aiter_lines())


@pytest.fixture
async def site(serve: Any, tmp_path: Path) -> AsyncIterator[Site]:
    migrated(Settings(data_dir=tmp_path))
    async with serve() as address, httpx2.AsyncClient(base_url=f"http://{address}", timeout=WAIT_S) as http:
        site = Site(address, http)
        await site.begin()
        yield site


async def test_a_stream_and_a_socket_bring_what_the_pages_have_as_it_comes_and_say_when_it_is_over(
    site: Site, wire: Any
) -> None:
    async with site.stream() as stream, connect(f"ws://{site.address}/ws") as socket:
        await wire.say(socket, type="subscribe", execution_id=site.execution_id)
        first = await stream.event()
        assert (first["type"], first["seq"], first["execution_id"]) == ("execution_started", 1, site.execution_id)
        assert await heard(socket, 1) == [first]
        await site.end()
        streamed, told = await stream.until_over(), await heard(socket)
        await wire.say(socket, type="ping")
        await wire.next_of(socket, "pong")  # the connection lives on
    kept = await site.events()
    assert [one["seq"] for one in kept] == list(range(1, len(kept) + 1))
    assert kept[-1]["type"] == "execution_ended"
    assert [first, *streamed] == [first, *told] == kept


async def test_who_comes_again_gets_what_follows_the_last_seq_and_nothing_else(site: Site, wire: Any) -> None:
    await site.end()
    kept = await site.events()
    for after in (0, 1, len(kept) - 1, len(kept), len(kept) + 5):
        async with site.stream(after) as stream:
            assert await stream.until_over() == kept[after:]
        async with site.stream(**{"Last-Event-ID": str(after)}) as stream:
            assert await stream.until_over() == kept[after:]
        async with connect(f"ws://{site.address}/ws") as socket:
            await wire.say(socket, type="subscribe", execution_id=site.execution_id, after_seq=after)
            assert await heard(socket) == kept[after:]


async def test_a_retry_after_the_end_is_a_new_look(site: Site, wire: Any) -> None:
    async with connect(f"ws://{site.address}/ws") as socket:
        await wire.say(socket, type="subscribe", execution_id=site.execution_id)
        await site.tell("signals", {"name": "go"})
        await site.tell("cancel")
        first = await heard(socket)
        assert first[-1]["type"] == "execution_ended"
        await site.tell("retry", {"step": "second"})
        async with site.stream(first[-1]["seq"]) as stream:
            await wire.say(socket, type="subscribe", execution_id=site.execution_id, after_seq=first[-1]["seq"])
            again = await stream.event()
            assert (again["type"], again["seq"]) == ("execution_retried", first[-1]["seq"] + 1)
            await site.tell("signals", {"name": "on"})
            streamed, told = await stream.until_over(), await heard(socket)
    assert first + told == [*first, again, *streamed] == await site.events()


async def test_a_long_poll_is_answered_with_the_next_event_and_at_once_when_nothing_more_comes(site: Site) -> None:
    had = len(await site.events())
    waiting = asyncio.create_task(site.events(after=had, wait_s=25))
    await asyncio.sleep(0)
    await site.tell("signals", {"name": "go"})
    async with asyncio.timeout(20):
        assert (await waiting)[0]["seq"] == had + 1
    assert await site.events(after=1_000, wait_s=0.05) == []
    await site.tell("signals", {"name": "on"})
    last = (await site.events())[-1]["seq"]
    async with asyncio.timeout(20):
        assert await site.events(after=last, wait_s=25) == []


async def test_what_is_wrong_with_a_request_to_watch_is_said_before_anything_is_watched(site: Site, wire: Any) -> None:
    unknown = f"exe_{1:032x}"
    for path, headers, status in (
        (f"{site.path}/events", {"Last-Event-ID": "12x"}, 422),
        (f"{site.path}/events", {"Last-Event-ID": "9" * 16}, 422),
        (f"{site.path}/events?after=-1", {}, 422),
        (f"/api/workflow-executions/{unknown}/events", {}, 404),
    ):
        answer = await site.http.get(path, headers={**STREAM, **headers})
        assert answer.status_code == status, (path, headers, answer.text)
    async with connect(f"ws://{site.address}/ws") as socket:
        for message, code, named in (
            ({"execution_id": unknown}, "not_found", unknown),
            ({}, "invalid_input", None),
            ({"execution_id": unknown, "debate_id": "deb_1"}, "invalid_input", None),
            ({"execution_id": "a b"}, "invalid_input", None),
            ({"execution_id": unknown, "after_seq": -1}, "invalid_input", None),
        ):
            await wire.say(socket, type="subscribe", **message)
            refused = await wire.next_of(socket, "error")
            assert (refused["data"]["code"], refused.get("execution_id")) == (code, named), message
        await wire.say(socket, type="subscribe", execution_id=site.execution_id)
        assert (await heard(socket, 1))[0]["seq"] == 1
        await wire.say(socket, type="unsubscribe", execution_id=site.execution_id)
        await wire.say(socket, type="ping")
        await wire.next_of(socket, "pong")
        await site.end()
        await wire.say(socket, type="ping")
        assert decode(await socket.recv())["type"] == "pong"
