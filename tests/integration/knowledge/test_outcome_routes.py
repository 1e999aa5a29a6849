"""Outcomes over HTTP: told, repeated, replaced, read; audited; and the calibration that they show."""

from __future__ import annotations

from collections.abc import AsyncIterator
from dataclasses import replace
from pathlib import Path
from typing import Any

import httpx2
import pytest
from pydantic import SecretStr
from worlds.backends import migrated_postgres
from worlds.memory_server import Boards, Served, World, served
from worlds.migrated import migrated

from aragora import encoding
from aragora.config.settings import Settings
from aragora.debate.model import AskKind, ConsensusMode, DebateStatus, Decision, Tally, Usage, VoteCast
from aragora.observability.registry import REGISTRY

SERVICE = "the token of a service"
MEMBER = {"X-User-ID": "u", "X-Org-ID": "local", "X-User-Roles": "member", "Authorization": f"Bearer {SERVICE}"}
TEA = Tally("ada", 2, 2.0, ("ada", "bob"), "Tea", ("ada", "cyd"))
COFFEE = Tally("bob", 1, 1.0, ("cyd",), "Coffee", ("bob",))
DECISION = Decision(
    True, "Tea, because ...", "ada", 0.75, ConsensusMode.MAJORITY, (TEA, COFFEE), (), 1, 0.0, position="Tea"
)


@pytest.fixture
def world() -> World:
    return World()


@pytest.fixture(params=["sqlite", pytest.param("postgresql", marks=pytest.mark.slow)])
async def server(request: pytest.FixtureRequest, tmp_path: Path, world: World) -> AsyncIterator[Served]:
    if request.param == "postgresql":
        settings = await migrated_postgres(request.getfixturevalue("migrated_url"), tmp_path)
    else:
        settings = migrated(Settings(data_dir=tmp_path))
    settings = settings.model_copy(update={"service_token": SecretStr(SERVICE), "encryption_key": SecretStr("0" * 64)})
    server = served(settings, world, Boards())
    yield server
    await server.aclose()


@pytest.fixture
async def client(server: Served) -> AsyncIterator[httpx2.AsyncClient]:
    """The local operator of a development server."""
    async with server.client() as client:
        yield client


@pytest.fixture
async def debate_id(world: World) -> str:
    return await decided(world)


async def decided(world: World, debate_id: str = "deb_1", *, org_id: str = "local", confidence: float = 0.75) -> str:
    """A debate that is decided for tea; bob and ada voted for it, cyd for coffee."""
    world.add(debate_id, org_id=org_id)
    for agent, choice, sure in (("ada", "ada", 0.9), ("bob", "cyd", 0.6), ("cyd", "bob", 0.5)):
        vote = VoteCast(1, agent, f"ask_{agent}", AskKind.VOTE, choice, sure, "", (), Usage("p", "m"))
        await world.publish(debate_id, vote)
    decision = encoding.encode_text(replace(DECISION, confidence=confidence))
    record = world.records[debate_id]
    world.records[debate_id] = replace(record, status=DebateStatus.COMPLETED, decision=decision)
    return debate_id


async def tell(client: httpx2.AsyncClient, debate_id: str = "deb_1", **body: Any) -> httpx2.Response:
    headers = body.pop("headers", {})
    return await client.post(f"/api/debates/{debate_id}/outcome", json={"right": "Tea"} | body, headers=headers)


def code_of(answer: httpx2.Response) -> tuple[int, str]:
    return answer.status_code, answer.json()["error"]["code"]


# --- telling ------------------------------------------------------------------------------------------------


async def test_an_outcome_is_told_and_read_with_its_history(client: httpx2.AsyncClient, debate_id: str) -> None:
    told = await tell(client, debate_id, right="tea", note="It tasted well.", at=90.5)
    assert told.status_code == 201, told.text
    shown = told.json()
    assert {name: shown[name] for name in ("right", "agents", "decision_right", "confidence", "note", "at")} == {
        "right": "Tea",
        "agents": ["ada", "cyd"],
        "decision_right": True,
        "confidence": 0.75,
        "note": "It tasted well.",
        "at": 90.5,
    }
    assert (shown["version"], shown["workspace"], shown["domain"], shown["by"]) == (1, "default", "general", "local")
    assert told.headers["etag"] == '"1"'
    read = (await client.get(f"/api/debates/{debate_id}/outcome")).json()
    assert read == {**shown, "history": [shown]}


