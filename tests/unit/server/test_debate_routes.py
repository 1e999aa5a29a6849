"""Opening, listing, reading and steering debates over HTTP."""

from __future__ import annotations

import csv
import io
import json
from collections.abc import Collection
from dataclasses import replace
from typing import Any

import pytest
from pydantic import SecretStr
from worlds.memory_server import served

from aragora import encoding
from aragora.config.settings import Settings
from aragora.debate.model import (
    ConsensusMode,
    DebateStatus,
    Decision,
    DecisionProposed,
    DecisionSigned,
    Participation,
    Verdict,
)
from aragora.errors import RateLimited, Unavailable
from aragora.identity.store.users import Standing, UserStore
from aragora.server.ports import ServerConfig


async def test_a_question_is_accepted_with_its_id_and_where_to_watch(client: Any, world: Any) -> None:
    asked = {"question": " Tea? ", "agents": ["ada", "bob"], "rounds": 2, "budget_usd": 0.5}
    answer = await client.post("/api/debates", json=asked)
    assert answer.status_code == 202
    assert answer.json() == {
        "debate_id": "deb_1",
        "status": "queued",
        "ws_url": "ws://127.0.0.1:8765/ws",
        "budget_usd": 0.5,
        "forecast": None,
        "suggested": [],
    }
    assert answer.headers["location"] == "/api/debates/deb_1"
    assert (world.opened[0].question, world.opened[0].agents, world.opened[0].rounds) == ("Tea?", ("ada", "bob"), 2)


async def test_the_same_idempotency_key_opens_one_debate(client: Any, world: Any) -> None:
    headers = {"Idempotency-Key": "k1"}
    first = await client.post("/api/debates", json={"question": "Tea?"}, headers=headers)
    second = await client.post("/api/debates", json={"question": "Tea?"}, headers=headers)
    assert first.json()["debate_id"] == second.json()["debate_id"]
    assert len(world.opened) == 1
    other = await client.post("/api/debates", json={"question": "Coffee?"}, headers=headers)
    assert (other.status_code, other.json()["error"]["code"]) == (409, "idempotency_conflict")


@pytest.mark.parametrize(
    "body",
    [
        {},
        {"question": ""},
        {"question": "  "},
        {"question": "x", "rounds": 0},
        {"question": "x", "rounds": True, "unknown": 1},
        {"question": "x", "consensus": "coin"},
        {"question": "x", "budget_usd": -1},
        {"question": "x", "agents": ["a"] * 33},
        [],
        "text",
        None,
    ],
)
async def test_a_wrong_body_is_refused_in_words_and_opens_nothing(client: Any, world: Any, body: Any) -> None:
    answer = await client.post("/api/debates", json=body)
    assert answer.status_code == 422
    assert answer.json()["error"]["code"] == "invalid_input"
    assert answer.json()["request_id"] == answer.headers["x-request-id"]
    assert world.opened == []


async def test_a_debate_is_read_with_its_decision(client: Any, world: Any) -> None:
    world.add()
    assert (await client.get("/api/debates/deb_1")).json()["decision"] is None
    await world.end("deb_1")
    found = (await client.get("/api/debates/deb_1")).json()
    assert found["status"] == "completed"
    assert found["decision"]["answer"] == "Tea."
    assert found["agents"] == ["ada", "bob"]
    assert found["protocol"] == "structured"


async def test_a_debate_of_any_moment_is_read_listed_and_exported(client: Any, world: Any) -> None:
    await world.end(world.add())
    at = 1812147711.8755689  # its bytes look like those of infinity in their middle
    world.records["deb_1"] = replace(world.records["deb_1"], created_at=at)
    assert (await client.get("/api/debates/deb_1")).json()["decision"]["answer"] == "Tea."
    assert (await client.get("/api/debates")).json()["debates"][0]["created_at"] == at
    for format_ in ("json", "jsonl"):
        exported = await client.get("/api/debates/export", params={"format": format_})
        assert json.dumps(at) in exported.text


async def test_an_unknown_debate_is_not_found_at_any_of_its_paths(client: Any) -> None:
    answers = [
        await client.get("/api/debates/none"),
        await client.get("/api/debates/none/events"),
        await client.get("/api/debates/none/receipt"),
        await client.post("/api/debates/none/cancel"),
        await client.post("/api/debates/none/votes", json={"choice": "ada"}),
    ]
    assert [answer.status_code for answer in answers] == [404] * 5
    assert {answer.json()["error"]["code"] for answer in answers} == {"not_found"}


