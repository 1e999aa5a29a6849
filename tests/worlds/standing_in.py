"""Providers that stand in for real ones, beside a server of the test."""

from __future__ import annotations

import asyncio
import threading
from collections.abc import Iterator
from contextlib import AsyncExitStack, contextmanager

from worlds.waiting import WAIT_S

from tests.standins.providers import ProviderStandIn


@contextmanager
def standing_in(count: int) -> Iterator[list[ProviderStandIn]]:
    """Stand-ins on a loop of their own thread, so that tests may wait for the server."""
    loop = asyncio.new_event_loop()
    thread = threading.Thread(target=loop.run_forever, daemon=True)
    thread.start()
    stack = AsyncExitStack()

    async def enter() -> list[ProviderStandIn]:
        return [await stack.enter_async_context(ProviderStandIn()) for _ in range(count)]

    try:
        yield asyncio.run_coroutine_threadsafe(enter(), loop).result(WAIT_S)
    finally:
        asyncio.run_coroutine_threadsafe(stack.aclose(), loop).result(WAIT_S)
        loop.call_soon_threadsafe(loop.stop)
        thread.join(WAIT_S)
        loop.close()
