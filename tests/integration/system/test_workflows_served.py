"""Workflows on a running server: a decision with sign-off, its receipt, and a release with people and agents."""

from __future__ import annotations

import json
from typing import Any

import pytest
from worlds.live_server import LiveServer, Response

from aragora.encoding import encode
from aragora.receipts.verifying import verify

PASSWORD = "a long password of bob's"


@pytest.fixture(scope="module")
def bob(server: LiveServer) -> dict[str, str]:
    """The headers of an owner of the operator's organisation, who starts nothing."""
    address = "bob.of.workflows@example.com"
    invited = server.request("POST", "/api/invitations", {"email": address, "roles": ["owner"], "workspaces": ["*"]})
    assert invited.status == 201, invited.body
    accepted = {"token": invited.json["token"], "password": PASSWORD, "name": "Bob"}
    assert server.request("POST", "/api/invitations/accept", accepted).status == 201
    login = server.request("POST", "/api/auth/login", {"email": address, "password": PASSWORD})
    assert login.status == 200, login.body
    return {"Authorization": f"Bearer {login.json['access_token']}"}


def made(server: LiveServer, template: str) -> str:
    answer = server.request("POST", "/api/workflows", {"template": template})
    assert answer.status == 201, answer.body
    workflow_id: str = answer.json["workflow_id"]
    return workflow_id


def execute(server: LiveServer, workflow_id: str, key: str, **inputs: Any) -> Response:
    body = {"inputs": inputs}
    return server.request("POST", f"/api/workflows/{workflow_id}/execute", body, Idempotency_Key=key)


def execution(server: LiveServer, execution_id: str) -> dict[str, Any]:
    found: dict[str, Any] = server.get(f"/api/workflow-executions/{execution_id}")
    return found


def pending(server: LiveServer, execution_id: str) -> dict[str, Any]:
    """The approval that an execution waits for."""
    path = f"/api/workflow-approvals?status=pending&execution={execution_id}"
    (asked,) = server.until(lambda: server.get(path)["approvals"])
    shown: dict[str, Any] = server.get(f"/api/workflow-approvals/{asked['approval_id']}")
    return shown


def ended(server: LiveServer, execution_id: str) -> dict[str, Any]:
    """The execution once it has ended and its receipt is issued."""

    def over() -> dict[str, Any] | None:
        found = execution(server, execution_id)
        return found if found["ended_at"] is not None and found["receipt_id"] else None

    found = server.until(over)
    assert found is not None
    return found


@pytest.fixture(scope="module")
def signed(server: LiveServer, bob: dict[str, str]) -> dict[str, Any]:
    """A decision that Bob has signed: the execution and the approval as he read it."""
    workflow_id = made(server, "decision_with_signoff")
    started = execute(server, workflow_id, "signed", question="Three or five replicas?")
    assert started.status == 202, started.body
    execution_id = started.json["execution_id"]
    approval = pending(server, execution_id)
    resolve = f"/api/workflow-approvals/{approval['approval_id']}/resolve"
    word = {"decision": "approve", "comment": "Agreed.", "digest": approval["digest"]}
    own = server.request("POST", resolve, word)
    assert (own.status, own.json["error"]["code"]) == (403, "forbidden")  # whoever asked cannot sign
    for body, status, code in (
        ({}, 422, "invalid_input"),
        ({"decision": "maybe", "digest": approval["digest"]}, 422, "invalid_input"),
        ({"decision": "approve"}, 422, "digest_required"),
        ({"decision": "approve", "digest": 64 * "0"}, 409, "stale_digest"),
    ):
        refused = server.request("POST", resolve, body, **bob)
        assert (refused.status, refused.json["error"]["code"]) == (status, code), refused.body
    answered = server.request("POST", resolve, word, **bob)
    assert (answered.status, answered.json["status"]) == (200, "approved"), answered.body
    again = server.request("POST", resolve, {**word, "decision": "reject"}, **bob)
    assert again.status == 409, again.body
    return {"execution": ended(server, execution_id), "approval": approval}


def test_a_decision_with_sign_off_ends_and_says_what_came_of_it(server: LiveServer, signed: dict[str, Any]) -> None:
    found = signed["execution"]
    assert (found["status"], found["open"]) == ("completed", [])
    assert found["outputs"]["answer"]
    listed = server.get("/api/workflow-executions?limit=200")["executions"]
    assert found["execution_id"] in [one["execution_id"] for one in listed]