async def test_the_listing_pages_through_all_debates_newest_first(client: Any, world: Any) -> None:
    for number in range(1, 6):
        world.add(f"deb_{number}")
    seen: list[str] = []
    cursor: str | None = None
    while True:
        query = {"limit": "2"} | ({"cursor": cursor} if cursor else {})
        page = (await client.get("/api/debates", params=query)).json()
        seen += [one["debate_id"] for one in page["debates"]]
        cursor = page["next_cursor"]
        if cursor is None:
            break
    assert seen == ["deb_5", "deb_4", "deb_3", "deb_2", "deb_1"]


async def test_the_listing_filters_by_status_and_refuses_strange_cursors(client: Any, world: Any) -> None:
    world.add("deb_1")
    world.add("deb_2")
    world.records["deb_2"] = replace(world.records["deb_2"], status=DebateStatus.FAILED)
    page = (await client.get("/api/debates?status=active")).json()
    assert [one["debate_id"] for one in page["debates"]] == ["deb_1"]
    assert (await client.get("/api/debates?cursor=junk")).status_code == 422
    assert (await client.get("/api/debates?status=odd")).status_code == 422
    assert (await client.get("/api/debates?limit=0")).status_code == 422


@pytest.mark.parametrize(
    ("prefix", "found"),
    [
        ("deb_01a2", ["deb_01a2b", "deb_01a2a"]),
        ("01a2", ["deb_01a2b", "deb_01a2a"]),
        ("deb_01a2b", ["deb_01a2b"]),
        ("deb_01a3", ["deb_01a3c"]),
        ("deb_ffff", []),
    ],
)
async def test_the_listing_finds_debates_by_the_beginning_of_their_ids(
    client: Any, world: Any, prefix: str, found: list[str]
) -> None:
    for debate_id in ("deb_01a2a", "deb_01a2b", "deb_01a3c"):
        world.add(debate_id)
    page = (await client.get("/api/debates", params={"prefix": prefix})).json()
    assert [one["debate_id"] for one in page["debates"]] == found


@pytest.mark.parametrize("prefix", ["", "deb_", "deb_01a", "01A2", "deb_01a%", "deb_01a_", "x" * 5000, "01a2\n"])
async def test_what_no_id_begins_with_is_refused_before_any_store_is_asked(
    client: Any, world: Any, prefix: str
) -> None:
    world.failure = RuntimeError("the store was asked")
    answer = await client.get("/api/debates", params={"prefix": prefix})
    assert answer.status_code == 422
    assert "4 to 32 hex digits" in answer.json()["error"]["message"]


async def test_a_debate_is_cancelled_once(client: Any, world: Any) -> None:
    world.add()
    first = await client.post("/api/debates/deb_1/cancel")
    assert (first.status_code, first.json()) == (200, {"debate_id": "deb_1", "status": "cancelled"})
    assert (await client.post("/api/debates/deb_1/cancel")).status_code == 409


async def test_a_person_votes_or_suggests_but_not_both(client: Any, world: Any) -> None:
    world.add()
    voted = await client.post("/api/debates/deb_1/votes", json={"choice": "ada", "intensity": 9})
    assert (voted.status_code, voted.json()) == (201, {"debate_id": "deb_1", "seq": 2})
    suggested = await client.post("/api/debates/deb_1/votes", json={"suggestion": "Think of sleep."})
    assert suggested.json()["seq"] == 3
    for body in ({}, {"choice": "ada", "suggestion": "x"}, {"choice": "ada", "intensity": 11}):
        assert (await client.post("/api/debates/deb_1/votes", json=body)).status_code == 422


async def test_a_person_says_which_answers_are_one_position(client: Any, world: Any) -> None:
    world.add()
    told = await client.post("/api/debates/deb_1/positions", json={"groups": [["ada", "bob"]]})
    assert (told.status_code, told.json()) == (201, {"debate_id": "deb_1", "seq": 2})
    for body in ({}, {"groups": []}, {"groups": [[]]}, {"groups": "ada"}, {"groups": [["ada"]], "more": 1}):
        assert (await client.post("/api/debates/deb_1/positions", json=body)).status_code == 422


