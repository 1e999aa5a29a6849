"""Tasks over HTTP: who makes, takes, ends and reads them, and which agents are recommended."""

from __future__ import annotations

from typing import Any

import httpx2
import pytest
from worlds.backends import SetClock
from worlds.control_server import AGENTS, RECOMMENDATIONS, TASKS, ControlSite, code_of, control_site, sent

from aragora.config.settings import Settings

REVIEW = {"type": "review", "payload": {"pull": 7}, "capabilities": ["python"]}
ADA = {"agent_id": "ada", "capabilities": ["python", "review"]}
ONE_BACKEND = pytest.mark.parametrize("settings", ["sqlite"], indirect=True)


async def made(client: httpx2.AsyncClient, **changed: Any) -> dict[str, Any]:
    found: dict[str, Any] = await sent(client, TASKS, 201, {**REVIEW, **changed})
    return found


async def listed(client: httpx2.AsyncClient, **query: Any) -> list[str]:
    answer = await client.get(TASKS, params=query)
    assert answer.status_code == 200, answer.text
    return [one["task_id"] for one in answer.json()["tasks"]]


async def worked(client: httpx2.AsyncClient, agent: str, times: int, *, fails: bool = False, **of: Any) -> None:
    """An agent takes so many tasks, and ends each the same way."""
    for _ in range(times):
        task = await made(client, capabilities=[], max_attempts=1, **of)
        path = f"{TASKS}/{task['task_id']}"
        await sent(client, f"{path}/claim", 200, {"agent_id": agent, "capabilities": []})
        end = {"agent_id": agent, "latency_ms": 4_000, "cost_usd": 0.5}
        await sent(client, f"{path}/{'fail' if fails else 'complete'}", 200, {**end, "error": "no"} if fails else end)


async def recommended(client: httpx2.AsyncClient, task_type: str, **query: Any) -> dict[str, Any]:
    answer = await client.get(RECOMMENDATIONS, params={"task_type": task_type, **query})
    assert answer.status_code == 200, answer.text
    found: dict[str, Any] = answer.json()
    return found


async def test_a_task_goes_from_its_maker_to_an_agent_and_its_result_back(client: httpx2.AsyncClient) -> None:
    task = await made(client, priority=9, deadline="2023-11-15T00:00:00Z")
    assert (task["state"], task["workspace"], task["created_by"]) == ("queued", "default", "ann")
    assert (task["payload"], task["deadline"], task["lease_until"]) == ({"pull": 7}, 1_700_006_400.0, None)
    claimed = (await sent(client, f"{TASKS}/claim", 200, {**ADA, "lease_s": 30}))["task"]
    assert (claimed["task_id"], claimed["state"], claimed["agent_id"]) == (task["task_id"], "claimed", "ada")
    assert (claimed["lease_until"], claimed["fencing_token"]) == (1_700_000_030.0, 1)
    assert (await sent(client, f"{TASKS}/claim", 200, ADA)) == {"task": None}
    path, holding = f"{TASKS}/{task['task_id']}", {"agent_id": "ada", "fencing_token": 1}
    kept = await sent(client, f"{path}/heartbeat", 200, {**holding, "lease_s": 90})
    assert kept["lease_until"] == 1_700_000_090.0
    result = {"verdict": ["fine", None, 1.5]}
    done = await sent(client, f"{path}/complete", 200, {**holding, "result": result, "latency_ms": 5_000})
    assert (done["state"], done["result"], done["latency_ms"]) == ("completed", result, 5_000)
    assert await sent(client, f"{path}/complete", 200, {**holding, "result": result}) == done
    assert code_of(await client.post(f"{path}/complete", json={**holding, "result": 1})) == (409, "other_result")
    shown = (await client.get(path)).json()
    assert [(one["agent_id"], one["how"], one["latency_ms"]) for one in shown["history"]] == [("ada", "completed", 5e3)]


