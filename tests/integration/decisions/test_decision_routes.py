"""Questions over HTTP: decided once, given again while nothing has changed, and only to those whose they are."""

from __future__ import annotations

import asyncio
import json
from collections import Counter
from pathlib import Path
from typing import Any

import pytest
from worlds.decisions import DECISIONS, QUESTION, DecisionSite, agreeing, decision_site

from aragora.config.settings import Settings
from aragora.debate.proposition import Idempotency, Proposition
from aragora.decisions.deciding import HITS, JOINED, MISSES
from aragora.decisions.ports import Started
from aragora.decisions.router import Wanted
from aragora.decisions.store.entries import Entries
from aragora.decisions.upkeep import keeping_decisions
from aragora.errors import Unavailable
from aragora.observability.registry import REGISTRY

ONE_BACKEND = pytest.mark.parametrize("settings", ["sqlite"], indirect=True)


async def test_a_question_is_debated_once_and_its_decision_given_again_on_every_replica(site: DecisionSite) -> None:
    first = await site.ask(202)
    assert (first["cached"], first["joined"], first["route"]["target"]) == (False, False, "debate")
    assert first["route"]["why"] == "no other rule applies"
    await site.ended([first["debate_id"]])
    site.clock.ahead_s = 90.0
    for replica in (0, 1):
        hit = await site.ask(200, replica=replica)
        assert (hit["cached"], hit["debate_id"], hit["status"]) == (True, first["debate_id"], "completed")
        assert hit["receipt"]["debate_id"] == first["debate_id"]
        assert hit["decision"]["reached"]
        assert (hit["cost_usd"], hit["route"]["target"], hit["near"]) == (0.0, "cache", False)
        assert 89 < hit["age_s"] < 300
        assert hit["saved_usd"] > 0
    assert len(site.commands.opened) == 1


async def test_equal_questions_at_once_are_one_debate_on_all_replicas(site: DecisionSite) -> None:
    site.agents.script = lambda _: None  # it is still running when the last one asks
    REGISTRY.drain()  # what other tests counted in this process
    answers = await asyncio.gather(*(site.ask(202, replica=number % 2) for number in range(100)))
    assert {one["debate_id"] for one in answers} == {site.commands.opened[0]}
    assert len(site.commands.opened) == 1
    assert Counter(one["joined"] for one in answers) == {True: 99, False: 1}
    counted = {one.sample: one.amount for one in REGISTRY.drain()}
    assert (counted[JOINED], counted[MISSES], counted.get(HITS, 0.0)) == (99, 1, 0)


@ONE_BACKEND
async def test_200_different_questions_at_once_each_get_their_own_answer(site: DecisionSite) -> None:
    """C4: nothing is crossed under load."""
    questions = [f"Should we buy machine number {number}?" for number in range(200)]
    opened: list[str] = []
    for start in range(0, 200, 50):
        opened += await asyncio.gather(*(site.decided(one) for one in questions[start : start + 50]))
    hits = await asyncio.gather(*(site.ask(200, one, replica=place % 2) for place, one in enumerate(questions)))
    assert [hit["debate_id"] for hit in hits] == opened
    assert all(question in hit["decision"]["answer"] for question, hit in zip(questions, hits, strict=True))


async def test_another_workspace_or_organisation_gets_nothing_and_is_answered_as_if_nothing_were_there(
    site: DecisionSite,
) -> None:
    await site.decided()
    elsewhere = [
        await site.ask(202, workspace="research"),
        await site.ask(202, who="eve"),
        await site.ask(202, question="Should nobody have asked this?"),
    ]
    told = [{**one, "debate_id": "", "status": ""} for one in elsewhere]
    assert told[0] == told[1] == told[2]
    assert len(site.commands.opened) == 4


async def test_what_shapes_an_answer_makes_another_question(site: DecisionSite) -> None:
    """C3, at the route; `tests/unit/decisions/test_keys.py` walks every field."""
    await site.decided()
    for more in (
        {"context": "We have ten users."},
        {"domain": "storage"},
        {"options": ["yes", "no"]},
        {"rounds": 1},
        {"consensus": "unanimous"},
        {"protocol": "council"},
        {"knowledge": False},
    ):
        assert not (await site.ask(202, **more))["cached"], more
    assert not (await site.ask(202, QUESTION.replace("PostgreSQL", "SQLite")))["cached"]
    assert not (await site.ask(202, QUESTION.lower()))["cached"]


