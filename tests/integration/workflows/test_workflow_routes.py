"""Workflows over HTTP: who may write, change, see and delete which, and what a wrong definition is answered."""

from __future__ import annotations

import asyncio
import json
from typing import Any

import httpx2
import pytest
from worlds.workflow_server import WorkflowSite

from aragora.workflows.templates import templates

WORKFLOWS = "/api/workflows"
ASK = {"id": "a", "type": "ask", "question": "Why?"}
ONE: dict[str, Any] = {"name": "One", "steps": [ASK], "category": "law", "tags": ["x"]}
EXPIRES = {"id": "s", "type": "approval", "approvers": ["role:owner"], "deadline_s": 60, "on_expiry": "approve"}


async def made(client: httpx2.AsyncClient, **body: Any) -> dict[str, Any]:
    answer = await client.post(WORKFLOWS, json={"definition": ONE, **body})
    assert answer.status_code == 201, answer.text
    found: dict[str, Any] = answer.json()
    return found


def code_of(answer: httpx2.Response) -> tuple[int, str]:
    return answer.status_code, answer.json()["error"]["code"]


def paths_of(answer: httpx2.Response) -> list[str]:
    return [one["path"] for one in answer.json()["faults"]]


async def test_a_workflow_is_made_read_changed_and_deleted(client: httpx2.AsyncClient, site: WorkflowSite) -> None:
    answer = await client.post(WORKFLOWS, json={"definition": ONE})
    new = answer.json()
    path = f"{WORKFLOWS}/{new['workflow_id']}"
    assert (answer.headers["location"], answer.headers["etag"]) == (path, '"1"')
    assert (new["version"], new["name"], new["definition"], new["created_by"]) == (1, "One", ONE, "ann")
    two = {**ONE, "name": "Two"}
    changed = await client.patch(path, json={"definition": two}, headers={"If-Match": '"1"'})
    assert (changed.status_code, changed.json()["version"], changed.headers["etag"]) == (200, 2, '"2"')
    assert (await client.get(path)).json() == changed.json()
    old = (await client.get(path, params={"version": 1})).json()
    assert (old["shown_version"], old["version"], old["definition"]) == (1, 2, ONE)
    listed = (await client.get(f"{path}/versions", params={"limit": 1})).json()
    assert ([one["version"] for one in listed["versions"]], listed["next_before"]) == ([2], 2)
    rest = (await client.get(f"{path}/versions", params={"before": 2})).json()
    assert ([one["version"] for one in rest["versions"]], rest["next_before"]) == ([1], None)
    site.running.ids.add(new["workflow_id"])
    assert code_of(await client.delete(path)) == (409, "workflow_running")
    site.running.ids.clear()
    assert (await client.delete(path)).status_code == 204
    assert code_of(await client.get(path)) == (404, "unknown_workflow")
    assert [action for action, _, _ in site.audit.entries] == [
        *("workflow.create", "workflow.change", "workflow.delete", "workflow.delete", "workflow.delete"),
    ]


async def test_a_change_names_the_version_that_it_replaces(client: httpx2.AsyncClient) -> None:
    path = f"{WORKFLOWS}/{(await made(client))['workflow_id']}"
    two = {"definition": {**ONE, "name": "Two"}}
    assert code_of(await client.patch(path, json=two)) == (422, "version_needed")
    assert code_of(await client.patch(path, json=two, headers={"If-Match": "*"})) == (422, "invalid_input")
    assert code_of(await client.patch(path, json={**two, "version": 2})) == (409, "version_conflict")
    both = await client.patch(path, json={**two, "version": 1}, headers={"If-Match": '"2"'})
    assert code_of(both) == (422, "invalid_input")
    assert (await client.patch(path, json={**two, "version": 1})).status_code == 200
    assert code_of(await client.patch(path, json={"definition": ONE, "version": 1})) == (409, "version_conflict")


async def test_a_deletion_may_name_the_version_that_it_has_seen(client: httpx2.AsyncClient) -> None:
    path = f"{WORKFLOWS}/{(await made(client))['workflow_id']}"
    assert code_of(await client.delete(path, headers={"If-Match": '"2"'})) == (409, "version_conflict")
    assert code_of(await client.delete(path, headers={"If-Match": "first"})) == (422, "invalid_input")
    assert (await client.delete(path, headers={"If-Match": '"1"'})).status_code == 204