@pytest.mark.parametrize(("right", "decision_right"), [("ada", True), ("cyd", True), ("Coffee", False), (None, False)])
async def test_an_answer_is_named_by_its_text_or_its_agents_and_may_be_none(
    client: httpx2.AsyncClient, debate_id: str, right: str | None, decision_right: bool
) -> None:
    assert (await tell(client, debate_id, right=right)).json()["decision_right"] is decision_right


async def test_the_same_outcome_again_is_the_stored_one(client: httpx2.AsyncClient, debate_id: str) -> None:
    first = await tell(client, debate_id, note="seen")
    again = await tell(client, debate_id, right="ada", note=" seen ")
    assert (first.status_code, again.status_code) == (201, 200)
    assert again.json() == first.json()


async def test_another_outcome_replaces_it_by_its_version(client: httpx2.AsyncClient, debate_id: str) -> None:
    await tell(client, debate_id)
    assert code_of(await tell(client, debate_id, right=None)) == (409, "outcome_exists")
    second = await tell(client, debate_id, right=None, replaces=1)
    assert (second.status_code, second.json()["version"], second.headers["etag"]) == (201, 2, '"2"')
    repeated = await tell(client, debate_id, right=None, replaces=1)
    assert (repeated.status_code, repeated.json()) == (200, second.json()), "an answer that was lost is given again"
    assert code_of(await tell(client, debate_id, replaces=1)) == (409, "outcome_changed")
    third = await tell(client, debate_id, headers={"If-Match": '"2"'})
    assert third.json()["version"] == 3
    history = (await client.get(f"/api/debates/{debate_id}/outcome")).json()["history"]
    assert [(one["version"], one["right"]) for one in history] == [(3, "Tea"), (2, None), (1, "Tea")]


@pytest.mark.parametrize(("if_match", "replaces"), [("*", None), ('"one"', None), ('"2"', 1), ("-1", None)])
async def test_an_if_match_that_is_no_version_is_refused(
    client: httpx2.AsyncClient, debate_id: str, if_match: str, replaces: int | None
) -> None:
    await tell(client, debate_id)
    refused = await tell(client, debate_id, right=None, replaces=replaces, headers={"If-Match": if_match})
    assert code_of(refused) == (422, "invalid_input")


async def test_an_answer_that_the_debate_did_not_have_is_refused_with_those_it_had(
    client: httpx2.AsyncClient, debate_id: str
) -> None:
    refused = await tell(client, debate_id, right="Water")
    assert code_of(refused) == (422, "unknown_answer")
    assert "'Tea' (ada, cyd); 'Coffee' (bob)" in refused.json()["error"]["message"]


@pytest.mark.parametrize(
    "body",
    [
        {"right": ""},
        {"right": "   "},
        {"right": "x" * 321},
        {"right": 7},
        {"right": "Tea", "note": "x" * 1001},
        {"right": "Tea", "note": "a\0b"},
        {"right": "Te\na"},
        {"right": "Tea", "at": -1},
        {"right": "Tea", "at": 1e300},
        {"right": "Tea", "at": 99_999_999_999},
        {"right": "Tea", "at": "yesterday"},
        {"right": "Tea", "replaces": 0},
        {"right": "Tea", "replaces": 1.5},
        {"right": "Tea", "replaces": 2**70},
        {"right": "Tea", "by": "somebody else"},
        {"right": "Tea", "confidence": 1.0},
        {"right": ["Tea"]},
        {},
        [],
    ],
)
async def test_what_is_no_outcome_is_refused(client: httpx2.AsyncClient, debate_id: str, body: Any) -> None:
    refused = await client.post(f"/api/debates/{debate_id}/outcome", json=body)
    assert refused.status_code == 422, refused.text
    assert code_of(await client.get(f"/api/debates/{debate_id}/outcome")) == (404, "no_outcome")