async def test_a_person_signs_with_its_roles(client: Any, world: Any) -> None:
    world.add()
    signed = await client.post("/api/debates/deb_1/signatures", json={"verdict": "veto", "note": "too dear"})
    assert (signed.status_code, signed.json()) == (201, {"debate_id": "deb_1", "seq": 2})
    told = (await client.get("/api/debates/deb_1/events?after=1")).json()["events"][0]
    assert (told["type"], told["data"]["verdict"], told["data"]["note"]) == ("signature", "veto", "too dear")
    assert told["data"]["need"] == "role:admin", "the most powerful of its roles comes first"
    named = {"verdict": "approve", "need": "role:owner"}
    assert (await client.post("/api/debates/deb_1/signatures", json=named)).status_code == 201
    told = (await client.get("/api/debates/deb_1/events?after=2")).json()["events"][0]
    assert told["data"]["need"] == "role:owner"
    for body in ({}, {"verdict": "maybe"}, {"verdict": "approve", "note": "x" * 1_001}, {**named, "need": "x" * 200}):
        assert (await client.post("/api/debates/deb_1/signatures", json=body)).status_code == 422


@pytest.mark.parametrize(
    ("method", "path", "more"),
    [
        ("POST", "/api/debates", {"json": {"question": "Tea?", "needs": ["user:usr_1", "role:king"]}}),
        ("POST", "/api/debates/deb_1/votes", {"json": {"choice": "a\x00b"}}),
        ("GET", "/api/debates", {"params": {"prefix": "deb"}}),
        ("GET", "/api/leaderboard/rankings", {"params": {"domain": "a\x00b"}}),
    ],
)
async def test_what_is_wrong_is_told_without_the_words_of_the_library_that_found_it(
    client: Any, method: str, path: str, more: dict[str, Any]
) -> None:
    answer = await client.request(method, path, **more)
    assert answer.status_code == 422
    assert "error," not in answer.json()["error"]["message"].lower()


async def test_options_and_needs_reach_the_debate(client: Any, world: Any) -> None:
    body = {"question": "Tea?", "options": ["yes", "no"], "needs": ["role:owner", "user:local"]}
    assert (await client.post("/api/debates", json=body)).status_code == 202
    assert (world.opened[-1].options, world.opened[-1].needs) == (("yes", "no"), ("role:owner", "user:local"))


async def test_a_need_of_somebody_who_could_never_sign_is_refused_and_opens_nothing(
    client: Any, world: Any, monkeypatch: pytest.MonkeyPatch
) -> None:
    async def accounts(_: UserStore, user_ids: Collection[str]) -> dict[str, Standing]:
        known = {"usr_1": Standing("local", ("member",), disabled=False)}
        return {user_id: known[user_id] for user_id in user_ids if user_id in known}

    monkeypatch.setattr(UserStore, "standings_among", accounts)
    for needs, status in ((["user:usr_1", "user:local"], 202), (["user:usr_1", "user:usr_2"], 422)):
        answer = await client.post("/api/debates", json={"question": "Tea?", "needs": needs})
        assert answer.status_code == status
    assert answer.json()["error"]["message"].startswith("user:usr_2 could never sign: your organisation has no account")
    assert len(world.opened) == 1


@pytest.mark.parametrize(
    "wrong",
    [
        {"options": [""]},
        {"options": ["x" * 201]},
        {"options": [str(number) for number in range(21)]},
        {"needs": ["ann"]},
        {"needs": ["role:emperor"]},
        {"needs": [f"user:{number}" for number in range(11)]},
    ],
)
async def test_options_and_needs_that_make_no_sense_are_refused(client: Any, wrong: dict[str, Any]) -> None:
    refused = await client.post("/api/debates", json={"question": "Tea?", **wrong})
    assert (refused.status_code, refused.json()["error"]["code"]) == (422, "invalid_input")


async def test_events_come_in_pages_of_whole_envelopes(client: Any, world: Any) -> None:
    world.add()
    await world.rounds("deb_1", 4)
    page = (await client.get("/api/debates/deb_1/events?after=1&limit=3")).json()
    assert [event["seq"] for event in page["events"]] == [2, 3, 4]
    assert page["next_after"] == 4
    assert page["events"][0]["type"] == "round_start"
    rest = (await client.get(f"/api/debates/deb_1/events?after={page['next_after']}")).json()
    assert [event["seq"] for event in rest["events"]] == [5]


async def test_a_full_server_says_when_to_come_back(client: Any, world: Any) -> None:
    world.failure = Unavailable("All places are taken. Try again.", retry_after_s=2.2)
    answer = await client.post("/api/debates", json={"question": "Tea?"})
    assert (answer.status_code, answer.headers["retry-after"]) == (503, "3")
    world.failure = RateLimited("Too fast.", retry_after_s=0.2)
    answer = await client.post("/api/debates", json={"question": "Tea?"})
    assert (answer.status_code, answer.headers["retry-after"]) == (429, "1")


