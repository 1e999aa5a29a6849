"""A local HTTP server that speaks the wire formats of all providers, and misbehaves on demand.

    async with ProviderStandIn() as server:
        server.next(Behaviour(status=429, headers={"Retry-After": "2"}), Sent(b"<html>", content_type="text/html"))
        server.refuses = lambda body: "no temperature" if "temperature" in body else None
        ...  # point an SDK at server.anthropic, server.chat, server.mistral or server.gemini

Behaviours are served in the order they were given; after them every request is answered with `always`: well,
unless it says otherwise. What `refuses` finds in a
request is answered with 400 and those words, whatever was to be served.
`python -m tests.standins` runs it until it is interrupted and prints the settings that point Aragora at it.
"""

from __future__ import annotations

import asyncio
from collections import deque
from collections.abc import Callable, Mapping
from contextlib import nullcontext
from dataclasses import dataclass, field
from typing import Any, Self

from aiohttp import web

from tests.standins.answers import answer_to
from tests.standins.dialects import Chat, Dialect, Gemini, Messages

KEY = "sk-standin-0123456789abcdef"
COMMENT_EVERY_S = 0.05


@dataclass(frozen=True)
class Behaviour:
    """How one request is answered. `text` None: by the schema that was asked for."""

    status: int = 200
    message: str = "the stand-in was told to fail"
    headers: Mapping[str, str] = field(default_factory=dict)
    text: str | None = None
    finish: str = "stop"  # as Chat Completions calls it: stop, length, content_filter
    delay_s: float = 0.0  # before anything is sent
    comments_s: float = 0.0  # of comments that keep the connection alive, before the answer
    piece_s: float = 0.0  # between two events of the answer
    cut_after: int | None = None  # events sent before the stream ends as if it were complete
    broken_after: int | None = None  # events sent before the connection breaks
    error_after: int | None = None  # events sent before an error event with `status` (the response itself is 200)
    stalled_after: int | None = None  # events sent before nothing more comes


@dataclass(frozen=True)
class Sent:
    """An answer byte by byte as some server really sends it. `silent`: the connection is then held open without a word;
    `broken`: it is then torn down."""

    body: bytes
    status: int = 200
    content_type: str = "application/json"
    headers: Mapping[str, str] = field(default_factory=dict)
    silent: bool = False
    broken: bool = False


@dataclass(frozen=True)
class Seen:
    """A request that came in."""

    path: str
    headers: Mapping[str, str]
    body: Mapping[str, Any]


