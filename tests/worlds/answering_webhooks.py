"""A server that takes every request below `/api/webhooks`, for the commands that ask it."""

from __future__ import annotations

from collections.abc import AsyncIterator, Awaitable, Callable
from contextlib import asynccontextmanager

from aiohttp import web
from aiohttp.test_utils import TestServer


@asynccontextmanager
async def answering_webhooks(answer: Callable[[web.Request], Awaitable[web.Response]]) -> AsyncIterator[str]:
    """Answers by `answer`, for the block; its URL."""
    app = web.Application()
    app.router.add_route("*", "/api/webhooks{rest:.*}", answer)
    async with TestServer(app) as running:
        yield str(running.make_url("")).rstrip("/")