@pytest.mark.parametrize("raw", ['{"right": "Tea", "at": NaN}', '{"right": "\\ud800"}', '{"right": ', "[1"])
async def test_what_is_no_json_is_refused(client: httpx2.AsyncClient, debate_id: str, raw: str) -> None:
    headers = {"Content-Type": "application/json"}
    refused = await client.post(f"/api/debates/{debate_id}/outcome", content=raw.encode(), headers=headers)
    assert 400 <= refused.status_code < 500, refused.text


@pytest.mark.parametrize(
    "status", [DebateStatus.ACTIVE, DebateStatus.WAITING, DebateStatus.FAILED, DebateStatus.CANCELLED]
)
async def test_a_debate_that_is_not_decided_has_no_outcome(
    client: httpx2.AsyncClient, world: World, debate_id: str, status: DebateStatus
) -> None:
    world.records[debate_id] = replace(world.records[debate_id], status=status)
    assert code_of(await tell(client, debate_id)) == (409, "not_decided")


async def test_a_debate_without_a_decision_or_with_a_damaged_one_has_no_outcome(
    client: httpx2.AsyncClient, world: World, debate_id: str
) -> None:
    world.records[debate_id] = replace(world.records[debate_id], decision=None)
    assert code_of(await tell(client, debate_id)) == (409, "not_decided")
    world.records[debate_id] = replace(world.records[debate_id], decision='{"reached": tr')
    assert code_of(await tell(client, debate_id)) == (409, "decision_unreadable")


async def test_a_debate_of_another_organisation_is_not_there(server: Served, world: World) -> None:
    await decided(world, "deb_theirs", org_id="theirs")
    async with server.client("203.0.113.9", **MEMBER) as client:
        assert code_of(await tell(client, "deb_theirs")) == (404, "not_found")
        assert code_of(await tell(client, "deb_nobodys")) == (404, "not_found")
        assert code_of(await client.get("/api/debates/deb_theirs/outcome")) == (404, "not_found")


async def test_who_may_only_read_tells_nothing(server: Served, debate_id: str) -> None:
    async with server.client("203.0.113.9", **MEMBER | {"X-User-Roles": "viewer"}) as client:
        assert code_of(await tell(client, debate_id)) == (403, "forbidden")
        assert code_of(await client.get(f"/api/debates/{debate_id}/outcome")) == (404, "no_outcome")
        assert (await client.get("/api/knowledge/calibration")).status_code == 200


async def test_what_is_told_is_audited_once_and_a_refusal_too(client: httpx2.AsyncClient, debate_id: str) -> None:
    await tell(client, debate_id)
    await tell(client, debate_id)
    await tell(client, debate_id, right=None)
    entries = (await client.get("/api/admin/audit?limit=10")).json()["entries"]
    told = [(one["outcome"], one["target"]) for one in entries if one["action"] == "outcome.tell"]
    assert sorted(told) == [("failure", debate_id), ("success", debate_id), ("success", debate_id)]


async def test_outcomes_are_counted_by_whether_the_decision_was_right(
    client: httpx2.AsyncClient, debate_id: str
) -> None:
    REGISTRY.drain()
    await tell(client, debate_id)
    await tell(client, debate_id)
    await tell(client, debate_id, right=None, replaces=1)
    counted = {delta.labels: delta.amount for delta in REGISTRY.drain() if delta.sample == "aragora_km_outcomes_total"}
    assert counted == {(("right", "yes"),): 1.0, (("right", "no"),): 1.0}


# --- calibration --------------------------------------------------------------------------------------------


