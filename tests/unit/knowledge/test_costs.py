"""What debates took, as somebody asks who plans one."""

from __future__ import annotations

from dataclasses import replace

import pytest
from worlds.noted import Noted
from worlds.taught import HOME, spec, taught

from aragora.errors import Unavailable
from aragora.knowledge.costs import Costs
from aragora.knowledge.mound.adapters import cost

NOTED = [cost.observe(taught(number))[0] for number in range(4)]


async def test_the_newest_of_the_same_protocol_and_workspace_are_asked_for() -> None:
    noted = Noted(*NOTED)
    found = await Costs(noted).like(spec(9))
    assert found is not None
    assert found.debates == 4
    assert noted.asked == [(HOME, "cost", "structured", cost.READ)]


async def test_a_note_that_is_damaged_counts_for_nothing() -> None:
    damaged = replace(NOTED[0], body='{"protocol":')
    found = await Costs(Noted(damaged, *NOTED[1:])).like(spec(9))
    assert found is not None
    assert found.debates == 3
    assert await Costs(Noted(damaged, *NOTED[2:])).like(spec(9)) is None


async def test_a_store_that_is_slow_is_let_go() -> None:
    noted = Noted(*NOTED)
    noted.free.clear()
    with pytest.raises(Unavailable, match="not read in time"):
        await Costs(noted, limit_s=0.01).like(spec(9))
