"""Which shards of the agents a coordinator asks."""

from __future__ import annotations

from collections import Counter

import pytest

from actors.agent_shards import AgentShards

DEBATES = [f"d{number}" for number in range(300)]


def test_agents_that_are_not_parted_have_one_actor_whoever_asks() -> None:
    keys = {
        AgentShards.of(coordinator, coordinators=3, shards=1).key("claude", debate)
        for coordinator in range(3)
        for debate in DEBATES
    }
    assert keys == {"claude"}


@pytest.mark.parametrize(("coordinators", "shards"), [(1, 2), (2, 8), (3, 3), (3, 7)])
def test_with_enough_shards_each_is_asked_by_exactly_one_coordinator(coordinators: int, shards: int) -> None:
    asked = Counter(
        number
        for coordinator in range(coordinators)
        for number in AgentShards.of(coordinator, coordinators=coordinators, shards=shards).numbers
    )
    assert asked == Counter(range(shards))


def test_with_fewer_shards_than_coordinators_each_coordinator_shares_one() -> None:
    of = [AgentShards.of(coordinator, coordinators=5, shards=2).numbers for coordinator in range(5)]
    assert of == [(0,), (1,), (0,), (1,), (0,)]


def test_the_debates_of_a_coordinator_use_all_of_its_shards_and_always_the_same_one() -> None:
    shards = AgentShards.of(1, coordinators=2, shards=6)
    keys = [shards.key("claude", debate) for debate in DEBATES]
    assert set(keys) == {"claude#1", "claude#3", "claude#5"}
    assert keys == [shards.key("claude", debate) for debate in DEBATES]


def test_it_knows_the_keys_of_its_actors() -> None:
    shards = AgentShards.of(1, coordinators=2, shards=4)
    assert all(shards.has(shards.key("my#model", debate)) for debate in DEBATES)
    assert not any(shards.has(key) for key in ("claude", "claude#0", "claude#2", "claude#x"))
    assert not AgentShards().has("claude")
