"""Outcomes on both stores: versions, the feed, curves by workspace and domain, and the calibration that follows."""

from __future__ import annotations

import asyncio
from collections.abc import Callable
from dataclasses import replace

import pytest

from aragora.errors import Conflict
from aragora.knowledge.outcomes import Outcome, Wish
from aragora.knowledge.scoring import BATCH, Scoring
from aragora.knowledge.store.outcomes import OutcomeStore
from aragora.ranking.calibration import Calibration, Forecast
from aragora.ranking.forecasts import ForecastStore, Scored
from aragora.ranking.store import OVERALL, RatingChange, RatingStore, StoredRating, scope_of
from aragora.storage.contexts import Context
from aragora.storage.database import Database

VOTES = (Forecast("ann", 0.9, right=True), Forecast("bob", 0.3, right=False))


@pytest.fixture
def outcomes(opened: Callable[[Context], Database]) -> OutcomeStore:
    return OutcomeStore(opened(Context.MEMORY))


@pytest.fixture
def forecasts(opened: Callable[[Context], Database]) -> ForecastStore:
    return ForecastStore(opened(Context.ELO))


@pytest.fixture
def ratings(opened: Callable[[Context], Database]) -> RatingStore:
    return RatingStore(opened(Context.ELO))


@pytest.fixture
def scoring(outcomes: OutcomeStore, forecasts: ForecastStore) -> Scoring:
    return Scoring(outcomes, forecasts)


def outcome(debate_id: str = "deb_1", right: str | None = "Tea", **changes: object) -> Outcome:
    told = Outcome(
        debate_id, "local", "default", "general", right, ("ann",), right == "Tea", 0.75, "eve", "", 90.0, 100.0, VOTES
    )
    return replace(told, **changes)  # type: ignore[arg-type]


async def tell(store: OutcomeStore, told: Outcome, replaces: int | None = None) -> Outcome:
    kept, _ = await store.add(told, Wish(told.right, told.by, told.note, told.at, replaces))
    return kept


# --- versions -----------------------------------------------------------------------------------------------


async def test_an_outcome_comes_back_as_it_was_told(outcomes: OutcomeStore) -> None:
    kept = await tell(outcomes, outcome(note="it ran for a year\nand held", right=None, agents=(), confidence=None))
    assert await outcomes.newest("deb_1") == kept
    assert (kept.version, kept.seq) == (1, 1)
    assert await outcomes.newest("deb_2") is None
    assert await outcomes.history("deb_2") == []


async def test_the_same_again_is_the_one_that_is_stored(outcomes: OutcomeStore) -> None:
    first = await tell(outcomes, outcome())
    again, new = await outcomes.add(outcome(by="somebody else"), Wish("Tea", "somebody else"))
    assert (again, new) == (first, False)
    assert await outcomes.head() == 1


async def test_another_outcome_is_a_new_version_and_the_old_one_stays(outcomes: OutcomeStore) -> None:
    first = await tell(outcomes, outcome())
    with pytest.raises(Conflict) as refused:
        await tell(outcomes, outcome(right="Coffee"))
    assert refused.value.code == "outcome_exists"
    second = await tell(outcomes, outcome(right="Coffee"), replaces=1)
    assert (second.version, second.seq) == (2, 2)
    assert await outcomes.newest("deb_1") == second
    assert await outcomes.history("deb_1") == [second, first]


async def test_of_two_who_replace_the_same_version_at_once_one_does(outcomes: OutcomeStore) -> None:
    await tell(outcomes, outcome())
    told = await asyncio.gather(
        *(tell(outcomes, outcome(right=f"Answer {number}"), replaces=1) for number in range(6)), return_exceptions=True
    )
    kept = [one for one in told if isinstance(one, Outcome)]
    assert [one.version for one in kept] == [2]
    assert all(isinstance(one, Conflict) and one.code == "outcome_changed" for one in told if one not in kept)
    assert [one.version for one in await outcomes.history("deb_1")] == [2, 1]


# --- the feed -----------------------------------------------------------------------------------------------