async def test_an_unexpected_error_tells_nothing(client: Any, world: Any) -> None:
    world.failure = RuntimeError("password=hunter2")
    answer = await client.get("/api/debates/deb_1")
    assert answer.status_code == 500
    assert answer.json()["error"]["code"] == "internal"
    assert "hunter2" not in answer.text
    assert answer.json()["request_id"] == answer.headers["x-request-id"]


async def test_the_listing_item_and_the_detail_agree_with_their_schemas(client: Any, world: Any) -> None:
    world.add()
    await world.end("deb_1")
    document = (await client.get("/openapi.json")).json()
    schemas = document["components"]["schemas"]
    detail = (await client.get("/api/debates/deb_1")).json()
    assert set(detail) == set(schemas["DebateDetail"]["properties"])
    item = (await client.get("/api/debates")).json()["debates"][0]
    assert set(item) == set(schemas["DebateSummary"]["properties"])
    assert encoding.decode(world.records["deb_1"].decision) == detail["decision"]


DAMAGES = {
    "spec_cut_off": {"spec": '{"agents":["a'},
    "spec_of_another_shape": {"spec": '{"agents":5}'},
    "spec_half_a_character": {"spec": "\udcff"},
    "decision_cut_off": {"decision": '{"answer":"Te'},
    "decision_of_another_shape": {"decision": "[1]"},
    "decision_with_null": {"decision": '{"answer":"Tea.","winner":null,"confidence":null}'},
}


@pytest.mark.parametrize("damage", DAMAGES.values(), ids=DAMAGES)
async def test_one_damaged_debate_is_shown_as_far_as_it_goes_and_spoils_no_list_and_no_export(
    damage: dict[str, str], client: Any, world: Any
) -> None:
    for number in (1, 2, 3):
        await world.end(world.add(f"deb_{number}"))
    world.records["deb_2"] = replace(world.records["deb_2"], **damage)

    listed = (await client.get("/api/debates")).json()["debates"]
    assert [one["debate_id"] for one in listed] == ["deb_3", "deb_2", "deb_1"]
    shown = await client.get("/api/debates/deb_2")
    assert (shown.status_code, shown.json()["question"]) == (200, "Tea or coffee?")
    for format_ in ("json", "jsonl", "csv", "markdown"):
        exported = await client.get("/api/debates/export", params={"format": format_})
        assert exported.status_code == 200
        assert all(f"deb_{number}" in exported.text for number in (1, 2, 3))
    json.loads((await client.get("/api/debates/export", params={"format": "json"})).text)


@pytest.mark.parametrize("everywhere", ["0.0.0.0", "[::]"])
@pytest.mark.parametrize("host", ["agora.example:8080", "203.0.113.7:8080", "[2001:db8::7]:8080"])
async def test_a_server_that_listens_everywhere_names_the_address_that_was_asked(
    serve: Any, everywhere: str, host: str
) -> None:
    server = serve(ws_url=f"ws://{everywhere}:8765/ws", bind_host=everywhere, api_token="secret")
    client = server.client(host=host, Authorization="Bearer secret")
    answer = await client.post("/api/debates", json={"question": "Tea or coffee?"})
    assert answer.json()["ws_url"] == f"ws://{host.removesuffix(':8080')}:8765/ws"


@pytest.mark.parametrize(
    ("forwarded", "url"),
    [
        ("203.0.113.9, 127.0.0.1", "wss://agora.example/ws"),  # by a proxy of the operator's on this machine
        ("127.0.0.1, 203.0.113.9", "ws://agora.example:8765/ws"),  # a client that claims there was one
    ],
)
async def test_behind_a_trusted_proxy_the_websocket_is_where_the_proxy_was_asked(
    world: Any, boards: Any, tmp_path: Any, forwarded: str, url: str
) -> None:
    settings = Settings(data_dir=tmp_path, api_token=SecretStr("secret"), trusted_proxies=("127.0.0.1",))
    config = ServerConfig("1.2.3", "ws://0.0.0.0:8765/ws", bind_host="0.0.0.0")
    told = {"X-Forwarded-For": forwarded, "X-Forwarded-Proto": "https", "Authorization": "Bearer secret"}
    client = served(settings, world, boards, config=config).client(host="agora.example")
    answer = await client.post("/api/debates", json={"question": "Tea or coffee?"}, headers=told)
    assert answer.json()["ws_url"] == url