async def test_no_cache_has_it_debated_anew_and_the_new_decision_takes_the_place_of_the_old(
    site: DecisionSite,
) -> None:
    first = await site.decided()
    second = await site.decided(headers={"Cache-Control": "max-age=60, no-cache"})
    assert second != first
    assert (await site.ask(200))["debate_id"] == second


async def test_a_decision_that_is_too_old_for_the_caller_is_none(site: DecisionSite) -> None:
    first = await site.decided()
    site.clock.ahead_s = 1_000.0
    assert (await site.ask(200, max_age_s=5_000))["debate_id"] == first
    again = await site.decided(max_age_s=500)
    assert again != first
    assert (await site.ask(200))["debate_id"] == again
    third = await site.ask(202, headers={"Cache-Control": "max-age=0"})
    assert third["debate_id"] not in (first, again)


async def test_a_decision_is_given_until_its_time_is_over(site: DecisionSite, entries: Entries) -> None:
    first = await site.decided()
    await site.ask(200)
    site.clock.ahead_s = 86_500.0
    assert await entries.forget_stale(site.clock.now()) == 1
    assert (await site.ask(202))["debate_id"] != first


@pytest.mark.parametrize("kind", ["workspace", "agent", "tag", "policy"])
async def test_after_an_invalidation_no_replica_answers_an_old_entry(
    kind: str, site: DecisionSite, entries: Entries
) -> None:
    """C6: here on replicas of one process; `test_runbook_router` invalidates from another one."""
    first = await site.decided(tags=["urgent"])
    assert (await site.ask(200, replica=1))["debate_id"] == first
    agents = (await site.ports[0].planner.plan(Proposition(QUESTION))).agents
    if kind == "workspace":
        assert await entries.invalidate_workspace("default", "umbra") == 0
        assert await entries.invalidate_workspace("default", "acme") == 1
    elif kind == "agent":
        assert await entries.invalidate_agent(agents[0], "99.9") == 0
        models = {one.name: one.model for one in site.commands._specifying.specified(Proposition(QUESTION)).team}
        assert await entries.invalidate_agent(agents[0], models[agents[0]]) == 1
    elif kind == "tag":
        assert await entries.invalidate_tag("calm") == 0
        assert await entries.invalidate_tag("urgent") == 1
    else:
        await entries.set_policy("v2.0.0")
    second = (await site.ask(202, replica=1))["debate_id"]
    await site.ended([second])
    assert first != second == (await site.ask(200, replica=0))["debate_id"]


async def test_what_was_running_when_it_was_invalidated_is_neither_joined_nor_kept(
    site: DecisionSite, entries: Entries
) -> None:
    site.agents.script = lambda _: None
    running = (await site.ask(202))["debate_id"]
    assert await entries.invalidate_workspace("default") == 0, "nothing was kept"
    site.agents.script = agreeing
    assert (await site.ask(202))["debate_id"] != running


async def test_an_era_of_the_policy_never_comes_back(site: DecisionSite, entries: Entries) -> None:
    """C10: v1, v2 and v1 again."""
    first = await site.decided()
    await entries.set_policy("v2")
    second = await site.decided()
    await entries.set_policy("1")
    third = await site.decided()
    assert len({first, second, third}) == 3
    await entries.set_policy("1")
    assert (await site.ask(200))["debate_id"] == third, "the same version again changes nothing"


async def test_who_may_not_read_debates_is_given_none_of_others(site: DecisionSite) -> None:
    first = await site.decided()
    asked = Proposition(QUESTION, created_by="ann", org_id="acme")
    settled = await site.ports[0].deciding.settle(Wanted(asked, shared=False))
    assert settled.opened is not None
    assert settled.opened.debate_id != first