def test_the_same_request_starts_nothing_and_gives_the_first_execution(
    server: LiveServer, signed: dict[str, Any]
) -> None:
    found = signed["execution"]
    again = execute(server, found["workflow_id"], "signed", question="Three or five replicas?")
    assert (again.status, again.json["execution_id"]) == (202, found["execution_id"])
    other = execute(server, found["workflow_id"], "signed", question="Another?")
    assert other.status == 409


def test_the_events_of_an_execution_are_numbered_without_a_gap(server: LiveServer, signed: dict[str, Any]) -> None:
    found = signed["execution"]
    path = f"/api/workflow-executions/{found['execution_id']}/events"
    events = server.get(f"{path}?limit=1000")["events"]
    assert [one["seq"] for one in events] == list(range(1, found["last_seq"] + 1))
    assert (events[0]["type"], events[-1]["type"]) == ("execution_started", "receipt_issued")
    page = server.get(f"{path}?after=3&limit=2")
    assert ([one["seq"] for one in page["events"]], page["next_after"]) == ([4, 5], 5)


def test_its_receipt_holds_the_debates_and_the_person_and_is_checked_without_a_server(
    server: LiveServer, signed: dict[str, Any]
) -> None:
    found, approval = signed["execution"], signed["approval"]
    receipt = server.request("GET", f"/api/workflow-executions/{found['execution_id']}/receipt")
    document = json.loads(receipt.body)
    (debate,) = document["debates"]
    of_debate = server.get(f"/api/debates/{debate['debate_id']}/receipt")
    assert debate["receipt_hash"] == of_debate["hash"]
    (kept,) = document["approvals"]
    (answer,) = kept["answers"]
    assert (kept["digest"], answer["digest"], answer["mode"]) == (approval["digest"], approval["digest"], "password")
    checked = server.request("POST", "/api/receipts/verify", document)
    assert (checked.status, checked.json["valid"]) == (200, True), checked.body
    path = f"/api/workflow-executions/{found['execution_id']}/events?limit=1000"
    lines = [encode(one) for one in server.get(path)["events"]]
    valid, checks = verify(document, [document["public_key"]], lines)
    assert valid, checks


def test_people_agents_and_events_bring_a_release_to_its_end(server: LiveServer, bob: dict[str, str]) -> None:
    started = execute(
        server,
        made(server, "release_go_no_go"),
        "release",
        version="2.0",
        changes="A new queue.",
        environment="staging",
    )
    assert started.status == 202, started.body
    execution_id = started.json["execution_id"]

    def one_more() -> dict[str, Any] | None:
        found = execution(server, execution_id)
        for run in found["open"]:
            if run["kind"] == "task" and run["ref"]:
                done(server, run["ref"])
            elif run["kind"] == "approval" and run["approval_id"]:
                asked = server.get(f"/api/workflow-approvals/{run['approval_id']}")
                ticked = [item["id"] for item in asked["checklist"]]
                word = {"decision": "approve", "comment": "Go.", "digest": asked["digest"], "checklist": ticked}
                server.request("POST", f"/api/workflow-approvals/{run['approval_id']}/resolve", word, **bob)
            elif run["kind"] == "wait":
                server.request("POST", f"/api/workflow-executions/{execution_id}/signals", {"name": "alarm"})
        return found if found["ended_at"] is not None else None

    found = server.until(one_more)
    assert found is not None
    assert found["status"] in ("completed", "failed"), found
    assert found["code"] not in ("internal", "expression", "defect"), found
    assert {"checks", "weigh", "word"} <= found["steps"].keys(), found


def done(server: LiveServer, task_id: str) -> None:
    """An agent does a task."""
    worker = {"agent_id": "worker", "capabilities": server.get(f"/api/control-plane/tasks/{task_id}")["capabilities"]}
    claimed = server.request("POST", f"/api/control-plane/tasks/{task_id}/claim", worker)
    if claimed.status == 200:
        result = {"agent_id": "worker", "result": {"ok": True, "passed": True, "up": True}}
        server.request("POST", f"/api/control-plane/tasks/{task_id}/complete", result)
