"""`aragora workflows`, beside a server that speaks its routes."""

from __future__ import annotations

import asyncio
import io
import json
from collections.abc import AsyncIterator
from dataclasses import dataclass, field
from pathlib import Path
from typing import Any

import pytest
from aiohttp import web
from aiohttp.test_utils import TestServer

from aragora.cli.documents import FILE_MAX_CHARS
from aragora.cli.workflows import PATH, TEMPLATES, create, listing, show, templates, validate
from aragora.errors import InvalidInput
from aragora.server.chapters.workflows import (
    ChangeWorkflow,
    CreateWorkflow,
    TemplateList,
    Validation,
    WorkflowDetail,
    WorkflowList,
)

ID = "wf_" + 32 * "0"
HEAD = {
    "workflow_id": ID,
    "workspace": "default",
    "version": 2,
    "name": "Tell \x1b[31mall",
    "description": "",
    "category": "",
    "tags": [],
    "digest": "d",
    "created_at": 1.0,
    "created_by": "ann",
    "updated_at": 2.0,
    "updated_by": "bob",
}
DEFINITION = {"name": "Tell", "steps": [{"id": "a", "type": "notify", "message": "x"}]}


def conflict(code: str) -> web.Response:
    return web.json_response({"error": {"code": code, "message": "It stands otherwise."}}, status=409)


@dataclass
class WorkflowServer:
    """What the server was asked, and what it answers."""

    url: str = ""
    asked: list[Any] = field(default_factory=list)
    faults: list[dict[str, str]] = field(default_factory=list)

    async def listing(self, request: web.Request) -> web.Response:
        self.asked.append(dict(request.query))
        found = {"workflows": [HEAD], "next_cursor": "abc"}
        return web.json_response(WorkflowList.model_validate(found).model_dump())

    async def detail(self, request: web.Request) -> web.Response:
        self.asked.append(dict(request.query))
        found = {**HEAD, "shown_version": 1, "definition": DEFINITION}
        return web.json_response(WorkflowDetail.model_validate(found).model_dump())

    async def change(self, request: web.Request) -> web.Response:
        self.asked.append((request.headers["If-Match"], ChangeWorkflow.model_validate(await request.json())))
        if request.headers["If-Match"] != '"2"':
            return conflict("version_conflict")
        return web.json_response({**HEAD, "version": 3, "shown_version": 3, "definition": DEFINITION})

    async def delete(self, request: web.Request) -> web.Response:
        self.asked.append(request.headers["If-Match"])
        if request.headers["If-Match"] != '"2"':
            return conflict("workflow_running" if request.headers["If-Match"] == '"9"' else "version_conflict")
        return web.Response(status=204)

    async def create(self, request: web.Request) -> web.Response:
        self.asked.append(CreateWorkflow.model_validate(await request.json()))
        return web.json_response({**HEAD, "shown_version": 1, "definition": DEFINITION}, status=201)

    async def validate(self, request: web.Request) -> web.Response:
        self.asked.append(await request.json())
        found = {"ok": not self.faults, "faults": self.faults, "bounds": {"step_runs": 3, "usd": 2.5}}
        return web.json_response(Validation.model_validate({**found, "rights": [], "digest": None}).model_dump())

    async def templates(self, request: web.Request) -> web.Response:
        one = {"template_id": "quick", "name": "Quick", "description": "One debate.", "category": ""}
        found = {"templates": [{**one, "tags": [], "inputs": {}, "steps": 2}]}
        return web.json_response(TemplateList.model_validate(found).model_dump())


@pytest.fixture
async def server() -> AsyncIterator[WorkflowServer]:
    site = WorkflowServer()
    app = web.Application()
    app.router.add_get(PATH, site.listing)
    app.router.add_post(PATH, site.create)
    app.router.add_post(f"{PATH}/validate", site.validate)
    app.router.add_get(f"{PATH}/{ID}", site.detail)
    app.router.add_patch(f"{PATH}/{ID}", site.change)
    app.router.add_delete(f"{PATH}/{ID}", site.delete)
    app.router.add_get(TEMPLATES, site.templates)
    async with TestServer(app) as running:
        site.url = str(running.make_url("")).rstrip("/")
        yield site


@pytest.fixture
def document(tmp_path: Path) -> Path:
    path = tmp_path / "tell.json"
    path.write_text(json.dumps(DEFINITION))
    return path


async def test_workflows_are_listed(server: WorkflowServer, capsys: pytest.CaptureFixture[str]) -> None:
    await asyncio.to_thread(listing, search="te", tag="x", limit=3, url=server.url)
    assert server.asked == [{"search": "te", "tag": "x", "limit": "3"}]
    told = capsys.readouterr().out
    assert f"{ID}  Tell " in told
    assert "version 2, by bob" in told
    assert "--cursor abc" in told
    assert "\x1b" not in told