async def test_the_feed_has_every_outcome_in_its_order_without_a_gap(outcomes: OutcomeStore) -> None:
    await asyncio.gather(*(tell(outcomes, outcome(f"deb_{number}")) for number in range(20)))
    with pytest.raises(Conflict):
        await tell(outcomes, outcome("deb_0", right="Coffee"))
    await tell(outcomes, outcome("deb_0", right="Coffee"), replaces=1)
    seen: list[Outcome] = []
    while page := await outcomes.after(seen[-1].seq if seen else 0, limit=4):
        seen += page
    assert [one.seq for one in seen] == list(range(1, 22))
    assert await outcomes.head() == 21
    assert (seen[-1].debate_id, seen[-1].version) == ("deb_0", 2)


async def test_whoever_follows_the_feed_while_others_write_misses_nothing(outcomes: OutcomeStore) -> None:
    seen: list[int] = []
    done = asyncio.Event()

    async def follow() -> None:
        while not (done.is_set() and seen and seen[-1] == await outcomes.head()):
            found = await outcomes.after(seen[-1] if seen else 0, limit=3)
            seen.extend(one.seq for one in found)

    async def write() -> None:
        await asyncio.gather(*(tell(outcomes, outcome(f"deb_{number}")) for number in range(25)))
        done.set()

    await asyncio.gather(follow(), write())
    assert seen == list(range(1, 26))


# --- curves -------------------------------------------------------------------------------------------------


async def test_a_curve_knows_its_workspace_and_domain_only(outcomes: OutcomeStore) -> None:
    places = [
        ("local", "default", "law"),
        ("local", "default", "tea"),
        ("local", "lab", "law"),
        ("other", "default", "law"),
    ]
    for number, (org_id, workspace, domain) in enumerate(places):
        for more in range(number + 1):
            told = outcome(f"deb_{number}_{more}", org_id=org_id, workspace=workspace, domain=domain)
            await tell(outcomes, told)
    law = await outcomes.curve("local", "default", "law")
    assert law.outcomes == 1
    assert (await outcomes.curve("local", "default")).outcomes == 3
    assert law.organisation is not None
    assert law.organisation.outcomes == 6
    assert (await outcomes.curve("local", "default", "nothing")).outcomes == 0
    assert (await outcomes.curve("local", "Default", "law")).outcomes == 0
    assert (await outcomes.curve("other", "default", "law")).outcomes == 4
    assert await outcomes.domains("local", "default") == ["tea", "law"]
    assert (await outcomes.organisation("nobody")).outcomes == 0


async def test_only_the_newest_version_counts_in_a_curve_and_none_without_votes_behind_it(
    outcomes: OutcomeStore,
) -> None:
    await tell(outcomes, outcome("deb_1"))
    await tell(outcomes, outcome("deb_1", right="Coffee"), replaces=1)
    await tell(outcomes, outcome("deb_2", confidence=None))
    curve = await outcomes.curve("local", "default")
    assert (curve.outcomes, curve.right) == (1, 0)
    assert curve.bins[0].confidence == 0.75


async def test_the_votes_of_agents_are_summed_up_by_workspace_and_domain(outcomes: OutcomeStore) -> None:
    await tell(outcomes, outcome("deb_1", domain="law"))
    await tell(outcomes, outcome("deb_2", domain="tea", forecasts=VOTES[:1]))
    await tell(outcomes, outcome("deb_3", domain="law", org_id="other"))
    assert await outcomes.agents("local", "default") == {
        "ann": Calibration.of(2, 20_000_000),
        "bob": Calibration.of(1, 90_000_000),
    }
    assert await outcomes.agents_by_domain("local", "default", ["tea", "law", "none"]) == {
        "tea": {"ann": Calibration.of(1, 10_000_000)},
        "law": {"ann": Calibration.of(1, 10_000_000), "bob": Calibration.of(1, 90_000_000)},
        "none": {},
    }
    await tell(outcomes, outcome("deb_1", right=None, domain="law", forecasts=()), replaces=1)
    assert list(await outcomes.agents("local", "default")) == ["ann"]


# --- calibration --------------------------------------------------------------------------------------------


async def test_an_outcome_reaches_the_calibration_of_the_agents_that_voted(
    outcomes: OutcomeStore, scoring: Scoring, ratings: RatingStore
) -> None:
    await tell(outcomes, outcome(domain="law", org_id="acme"))
    assert not await scoring.step()
    for domain in (OVERALL, "law", scope_of("acme", "law")):
        known = await ratings.load(["ann", "bob"], domain)
        assert known["ann"].calibration == pytest.approx(0.99)
        assert known["bob"].calibration == pytest.approx(0.91)
    assert await ratings.load(["ann", "bob"], scope_of("other", "law")) == {}
    assert await ratings.rankings() == [], "a leaderboard is of debates"


