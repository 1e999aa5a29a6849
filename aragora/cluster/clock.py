"""This machine's clock beside that of PostgreSQL, which all nodes of a cluster have in common."""

from __future__ import annotations

import asyncio
import time
from typing import Final

from aragora.storage.contexts import Location
from aragora.storage.postgres import connect

NEAR_S: Final = 2.0
"""Clocks that differ by less differ by what it takes to ask."""
ASK_S: Final = 10.0
REMEDY: Final = "synchronise both machines (chrony, systemd-timesyncd): logins end by the clock"


async def clock_ahead_s(location: Location) -> float:
    """By how many seconds this machine's clock is ahead of PostgreSQL's; negative where it is behind.

    Raises the driver's errors, TimeoutError after `ASK_S` seconds.
    """
    async with asyncio.timeout(ASK_S):
        connection = await connect(location)
        try:
            before = time.time()
            theirs: float = await connection.fetchval("SELECT extract(epoch FROM clock_timestamp())::float8")
            return (before + time.time()) / 2 - theirs
        finally:
            await connection.close()


def told_clock(ahead_s: float) -> str:
    """The difference in words; empty where there is none."""
    if abs(ahead_s) < NEAR_S:
        return ""
    return f"{abs(ahead_s):.0f} s {'ahead of' if ahead_s > 0 else 'behind'} that of PostgreSQL"
