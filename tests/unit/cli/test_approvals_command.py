"""`aragora approvals`, beside a server that speaks its routes."""

from __future__ import annotations

import json
from collections.abc import AsyncIterator
from dataclasses import dataclass, field
from typing import Any

import pytest
from aiohttp import web
from aiohttp.test_utils import TestServer

from aragora.cli.approvals import PATH
from aragora.server.chapters.workflow_approvals import ApprovalDetail, ApprovalList, ResolveSeveral, ResultList

DIGEST = "a" * 64


def approval(approval_id: str = "apr_1", **changes: Any) -> dict[str, Any]:
    told = {
        "approval_id": approval_id, "execution_id": "wfx_1", "workflow_id": "wf_1", "workflow": "Release",
        "workspace": "default", "run": "sign", "title": "Release 2.0 \x1b[31mnow?", "status": "pending", "digest": DIGEST,
        "requested_by": "req", "authors": [], "opened_at": 1_700_000_000.0, "deadline_at": 1_700_086_400.0,
        "overdue": False, "level": 0, "asked": ["role:owner"], "quorum": "one", "needed": 1, "given": 0, "veto": True,
        "comment": "optional", "on_expiry": "expire",
        "checklist": [{"id": "read", "label": "Read it", "required": False}],
        "answers": [], "closed_at": None, "why": "", "version": 3, "can_resolve": True,
        "reason": "You are asked as role:owner.", "can_bypass": False, "shown": {"decision": "Ship it."},
        "follows": {"approved": "publish", "rejected": None, "expired": None}, **changes,
    }  # fmt: skip
    return ApprovalDetail.model_validate(told).model_dump(mode="json")


@dataclass
class Inbox:
    """What the server was asked, as the real one takes it, and what it answers."""

    url: str = ""
    queries: list[dict[str, str]] = field(default_factory=list)
    answers: list[dict[str, Any]] = field(default_factory=list)
    listed: list[dict[str, Any]] = field(default_factory=list)
    refused: bool = False

    async def listing(self, request: web.Request) -> web.Response:
        self.queries.append(dict(request.query))
        page = ApprovalList.model_validate({"approvals": self.listed, "next_cursor": None})
        return web.json_response(page.model_dump(mode="json"))

    async def get(self, request: web.Request) -> web.Response:
        return web.json_response(approval(request.match_info["approval_id"]))

    async def resolve(self, request: web.Request) -> web.Response:
        for one in ResolveSeveral.model_validate(await request.json()).answers:
            self.answers.append(one.model_dump(mode="json", exclude_defaults=True))
        done = {"error": None, "approval": approval(status="approved", why="Approved by ann."), "http_status": 200}
        if self.refused:
            error = {"code": "already_rejected", "message": "bob rejected it."}
            done = {"error": error, "approval": None, "http_status": 409}
        results = [{**done, "approval_id": one["approval_id"]} for one in self.answers]
        return web.json_response(ResultList.model_validate({"results": results}).model_dump(mode="json"))


@pytest.fixture
async def inbox() -> AsyncIterator[Inbox]:
    inbox = Inbox()
    app = web.Application()
    app.router.add_get(PATH, inbox.listing)
    app.router.add_get(f"{PATH}/{{approval_id}}", inbox.get)
    app.router.add_post(f"{PATH}/resolve", inbox.resolve)
    async with TestServer(app) as running:
        inbox.url = str(running.make_url("")).rstrip("/")
        yield inbox


async def test_the_inbox_is_listed(inbox: Inbox, type_command: Any, capsys: pytest.CaptureFixture[str]) -> None:
    inbox.listed = [approval(), approval("apr_2", overdue=True, can_resolve=False, reason="It is not for you.")]
    assert await type_command("approvals", "list", "--mine", "--status", "pending", "--url", inbox.url) == 0
    assert inbox.queries == [{"mine": "true", "status": "pending", "limit": "20"}]
    told = capsys.readouterr().out
    assert told.splitlines() == [
        "apr_1  pending",
        "  Release 2.0 [31mnow?",
        "  Release in default, for req, until 2023-11-15 22:13",
        "  You are asked as role:owner.",
        "apr_2  pending (overdue)",
        "  Release 2.0 [31mnow?",
        "  Release in default, for req, until 2023-11-15 22:13",
        "  It is not for you.",
    ]
    inbox.listed = []
    assert await type_command("approvals", "list", "--url", inbox.url) == 0
    assert capsys.readouterr().out == "There is none.\n"


async def test_one_is_shown_with_what_is_decided_on_and_what_follows(
    inbox: Inbox, type_command: Any, capsys: pytest.CaptureFixture[str]
) -> None:
    assert await type_command("approvals", "show", "apr_7", "--url", inbox.url) == 0
    told = capsys.readouterr().out
    for line in ("decision: Ship it.", "[ ] read: Read it (need not be)", "if rejected: nothing more", DIGEST):
        assert line in told
    assert await type_command("approvals", "show", "apr_7", "--json", "--url", inbox.url) == 0
    assert json.loads(capsys.readouterr().out)["approval_id"] == "apr_7"


async def test_an_answer_names_what_was_read(
    inbox: Inbox, type_command: Any, capsys: pytest.CaptureFixture[str]
) -> None:
    words = ("approvals", "approve", "apr_1", "apr_2", "apr_1", "--tick", "read", "--yes", "--url", inbox.url)
    assert await type_command(*words) == 0
    assert [(one["approval_id"], one["digest"], one["checklist"]) for one in inbox.answers] == [
        ("apr_1", DIGEST, ["read"]),
        ("apr_2", DIGEST, ["read"]),
    ]
    assert capsys.readouterr().out.splitlines()[0] == "apr_1  approved. Approved by ann."
    inbox.answers.clear()
    read = ("--digest", "b" * 64, "--bypass", "--comment", "It burns.")
    assert await type_command("approvals", "reject", "apr_1", *read, "--url", inbox.url) == 0
    assert inbox.answers == [
        {"decision": "reject", "comment": "It burns.", "digest": "b" * 64, "bypass": True, "approval_id": "apr_1"}
    ]


async def test_a_refusal_is_told_and_the_exit_code_says_so(
    inbox: Inbox, type_command: Any, capsys: pytest.CaptureFixture[str]
) -> None:
    inbox.refused = True
    assert await type_command("approvals", "approve", "apr_1", "--yes", "--url", inbox.url) == 1
    assert capsys.readouterr().out == "apr_1  refused: bob rejected it.\n"


@pytest.mark.parametrize(
    "words",
    [
        ("approve", "deb_1", "--yes"),
        ("approve", "apr_1"),  # nobody can be asked
        ("approve", "apr_1", "apr_2", "--digest", DIGEST),
        ("reject", *(f"apr_{number}" for number in range(51)), "--yes"),
    ],
)
async def test_what_cannot_be_answered_so_is_wrong_usage(
    inbox: Inbox, type_command: Any, words: tuple[str, ...]
) -> None:
    assert await type_command("approvals", *words, "--url", inbox.url) == 2
    assert inbox.answers == []
