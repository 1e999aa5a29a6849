"""The answer of the health route, folded from readings."""

from __future__ import annotations

import asyncio
from collections.abc import Mapping

from hypothesis import given
from hypothesis import strategies as st

from aragora.knowledge.health import ACTIVE_S, OFF, Component, Reading, State, told
from aragora.knowledge.probing import FRESH_S, MoundHealth

NOW = 1_700_000_000.0
WORKS = {one: Reading(State.WORKS, NOW) for one in Component}
readings = st.dictionaries(
    st.sampled_from(Component), st.builds(Reading, st.sampled_from(State), st.none() | st.floats(0, 2 * NOW))
)


class Clock:
    at = NOW

    def now(self) -> float:
        return self.at

    def monotonic(self) -> float:
        return self.at


@given(readings)
def test_the_sum_is_that_of_the_parts(found: dict[Component, Reading]) -> None:
    answer = told(found, NOW)
    parts, summary = answer["components"].values(), answer["summary"]
    assert summary["total_components"] == len(parts) == 11
    assert summary["healthy"] == sum(one["healthy"] for one in parts)
    assert summary["active"] == sum(one["active"] for one in parts) <= summary["healthy"]
    assert (answer["status"] == "healthy") == (summary["healthy"] == 11)


def test_what_is_off_on_purpose_is_healthy_and_not_active() -> None:
    answer = told({**WORKS, Component.CACHE: Reading(State.OFF, NOW), Component.SUMMARIES: OFF}, NOW)
    assert answer["summary"] == {"total_components": 11, "healthy": 11, "active": 9}


def test_what_was_used_over_an_hour_ago_is_not_active() -> None:
    for age, active in ((ACTIVE_S, 11), (ACTIVE_S + 1, 0)):
        assert told({one: Reading(State.WORKS, NOW - age) for one in Component}, NOW)["summary"]["active"] == active


def test_without_its_store_it_is_unhealthy_and_without_another_part_degraded() -> None:
    failed = Reading(State.FAILS, NOW)
    assert told({**WORKS, Component.STORE: failed}, NOW)["status"] == "unhealthy"
    assert told({**WORKS, Component.LEDGER: failed}, NOW)["status"] == "degraded"


async def test_a_look_that_breaks_fails_its_component_and_no_other() -> None:
    async def all_but_one() -> Mapping[Component, Reading]:
        return {one: reading for one, reading in WORKS.items() if one is not Component.LEDGER}

    async def broken() -> Mapping[Component, Reading]:
        raise RuntimeError("a secret text")

    answer = await MoundHealth({Component.STORE: all_but_one, Component.LEDGER: broken}, Clock()).tell()
    assert [name for name, one in answer["components"].items() if not one["healthy"]] == ["ledger"]
    assert "secret" not in str(answer)


async def test_those_who_ask_together_are_answered_from_one_look() -> None:
    looks, clock = [0], Clock()

    async def look() -> Mapping[Component, Reading]:
        looks[0] += 1
        return WORKS

    health = MoundHealth({Component.STORE: look}, clock)
    await asyncio.gather(*(health.tell() for _ in range(20)))
    assert looks == [1]
    clock.at += FRESH_S
    await health.tell()
    assert looks == [2]
