"""Usage: each outbox row counts once; sums by whatever an operator asks for."""

from __future__ import annotations

import asyncio
from collections.abc import Callable

import pytest

from aragora.storage.contexts import Context
from aragora.storage.database import Database
from aragora.usage.store import UsageStore, UsageSum, day_of

Open = Callable[[Context], Database]


@pytest.fixture
def store(opened: Open) -> UsageStore:
    return UsageStore(opened(Context.USAGE))


def part(agent: str = "ann", *, day: str = "2025-03-01", org_id: str = "acme", cost_usd: float = 0.25) -> UsageSum:
    return UsageSum(
        day,
        org_id,
        "u1",
        agent,
        "stub",
        "stub-1",
        1,
        3,
        1,
        input_tokens=100,
        output_tokens=10,
        cost_usd=cost_usd,
        latency_s=1.5,
    )


async def test_parts_add_up_by_what_is_asked_for(store: UsageStore) -> None:
    assert await store.add({"deb_1:usage": [part(), part("bob", cost_usd=0.5)]})
    assert await store.add({"deb_2:usage": [part()]})
    assert await store.sums(["agent"]) == [
        UsageSum(
            agent="ann",
            debates=2,
            answers=6,
            failures=2,
            input_tokens=200,
            output_tokens=20,
            cost_usd=0.5,
            latency_s=3.0,
        ),
        UsageSum(
            agent="bob",
            debates=1,
            answers=3,
            failures=1,
            input_tokens=100,
            output_tokens=10,
            cost_usd=0.5,
            latency_s=1.5,
        ),
    ]
    assert [(row.day, row.org_id, row.cost_usd) for row in await store.sums(["day", "org_id"])] == [
        ("2025-03-01", "acme", 1.0)
    ]


async def test_an_outbox_row_that_comes_twice_counts_once(store: UsageStore) -> None:
    assert await store.add({"deb_1:usage": [part()]})
    assert not await store.add({"deb_1:usage": [part()]})
    assert [row.cost_usd for row in await store.sums(["org_id"])] == [0.25]


async def test_rows_of_one_batch_add_up(store: UsageStore) -> None:
    assert await store.add({"deb_1:usage": [part(), part("bob")], "deb_2:usage": [part()], "deb_3:usage": []}) == 3
    assert await store.add({"deb_2:usage": [part()], "deb_4:usage": [part("bob")]}) == 1
    assert [(row.agent, row.debates) for row in await store.sums(["agent"])] == [("ann", 2), ("bob", 2)]


async def test_rows_at_the_same_time_all_count(opened: Open) -> None:
    stores = [UsageStore(opened(Context.USAGE)) for _ in range(3)]
    parts = [part(), part("bob")]
    await asyncio.gather(
        *(
            store.add({f"deb_{index}_{number}:usage": parts[:: (-1) ** number]})
            for index, store in enumerate(stores)
            for number in range(5)
        )
    )
    assert [row.debates for row in await stores[0].sums(["agent"])] == [15, 15]


async def test_sums_keep_to_an_organisation_and_to_days(store: UsageStore) -> None:
    await store.add({"1": [part(day="2025-02-28")]})
    await store.add({"2": [part(day="2025-03-01")]})
    await store.add({"3": [part(day="2025-03-02")]})
    await store.add({"4": [part(org_id="other")]})
    march = await store.sums(["day"], org_id="acme", first_day="2025-03-01", last_day="2025-03-01")
    assert [(row.day, row.debates) for row in march] == [("2025-03-01", 1)]


async def test_nothing_used_is_no_sum(store: UsageStore) -> None:
    assert await store.sums([]) == []
    assert await store.sums(["agent"]) == []


async def test_only_known_columns_group(store: UsageStore) -> None:
    with pytest.raises(ValueError, match="cost_usd"):
        await store.sums(["cost_usd"])


def test_days_are_those_of_utc() -> None:
    assert day_of(1740787199.0) == "2025-02-28"
    assert day_of(1740787200.0) == "2025-03-01"
