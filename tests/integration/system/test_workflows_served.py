"""Workflows on a running server: a decision with sign-off, its receipt, and a release with people and agents."""

from __future__ import annotations

import asyncio
import json
import os
import signal
from collections.abc import AsyncIterator, Callable, Iterable
from contextlib import asynccontextmanager
from typing import Any, TypeVar

import httpx2
import pytest
from websockets.asyncio.client import connect
from worlds.live_server import LiveServer, Response
from worlds.server_processes import named
from worlds.waiting import WAIT_S
from worlds.watched_executions import DEFINITION, STREAM, Stream, heard

from aragora.encoding import encode, encode_text
from aragora.receipts.verifying import verify

T = TypeVar("T")
EXECUTIONS = "/api/workflow-executions"
RUNNER = "ray::WorkflowRunnerActor"
PASSWORD = "a long password of somebody's"


def person(server: LiveServer, name: str) -> dict[str, str]:
    """The headers of an owner of the operator's organisation, who starts nothing."""
    address = f"{name}.of.workflows@example.com"
    invited = server.request("POST", "/api/invitations", {"email": address, "roles": ["owner"], "workspaces": ["*"]})
    assert invited.status == 201, invited.body
    accepted = {"token": invited.json["token"], "password": PASSWORD, "name": name.title()}
    assert server.request("POST", "/api/invitations/accept", accepted).status == 201
    login = server.request("POST", "/api/auth/login", {"email": address, "password": PASSWORD})
    assert login.status == 200, login.body
    return {"Authorization": f"Bearer {login.json['access_token']}"}


@pytest.fixture(scope="module")
def bob(server: LiveServer) -> dict[str, str]:
    return person(server, "bob")


@pytest.fixture(scope="module")
def cy(server: LiveServer) -> dict[str, str]:
    return person(server, "cy")


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
    for form, media_type in {"markdown": "text/markdown", "html": "text/html"}.items():
        page = server.request("GET", f"/api/workflow-executions/{found['execution_id']}/receipt?format={form}")
        assert page.headers["content-type"].startswith(media_type)
        assert document["hash"] in page.body
        assert "logged in with a password" in page.body
    checked = server.request("POST", "/api/receipts/verify", document)
    assert (checked.status, checked.json["valid"]) == (200, True), checked.body
    path = f"/api/workflow-executions/{found['execution_id']}/events?limit=1000"
    lines = [encode(one) for one in server.get(path)["events"]]
    valid, checks = verify(document, [document["public_key"]], lines)
    assert valid, checks


INPUTS = {
    "string": "five replicas",
    "number": 3,
    "integer": 3,
    "boolean": True,
    "list": ["three", "five"],
    "object": {},
}
OURS = ("internal", "expression", "defect", "invalid_input", "unreadable")
"""The codes of steps that could never have gone well: a fault of ours, or of the template."""


def test_every_template_comes_to_its_end_among_people_agents_and_events(
    server: LiveServer, bob: dict[str, str], cy: dict[str, str]
) -> None:
    """All at once: debates, questions to one agent, approvals, tasks, waits, knowledge, all as they really are."""
    running: dict[str, str] = {}
    for template in server.get("/api/workflow-templates")["templates"]:
        inputs = {name: INPUTS[one["type"]] for name, one in template["inputs"].items() if one.get("required", True)}
        inputs |= {"in_force_at": "2001-01-01T00:00:00Z"} if "in_force_at" in inputs else {}
        workflow_id = hurried(server, template["template_id"])
        started = execute(server, workflow_id, f"every {template['template_id']}", **inputs)
        assert started.status == 202, (template["template_id"], started.body)
        running[template["template_id"]] = started.json["execution_id"]
    assert len(running) == 9
    ends: dict[str, dict[str, Any]] = {}

    def all_ended() -> bool:
        for template_id, execution_id in running.items():
            if template_id not in ends:
                found = execution(server, execution_id)
                for run in found["open"]:
                    act(server, (bob, cy), execution_id, run)
                if found["ended_at"] is not None:
                    ends[template_id] = found
        return len(ends) == len(running)

    server.until(all_ended)
    for template_id, found in ends.items():
        assert found["status"] in ("completed", "failed"), (template_id, found)
        assert found["code"] not in OURS, (template_id, found["reason"])
        events = server.get(f"/api/workflow-executions/{running[template_id]}/events?limit=1000")["events"]
        failed = {(one["run"], one["code"], one["reason"]) for one in events if one["type"] == "step_failed"}
        assert [one for one in failed if one[1] in OURS] == [], template_id


def hurried(server: LiveServer, template_id: str) -> str:
    """A workflow as in the template, without its pauses."""
    definition = server.get(f"/api/workflow-templates/{template_id}")["definition"]
    steps = [{**one, "for_s": 0.1} if "for_s" in one else one for one in definition["steps"]]
    answer = server.request("POST", "/api/workflows", {"definition": {**definition, "steps": steps}})
    assert answer.status == 201, answer.body
    return str(answer.json["workflow_id"])