class ProviderStandIn:
    """`keys` are those that are let in; the others get 401, with the key repeated in the message."""

    def __init__(self, keys: tuple[str, ...] = (KEY,), cost_usd: float | None = None, port: int = 0) -> None:
        self.seen: list[Seen] = []
        self._keys = keys
        self._cost_usd = cost_usd
        self._script: deque[Behaviour | Sent] = deque()
        self.refuses: Callable[[Mapping[str, Any]], str | None] = lambda _: None
        self.always: Behaviour | Sent = Behaviour()
        self.at_once: asyncio.Semaphore | None = None  # calls that are answered at a time; None: all
        self._port = port
        self._ended = asyncio.Event()
        self._runner: web.AppRunner | None = None
        self.url = ""

    def next(self, *behaviours: Behaviour | Sent) -> None:
        """Serve these to the next requests."""
        self._script.extend(behaviours)

    @property
    def anthropic(self) -> str:
        return f"{self.url}/anthropic"

    @property
    def chat(self) -> str:
        """For OpenAI, OpenRouter, xAI and local servers."""
        return f"{self.url}/chat/v1"

    @property
    def mistral(self) -> str:
        return f"{self.url}/mistral"

    @property
    def gemini(self) -> str:
        return f"{self.url}/gemini"

    async def __aenter__(self) -> Self:
        app = web.Application()
        app.router.add_post("/anthropic/v1/messages", self._handler(Messages()))
        app.router.add_post("/chat/v1/chat/completions", self._handler(Chat(self._cost_usd)))
        app.router.add_get("/chat/v1/models", self._models)
        app.router.add_post("/mistral/v1/chat/completions", self._handler(Chat()))
        app.router.add_post("/gemini/{version:v1|v1beta}/models/{call}", self._handler(Gemini()))
        self._runner = web.AppRunner(app, handle_signals=False, shutdown_timeout=0.5)
        await self._runner.setup()
        await web.TCPSite(self._runner, "127.0.0.1", self._port).start()
        self.url = "http://{}:{}".format(*self._runner.addresses[0][:2])
        return self

    async def __aexit__(self, *exc: object) -> None:
        self._ended.set()
        if self._runner is not None:
            await self._runner.cleanup()

    async def _models(self, _request: web.Request) -> web.Response:
        return web.json_response({"object": "list", "data": [{"id": "first-model", "object": "model", "created": 1}]})

    def _handler(self, dialect: Dialect) -> Any:
        async def handle(request: web.Request) -> web.StreamResponse:
            body = await request.json()
            self.seen.append(Seen(request.path, dict(request.headers), body))
            async with self.at_once or nullcontext():
                return await self._answer(request, dialect, body)

        return handle

    async def _answer(self, request: web.Request, dialect: Dialect, body: Mapping[str, Any]) -> web.StreamResponse:
        key = _key_of(request.headers)
        if key not in self._keys:
            return web.json_response(dialect.error(401, f"Incorrect API key provided: {key}"), status=401)
        if (words := self.refuses(body)) is not None:
            return web.json_response(dialect.error(400, words), status=400)
        behaviour = self._script.popleft() if self._script else self.always
        if isinstance(behaviour, Sent):
            return await self._send(request, behaviour)
        if behaviour.delay_s:
            await self._wait(behaviour.delay_s)
        if behaviour.status >= 400 and behaviour.error_after is None:
            told = dialect.error(behaviour.status, behaviour.message)
            return web.json_response(told, status=behaviour.status, headers=behaviour.headers)
        return await self._stream(request, dialect, behaviour, body)

    async def _send(self, request: web.Request, sent: Sent) -> web.StreamResponse:
        headers = {"Content-Type": sent.content_type, **sent.headers}
        response = web.StreamResponse(status=sent.status, headers=headers)
        await response.prepare(request)
        await response.write(sent.body)
        if sent.silent:
            await self._wait(60)
        if sent.broken:
            await asyncio.sleep(0)
            assert request.transport is not None
            request.transport.abort()
        return response

    async def _stream(
        self, request: web.Request, dialect: Dialect, behaviour: Behaviour, body: Mapping[str, Any]
    ) -> web.StreamResponse:
        text = behaviour.text
        if text is None:
            text = answer_to(dialect.schema(body), str(body))
        response = web.StreamResponse(headers={"Content-Type": "text/event-stream", **behaviour.headers})
        await response.prepare(request)
        for _ in range(round(behaviour.comments_s / COMMENT_EVERY_S)):
            await response.write(b": keep-alive\n\n")
            await self._wait(COMMENT_EVERY_S)
        for number, event in enumerate(dialect.events(text, str(body.get("model", "model")), behaviour.finish)):
            if number == behaviour.cut_after:
                return response
            if number == behaviour.broken_after:
                await asyncio.sleep(0)
                assert request.transport is not None
                request.transport.abort()
                return response
            if number == behaviour.error_after:
                await response.write(dialect.error_event(behaviour.status, behaviour.message))
                return response
            if number == behaviour.stalled_after:
                await self._wait(60)
                return response
            await response.write(event)
            if behaviour.piece_s:
                await self._wait(behaviour.piece_s)
        return response

    async def _wait(self, seconds: float) -> None:
        """Until the seconds are over or the stand-in ends."""
        await asyncio.wait({asyncio.ensure_future(self._ended.wait())}, timeout=seconds)


def _key_of(headers: Mapping[str, str]) -> str:
    bearer = headers.get("Authorization", "").removeprefix("Bearer ")
    return headers.get("x-api-key") or headers.get("x-goog-api-key") or bearer