async def test_who_lost_a_task_is_told_and_the_next_one_has_it(client: httpx2.AsyncClient, clock: SetClock) -> None:
    task = await made(client)
    path = f"{TASKS}/{task['task_id']}"
    await sent(client, f"{path}/claim", 200, {**ADA, "lease_s": 10})
    assert code_of(await client.post(f"{path}/claim", json={**ADA, "agent_id": "bob"})) == (409, "claimed")
    clock.at += 11
    anew = await sent(client, f"{path}/claim", 200, {**ADA, "agent_id": "bob"})
    assert (anew["fencing_token"], anew["attempts"]) == (2, 2)
    late = {"agent_id": "ada", "fencing_token": 1}
    for command in ("complete", "heartbeat"):
        assert code_of(await client.post(f"{path}/{command}", json=late)) == (409, "stale_token")
    assert code_of(await client.post(f"{path}/complete", json={"agent_id": "ada"})) == (409, "other_agent")
    assert [one["how"] for one in (await client.get(path)).json()["history"]] == ["lapsed"]


async def test_a_failed_task_waits_then_is_a_dead_letter_and_a_person_may_retry_it(
    client: httpx2.AsyncClient, clock: SetClock
) -> None:
    task = await made(client, max_attempts=2)
    path, failing = f"{TASKS}/{task['task_id']}", {"agent_id": "ada", "error": "It does not build."}
    for state in ("queued", "dead_lettered"):
        await sent(client, f"{path}/claim", 200, ADA)
        failed = await sent(client, f"{path}/fail", 200, failing)
        assert (failed["state"], failed["error"]) == (state, "It does not build.")
        answer = await client.post(f"{path}/claim", json=ADA)
        assert code_of(answer) == (409, "not_due" if state == "queued" else "ended")
        clock.at += 2
    assert await listed(client, state="dead_lettered") == [task["task_id"]]
    assert (await sent(client, f"{path}/retry", 200))["attempts"] == 0
    assert (await sent(client, f"{path}/cancel", 200))["state"] == "cancelled"
    assert (await sent(client, f"{path}/cancel", 200))["state"] == "cancelled"
    assert code_of(await client.post(f"{path}/retry")) == (409, "ended")
    other = await made(client)
    await sent(client, f"{TASKS}/{other['task_id']}/claim", 200, ADA)
    for_good = await sent(client, f"{TASKS}/{other['task_id']}/fail", 200, {**failing, "again": False})
    assert for_good["state"] == "failed"


async def test_the_same_key_makes_one_task_and_another_body_is_a_conflict(client: httpx2.AsyncClient) -> None:
    key = {"Idempotency-Key": "once"}
    first = await client.post(TASKS, json=REVIEW, headers=key)
    again = await client.post(TASKS, json=REVIEW, headers=key)
    assert (first.status_code, again.status_code) == (201, 200)
    assert again.json() == first.json()
    assert first.headers["location"] == f"{TASKS}/{first.json()['task_id']}"
    assert (await client.post(TASKS, json={**REVIEW, "priority": 1}, headers=key)).status_code == 409
    assert len(await listed(client)) == 1


async def test_lists_have_pages_and_filters(client: httpx2.AsyncClient, clock: SetClock) -> None:
    ids = []
    for number in range(5):
        ids.append((await made(client, type="even" if number % 2 == 0 else "odd"))["task_id"])
        clock.at += 1
    assert await listed(client) == ids[::-1]
    assert await listed(client, type="odd") == [ids[3], ids[1]]
    found: list[str] = []
    cursor = None
    while True:
        page = (await client.get(TASKS, params={"limit": 2, **({"cursor": cursor} if cursor else {})})).json()
        found += [one["task_id"] for one in page["tasks"]]
        cursor = page["next_cursor"]
        if cursor is None:
            break
    assert found == ids[::-1]
    await sent(client, f"{TASKS}/{ids[0]}/claim", 200, ADA)
    assert await listed(client, state="claimed", agent_id="ada") == [ids[0]]
    assert await listed(client, agent_id="bob") == []


async def test_a_registered_agent_need_not_say_what_it_can_do(client: httpx2.AsyncClient) -> None:
    task = await made(client)
    assert code_of(await client.post(f"{TASKS}/claim", json={"agent_id": "ada"})) == (404, "unknown_agent")
    await sent(client, AGENTS, 200, {"agent_id": "ada", "capabilities": ["cooking"]})
    assert (await sent(client, f"{TASKS}/claim", 200, {"agent_id": "ada"})) == {"task": None}
    lacks = await client.post(f"{TASKS}/{task['task_id']}/claim", json={"agent_id": "ada"})
    assert code_of(lacks) == (409, "lacks_capability")
    await sent(client, AGENTS, 200, ADA)
    assert (await sent(client, f"{TASKS}/claim", 200, {"agent_id": "ada"}))["task"]["task_id"] == task["task_id"]
    (agent,) = (await client.get(AGENTS)).json()["agents"]
    assert (agent["agent_id"], agent["capabilities"], agent["registered_by"]) == ("ada", ["python", "review"], "ann")
    assert (await client.delete(AGENTS, params={"agent_id": "ada"})).status_code == 204
    assert code_of(await client.delete(AGENTS, params={"agent_id": "ada"})) == (404, "unknown_agent")
    assert (await client.get(AGENTS)).json() == {"agents": []}