def act(server: LiveServer, people: Iterable[dict[str, str]], execution_id: str, run: dict[str, Any]) -> None:
    """What a person, an agent or the world does for a run that is open."""
    if run["kind"] == "task" and run["ref"]:
        done(server, run["ref"])
    elif run["kind"] == "approval" and run["approval_id"]:
        asked = server.get(f"/api/workflow-approvals/{run['approval_id']}")
        ticked = [item["id"] for item in asked["checklist"]]
        word = {"decision": "approve", "comment": "Go.", "digest": asked["digest"], "checklist": ticked}
        for one in people:
            server.request("POST", f"/api/workflow-approvals/{run['approval_id']}/resolve", word, **one)
    elif run["kind"] == "wait":
        server.request("POST", f"/api/workflow-executions/{execution_id}/signals", {"name": "alarm"})


async def test_a_stream_and_both_ports_bring_a_whole_execution_as_the_pages_have_it(
    server: LiveServer, signed: dict[str, Any]
) -> None:
    execution_id = signed["execution"]["execution_id"]
    kept = await in_thread(lambda: server.get(f"{EXECUTIONS}/{execution_id}/events?limit=1000")["events"])
    for after in (0, 4):
        async with streaming(server, execution_id, after) as stream:
            assert await stream.until_over() == kept[after:]
        for port in (server.http_port, server.ws_port):
            async with connect(f"ws://127.0.0.1:{port}/ws", open_timeout=WAIT_S) as socket:
                await subscribe(socket, execution_id, after)
                assert await heard(socket) == kept[after:]


async def test_watchers_miss_nothing_when_the_runner_is_killed_and_when_a_retry_follows_the_end(
    server: LiveServer,
) -> None:
    def tell(act: str, **body: Any) -> None:
        answer = server.request("POST", f"{EXECUTIONS}/{execution_id}/{act}", body)
        assert answer.status == 200, answer.body

    made = await in_thread(lambda: server.post("/api/workflows", {"definition": DEFINITION}))
    begun = await in_thread(lambda: execute(server, made["workflow_id"], "watched"))
    execution_id = begun.json["execution_id"]
    async with connect(f"ws://127.0.0.1:{server.ws_port}/ws", open_timeout=WAIT_S) as socket:
        async with streaming(server, execution_id) as stream:
            await subscribe(socket, execution_id)
            streamed, told = [await stream.event()], await heard(socket, 1)
            os.kill(named(server.data_dir, RUNNER)[0].pid, signal.SIGKILL)
            await in_thread(lambda: tell("signals", name="go"))
            await in_thread(lambda: tell("cancel"))
            streamed += await stream.until_over()
        told += await heard(socket)
        assert (told, told[-1]["type"]) == (streamed, "receipt_issued")
        await in_thread(lambda: tell("retry", step="second"))
        await subscribe(socket, execution_id, told[-1]["seq"])
        async with streaming(server, execution_id, told[-1]["seq"]) as stream:
            told += await heard(socket, 1)
            assert told[-1]["type"] == "execution_retried"
            await in_thread(lambda: tell("signals", name="on"))
            streamed += await stream.until_over()
        told += await heard(socket)
    kept = await in_thread(lambda: server.get(f"{EXECUTIONS}/{execution_id}/events?limit=1000")["events"])
    assert told == streamed == kept
    assert [one["seq"] for one in kept] == list(range(1, len(kept) + 1))
    assert [one["type"] for one in kept][-2:] == ["execution_ended", "receipt_issued"]


@asynccontextmanager
async def streaming(server: LiveServer, execution_id: str, after: int = 0) -> AsyncIterator[Stream]:
    url = f"{server.url}{EXECUTIONS}/{execution_id}/events?after={after}"
    async with httpx2.AsyncClient(timeout=WAIT_S) as http, http.stream("GET", url, headers=STREAM) as answer:
        assert answer.status_code == 200
        yield Stream(answer.aiter_lines())


async def subscribe(socket: Any, execution_id: str, after_seq: int = 0) -> None:
    await socket.send(encode_text({"type": "subscribe", "execution_id": execution_id, "after_seq": after_seq}))


async def in_thread(call: Callable[[], T]) -> T:
    """A blocking call of the server, off the loop that reads the sockets."""
    return await asyncio.to_thread(call)


def done(server: LiveServer, task_id: str) -> None:
    """An agent does a task."""
    worker = {"agent_id": "worker", "capabilities": server.get(f"/api/control-plane/tasks/{task_id}")["capabilities"]}
    claimed = server.request("POST", f"/api/control-plane/tasks/{task_id}/claim", worker)
    if claimed.status == 200:
        answer = "ok" if claimed.json["type"] == "check_health" else {"ok": True, "passed": True}
        result = {"agent_id": "worker", "result": answer}
        server.request("POST", f"/api/control-plane/tasks/{task_id}/complete", result)
