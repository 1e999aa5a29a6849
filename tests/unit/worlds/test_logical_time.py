"""Logical time: it leaps while everything waits, and stands still while anything works."""

from __future__ import annotations

import asyncio
import time

import pytest
from worlds.logical_time import LoopClock, in_logical_time


@in_logical_time
async def test_a_day_takes_no_time() -> None:
    began = time.monotonic()
    await asyncio.sleep(86_400)
    assert LoopClock().monotonic() == 86_400
    assert time.monotonic() - began < 3_600


@in_logical_time
async def test_timers_ring_in_their_order() -> None:
    rung: list[int] = []

    async def ring(at_s: int) -> None:
        await asyncio.sleep(at_s)
        rung.append(at_s)

    await asyncio.gather(*(ring(at_s) for at_s in (3, 1, 2)))
    assert rung == [1, 2, 3]


@in_logical_time
async def test_a_limit_is_met_exactly_and_work_costs_nothing() -> None:
    for _ in range(100):
        await asyncio.sleep(0)
    with pytest.raises(TimeoutError):
        async with asyncio.timeout(0.25):
            await asyncio.Event().wait()
    assert LoopClock().monotonic() == 0.25
