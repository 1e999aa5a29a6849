"""Which settings would suit a planned debate, as its route asks."""

from __future__ import annotations

from dataclasses import replace

import pytest
from worlds.noted import Noted
from worlds.taught import HOME, spec

from aragora.debate.protocol import preset
from aragora.encoding import encode_text
from aragora.errors import Unavailable
from aragora.knowledge.customs import Customs
from aragora.knowledge.mound.adapters import culture
from aragora.knowledge.mound.adapters.culture import Held
from aragora.knowledge.observations import Observation

PLANNED = replace(spec(99), protocol=preset("structured"))
HELD = [Held(f"deb_{n}", "structured", rounds=3, played=1, reached=True, stopped_by="agreement") for n in range(10)]
NOTED = [Observation("structured", encode_text(one), one.debate_id, "usr_1", 1.0) for one in HELD]


async def test_the_newest_of_the_same_protocol_and_workspace_are_asked_for() -> None:
    noted = Noted(*NOTED)
    (found,) = await Customs(noted).suggestions(PLANNED)
    assert (found.setting, found.value) == ("rounds", 2)
    assert noted.asked == [(HOME, "culture", "structured", culture.READ)]


async def test_a_note_that_is_damaged_counts_for_nothing() -> None:
    assert await Customs(Noted(replace(NOTED[0], body="{"), *NOTED[1:])).suggestions(PLANNED) == ()


async def test_a_store_that_is_slow_is_let_go() -> None:
    noted = Noted(*NOTED)
    noted.free.clear()
    with pytest.raises(Unavailable, match="not read in time"):
        await Customs(noted, limit_s=0.01).suggestions(PLANNED)