async def test_nobody_reaches_the_tasks_of_others(site: ControlSite, client: httpx2.AsyncClient) -> None:
    task = await made(client)
    path = f"{TASKS}/{task['task_id']}"
    await sent(client, AGENTS, 200, ADA)
    async with site.client("cid") as cid, site.client("dot") as dot, site.client("eve") as eve:
        assert (await cid.get(path)).status_code == 200  # who reads only
        assert (await cid.post(f"{path}/claim", json=ADA)).status_code == 403
        assert (await cid.post(TASKS, json=REVIEW)).status_code == 403
        for stranger in (dot, eve):  # another workspace, another organisation
            assert (await stranger.get(path)).status_code == 404
            for command in ("claim", "heartbeat", "complete"):
                assert (await stranger.post(f"{path}/{command}", json={"agent_id": "ada"})).status_code == 404
            for command in ("cancel", "retry"):
                assert (await stranger.post(f"{path}/{command}")).status_code == 404
            assert await listed(stranger) == []
            assert (await sent(stranger, f"{TASKS}/claim", 200, ADA)) == {"task": None}
            assert (await stranger.get(AGENTS)).json() == {"agents": []}
            assert (await stranger.delete(AGENTS, params={"agent_id": "ada"})).status_code == 404
        assert code_of(await dot.post(TASKS, json={**REVIEW, "workspace": "default"})) == (403, "foreign_workspace")
        assert code_of(await dot.get(TASKS, params={"workspace": "default"})) == (403, "foreign_workspace")
        own = await made(dot)
        assert own["workspace"] == "research"
    assert await listed(client) == [task["task_id"]]
    assert await listed(client, workspace="*") == [own["task_id"], task["task_id"]]


@ONE_BACKEND
@pytest.mark.parametrize(
    "wrong",
    [
        {"type": ""},
        {"type": "a\0b"},
        {"priority": 10},
        {"max_attempts": 0},
        {"deadline": 1.7e15},
        {"capabilities": ["x" * 65]},
        {"capabilities": [str(number) for number in range(33)]},
        {"payload": []},
        {"payload": {"text": "x" * 65_536}},
        {"payload": {"text": "a\0b"}},
        {"payload": {"a": {"a": {"a": {"a": {"a": {"a": {"a": {"a": {"a": {"a": {"a": {"a": {"a": {"a": {"a": {"a": {
            "a": {}}}}}}}}}}}}}}}}}}},
        {"unknown": 1},
    ],
)  # fmt: skip
async def test_what_is_no_task_is_refused(client: httpx2.AsyncClient, wrong: dict[str, Any]) -> None:
    assert (await client.post(TASKS, json={**REVIEW, **wrong})).status_code == 422
    assert await listed(client) == []


@ONE_BACKEND
@pytest.mark.parametrize(
    ("command", "wrong"),
    [
        ("claim", {"agent_id": ""}),
        ("claim", {"agent_id": "ada", "lease_s": 0}),
        ("claim", {"agent_id": "ada", "lease_s": 3_601}),
        ("heartbeat", {"agent_id": "ada", "fencing_token": -1}),
        ("complete", {"agent_id": "ada", "result": "x" * 65_536}),
        ("complete", {"agent_id": "ada", "latency_ms": -1}),
        ("complete", {"agent_id": "ada", "cost_usd": -1}),
        ("fail", {"agent_id": "ada"}),
        ("fail", {"agent_id": "ada", "error": " "}),
    ],
)
async def test_what_nobody_can_say_of_a_task_is_refused(
    client: httpx2.AsyncClient, command: str, wrong: dict[str, Any]
) -> None:
    task = await made(client)
    assert (await client.post(f"{TASKS}/{task['task_id']}/{command}", json=wrong)).status_code == 422