async def test_faults_are_told_with_their_paths(client: httpx2.AsyncClient) -> None:
    unread = {"name": "", "steps": [{**ASK, "color": "red"}]}
    answer = await client.post(WORKFLOWS, json={"definition": unread})
    assert code_of(answer) == (422, "invalid_definition")
    assert paths_of(answer) == ["name", "steps[0].ask.color"]
    wrong = {"name": "n", "steps": [{**ASK, "next": "b", "question": "{{ inputs.x }}"}]}
    answer = await client.post(WORKFLOWS, json={"definition": wrong})
    assert paths_of(answer) == ["steps[0].ask.next", "steps[0].ask.question"]
    assert "steps[0].ask.next: there is no step 'b'" in answer.json()["error"]["message"]
    path = f"{WORKFLOWS}/{(await made(client))['workflow_id']}"
    assert paths_of(await client.patch(path, json={"definition": wrong, "version": 1})) == paths_of(answer)
    nobody = {"name": "n", "steps": [{**ASK, "agent": "nobody-at-all"}]}
    assert paths_of(await client.post(WORKFLOWS, json={"definition": nobody})) == ["steps[0].ask.agent"]


async def test_a_definition_is_looked_at_without_being_kept(client: httpx2.AsyncClient) -> None:
    path = f"{WORKFLOWS}/validate"
    steps = [{**ASK, "budget_usd": 2, "next": "s"}, EXPIRES]
    fine = (await client.post(path, json={"definition": {**ONE, "steps": steps}})).json()
    assert (fine["ok"], fine["faults"], fine["bounds"]) == (True, [], {"step_runs": 2, "usd": 2.0})
    assert fine["rights"] == ["debates.create", "role:owner", "workflows.approve"]
    wrong = (await client.post(path, json={"definition": {"steps": []}})).json()
    assert (wrong["ok"], {one["path"] for one in wrong["faults"]}) == (False, {"name", "steps"})
    itself = {"name": "n", "steps": [{"id": "w", "type": "workflow", "workflow": "wf_1"}]}
    own = (await client.post(path, json={"definition": itself, "workflow_id": "wf_1"})).json()
    assert [one["code"] for one in own["faults"]] == ["recursion"]
    assert (await client.get(WORKFLOWS)).json()["workflows"] == []


async def test_every_template_makes_a_workflow(client: httpx2.AsyncClient) -> None:
    listed = (await client.get("/api/workflow-templates")).json()["templates"]
    assert [one["template_id"] for one in listed] == sorted(templates())
    for one in listed:
        shown = (await client.get(f"/api/workflow-templates/{one['template_id']}")).json()
        made_of = await client.post(WORKFLOWS, json={"template": one["template_id"], "name": "Mine"})
        assert made_of.status_code == 201, made_of.text
        assert made_of.json()["definition"] == {**shown["definition"], "name": "Mine"}
    assert code_of(await client.get("/api/workflow-templates/none")) == (404, "unknown_template")
    assert code_of(await client.post(WORKFLOWS, json={"template": "none"})) == (404, "unknown_template")
    for neither in ({}, {"template": "quick_decision", "definition": ONE}):
        assert code_of(await client.post(WORKFLOWS, json=neither)) == (422, "invalid_input")


async def test_the_schema_is_served(client: httpx2.AsyncClient) -> None:
    schema = (await client.get(f"{WORKFLOWS}/schema")).json()
    assert {"name", "steps"} <= set(schema["required"])


async def test_lists_are_filtered_and_paged(client: httpx2.AsyncClient) -> None:
    for name, tag in (("Alpha", "x"), ("Beta", "y"), ("Gamma", "x")):
        await made(client, definition={**ONE, "name": name, "tags": [tag], "category": tag})

    async def names(**query: Any) -> set[str]:
        answer = await client.get(WORKFLOWS, params=query)
        return {one["name"] for one in answer.json()["workflows"]}

    assert await names() == {"Alpha", "Beta", "Gamma"}
    assert await names(tag="x") == await names(category="x") == {"Alpha", "Gamma"}
    assert await names(search="bE") == {"Beta"}
    first = (await client.get(WORKFLOWS, params={"limit": 2})).json()
    assert len(first["workflows"]) == 2
    assert len(await names(cursor=first["next_cursor"])) == 1
    assert code_of(await client.get(WORKFLOWS, params={"cursor": "x"})) == (422, "invalid_cursor")


