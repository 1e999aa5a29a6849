"""From an outbox row of the topic `ratings` to the ratings that follow."""

from __future__ import annotations

import json
from dataclasses import replace

from aragora.debate.model import START_ELO, ConsensusMode, Decision, Tally
from aragora.encoding import encode_text
from aragora.ranking.consumer import change_of
from aragora.ranking.elo import RATINGS, K, RatingsDue
from aragora.ranking.store import OVERALL, StoredRating, scope_of
from aragora.storage.outbox import OutboxRow

DECISION = Decision(
    reached=True,
    answer="yes",
    winner="ann",
    confidence=0.7,
    mode=ConsensusMode.MAJORITY,
    tallies=(Tally("ann", 2, 2.0), Tally("bob", 1, 1.0)),
    dissent=(),
    rounds=1,
    cost_usd=0.0,
)
PAYLOAD = (
    '{"domain":"law","decision":{"reached":true,"answer":"yes","winner":"ann","confidence":0.7,"mode":"majority",'
    '"tallies":[{"agent":"ann","votes":2,"weight":2.0,"voters":[]},{"agent":"bob","votes":1,"weight":1.0,"voters":[]}],"dissent":[],'
    '"rounds":1,"cost_usd":0.0,"stopped_by":"rounds","explanation":""},"org_id":"local"}'
)


def row(due: RatingsDue) -> OutboxRow:
    return OutboxRow("deb_1:ratings", RATINGS, "deb_1", encode_text(due), 100.0)


def test_the_names_in_stored_rows_stay_as_they_are() -> None:
    written, before = json.loads(row(RatingsDue("law", DECISION)).payload), json.loads(PAYLOAD)
    assert before["decision"].keys() <= written["decision"].keys()
    assert before["decision"]["tallies"][0].keys() <= written["decision"]["tallies"][0].keys()
    assert before.keys() == written.keys()
    assert RATINGS == "ratings"


def test_a_row_of_before_positions_were_counted_still_counts() -> None:
    old = change_of(OutboxRow("deb_1:ratings", RATINGS, "deb_1", PAYLOAD, 100.0))
    assert old.keys == change_of(row(RatingsDue("law", DECISION))).keys


def test_every_author_of_a_position_is_rated() -> None:
    shared = replace(DECISION, tallies=(Tally("ann", 2, 2.0, (), "yes", ("ann", "cid")), Tally("bob", 1, 1.0)))
    rated = {agent for agent, _ in change_of(row(RatingsDue("law", shared))).keys}
    assert rated == {"ann", "bob", "cid"}


def test_a_row_of_before_organisations_had_standings_still_counts() -> None:
    old = OutboxRow("deb_1:ratings", RATINGS, "deb_1", PAYLOAD.replace(',"org_id":"local"', ""), 100.0)
    assert change_of(old).keys == change_of(row(RatingsDue("law", DECISION))).keys


def test_what_another_organisation_decides_moves_no_standing_of_ours() -> None:
    ours, theirs = (change_of(row(RatingsDue("law", DECISION, org_id))).keys for org_id in ("acme", "birch"))
    assert ("ann", scope_of("acme", "law")) in ours
    assert ("ann", scope_of("acme", "law")) not in theirs
    assert {key for key in ours if key in theirs} == {
        (agent, at) for agent in ("ann", "bob") for at in (OVERALL, "law")
    }


def test_a_decision_rates_its_agents_overall_and_in_its_domain() -> None:
    change = change_of(row(RatingsDue("law", DECISION)))
    assert change.outbox_id == "deb_1:ratings"
    assert change.keys == [("ann", OVERALL), ("ann", "law"), ("bob", OVERALL), ("bob", "law")]
    before = {key: StoredRating(*key) for key in change.keys} | {
        ("ann", "law"): StoredRating("ann", "law", START_ELO + 400)
    }
    after = {(rating.agent, rating.domain): rating for rating in change.rate(before)}
    assert after["ann", OVERALL] == StoredRating("ann", OVERALL, START_ELO + K / 2, debates=1, wins=1.0)
    assert after["bob", OVERALL] == StoredRating("bob", OVERALL, START_ELO - K / 2, debates=1)
    assert 0 < after["ann", "law"].elo - (START_ELO + 400) < K / 2


def test_a_decision_that_was_not_contested_changes_nothing() -> None:
    change = change_of(row(RatingsDue("law", replace(DECISION, tallies=DECISION.tallies[:1]))))
    assert list(change.rate({key: StoredRating(*key) for key in change.keys})) == []