@ONE_BACKEND
async def test_an_id_that_no_task_has_is_not_found(client: httpx2.AsyncClient) -> None:
    for task_id in ("tsk_none", f"tsk_{8:032x}"):
        assert (await client.get(f"{TASKS}/{task_id}")).status_code == 404
        assert (await client.post(f"{TASKS}/{task_id}/claim", json=ADA)).status_code == 404


async def test_the_surest_agents_come_first_with_the_figures_behind_it(client: httpx2.AsyncClient) -> None:
    await worked(client, "often", 6)
    await worked(client, "often", 1, fails=True)
    await worked(client, "once", 1)
    await worked(client, "never", 2, fails=True)
    await sent(client, AGENTS, 200, {"agent_id": "new", "capabilities": ["review"]})
    found = await recommended(client, "review")
    assert found["basis"] == "outcomes"
    agents = found["recommendations"]
    assert [one["agent_id"] for one in agents] == ["often", "once", "new", "never"]
    first = agents[0]
    assert (first["trials"], first["successes"], first["capability"]) == (7, 6, "review")
    assert first["success_rate"] == first["mean"] == pytest.approx(7 / 9)
    assert first["interval"][0] == first["confidence"] < first["mean"] < first["interval"][1]
    assert (first["avg_duration_seconds"], first["median_latency_ms"], first["mean_cost_usd"]) == (4.0, 4_000, 0.5)
    assert (first["last_seen"], first["in_catalogue"], first["breaker_open"]) == (1_700_000_000.0, False, False)
    assert (agents[2]["trials"], agents[2]["last_seen"]) == (0, None)
    assert [one["agent_id"] for one in (await recommended(client, "review", limit=1))["recommendations"]] == ["often"]
    assert (await recommended(client, "cooking"))["recommendations"] == []
    assert (await client.get(RECOMMENDATIONS)).status_code == 422


async def test_a_capability_that_tasks_wanted_recommends_too_and_only_where_it_was(
    site: ControlSite, client: httpx2.AsyncClient
) -> None:
    task = await made(client, capabilities=["50%", "python"])
    await sent(client, f"{TASKS}/{task['task_id']}/claim", 200, {"agent_id": "ada", "capabilities": ["50%", "python"]})
    await sent(client, f"{TASKS}/{task['task_id']}/complete", 200, {"agent_id": "ada"})
    for wanted in ("python", "50%", "review"):
        assert [one["agent_id"] for one in (await recommended(client, wanted))["recommendations"]] == ["ada"]
    for unwanted in ("Python", "pytho", "50_", "%"):
        assert (await recommended(client, unwanted))["recommendations"] == []
    async with site.client("dot") as dot, site.client("eve") as eve:
        for stranger in (dot, eve):
            assert (await recommended(stranger, "python"))["recommendations"] == []


@ONE_BACKEND
async def test_the_agents_of_the_catalogue_are_there_for_debates(client: httpx2.AsyncClient) -> None:
    await worked(client, "claude-3", 1, type="debate")
    first, *others = (await recommended(client, "debate", limit=100))["recommendations"]
    assert (first["agent_id"], first["in_catalogue"]) == ("claude-3", False)
    assert others != []
    assert all((one["in_catalogue"], one["trials"]) == (True, 0) for one in others)


@ONE_BACKEND
async def test_without_learning_the_order_is_that_of_the_catalogue_and_the_answer_says_so(
    settings: Settings, client: httpx2.AsyncClient, clock: SetClock
) -> None:
    in_order = [one["agent_id"] for one in (await recommended(client, "debate", limit=100))["recommendations"]]
    await worked(client, "zoe", 3, type="debate")
    await sent(client, AGENTS, 200, {"agent_id": "zoe", "capabilities": ["debate"]})
    await sent(client, AGENTS, 200, {"agent_id": "amy", "capabilities": ["debate"]})
    off = settings.model_copy(update={"cp_enable_km": False})
    async with control_site(off, clock) as unlearning, unlearning.client("ann") as ann:
        found = await recommended(ann, "debate", limit=100)
    assert found["basis"] == "catalogue"
    agents = found["recommendations"]
    assert sorted(one["agent_id"] for one in agents) == sorted([*in_order, "amy", "zoe"])
    assert [one["agent_id"] for one in agents][-2:] == ["amy", "zoe"]
    assert {(one["trials"], one["basis"], one["mean"]) for one in agents} == {(0, "catalogue", 0.5)}