async def test_without_an_outcome_nothing_is_calibrated(client: httpx2.AsyncClient) -> None:
    shown = (await client.get("/api/knowledge/calibration")).json()
    curve = shown["curve"]
    assert (curve["calibrated"], curve["missing"], curve["brier"], curve["bins"]) == (False, 20, None, [])
    assert curve["told"] == "not calibrated: 20 more outcomes are needed"
    assert all(point["voted"] == point["calibrated"] for point in curve["points"])
    assert (shown["domains"], shown["agents"], shown["minimum"]) == ([], [], 20)


async def test_from_twenty_outcomes_on_a_curve_says_what_votes_are_worth(
    client: httpx2.AsyncClient, world: World
) -> None:
    for number in range(20):
        debate_id = await decided(world, f"deb_{number}", confidence=0.9)
        answer = await tell(client, debate_id, right="Tea" if number % 2 else "Coffee")
        assert answer.status_code == 201
    shown = (await client.get("/api/knowledge/calibration")).json()
    curve = shown["domains"][0]["curve"]
    assert shown["domains"][0]["domain"] == "general"
    assert (curve["calibrated"], curve["outcomes"], curve["right"], curve["missing"]) == (True, 20, 10, 0)
    (one,) = curve["bins"]
    assert (one["confidence"], one["rate"], one["rate_low"] < 0.5 < one["rate_high"]) == (0.9, 0.5, True)
    assert curve["brier"]["score"] == pytest.approx(0.41)
    point = next(point for point in curve["points"] if point["voted"] == 0.9)
    # Half the fit, a quarter what the organisation's fit says, a quarter the vote itself.
    assert point["calibrated"] == pytest.approx(0.5 * 0.5 + 0.25 * 0.5 + 0.25 * 0.9)
    agents = {agent["agent"]: agent for agent in shown["domains"][0]["agents"]}
    assert agents == {agent["agent"]: agent for agent in shown["agents"]}
    assert agents["cyd"]["forecasts"] == 20
    assert agents["ada"]["brier"] == pytest.approx((0.1**2 + 0.9**2) / 2)
    assert agents["ada"]["calibration"] == pytest.approx(1 - (0.1**2 + 0.9**2) / 2)
    only = (await client.get("/api/knowledge/calibration?domain=law")).json()
    assert [(one["domain"], one["curve"]["outcomes"], one["agents"]) for one in only["domains"]] == [("law", 0, [])]
    elsewhere = (await client.get("/api/knowledge/calibration?workspace=lab")).json()
    assert (elsewhere["curve"]["outcomes"], elsewhere["organisation"]["outcomes"]) == (0, 20)


async def test_the_outcomes_of_another_organisation_show_nowhere(server: Served, world: World) -> None:
    await decided(world, "deb_theirs", org_id="theirs")
    async with server.client("203.0.113.9", **MEMBER | {"X-Org-ID": "theirs"}) as client:
        assert (await tell(client, "deb_theirs")).status_code == 201
        assert (await client.get("/api/knowledge/calibration")).json()["curve"]["outcomes"] == 1
    async with server.client("203.0.113.9", **MEMBER) as client:
        shown = (await client.get("/api/knowledge/calibration")).json()
        assert (shown["curve"]["outcomes"], shown["organisation"]["outcomes"], shown["agents"]) == (0, 0, [])


@pytest.mark.parametrize(
    "query", ["workspace=", "workspace=a/b", "workspace=" + "x" * 65, "domain=", "domain=" + "x" * 129, "domain=a%00b"]
)
async def test_a_workspace_or_domain_that_cannot_be_is_refused(client: httpx2.AsyncClient, query: str) -> None:
    assert code_of(await client.get(f"/api/knowledge/calibration?{query}")) == (422, "invalid_input")


async def test_a_damaged_vote_takes_no_other_with_it(client: httpx2.AsyncClient, world: World, debate_id: str) -> None:
    journal = world.journals[debate_id]
    journal[1] = replace(journal[1], payload='{"type":"vote","data":{}}')
    assert (await tell(client, debate_id)).status_code == 201
    agents = (await client.get("/api/knowledge/calibration")).json()["agents"]
    assert len(agents) == 2
