"""The sign of life of a call that only waits: for its turn at a server, or for a model in a thread of this process."""

from __future__ import annotations

import asyncio
from collections.abc import AsyncIterator
from contextlib import asynccontextmanager
from typing import Final

from aragora.agents.model import Listener
from aragora.supervision import begin

EVERY_S: Final = 0.1  # the listener itself decides what it passes on


@asynccontextmanager
async def living(listener: Listener) -> AsyncIterator[None]:
    """For as long as the block runs, `listener` hears that the call lives."""
    task = begin(_say_so(listener), "a sign of life")
    try:
        yield
    finally:
        task.cancel()


async def _say_so(listener: Listener) -> None:
    while True:
        await asyncio.sleep(EVERY_S)
        listener.lives()
