"""The cache that all replicas share holds so many entries and bytes and no more, whoever writes at once."""

from __future__ import annotations

import asyncio
from collections.abc import AsyncIterator
from contextlib import AsyncExitStack
from dataclasses import replace
from typing import Final

import pytest
from pydantic import ValidationError
from sqlalchemy import func, select
from worlds.decisions import QUESTION, DecisionSite

from aragora.config.settings import Settings
from aragora.debate.model import DebateStatus
from aragora.decisions.entry import Claim, Entry, Standing
from aragora.decisions.keys import Keys
from aragora.decisions.store.entries import Bounds, Entries
from aragora.decisions.store.tables import decision_entries
from aragora.storage.contexts import Context
from aragora.storage.database import Database

LARGE: Final = 50_000
"""Bytes of an entry: its decision, receipt and question."""
NEVER: Final = 4e9


@pytest.fixture
async def replicas(settings: Settings) -> AsyncIterator[list[Entries]]:
    """Four writers with connections of their own."""
    async with AsyncExitStack() as closing:
        databases = [Database.open(settings, Context.DEBATES) for _ in range(4)]
        for database in databases:
            closing.push_async_callback(database.aclose)
        yield [Entries(database) for database in databases]


async def keep(entries: Entries, number: int, bounds: Bounds, size: int = LARGE) -> int | None:
    """Claim a question and keep its decision; what `Entries.keep` tells."""
    key, debate_id, question = f"key-{number:04}", f"deb_{number:04}", "q"
    claim = Claim(
        Keys(key, question, b""), "acme", "default", Standing(0, ""), debate_id, question, {}, (), at=float(number)
    )
    assert await entries.claim(claim, None)
    ended = Entry(
        key=key,
        debate_id=debate_id,
        question=question,
        standing=Standing(0, ""),
        claimed_at=float(number),
        opened_at=None,
        kept_at=None,
        ends_at=None,
        status=DebateStatus.COMPLETED,
        decision="é" * ((size - 1) // 2) + "x" * ((size - 1) % 2),  # bytes count, not characters
        cost_usd=0.0,
        decided_at=None,
        receipt=None,
    )
    assert ended.size_bytes == size
    return await entries.keep(ended, now=float(number), ends_at=NEVER, bounds=bounds)


async def kept(settings: Settings) -> tuple[list[str], int]:
    """The keys that are kept, in their order, and the bytes of all."""
    columns = decision_entries.c
    database = Database.open(settings, Context.DEBATES)
    try:
        keys = await database.rows(select(columns.key).where(columns.kept_at.is_not(None)).order_by(columns.kept_at))
        size = await database.rows(select(func.coalesce(func.sum(columns.size_bytes), 0)))
    finally:
        await database.aclose()
    return [row[0] for row in keys], int(size[0][0])


async def test_the_oldest_of_many_large_entries_go(settings: Settings, replicas: list[Entries]) -> None:
    bounds = Bounds(1_000, 10 * LARGE)
    gone = [await keep(replicas[number % 4], number, bounds) for number in range(30)]
    assert gone == [0] * 10 + [1] * 20
    assert await kept(settings) == ([f"key-{number:04}" for number in range(20, 30)], 10 * LARGE)
    assert await keep(replicas[0], 30, bounds, size=5 * LARGE) == 5, "one large entry takes the place of several"
    assert (await kept(settings))[1] == 10 * LARGE


async def test_the_totals_are_right_when_many_write_at_once(settings: Settings, replicas: list[Entries]) -> None:
    bounds = Bounds(1_000, 10 * LARGE)
    gone = await asyncio.gather(*(keep(replicas[number % 4], number, bounds) for number in range(60)))
    keys, size = await kept(settings)
    assert (len(keys), size) == (10, 10 * LARGE)
    assert sum(count or 0 for count in gone) + sum(count is None for count in gone) == 50, "each went once"


async def test_so_many_entries_and_no_more_when_many_write_and_invalidate_at_once(
    settings: Settings, replicas: list[Entries]
) -> None:
    bounds = Bounds(7, 1_000 * LARGE)
    writing = [keep(replicas[number % 4], number, bounds, size=100) for number in range(60)]
    ending = [replicas[number % 4].invalidate_agent("nobody", "1") for number in range(10)]
    forgetting = [replicas[number % 4].forget_stale(0.0) for number in range(10)]
    await asyncio.gather(*writing, *ending, *forgetting)
    keys, size = await kept(settings)
    assert (len(keys), size) == (7, 700)
    assert await replicas[0].invalidate_workspace("default", "acme") == 7
    assert await kept(settings) == ([], 0)


async def test_a_decision_that_is_larger_than_the_whole_cache_takes_the_place_of_none(site: DecisionSite) -> None:
    router = site.ports[0].deciding.router
    small = await site.decided("Tea?")
    await site.ask(200, "Tea?")
    keeping = router.keeping
    size = (await kept(site.settings))[1]
    router.keeping = replace(keeping, bounds=Bounds(1_000, size + 10))
    context = "We have ten users. " * 500
    large = await site.decided(context=context)
    assert (await site.ask(202, context=context))["debate_id"] != large
    assert (await site.ask(200, "Tea?"))["debate_id"] == small
    router.keeping = keeping
    await site.decided(QUESTION)


@pytest.mark.parametrize(
    "wrong",
    [
        {"decision_cache_size": 0},
        {"decision_cache_size": -1},
        {"decision_cache_mb": 0},
        {"decision_cache_ttl_s": -1.0},
        {"decision_cache_ttl_s": 0.0},
        {"decision_cache_ttl_s": float("nan")},
        {"decision_cache_ttl_s": float("inf")},
        {"decision_confidence_min": float("nan")},
        {"decision_confidence_min": 1.1},
    ],
)
@pytest.mark.parametrize("settings", ["sqlite"], indirect=True)
def test_bounds_that_are_none_keep_the_server_from_starting(settings: Settings, wrong: dict[str, float]) -> None:
    with pytest.raises(ValidationError):
        Settings(data_dir=settings.data_dir, **wrong)  # type: ignore[arg-type]
