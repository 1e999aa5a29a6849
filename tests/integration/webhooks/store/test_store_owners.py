"""Who owns deliveries, on both stores: epochs only grow, and a lease keeps others out for its time."""

from __future__ import annotations

import asyncio
from collections.abc import Callable

import pytest
from worlds.backends import SetClock

from aragora.errors import Fenced
from aragora.storage.database import Database
from aragora.webhooks.store.owners import Owners, Ownership
from aragora.webhooks.store.units import Tenure


@pytest.fixture
def owners(database: Database, clock: SetClock) -> Owners:
    return Owners(database, clock)


async def test_whoever_starts_takes_the_next_epoch(owners: Owners) -> None:
    assert [await owners.advance("shard/0", owner) for owner in ("a", "b", "b")] == [1, 2, 3]
    assert await owners.advance("shard/1", "a") == 1
    assert await owners.current("shard/0") == Ownership(3, "b", None)
    assert await owners.current("shard/2") is None


async def test_of_many_that_start_at_once_each_has_an_epoch_of_its_own(
    opened: Callable[[], Database], clock: SetClock
) -> None:
    several = [Owners(opened(), clock) for _ in range(3)]
    epochs = await asyncio.gather(*(several[place % 3].advance("shard/0", f"{place}") for place in range(9)))
    assert sorted(epochs) == list(range(1, 10))


async def test_a_lease_keeps_others_out_until_it_has_run_out(owners: Owners, clock: SetClock) -> None:
    assert await owners.take("local", "a", 60.0) == 1
    clock.at += 59.0
    assert await owners.take("local", "b", 60.0) is None
    assert await owners.renew("local", 1, 60.0)
    clock.at += 59.0
    assert await owners.take("local", "b", 60.0) is None
    clock.at += 1.0
    assert await owners.take("local", "b", 60.0) == 2
    assert not await owners.renew("local", 1, 60.0)
    assert not await owners.release("local", 1)
    assert await owners.current("local") == Ownership(2, "b", clock.at + 60.0)


async def test_of_many_that_want_a_free_key_one_gets_it(opened: Callable[[], Database], clock: SetClock) -> None:
    several = [Owners(opened(), clock) for _ in range(3)]
    epochs = await asyncio.gather(*(several[place % 3].take("local", f"{place}", 60.0) for place in range(9)))
    assert sorted(epochs, key=str) == [1, *([None] * 8)]


async def test_who_has_a_lease_may_take_the_key_again_and_who_needs_none_always_may(owners: Owners) -> None:
    assert await owners.take("local", "a", 60.0) == 1
    assert await owners.take("local", "a", 60.0) == 2
    assert await owners.advance("local", "server") == 3
    assert not await owners.renew("local", 2, 60.0)


async def test_what_is_given_back_is_free_at_once(owners: Owners) -> None:
    assert await owners.take("local", "a", 60.0) == 1
    assert await owners.release("local", 1)
    assert await owners.take("local", "b", 60.0) == 2


async def test_what_an_owner_has_is_told_by_the_beginning_of_its_keys(owners: Owners) -> None:
    await owners.advance("webhook/1", "process")
    await owners.advance("webhook/1", "process")
    await owners.advance("webhook/2", "process")
    await owners.advance("webhook/2", "dispatcher")
    await owners.advance("other/1", "process")
    assert await owners.epochs_of("webhook/", "process") == {"webhook/1": 2}


async def test_only_who_is_not_fenced_gives_a_key_away(owners: Owners) -> None:
    first = Tenure("dispatcher", await owners.advance("dispatcher", "a"))
    assert await owners.advance("webhook/1", "process", under=first) == 1
    second = Tenure("dispatcher", await owners.advance("dispatcher", "b"))
    with pytest.raises(Fenced):
        await owners.advance("webhook/1", "process", under=first)
    assert await owners.advance("webhook/1", "process", under=second) == 2
    with pytest.raises(Fenced):
        await owners.advance("webhook/1", "process", under=Tenure("never", 1))
