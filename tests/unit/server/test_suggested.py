"""Settings that suit a workspace, taken only by who asks for them."""

from __future__ import annotations

from typing import Any

import pytest

from aragora.debate.proposition import Idempotency, Proposition
from aragora.errors import Unavailable
from aragora.knowledge.mound.adapters.culture import Setting, Suggestion
from aragora.server.suggested import taken

ROUNDS = Suggestion(Setting.ROUNDS, 2, "11 of 12 debates settled by the first round", 12, 11 / 12, 0.65, 0.99)
MODE = Suggestion(Setting.CONSENSUS, "supermajority", "it decides more often", 20, 1.0, 0.84, 1.0)
PEOPLE = Suggestion(Setting.NEEDS, ("role:admin", "role:owner"), "people override often", 12, 0.5, 0.25, 0.75)
ALL = (ROUNDS, MODE, PEOPLE)
ASKED = {"question": "Tea or coffee?", "suggested": True}
TOLD = [
    "rounds 2: 11 of 12 debates settled by the first round",
    "consensus supermajority: it decides more often",
    "needs role:admin, role:owner: people override often",
]


def test_what_was_not_given_is_taken_and_told() -> None:
    made = taken(Proposition("Tea?"), (), ALL)
    assert (made.rounds, made.consensus, made.needs) == (2, "supermajority", ("role:admin", "role:owner"))
    assert list(made.taken) == TOLD
    given = taken(Proposition("Tea?", rounds=5), {"rounds", "needs"}, ALL)
    assert (given.rounds, given.consensus, given.needs) == (5, "supermajority", ())
    assert list(given.taken) == TOLD[1:2]


async def test_a_debate_is_opened_with_them_and_says_so(client: Any, world: Any) -> None:
    world.suits = ALL
    answer = await client.post("/api/debates", json=ASKED)
    assert (answer.status_code, answer.json()["suggested"]) == (202, TOLD)
    (opened,) = world.opened
    assert (opened.rounds, opened.consensus, opened.needs) == (2, "supermajority", ("role:admin", "role:owner"))
    spec = await world.plan(opened)
    assert (list(spec.suggested), spec.protocol.rounds) == (TOLD, 2), "so the journal tells it"


@pytest.mark.parametrize("body", [{"question": "Tea?"}, {"question": "Tea?", "suggested": False}])
async def test_who_does_not_ask_for_them_is_given_none(client: Any, world: Any, body: dict[str, Any]) -> None:
    world.suits = ALL
    assert (await client.post("/api/debates", json=body)).json()["suggested"] == []
    (opened,) = world.opened
    assert (opened.rounds, opened.consensus, opened.needs, opened.taken) == (None, None, (), ())


async def test_what_the_caller_gives_stands(client: Any, world: Any) -> None:
    world.suits = ALL
    body = {**ASKED, "rounds": 4, "consensus": None, "needs": []}
    assert (await client.post("/api/debates", json=body)).json()["suggested"] == TOLD[1:2]
    assert (world.opened[0].rounds, world.opened[0].needs) == (4, ())


async def test_the_same_request_again_is_the_first_debate_whatever_suits_by_then(client: Any, world: Any) -> None:
    key = {"Idempotency-Key": "k1"}
    world.suits = (ROUNDS,)
    first = await client.post("/api/debates", json=ASKED, headers=key)
    world.suits = (MODE,)
    again = await client.post("/api/debates", json=ASKED, headers=key)
    assert (again.status_code, again.json()["debate_id"]) == (202, first.json()["debate_id"])
    other = await client.post("/api/debates", json={**ASKED, "suggested": False}, headers=key)
    assert other.status_code == 409


def test_a_request_without_them_is_known_by_what_it_was_known_by_before() -> None:
    plain = Idempotency.of("k1", Proposition("Tea?"))
    assert plain == Idempotency.of("k1", Proposition("Tea?", taken=("rounds 2: x",)))
    assert plain != Idempotency.of("k1", Proposition("Tea?", suggested=True))


async def test_a_store_that_is_away_keeps_no_debate_from_being_opened(
    client: Any, world: Any, monkeypatch: pytest.MonkeyPatch
) -> None:
    async def away(_planned: object) -> tuple[Suggestion, ...]:
        raise Unavailable("the store of knowledge is away")

    monkeypatch.setattr(world, "suggestions", away)
    answer = await client.post("/api/debates", json=ASKED)
    assert (answer.status_code, answer.json()["suggested"]) == (202, [])
    assert world.opened[0].rounds is None


async def test_an_estimate_is_of_the_debate_that_would_be_opened(client: Any, world: Any) -> None:
    world.suits = (ROUNDS,)
    plain = (await client.post("/api/debates/estimate", json={"question": "Tea?"})).json()
    told = (await client.post("/api/debates/estimate", json=ASKED)).json()
    assert (plain["rounds"], plain["suggested"]) == (3, [])
    assert (told["rounds"], told["suggested"]) == (2, TOLD[:1])
    assert told["forecast"]["asks_most"] < plain["forecast"]["asks_most"]


async def test_anything_but_true_or_false_is_refused(client: Any) -> None:
    answer = await client.post("/api/debates", json={**ASKED, "suggested": "yes"})
    assert answer.status_code == 422
