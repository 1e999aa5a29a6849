"""The helper that waits."""

from __future__ import annotations

import asyncio

import pytest
from worlds.waiting import eventually, wait_until


async def test_what_the_condition_returns_comes_as_soon_as_it_is_true() -> None:
    seen: list[str] = []
    asyncio.get_running_loop().call_soon(seen.append, "one")
    assert await eventually(lambda: seen) == ["one"]


async def test_a_condition_may_be_asked_asynchronously() -> None:
    answers = iter([0, 0, 3])

    async def ask() -> int:
        return next(answers)

    assert await eventually(ask) == 3


def test_without_an_event_loop_it_waits_alike() -> None:
    answers = iter([None, "yes"])
    assert wait_until(lambda: next(answers)) == "yes"


async def test_what_does_not_come_is_told_with_the_last_answer() -> None:
    with pytest.raises(AssertionError, match=r"not within 0 s: the end; the last answer: \[\]"):
        await eventually(list, "the end", deadline_s=0.0)
    with pytest.raises(AssertionError, match="the end"):
        wait_until(list, "the end", deadline_s=0.0)