async def test_rights_are_held_to(site: WorkflowSite) -> None:
    async with site.client("ann") as ann, site.client("bob") as bob, site.client("cid") as cid:
        path = f"{WORKFLOWS}/{(await made(ann))['workflow_id']}"
        approving = {"definition": {"name": "n", "steps": [EXPIRES]}}
        assert code_of(await cid.post(WORKFLOWS, json={"definition": ONE})) == (403, "forbidden")
        assert (await cid.get(path)).status_code == 200
        assert code_of(await bob.delete(path)) == (403, "forbidden")
        assert (await bob.post(WORKFLOWS, json=approving)).status_code == 403
        assert (await bob.patch(path, json={**approving, "version": 1})).status_code == 403
        assert (await ann.post(WORKFLOWS, json=approving)).status_code == 201
        task = {"name": "n", "steps": [{"id": "t", "type": "task", "task": "t"}]}
        assert (await bob.post(WORKFLOWS, json={"definition": task})).status_code == 201


async def test_other_organisations_and_workspaces_see_nothing(site: WorkflowSite) -> None:
    async with site.client("ann") as ann, site.client("eve") as eve, site.client("dot") as dot:
        path = f"{WORKFLOWS}/{(await made(ann))['workflow_id']}"
        for other in (eve, dot):
            assert (await other.get(WORKFLOWS)).json()["workflows"] == []
            assert code_of(await other.get(path)) == (404, "unknown_workflow")
            assert code_of(await other.get(f"{path}/versions")) == (404, "unknown_workflow")
            change = await other.patch(path, json={"definition": ONE, "version": 1})
            assert code_of(change) == (404, "unknown_workflow")
        assert code_of(await eve.delete(path)) == (404, "unknown_workflow")
        assert (await ann.get(path)).status_code == 200
        await made(ann, workspace="research")
        assert len((await dot.get(WORKFLOWS)).json()["workflows"]) == 1
        foreign = await dot.post(WORKFLOWS, json={"definition": ONE, "workspace": "default"})
        assert code_of(foreign) == (403, "foreign_workspace")


async def test_the_operator_has_the_workflows_of_its_own_organisation(site: WorkflowSite) -> None:
    async with site.client("ann") as ann, site.client("operator") as operator:
        path = f"{WORKFLOWS}/{(await made(ann))['workflow_id']}"
        assert (await operator.get(WORKFLOWS, params={"workspace": "*"})).json()["workflows"] == []
        assert code_of(await operator.get(path)) == (404, "unknown_workflow")


async def test_whoever_sends_the_bare_definition_is_told_where_it_stands(client: httpx2.AsyncClient) -> None:
    bare = {"name": "a", "steps": [{"type": "ask", "id": "a", "question": "?"}]}
    for path in (WORKFLOWS, f"{WORKFLOWS}/validate"):
        answer = await client.post(path, json=bare)
        assert answer.status_code == 422
        assert "stands in `definition`" in answer.json()["error"]["message"]


@pytest.mark.parametrize(
    ("body", "status"),
    [
        (b"", 422),
        (b"[]", 422),
        (b'{"definition": 1}', 422),
        (b'{"definition": {"name": "a\\u0000", "steps": []}}', 422),
        (b'{"definition": {"name": "\\ud800", "steps": []}}', 422),
        (b'{"definition": {"\\ud800": 1}}', 422),
        (b'{"definition": {"name": "n", "timeout_s": NaN, "steps": []}}', 422),
        (b'{"definition": {"name": "n", "timeout_s": 1e999, "steps": []}}', 422),
        (b'{"template": "\\u0000"}', 422),
        (b'{"template": "quick_decision", "name": "\\u001b[2J"}', 422),
        (b'{"template": "quick_decision", "workspace": "../x"}', 422),
        (b'{"definition": ' + b'{"a":' * 50_000 + b"1" + b"}" * 50_000 + b"}", 400),
        (b'{"definition": ' + b'{"a":' * 500 + b"1" + b"}" * 500 + b"}", 422),
        (b'{"definition": {"name": "' + b"x" * 100_000 + b'"}}', 422),
        (b'{"definition": {"name": "' + b"x" * 10_000_000 + b'"}}', 413),
    ],
    ids=range(15),
)
async def test_hostile_bodies_are_refused(client: httpx2.AsyncClient, body: bytes, status: int) -> None:
    for path in (WORKFLOWS, f"{WORKFLOWS}/validate"):
        answer = await client.post(path, content=body, headers={"Content-Type": "application/json"})
        if path == WORKFLOWS or b"template" in body:
            assert answer.status_code == status, answer.text
        else:
            assert answer.status_code in (200, status), answer.text
            assert answer.status_code != 200 or answer.json()["ok"] is False
        json.loads(answer.content.decode())


