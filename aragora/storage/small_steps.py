"""Work on many rows in small steps, each a transaction of its own, between which others commit.

SQLite's lock knows no queue, so there each step is followed by a pause as long as the step: who commits gets in
between.
"""

from __future__ import annotations

import asyncio
from collections.abc import AsyncIterator, Awaitable, Callable
from contextlib import asynccontextmanager
from typing import Final

from sqlalchemy.ext.asyncio import AsyncConnection

from aragora.clock import Clock
from aragora.storage.database import Database

LEAST_PAUSE_S: Final = 0.01


@asynccontextmanager
async def small_step(
    database: Database, what: str, clock: Clock, sleep: Callable[[float], Awaitable[None]] = asyncio.sleep
) -> AsyncIterator[AsyncConnection]:
    """The transaction of a step of `what`, and the pause after it. Raises Unavailable where the database is away."""
    async with database.writing(what) as connection:
        began = clock.monotonic()
        yield connection
    if database.is_sqlite:
        await sleep(max(LEAST_PAUSE_S, clock.monotonic() - began))