async def test_the_same_key_gets_the_first_answer_and_another_request_under_it_is_refused(site: DecisionSite) -> None:
    key = {"Idempotency-Key": "k1"}
    first = await site.ask(202, headers=key)
    assert (await site.ask(202, headers=key, replica=1))["debate_id"] == first["debate_id"]
    refused = await site.ask(409, headers=key, stakes="high")
    assert refused["error"]["code"] == "idempotency_conflict"
    await site.ended([first["debate_id"]])
    assert (await site.ask(202, headers=key))["status"] == "completed"
    hit = await site.ask(200, headers={"Idempotency-Key": "k2"})
    await site.ask(202, headers={"Cache-Control": "no-cache"})
    again = await site.ask(200, headers={"Idempotency-Key": "k2"})
    assert (again["debate_id"], again["cached"]) == (hit["debate_id"], True)
    assert len(site.commands.opened) == 2


async def test_a_debate_that_cannot_be_opened_leaves_the_question_free(site: DecisionSite) -> None:
    site.commands.failure = Unavailable("full", retry_after_s=1.0)
    refused = await asyncio.gather(*(site.ask(503, replica=number % 2) for number in range(5)))
    assert {one["error"]["code"] for one in refused} == {"unavailable"}
    site.commands.failure = None
    await site.decided()
    await site.ask(200)


async def test_who_opens_and_dies_holds_the_question_for_a_minute_at_most(site: DecisionSite, entries: Entries) -> None:
    router = site.ports[0].deciding.router
    wanted = Wanted(Proposition(QUESTION, created_by="ann", org_id="acme"))
    routed, _, _ = await router.look(router.planned(wanted), wanted)
    assert await entries.claim(site.ports[0].deciding._claim(routed, "deb_lost", wanted), None)
    site.clock.ahead_s = 61.0
    assert (await site.ask(202))["debate_id"] != "deb_lost"


async def test_rules_choose_the_way_and_say_why(site: DecisionSite) -> None:
    ways = {
        "agent": await site.ask(202, "Tea or coffee?", stakes="low"),
        "high": await site.ask(202, stakes="high"),
        "hurry": await site.ask(202, deadline_s=10),
        "named": await site.ask(202, protocol="duel"),
    }
    assert {name: way["route"]["rule"] for name, way in ways.items()} == {
        "agent": "small question",
        "high": "high stakes",
        "hurry": "hurry",
        "named": "as asked",
    }
    assert ways["agent"]["route"]["target"] == "agent"
    await site.ended([ways["agent"]["debate_id"]])
    alone = await site.ports[0].deciding.router.entries.of_debate(ways["agent"]["debate_id"])
    assert alone is not None
    assert '"reached":false' in (alone.decision or ""), "nobody had anything to agree on"
    assert not (await site.ask(202, "Tea or coffee?", stakes="low"))["cached"]


WITH_WORKFLOW = """
version = "7"
[[rules]]
name = "contracts"
to = "workflow"
workflow = "contract-review"
why = "contracts are signed by two people"
when = { domains = ["legal"] }
[[rules]]
name = "rest"
to = "debate"
why = "the rest"
"""


class NoWorkflows:
    async def start(self, workflow: str, proposition: Proposition, idempotency: Idempotency | None) -> Started:
        return Started(workflow, f"exec_{proposition.question[:3]}")


@ONE_BACKEND
async def test_a_rule_that_leads_to_a_workflow_is_refused_where_there_are_none(
    settings: Settings, tmp_path: Any
) -> None:
    path = tmp_path / "rules.toml"
    path.write_text(WITH_WORKFLOW)
    ruled = settings.model_copy(update={"decision_rules": path})
    async with decision_site(ruled) as site:
        refused = await site.ask(409, domain="legal")
        assert refused["error"]["code"] == "no_workflows"
        assert "contract-review" in refused["error"]["message"]
        assert (await site.ask(202))["route"]["rules_version"] == "7"
    async with decision_site(ruled, workflows=NoWorkflows()) as site:
        started = await site.ask(202, domain="legal")
        assert (started["workflow"], started["execution_id"]) == ("contract-review", "exec_Sho")
        assert (started["route"]["target"], started["debate_id"]) == ("workflow", None)
        async with site.client() as client:
            answer = await client.post(DECISIONS, json={"question": QUESTION, "domain": "legal"})
        assert answer.headers["Location"] == "/api/workflow-executions/exec_Sho", "there it waits, for a person too"


