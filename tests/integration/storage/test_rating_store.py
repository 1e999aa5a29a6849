"""Ratings: each outbox row changes them once, and processes at the same time do not overwrite each other."""

from __future__ import annotations

import asyncio
from collections.abc import Callable, Iterable, Mapping
from dataclasses import replace

import pytest

from aragora.ranking.store import OVERALL, RatingChange, RatingKey, RatingStore, StoredRating, scope_of
from aragora.storage.contexts import Context
from aragora.storage.database import Database

Ratings = Mapping[RatingKey, StoredRating]


@pytest.fixture
def store(opened: Callable[[Context], Database]) -> RatingStore:
    return RatingStore(opened(Context.ELO))


def gaining(points: float) -> Callable[[Ratings], Iterable[StoredRating]]:
    def rate(ratings: Ratings) -> list[StoredRating]:
        return [
            replace(rating, elo=rating.elo + points, debates=rating.debates + 1, wins=rating.wins + 0.5)
            for rating in ratings.values()
        ]

    return rate


async def test_agents_that_were_never_rated_start_at_1500_and_are_not_loaded(store: RatingStore) -> None:
    seen: list[Ratings] = []

    def look(ratings: Ratings) -> list[StoredRating]:
        seen.append(dict(ratings))
        return []

    assert await store.change([RatingChange("deb_1:ratings", [("ann", OVERALL)], look)])
    assert seen == [{("ann", OVERALL): StoredRating("ann", elo=1500.0)}]
    assert await store.load(["ann"]) == {}
    assert await store.rankings() == []


async def test_a_change_is_kept_by_agent_and_domain(store: RatingStore) -> None:
    await store.change(
        [RatingChange("deb_1:ratings", [("ann", OVERALL), ("ann", "law"), ("bob", OVERALL)], gaining(16.0))]
    )
    await store.change([RatingChange("deb_2:ratings", [("ann", OVERALL)], gaining(-4.0))])
    assert await store.load(["ann", "bob", "eve"]) == {
        "ann": StoredRating("ann", OVERALL, 1512.0, 2, 1.0),
        "bob": StoredRating("bob", OVERALL, 1516.0, 1, 0.5),
    }
    assert await store.load(["ann", "bob"], "law") == {"ann": StoredRating("ann", "law", 1516.0, 1, 0.5)}


async def test_an_outbox_row_that_comes_twice_changes_nothing(store: RatingStore) -> None:
    assert await store.change([RatingChange("deb_1:ratings", [("ann", OVERALL)], gaining(16.0))])
    assert not await store.change([RatingChange("deb_1:ratings", [("ann", OVERALL)], gaining(16.0))])
    assert (await store.load(["ann"]))["ann"].elo == 1516.0


async def test_changes_of_one_batch_follow_each_other_and_each_counts_once(store: RatingStore) -> None:
    first = RatingChange("deb_1:ratings", [("ann", OVERALL), ("bob", OVERALL)], gaining(16.0))
    second = RatingChange("deb_2:ratings", [("ann", OVERALL)], gaining(-4.0))
    assert await store.change([first, second, first]) == 2
    assert await store.change([second, first]) == 0
    assert {agent: rating.elo for agent, rating in (await store.load(["ann", "bob"])).items()} == {
        "ann": 1512.0,
        "bob": 1516.0,
    }


async def test_a_thousand_changes_are_one_batch(store: RatingStore) -> None:
    changes = [RatingChange(f"deb_{number}:ratings", [(f"a{number}", OVERALL)], gaining(1.0)) for number in range(1000)]
    assert await store.change(changes) == 1000
    assert len(await store.rankings(limit=2000)) == 1000


async def test_a_rule_that_fails_leaves_the_row_to_be_tried_again(store: RatingStore) -> None:
    def fail(_: Ratings) -> list[StoredRating]:
        raise ZeroDivisionError

    with pytest.raises(ZeroDivisionError):
        await store.change([RatingChange("deb_1:ratings", [("ann", OVERALL)], fail)])
    assert await store.change([RatingChange("deb_1:ratings", [("ann", OVERALL)], gaining(16.0))])


async def test_changes_at_the_same_time_all_count(opened: Callable[[Context], Database]) -> None:
    stores = [RatingStore(opened(Context.ELO)) for _ in range(3)]
    both = [("ann", OVERALL), ("bob", OVERALL)]
    await asyncio.gather(
        *(
            store.change([RatingChange(f"deb_{number}_{index}:ratings", both[:: (-1) ** number], gaining(1.0))])
            for index, store in enumerate(stores)
            for number in range(5)
        )
    )
    assert (await stores[0].load(["ann"]))["ann"] == StoredRating("ann", OVERALL, 1515.0, 15, 7.5)


async def test_rankings_are_best_first_and_bounded(store: RatingStore) -> None:
    for agent, points in (("ann", 5.0), ("bob", 20.0), ("eve", 5.0)):
        await store.change([RatingChange(f"{agent}:ratings", [(agent, OVERALL), (agent, "law")], gaining(points))])
    assert [rating.agent for rating in await store.rankings(limit=2)] == ["bob", "ann"]
    assert [rating.agent for rating in await store.rankings("law")] == ["bob", "ann", "eve"]


async def test_the_leaderboard_shows_nothing_of_an_organisations_own_standings(store: RatingStore) -> None:
    own = scope_of("acme", "law")
    await store.change([RatingChange("deb_1:ratings", [("ann", own)], gaining(16.0))])
    assert (await store.load(["ann"], own))["ann"].elo == 1516.0
    assert await store.rankings(own) == await store.rankings("law") == []


def test_calibration_is_one_minus_the_mean_squared_error() -> None:
    assert StoredRating("ann").calibration is None
    assert StoredRating("ann", forecasts=4, squared_error=1.0).calibration == 0.75
