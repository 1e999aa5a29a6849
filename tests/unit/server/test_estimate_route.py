"""What a debate would take, asked over HTTP: nothing is opened, and no agent is asked."""

from __future__ import annotations

from dataclasses import asdict, replace
from pathlib import Path
from typing import Any

from worlds.memory_server import DEFAULT_CONFIG, NOW, World, served

from aragora.config.settings import Settings
from aragora.debate.model import DebateSpec, Protocol
from aragora.errors import Unavailable
from aragora.knowledge.debaters import Rated, Team
from aragora.knowledge.mound.adapters.cost import Estimate, Likeness, Range
from aragora.knowledge.mound.adapters.culture import Setting, Suggestion
from aragora.knowledge.mound.adapters.elo import Basis, Prior
from aragora.knowledge.mound.adapters.insights import Steadiness
from aragora.knowledge.mound.adapters.ranking import Expert, Member
from aragora.knowledge.precedents import Settled
from aragora.server.foretelling import NONE_SUITS, NOT_ALLOWED, Known, of_question

TOOK = Estimate(12, Likeness.SAME_TEAM, Range(0.04, 0.09), Range(40.0, 65.5), Range(15, 20), Range(9_000, 14_000))
SETTLED = Settled(
    "Tea",
    "kn_1",
    "deb_1",
    NOW,
    2,
    0,
    0,
    0.74,
    "likely",
    disputed=True,
    valid_until=NOW + 9.0,
    valid=True,
    asked_recently=3,
)
SUITS = Suggestion(Setting.ROUNDS, 2, "11 of 12 debates settled by the first round", 12, 11 / 12, 0.65, 0.99)
ASKED = {"question": "Tea or coffee?"}
ADA = Expert("ada", 20, 12, 0.6, 0.39, 0.78, 1, 0)
KNOWN = Team(20, (ADA,), (Member("ada", "won 12 of 20 debates in general, at least 0.39"), Member("bob", "unknown")))

UNRATED = Prior("bob", Basis.MODEL, "openai/gpt-5", 20, 12, 0.6, 0.39, 0.78, 0.5)
RATED = (Rated("ada", 1532.0, 12, None), Rated("bob", None, 0, UNRATED))
STEADY = Steadiness("ada", 7, 20, 8, 6, 0.3, 0.15, 0.52, 4, 1)


async def test_a_plan_says_who_debates_what_bounds_it_and_what_debates_like_it_took(client: Any, world: Any) -> None:
    world.took = TOOK
    answer = await client.post("/api/debates/estimate", json=ASKED)
    told = answer.json()
    assert answer.status_code == 200
    assert (told["agents"], told["protocol"], told["rounds"]) == (["ada", "bob"], "structured", 3)
    assert told["budget_usd"] == told["forecast"]["usd_most"] == 0.5
    assert 0 < told["forecast"]["asks_least"] < told["forecast"]["asks_most"]
    assert (told["estimate"]["debates"], told["estimate"]["likeness"]) == (12, "same_team")
    assert told["estimate"]["usd"] == {"p50": 0.04, "p90": 0.09}
    assert told["why"] == ""
    assert world.opened == []
    assert world.records == {}


async def test_without_an_estimate_it_says_why_and_the_bounds_stand(client: Any, world: Any) -> None:
    told = (await client.post("/api/debates/estimate", json=ASKED)).json()
    assert told["estimate"] is None
    assert "fewer than 3 debates" in told["why"]
    world.failure = Unavailable("the store of knowledge is away")
    told = (await client.post("/api/debates/estimate", json=ASKED)).json()
    assert (told["estimate"], told["why"]) == (None, "the store of knowledge is away")
    assert told["forecast"]["asks_most"] > 0


async def test_where_no_agents_are_named_it_suggests_a_team_and_says_why(client: Any, world: Any) -> None:
    world.known = KNOWN
    told = (await client.post("/api/debates/estimate", json=ASKED)).json()
    assert told["agents"] == ["ada", "bob"]
    assert [one["agent"] for one in told["team"]["suggested"]] == ["ada", "bob"]
    assert told["team"]["suggested"][0]["reason"] == "won 12 of 20 debates in general, at least 0.39"
    (expert,) = told["team"]["experts"]
    assert (expert["won"], expert["debates"], expert["low"], expert["failures"]) == (12, 20, 0.39, 1)
    assert (told["team"]["domain"], told["team"]["debates"], told["team"]["why"]) == ("general", 20, "")
    named = (await client.post("/api/debates/estimate", json={**ASKED, "agents": ["bob", "ada"]})).json()
    assert named["team"] == {**told["team"], "suggested": []}


async def test_beside_the_team_it_says_how_often_each_changes_sides_without_new_evidence(
    client: Any, world: Any
) -> None:
    told = (await client.post("/api/debates/estimate", json=ASKED)).json()["agents_known"]["changes"]
    assert told["agents"] == []
    assert "5 rounds" in told["why"]
    world.steady = (STEADY,)
    told = (await client.post("/api/debates/estimate", json=ASKED)).json()["agents_known"]["changes"]
    (ada,) = told["agents"]
    assert (ada["agent"], ada["flips"], ada["rounds"], ada["low"], told["why"]) == ("ada", 6, 20, 0.15, "")
    assert told["trickster"] is None, "6 of 20 say nothing for sure"
    world.steady = (replace(STEADY, flips=15, moves=15),)
    told = (await client.post("/api/debates/estimate", json={**ASKED, "protocol": "council"})).json()
    trickster = told["agents_known"]["changes"]["trickster"]
    assert (trickster["suits"], trickster["planned"]) == (True, False)
    assert "without new evidence" in trickster["reason"]