async def test_ids_that_are_none_are_unknown(client: httpx2.AsyncClient) -> None:
    for wrong in ("x", "wf_", "wf_" + 32 * "0", "wf_" + 32 * "G", "%00", "wf_" + 5_000 * "0"):
        assert (await client.get(f"{WORKFLOWS}/{wrong}")).status_code == 404


def starting(*ids: str) -> dict[str, Any]:
    """A definition that starts these workflows, one after the other."""
    steps = [
        {"id": f"s{number}", "type": "workflow", "workflow": one, "next": f"s{number + 1}"}
        for number, one in enumerate(ids)
    ]
    return {"name": "starts others", "steps": [*steps[:-1], {**steps[-1], "next": None}]}


async def test_a_workflow_that_a_step_starts_must_be_there_and_may_not_lead_back(
    client: httpx2.AsyncClient, site: WorkflowSite
) -> None:
    child = (await made(client))["workflow_id"]
    absent, foreign = f"wf_{'0' * 32}", "wf_1"
    refused = await client.post(WORKFLOWS, json={"definition": starting(child, absent, foreign)})
    assert code_of(refused) == (422, "invalid_definition")
    assert [(one["path"], one["code"]) for one in refused.json()["faults"]] == [
        ("steps[1].workflow.workflow", "unknown_workflow"),
        ("steps[2].workflow.workflow", "unknown_workflow"),
    ]
    parent = (await made(client, definition=starting(child)))["workflow_id"]
    grandparent = (await made(client, definition=starting(parent, child)))["workflow_id"]
    back = {"definition": starting(grandparent), "version": 1}
    answer = await client.patch(f"{WORKFLOWS}/{child}", json=back)
    assert [(one["path"], one["code"]) for one in answer.json()["faults"]] == [
        ("steps[0].workflow.workflow", "recursion")
    ]
    told = (
        await client.post(f"{WORKFLOWS}/validate", json={"definition": back["definition"], "workflow_id": child})
    ).json()
    assert [one["code"] for one in told["faults"]] == ["recursion"]
    alone = (await client.post(f"{WORKFLOWS}/validate", json={"definition": back["definition"]})).json()
    assert (alone["ok"], alone["faults"]) == (True, [])
    elsewhere = await client.post(WORKFLOWS, json={"definition": starting(child), "workspace": "team_a"})
    assert [one["code"] for one in elsewhere.json()["faults"]] == ["unknown_workflow"], "it is another workspace's"
    assert (await client.delete(f"{WORKFLOWS}/{child}")).status_code == 204
    again = await client.patch(f"{WORKFLOWS}/{parent}", json={"definition": starting(child), "version": 1})
    assert [one["code"] for one in again.json()["faults"]] == ["unknown_workflow"]


async def test_a_workflow_is_made_once_by_its_key_and_another_request_by_it_is_refused(
    client: httpx2.AsyncClient, site: WorkflowSite
) -> None:
    key = {"Idempotency-Key": "first"}
    several = await asyncio.gather(*(client.post(WORKFLOWS, json={"definition": ONE}, headers=key) for _ in range(5)))
    assert {answer.status_code for answer in several} == {201}
    (workflow_id,) = {answer.json()["workflow_id"] for answer in several}
    assert len((await client.get(WORKFLOWS)).json()["workflows"]) == 1
    assert several[0].json() == several[1].json()
    path, two = f"{WORKFLOWS}/{workflow_id}", {**ONE, "name": "Two"}
    assert code_of(await client.post(WORKFLOWS, json={"definition": two}, headers=key)) == (409, "conflict")
    async with site.client("bob") as other:
        assert (await other.post(WORKFLOWS, json={"definition": ONE}, headers=key)).json()["workflow_id"] != workflow_id
    changed = await client.patch(path, json={"definition": two, "version": 1})
    again = await client.post(WORKFLOWS, json={"definition": ONE}, headers=key)
    assert (again.status_code, again.headers["etag"], again.headers["location"]) == (201, '"2"', path)
    assert (again.json()["version"], again.json()["definition"]) == (2, two)
    repeated = await client.patch(path, json={"definition": two, "version": 1})
    assert repeated.json() == changed.json(), "a change that is sent again is no conflict"
    await client.delete(path)
    assert code_of(await client.post(WORKFLOWS, json={"definition": ONE}, headers=key)) == (409, "conflict")