async def proposing(world: Any, *signatures: DecisionSigned) -> Decision:
    """A debate that waits at its gate, with what was signed since the decision was proposed."""
    world.add()
    decision = Decision(True, "Tea.", "ada", 0.75, ConsensusMode.MAJORITY, (), (), 1, 0.0, headline="Decided: so.")
    needs = ("user:ann", "role:owner")
    await world.publish("deb_1", DecisionProposed(1, replace(decision, answer="Coffee."), needs))
    await world.publish("deb_1", DecisionSigned(1, "ann", "user:ann", Verdict.VETO))
    await world.publish("deb_1", DecisionProposed(1, decision, needs))
    for event in signatures:
        await world.publish("deb_1", event)
    world.records["deb_1"] = replace(world.records["deb_1"], status=DebateStatus.WAITING)
    return decision


async def test_a_debate_that_waits_tells_what_it_proposes_and_whom_it_waits_for(client: Any, world: Any) -> None:
    decision = await proposing(world, DecisionSigned(1, "ann", "user:ann", Verdict.APPROVE, "fine"))
    found = (await client.get("/api/debates/deb_1")).json()
    assert found["decision"] is None, "nothing is decided yet"
    assert found["proposed"] == {
        "decision": json.loads(encoding.encode_text(decision)),
        "missing": ["role:owner"],
        "signatures": [
            {"person": "ann", "need": "user:ann", "verdict": "approve", "note": "fine", "answer": "", "option": ""}
        ],
    }


async def test_what_a_person_put_in_place_is_told_to_those_who_must_still_sign(client: Any, world: Any) -> None:
    approved = DecisionSigned(1, "ann", "user:ann", Verdict.APPROVE)
    await proposing(world, approved, DecisionSigned(1, "bo", "role:owner", Verdict.CHANGE, "", "Water."))
    proposed = (await client.get("/api/debates/deb_1")).json()["proposed"]
    assert proposed["missing"] == ["user:ann"], "what was approved were other words"
    assert [one["answer"] for one in proposed["signatures"]] == ["Water."]


async def test_who_signs_for_another_need_than_before_leaves_the_first_one_missing(client: Any, world: Any) -> None:
    both = [DecisionSigned(1, "ann", need, Verdict.APPROVE) for need in ("role:owner", "user:ann")]
    await proposing(world, *both)
    proposed = (await client.get("/api/debates/deb_1")).json()["proposed"]
    assert proposed["missing"] == ["role:owner"]
    assert [one["need"] for one in proposed["signatures"]] == ["user:ann"]


async def test_a_debate_that_does_not_wait_proposes_nothing(client: Any, world: Any) -> None:
    await proposing(world)
    await world.end("deb_1")
    assert (await client.get("/api/debates/deb_1")).json()["proposed"] is None


async def test_a_role_that_may_not_write_is_refused_as_a_need_that_nobody_could_fulfil(client: Any) -> None:
    refused = await client.post("/api/debates", json={"question": "Tea?", "needs": ["role:viewer"]})
    assert (refused.status_code, refused.json()["error"]["code"]) == (422, "invalid_input")
    assert "may not sign" in refused.json()["error"]["message"]


async def test_an_export_for_people_says_first_what_came_of_a_debate(client: Any, world: Any) -> None:
    await world.end(world.add())
    who = Participation(("ada", "bob"), ("ada",), ("ada", "bob"), ("ada",), (), ("x",), ("x/1",), ("quorum",))
    weak = Decision(False, "Tea.", "ada", 0.5, ConsensusMode.MAJORITY, (), (), 1, 0.0, headline="Degraded: so.")
    weak = replace(weak, participation=who, stated_confidence=0.9, support="1 of 2 came to it")
    world.records["deb_1"] = replace(world.records["deb_1"], decision=encoding.encode_text(weak))
    world.add("deb_2")
    world.records["deb_2"] = replace(world.records["deb_2"], status=DebateStatus.FAILED, reason="No agent *answered*.")
    page = (await client.get("/api/debates/export?format=markdown")).text
    first, second = page.split("\n## ")[1:]
    assert first.splitlines()[2] == "**Degraded: so.**"
    assert "- Leading answer, not a decision: of ada (1 of 2 came to it, 50% of the weight)" in first
    assert "- Reason: No agent \\*answered\\*." in second
    row = next(csv.DictReader(io.StringIO((await client.get("/api/debates/export?format=csv")).text)))
    assert (row["reached"], row["degraded"], row["stated_confidence"]) == ("False", "quorum", "0.9")
