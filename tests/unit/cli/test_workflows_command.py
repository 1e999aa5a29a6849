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

from aragora.cli.workflows import FILE_MAX_BYTES, PATH, TEMPLATES, create, listing, show, templates, validate
from aragora.errors import InvalidInput
from aragora.server.chapters.workflows import CreateWorkflow, TemplateList, Validation, WorkflowDetail, WorkflowList

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
    assert json.loads(capsys.readouterr().out) == DEFINITION


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
    assert FILE_MAX_BYTES < 2_000_000