@ONE_BACKEND
@pytest.mark.parametrize(
    "body",
    [
        {"question": ""},
        {"question": "x", "max_age_s": -1},
        {"question": "x", "max_age_s": "NaN"},
        {"question": "x", "tags": ["t" * 100_000]},
        {"question": "x", "tags": ["t"] * 21},
        {"question": "x", "tags": ["a\u0000b"]},
        {"question": "x", "stakes": "enormous"},
        {"question": "x", "deadline_s": 0},
        {"question": "x", "workspace": "a/../b"},
        {"question": "x", "unknown": 1},
        {"question": "a\u0000b"},
        {"question": "half \ud800"},
        {"question": "x", "context": "\udfff"},
        {"question": "x", "tags": ["\ud800"]},
        {"question": "x", "tags": "urgent"},
        {"question": "x", "max_age_s": 10**400},
        {"question": "x", "deadline_s": 1e308},
        {"question": "x", "budget_usd": 10**30},
        {"question": "x", "rounds": 10**12},
        {"question": "x", "stakes": {"$ne": "low"}},
        {"question": ["x"]},
        {"question": "x", "agents": ["nobody-of-this-name"]},
        {"question": "x", "protocol": "brawl"},
    ],
)
async def test_bad_input_is_refused(body: dict[str, Any], site: DecisionSite) -> None:
    async with site.client() as client:
        refused = await client.post(DECISIONS, content=json.dumps(body), headers={"Content-Type": "application/json"})
    assert refused.status_code == 422, refused.text
    assert refused.json()["error"]["code"]


@ONE_BACKEND
@pytest.mark.parametrize(
    ("raw", "status"),
    [
        (b'{"question": "x", "max_age_s": NaN}', 422),
        (b'{"question": "x", "max_age_s": Infinity}', 422),
        (b'{"question": "x", "budget_usd": 1e400}', 422),
        (b'{"question": "x", "rounds": ' + b"9" * 5_000 + b"}", 400),
        (b'{"question": ' + b"[" * 100_000, 400),
        (b'{"question": "\xff"}', 400),
        (b"", 422),
        (b"null", 422),
        (b'{"question": "' + b"x" * 10_000_000 + b'"}', 413),
    ],
)
async def test_a_body_that_is_none_is_refused(raw: bytes, status: int, site: DecisionSite) -> None:
    async with site.client() as client:
        refused = await client.post(DECISIONS, content=raw, headers={"Content-Type": "application/json"})
    assert refused.status_code == status, refused.text[:300]
    assert refused.json()["error"]["code"]
    assert site.commands.opened == []


@ONE_BACKEND
@pytest.mark.parametrize(
    "value", ["max-age=-1", "max-age=", "max-age=" + "9" * 300, "no-cache-at-all", ",,,", "x" * 400]
)
async def test_a_cache_control_that_says_nothing_changes_nothing(value: str, site: DecisionSite) -> None:
    first = await site.decided()
    assert (await site.ask(200, headers={"Cache-Control": value}))["debate_id"] == first


@ONE_BACKEND
async def test_a_rule_that_names_an_agent_that_is_not_there_is_no_fault_of_the_caller(
    settings: Settings, tmp_path: Path
) -> None:
    path = tmp_path / "rules.toml"
    path.write_text(
        WITH_WORKFLOW.replace('to = "workflow"\nworkflow = "contract-review"', 'to = "agent"\nagents = ["nob"]')
    )
    async with decision_site(settings.model_copy(update={"decision_rules": path})) as site:
        refused = await site.ask(409, domain="legal")
        assert (refused["error"]["code"], "'contracts'" in refused["error"]["message"]) == ("rule_not_followed", True)
        await site.ask(422, domain="legal", agents=["nob"])
        await site.ask(202)


@ONE_BACKEND
async def test_a_viewer_may_not_decide(site: DecisionSite) -> None:
    assert (await site.ask(403, who="cid"))["error"]["code"] == "forbidden"


async def test_the_job_judges_what_nobody_asked_for_again(site: DecisionSite, entries: Entries) -> None:
    await site.decided()
    assert dict(await entries.sizes(site.clock.now())) == {}
    job = keeping_decisions(site.ports[0].deciding.router, site.ports[0].requests)
    assert await job.run() == "judged 1 decision, forgot 0"
    assert dict(await entries.sizes(site.clock.now())) == {("acme", "default"): 1}