async def test_a_definition_is_shown_as_json(server: WorkflowServer, capsys: pytest.CaptureFixture[str]) -> None:
    await asyncio.to_thread(show, ID, version=1, url=server.url)
    assert server.asked == [{"version": "1"}]
    told = capsys.readouterr()
    assert json.loads(told.out) == DEFINITION
    assert told.err == "aragora: version 1; the latest is 2\n"


async def test_a_workflow_is_made_of_a_file_or_a_template(
    server: WorkflowServer, document: Path, capsys: pytest.CaptureFixture[str]
) -> None:
    await asyncio.to_thread(create, document, name="Mine", url=server.url)
    await asyncio.to_thread(create, template="quick", url=server.url)
    assert server.asked == [CreateWorkflow(definition=DEFINITION, name="Mine"), CreateWorkflow(template="quick")]
    assert capsys.readouterr().out.count(f"Made {ID}") == 2
    for neither in ({}, {"file": document, "template": "quick"}):
        with pytest.raises(InvalidInput, match="either a file or --template"):
            create(**neither)  # type: ignore[arg-type]


async def test_a_change_names_the_version_that_was_read(
    server: WorkflowServer, document: Path, type_command: Any, capsys: pytest.CaptureFixture[str]
) -> None:
    words = ("workflows", "change", ID, str(document), "--url", server.url)
    assert await type_command(*words) == 2, "without a version"
    assert await type_command(*words, "--version", "2") == 0
    assert server.asked == [('"2"', ChangeWorkflow(definition=DEFINITION))]
    assert capsys.readouterr().out.startswith(f"{ID} is at version 3: Tell ")


async def test_what_somebody_else_has_changed_is_not_lost(
    server: WorkflowServer, document: Path, type_command: Any, capsys: pytest.CaptureFixture[str]
) -> None:
    change = ("workflows", "change", ID, str(document), "--version", "1", "--url", server.url)
    for words in (change, ("workflows", "delete", ID, "--version", "1", "--url", server.url)):
        assert await type_command(*words) == 1
        told = capsys.readouterr().err
        assert "changed by someone else: version 2 is by bob" in told
        assert f"aragora workflows show {ID}" in told
    assert await type_command("workflows", "delete", ID, "--version", "9", "--url", server.url) == 1
    assert capsys.readouterr().err == "aragora: It stands otherwise.\n"


async def test_a_deletion_is_of_what_was_seen(
    server: WorkflowServer, type_command: Any, capsys: pytest.CaptureFixture[str]
) -> None:
    words = ("workflows", "delete", ID, "--url", server.url)
    assert await type_command(*words) == 2, "nobody can be asked"
    assert await type_command(*words, "--yes") == 0
    assert [one for one in server.asked if isinstance(one, str)] == ['"2"']
    assert capsys.readouterr().out == f"Deleted {ID}.\n"


async def test_a_definition_is_checked(
    server: WorkflowServer, monkeypatch: pytest.MonkeyPatch, capsys: pytest.CaptureFixture[str]
) -> None:
    monkeypatch.setattr("sys.stdin", io.StringIO(json.dumps(DEFINITION)))
    assert await asyncio.to_thread(validate, Path("-"), url=server.url) == 0
    assert server.asked == [{"definition": DEFINITION}]
    assert capsys.readouterr().out == "Sound. It runs 3 steps at most; it costs $2.5 at most.\n"


async def test_each_fault_is_told(server: WorkflowServer, document: Path, capsys: pytest.CaptureFixture[str]) -> None:
    server.faults = [{"path": "steps[0]", "code": "x", "message": "no"}, {"path": "", "code": "x", "message": "bad"}]
    assert await asyncio.to_thread(validate, document, url=server.url) == 1
    assert capsys.readouterr().out == "2 faults:\nsteps[0]: no\nthe document: bad\n"


async def test_templates_are_listed(server: WorkflowServer, capsys: pytest.CaptureFixture[str]) -> None:
    await asyncio.to_thread(templates, url=server.url)
    assert capsys.readouterr().out == "quick\n  One debate.\n"


def test_a_file_that_is_none_is_refused(tmp_path: Path) -> None:
    for name, raw in (("half", b'{"a":'), ("bytes", b"\xff\xfe"), ("deep", b"[" * 200_000), ("big", b"1" * 2_000_000)):
        (tmp_path / name).write_bytes(raw)
        with pytest.raises(InvalidInput):
            validate(tmp_path / name)
    with pytest.raises(InvalidInput, match="cannot be read"):
        validate(tmp_path / "none")
    assert FILE_MAX_CHARS < 2_000_000
