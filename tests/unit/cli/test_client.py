"""The client repeats what is safe to repeat, waits as told, and turns every refusal into the error it means."""

from __future__ import annotations

import asyncio
from typing import Any

import pytest
from aiohttp import web
from aiohttp.test_utils import TestServer

from aragora import client as module
from aragora import errors
from aragora.client import AragoraClient, NotAragora, ServerUnreachable
from aragora.resilience.backoff import Backoff


async def test_a_post_without_an_idempotency_key_is_sent_once(server: Any) -> None:
    server.unavailable = 5
    async with AragoraClient(server.url) as client:
        with pytest.raises(errors.Unavailable):
            await client.post("/api/debates", {"question": "?"})
    assert len(server.keys) == 1


async def test_an_unknown_debate_is_told_on_the_stream(server: Any) -> None:
    async with AragoraClient(server.url) as client:
        with pytest.raises(errors.NotFound, match="no such debate"):
            await anext(client.follow("deb_9"))


async def test_journal_and_stream_tell_the_same(server: Any) -> None:
    async with AragoraClient(server.url) as client:
        stored = [envelope async for envelope in client.journal("deb_1", after_seq=2)]
        live = [envelope async for envelope in client.follow("deb_1", after_seq=2)]
    assert stored == live
    assert [envelope.seq for envelope in stored] == list(range(3, 11))


@pytest.mark.parametrize(
    ("status", "kind"),
    [
        (400, errors.InvalidInput),
        (401, errors.Unauthenticated),
        (403, errors.Forbidden),
        (404, errors.NotFound),
        (409, errors.Conflict),
        (413, errors.TooLarge),
        (422, errors.InvalidInput),
        (429, errors.RateLimited),
        (500, errors.AragoraError),
        (503, errors.Unavailable),
    ],
)
@pytest.mark.parametrize("page", ['{"error": {"code": "c", "message": "m"}, "request_id": "r"}', "<html>", "[]", ""])
async def test_every_refusal_is_the_error_it_means(status: int, kind: type[errors.AragoraError], page: str) -> None:
    async def refuse(_request: web.Request) -> web.Response:
        return web.Response(status=status, text=page, headers={"Retry-After": "0"})

    app = web.Application()
    app.router.add_get("/x", refuse)
    async with TestServer(app) as running, AragoraClient(str(running.make_url(""))) as client:
        with pytest.raises(errors.AragoraError) as caught:
            await client.get("/x")
    assert type(caught.value) is kind
    assert caught.value.retry_after_s == 0
    if page.startswith("{"):
        assert (caught.value.code, caught.value.message) == ("c", "m (request r)")


async def test_a_server_that_hangs_is_given_up_on(monkeypatch: pytest.MonkeyPatch) -> None:
    monkeypatch.setattr(module, "RETRY", Backoff(base_s=0, cap_s=0, attempts=2))
    calls = 0

    async def hang(_request: web.Request) -> web.Response:
        nonlocal calls
        calls += 1
        await asyncio.Event().wait()
        return web.Response()

    app = web.Application()
    app.router.add_get("/x", hang)
    async with TestServer(app) as running, AragoraClient(str(running.make_url("")), timeout_s=1.0) as client:
        with pytest.raises(ServerUnreachable, match="TimeoutError"):
            await client.get("/x")
    assert calls == 2


@pytest.mark.parametrize(
    "page",
    [
        "<html>Welcome</html>",
        "",
        "{}",
        "[1]",
        '{"events": [{}]}',
        "\ud83d".encode("utf-8", "surrogatepass").decode("latin-1"),
    ],
)
async def test_what_is_no_aragora_server_is_told_as_that(page: str) -> None:
    async def welcome(_request: web.Request) -> web.Response:
        return web.Response(text=page)

    app = web.Application()
    app.router.add_route("*", "/{path:.*}", welcome)
    async with TestServer(app) as running, AragoraClient(str(running.make_url(""))) as client:
        with pytest.raises(NotAragora, match="--url"):
            await client.open_debate("Tea?")
        with pytest.raises(NotAragora):
            await anext(client.journal("deb_1"))
