"""Epochs of coordinator shards: the newest start owns the shard."""

from __future__ import annotations

import asyncio
from collections.abc import Callable

from aragora.debate.store.shard_epochs import ShardEpochs
from aragora.storage.contexts import Context
from aragora.storage.database import Database


async def test_a_shard_that_was_never_taken_is_at_epoch_zero(debates_db: Database) -> None:
    assert await ShardEpochs(debates_db).current(3) == 0


async def test_each_start_takes_the_next_epoch_of_its_shard_alone(debates_db: Database) -> None:
    epochs = ShardEpochs(debates_db)
    assert [await epochs.advance(0), await epochs.advance(0), await epochs.advance(1)] == [1, 2, 1]
    assert [await epochs.current(0), await epochs.current(1)] == [2, 1]


async def test_no_two_starts_at_the_same_time_get_the_same_epoch(opened: Callable[[Context], Database]) -> None:
    starters = [ShardEpochs(opened(Context.DEBATES)) for _ in range(4)]
    taken = await asyncio.gather(*(starter.advance(0) for starter in starters for _ in range(5)))
    assert sorted(taken) == list(range(1, 21))