async def test_who_has_no_rating_is_told_by_the_record_of_its_model(client: Any, world: Any) -> None:
    world.ratings = RATED
    told = (await client.post("/api/debates/estimate", json=ASKED)).json()["agents_known"]["ratings"]
    ada, bob = told["agents"]
    assert (ada["elo"], ada["debates"], ada["prior"]) == (1532.0, 12, None)
    assert (bob["elo"], bob["prior"]["of"], bob["prior"]["n"], bob["prior"]["low"]) == (None, "openai/gpt-5", 20, 0.39)
    assert told["why"] == ""


async def test_each_part_of_an_estimate_is_missing_by_itself(client: Any, world: Any) -> None:
    world.took, world.known = TOOK, KNOWN
    world.away = {"team"}
    told = (await client.post("/api/debates/estimate", json=ASKED)).json()
    assert (told["estimate"]["debates"], told["why"]) == (12, "")
    assert (told["team"]["suggested"], told["team"]["why"]) == ([], "team is away")
    world.steady, world.ratings, world.away = (STEADY,), RATED, {"steadiness"}
    told = (await client.post("/api/debates/estimate", json=ASKED)).json()
    assert told["agents_known"]["changes"] == {
        "agents": [],
        "why": "steadiness is away",
        "trickster": None,
    }
    assert len(told["agents_known"]["ratings"]["agents"]) == 2
    world.away = {"rated"}
    told = (await client.post("/api/debates/estimate", json=ASKED)).json()
    assert told["agents_known"]["ratings"] == {"agents": [], "why": "rated is away"}
    assert len(told["agents_known"]["changes"]["agents"]) == 1
    assert len(told["team"]["suggested"]) == 2
    world.away = {"like"}
    told = (await client.post("/api/debates/estimate", json=ASKED)).json()
    assert (told["estimate"], told["why"]) == (None, "like is away")
    assert len(told["team"]["suggested"]) == 2
    assert len(told["agents_known"]["changes"]["agents"]) == 1


async def test_it_says_what_the_same_question_was_settled_on_or_why_nothing_is_told(client: Any, world: Any) -> None:
    told = (await client.post("/api/debates/estimate", json=ASKED)).json()
    assert told["settled"] is None
    assert "no debate of this question" in told["settled_why"]
    world.settled_on = SETTLED
    told = (await client.post("/api/debates/estimate", json=ASKED)).json()
    assert told["settled"] == asdict(SETTLED)
    assert told["settled_why"] == ""
    world.failure = Unavailable("the store of knowledge is away")
    told = (await client.post("/api/debates/estimate", json=ASKED)).json()
    assert (told["settled"], told["settled_why"]) == (None, "the store of knowledge is away")


async def test_who_may_not_read_knowledge_is_not_told_what_was_settled() -> None:
    class Never(World):
        async def settled(self, planned: DebateSpec) -> Settled | str:
            raise AssertionError(planned)

    planned = DebateSpec("deb_1", "Tea or coffee?", ("ada", "bob"), Protocol("structured"), seed=7)
    world = Never(suits=(SUITS,))
    told = await of_question(Known(world, world), planned, may_read=False)
    assert (told["settled"], told["settled_why"]) == (None, NOT_ALLOWED)
    assert (told["suggestions"], told["suggestions_why"]) == ((SUITS,), "")


async def test_it_says_which_settings_would_suit_or_why_none_is_told(client: Any, world: Any) -> None:
    told = (await client.post("/api/debates/estimate", json=ASKED)).json()
    assert (told["suggestions"], told["suggestions_why"]) == ([], NONE_SUITS)
    world.suits = (SUITS,)
    told = (await client.post("/api/debates/estimate", json=ASKED)).json()
    assert told["suggestions"] == [asdict(SUITS)]
    assert (told["suggestions_why"], told["rounds"]) == ("", 3)
    world.failure = Unavailable("the store of knowledge is away")
    told = (await client.post("/api/debates/estimate", json=ASKED)).json()
    assert (told["suggestions"], told["suggestions_why"]) == ([], "the store of knowledge is away")


async def test_where_nothing_is_learnt_it_says_so(world: Any, boards: Any, tmp_path: Path) -> None:
    world.took = TOOK
    settings = Settings(data_dir=tmp_path, knowledge=False)
    client = served(settings, world, boards, config=DEFAULT_CONFIG).client()
    told = (await client.post("/api/debates/estimate", json=ASKED)).json()
    assert told["estimate"] is None
    assert "ARAGORA_KNOWLEDGE" in told["why"]
    assert told["team"]["why"] == told["agents_known"]["changes"]["why"] == told["why"]
    assert (told["settled"], told["settled_why"]) == (None, told["why"])
    assert (told["suggestions"], told["suggestions_why"]) == ([], told["why"])
    assert told["agents_known"]["ratings"] == {"agents": [], "why": told["why"]}


async def test_what_could_not_be_debated_is_not_estimated(client: Any) -> None:
    for wrong, code in (
        ({"question": ""}, "invalid_input"),
        ({**ASKED, "agents": ["nobody"]}, "unknown_agent"),
        ({**ASKED, "protocol": "fight"}, "invalid_input"),
        ({**ASKED, "budget_usd": 6}, "invalid_input"),
        ({**ASKED, "color": "red"}, "invalid_input"),
    ):
        answer = await client.post("/api/debates/estimate", json=wrong)
        assert (answer.status_code, answer.json()["error"]["code"]) == (422, code), wrong