async def test_however_often_it_is_scored_an_outcome_counts_once(
    outcomes: OutcomeStore, scoring: Scoring, ratings: RatingStore
) -> None:
    await tell(outcomes, outcome())
    for _ in range(3):
        await scoring.step()
    assert (await ratings.load(["ann"]))["ann"].forecasts == 1


async def test_a_replaced_outcome_is_taken_back_to_the_digit(
    outcomes: OutcomeStore, scoring: Scoring, ratings: RatingStore
) -> None:
    third = (Forecast("ann", 1 / 3, right=True), Forecast("cat", 0.1, right=False))
    await tell(outcomes, outcome("deb_1", forecasts=third))
    await scoring.step()
    before = await ratings.load(["ann", "bob", "cat"])
    await tell(outcomes, outcome("deb_2"))
    await scoring.step()
    assert (await ratings.load(["bob"]))["bob"].forecasts == 1
    await tell(outcomes, outcome("deb_2", right=None, forecasts=()), replaces=1)
    await scoring.step()
    assert await ratings.load(["ann", "bob", "cat"]) == before


async def test_whatever_was_left_between_outcome_and_score_is_made_up_in_batches(
    outcomes: OutcomeStore, scoring: Scoring, ratings: RatingStore
) -> None:
    for number in range(BATCH + 3):
        await tell(outcomes, outcome(f"deb_{number}", forecasts=VOTES[:1]))
    await tell(outcomes, outcome("deb_0", right=None, forecasts=()), replaces=1)
    assert await scoring.step()
    assert not await scoring.step()
    assert (await ratings.load(["ann"]))["ann"].forecasts == BATCH + 2


async def test_of_two_that_score_at_once_one_does(
    outcomes: OutcomeStore, scoring: Scoring, ratings: RatingStore, opened: Callable[[Context], Database]
) -> None:
    others = [Scoring(outcomes, ForecastStore(opened(Context.ELO))) for _ in range(3)]
    for number in range(10):
        await tell(outcomes, outcome(f"deb_{number}"))
    await asyncio.gather(*(one.step() for one in (scoring, *others)))
    assert (await ratings.load(["ann"]))["ann"].forecasts == 10


async def test_who_has_read_less_than_is_known_changes_nothing(forecasts: ForecastStore, ratings: RatingStore) -> None:
    scored = [Scored("deb_1", "local", "law", VOTES)]
    assert await forecasts.learn(scored, after=0, upto=1)
    assert not await forecasts.learn(scored, after=0, upto=1)
    assert not await forecasts.forget(after=0)
    assert (await forecasts.known(), (await ratings.load(["ann"]))["ann"].forecasts) == (1, 1)


async def test_an_older_store_of_outcomes_is_scored_anew(
    outcomes: OutcomeStore, scoring: Scoring, forecasts: ForecastStore, ratings: RatingStore
) -> None:
    await forecasts.learn([Scored("deb_gone", "local", "law", VOTES)], after=0, upto=7)
    await tell(outcomes, outcome("deb_1", forecasts=VOTES[:1]))
    while await scoring.step():
        continue
    assert await forecasts.known() == 1
    assert {agent: one.forecasts for agent, one in (await ratings.load(["ann", "bob"])).items()} == {"ann": 1}


async def test_a_rating_and_a_calibration_do_not_overwrite_each_other(
    outcomes: OutcomeStore, scoring: Scoring, ratings: RatingStore
) -> None:
    def win(known: object) -> list[StoredRating]:
        assert isinstance(known, dict)
        return [replace(one, elo=one.elo + 1.0, debates=one.debates + 1) for one in known.values()]

    async def rate() -> None:
        for number in range(10):
            await ratings.change([RatingChange(f"deb_{number}:ratings", [("ann", OVERALL), ("bob", OVERALL)], win)])

    async def score() -> None:
        for number in range(10):
            await tell(outcomes, outcome(f"deb_{number}"))
            await scoring.step()

    await asyncio.gather(rate(), score())
    found = await ratings.load(["ann", "bob"])
    assert {(one.elo, one.debates, one.forecasts) for one in found.values()} == {(1510.0, 10, 10)}
