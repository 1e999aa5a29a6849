"""`aragora executions`, beside a server that speaks its routes and goes away when it is told to."""

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
from hypothesis import given, settings
from hypothesis import strategies as st
from worlds.execution_receipts import released, retried
from worlds.workflowing import Execution

from aragora import client
from aragora.cli import execution_events
from aragora.cli.documents import json_in, object_in, pairs_of
from aragora.cli.rendering import executions as rendering
from aragora.cli.rendering.executions import ExecutionPrinter
from aragora.errors import InvalidInput
from aragora.resilience.backoff import Backoff
from aragora.server.chapters.workflow_executions import CancelExecution, ExecuteWorkflow, RetryExecution, SendSignal
from aragora.server.execution_views import DryRun, ExecutionDetail, ExecutionList, StandingView
from aragora.workflows import model
from aragora.workflows.journal import row_of

EXE = "exe_" + 32 * "a"
WF = "wf_" + 32 * "0"
RECEIPT = model.ReceiptIssued("rcp_1_1", 7, "ab" * 32)


def view(**changes: Any) -> dict[str, Any]:
    told = {
        "execution_id": EXE, "workflow_id": WF, "version": 3, "name": "Release \x1b[31mit", "workspace": "default",
        "status": "completed", "started_by": "ann", "started_at": 1_700_000_000.0, "updated_at": 1_700_000_060.0,
        "ended_at": 1_700_000_060.0, "due_at": None, "parent": None, "cost_usd": 2.5, "code": "", "reason": "",
        "last_seq": 9, "receipt_id": "rcp_1_1", "inputs": {"version": "2"}, "outputs": {"answer": "Go."}, "open": [], "open_count": 0, "left_out": [],
        "steps": {"judge": {"answer": "Go.", "reached": True}, "known": {"items": []}}, **changes,
    }  # fmt: skip
    return ExecutionDetail.model_validate(told).model_dump(mode="json")


@dataclass
class Runner:
    """What the server was asked, as the real one takes it, and what it answers. `faults`: what the next requests for
    events meet instead, `503` or a connection that is `cut`."""

    url: str = ""
    asked: list[Any] = field(default_factory=list)
    keys: list[str | None] = field(default_factory=list)
    events: list[str] = field(default_factory=list)
    most: int = 3
    afters: list[int] = field(default_factory=list)
    faults: list[str] = field(default_factory=list)
    detail: dict[str, Any] = field(default_factory=view)
    listed: list[dict[str, Any]] = field(default_factory=list)

    def has(self, execution: Execution, *more: model.Event) -> None:
        """The journal is this execution's, and what stands after it."""
        happened = [*execution.events, *((execution.now, event) for event in more)]
        self.events = [row_of(EXE, seq, at, event).payload for seq, (at, event) in enumerate(happened, 1)]

    async def listing(self, request: web.Request) -> web.Response:
        self.asked.append(dict(request.query))
        page = ExecutionList.model_validate({"executions": self.listed, "next_cursor": None})
        return web.json_response(page.model_dump(mode="json"))

    async def get(self, _request: web.Request) -> web.Response:
        return web.json_response(self.detail)

    async def page(self, request: web.Request) -> web.Response:
        fault = self.faults.pop(0) if self.faults else ""
        if fault == "503":
            error = {"error": {"code": "unavailable", "message": "The server is starting."}}
            return web.json_response(error, status=503, headers={"Retry-After": "0"})
        if fault == "cut":
            assert request.transport is not None
            request.transport.close()
            return web.Response()
        after = int(request.query["after"])
        self.afters.append(after)
        rows = self.events[after : after + self.most]
        if not rows and not self.detail["ended_at"] and float(request.query["wait_s"]) > 0:
            await asyncio.sleep(0.05)
        return web.json_response(text=f'{{"events":[{",".join(rows)}],"next_after":{after + len(rows)}}}')

    async def execute(self, request: web.Request) -> web.Response:
        body = ExecuteWorkflow.model_validate(await request.json())
        self.asked.append(body)
        self.keys.append(request.headers.get("Idempotency-Key"))
        if body.dry_run:
            steps = [
                {"id": "judge", "type": "debate", "title": "judge"},
                {"id": "s", "type": "approval", "title": "Ok?"},
            ]
            found = {"ok": True, "step_runs": 4, "usd": 5.0, "steps": steps}
            return web.json_response(DryRun.model_validate(found).model_dump())
        return web.json_response({**self.detail, "status": "running"}, status=202)

    async def workflow(self, _request: web.Request) -> web.Response:
        inputs = {"version": {"type": "string"}, "replicas": {"type": "integer"}, "names": {"type": "list"}}
        return web.json_response({"definition": {"inputs": inputs}})

    async def command(self, request: web.Request) -> web.Response:
        verb = request.match_info["verb"]
        takes = {"cancel": CancelExecution, "retry": RetryExecution, "signals": SendSignal}
        body = await request.json()
        self.asked.append((verb, takes[verb].model_validate(body) if verb in takes else body))
        self.keys.append(request.headers.get("Idempotency-Key"))
        standing = StandingView.model_validate({"execution_id": EXE, "status": "paused", "last_seq": 4})
        return web.json_response(standing.model_dump(mode="json"))


@pytest.fixture
async def runner(monkeypatch: pytest.MonkeyPatch) -> AsyncIterator[Runner]:
    monkeypatch.setattr(client, "RETRY", Backoff(base_s=0, cap_s=0, attempts=2))
    monkeypatch.setattr(execution_events, "RECONNECT", Backoff(base_s=0, cap_s=0))
    monkeypatch.setattr(execution_events, "PAUSE_S", 0.01)
    monkeypatch.setattr(execution_events, "RECEIPT_S", 0.05)
    site = Runner()
    app = web.Application()
    app.router.add_get(execution_events.PATH, site.listing)
    app.router.add_get(f"{execution_events.PATH}/{EXE}", site.get)
    app.router.add_get(f"{execution_events.PATH}/{EXE}/events", site.page)
    app.router.add_post(f"{execution_events.PATH}/{EXE}/{{verb}}", site.command)
    app.router.add_post(f"/api/workflows/{WF}/execute", site.execute)
    app.router.add_get(f"/api/workflows/{WF}", site.workflow)
    async with TestServer(app) as running:
        site.url = str(running.make_url("")).rstrip("/")
        yield site


async def seqs(runner: Runner, type_command: Any, capsys: pytest.CaptureFixture[str], *more: str) -> list[int]:
    """The numbers of the events that `watch --json` prints."""
    await type_command("executions", "watch", EXE, "--json", *more, "--url", runner.url)
    return [json.loads(line)["seq"] for line in capsys.readouterr().out.splitlines()]


async def test_executions_are_listed(runner: Runner, type_command: Any, capsys: pytest.CaptureFixture[str]) -> None:
    runner.listed = [view(), view(status="failed", code="budget", reason="Nothing is left.")]
    words = ("--status", "failed", "--workflow", WF, "--by", "ann", "--workspace", "lab")
    assert await type_command("executions", "list", *words, "--url", runner.url) == 0
    query = {"status": "failed", "workflow": WF, "started_by": "ann", "workspace": "lab", "limit": "20"}
    assert runner.asked == [query]
    assert capsys.readouterr().out.splitlines() == [
        f"{EXE}  completed",
        "  Release [31mit",
        "  started 2023-11-14 22:13 by ann, $2.5000",
        f"{EXE}  failed",
        "  Release [31mit",
        "  started 2023-11-14 22:13 by ann, $2.5000",
        "  because: Nothing is left. (budget)",
    ]


async def test_one_is_shown_with_what_it_waits_for_and_how_to_answer(
    runner: Runner, type_command: Any, capsys: pytest.CaptureFixture[str]
) -> None:
    waits = {
        "run": "sign", "step": "sign", "title": "Release it?", "kind": "approval", "attempt": 1, "says": "waits for people",
        "began_at": 1_700_000_000.0, "due_at": 1_700_086_400.0, "ref": "", "approval_id": "apr_7",
    }  # fmt: skip
    asked = {
        **waits,
        "run": "judge",
        "step": "judge",
        "title": "judge",
        "approval_id": "",
        "ref": "deb_1",
        "attempt": 2,
    }
    runner.detail = view(status="waiting", ended_at=None, receipt_id=None, outputs=None, open=[waits, asked])
    assert await type_command("executions", "show", EXE, "--url", runner.url) == 0
    told = capsys.readouterr().out
    for line in (
        "aragora approvals show apr_7",
        "until 2023-11-15 22:13: Release it?",
        "deb_1",
        "attempt 2",
        "judge: Go.",
    ):
        assert line in told
    assert "Outputs" not in told
    assert await type_command("executions", "show", EXE, "--json", "--url", runner.url) == 0
    assert json.loads(capsys.readouterr().out) == runner.detail


async def test_inputs_are_taken_as_the_definition_types_them(
    runner: Runner, type_command: Any, monkeypatch: pytest.MonkeyPatch, capsys: pytest.CaptureFixture[str]
) -> None:
    monkeypatch.setattr("sys.stdin", io.StringIO('{"version": "1", "deep": {"a": 1}}'))
    pairs = ("--input", "version=2", "--input", "replicas=3", "--input", 'names=["a"]', "--input", "odd=4")
    more = ("--inputs", "-", "--budget", "1.5", "--key", "mine")
    assert await type_command("executions", "start", WF, *pairs, *more, "--url", runner.url) == 0
    inputs = {"version": "2", "deep": {"a": 1}, "replicas": 3, "names": ["a"], "odd": "4"}
    assert runner.asked == [ExecuteWorkflow(inputs=inputs, budget_usd=1.5)]
    assert runner.keys == ["mine"]
    assert f"aragora executions watch {EXE} --url" in capsys.readouterr().out


async def test_each_call_has_a_key_of_its_own(runner: Runner, type_command: Any) -> None:
    for _ in range(2):
        assert await type_command("executions", "start", WF, "--url", runner.url) == 0
    assert len({key for key in runner.keys if key}) == 2


async def test_a_dry_run_tells_the_most_that_it_may_cost(
    runner: Runner, type_command: Any, capsys: pytest.CaptureFixture[str]
) -> None:
    assert await type_command("executions", "start", WF, "--dry-run", "--url", runner.url) == 0
    assert capsys.readouterr().out.splitlines() == [
        "Nothing was started. It runs 4 steps at most; it costs $5 at most.",
        "Steps",
        "  judge (debate)",
        "  s (approval): Ok?",
    ]


async def test_the_events_are_told_to_the_end_and_the_exit_code_says_how_it_ended(
    runner: Runner, type_command: Any, capsys: pytest.CaptureFixture[str]
) -> None:
    runner.has(released(), RECEIPT)
    assert await type_command("executions", "start", WF, "--wait", "--url", runner.url) == 0
    lines = capsys.readouterr().out.splitlines()
    stamp = "1970-01-12 13:46:40  "
    assert lines[:4] == [
        f"{stamp}ann started 'a workflow', version 1",
        f"{stamp}judge (debate) began",
        f"{stamp}judge: deb_1",
        f"{stamp}judge done, $2.5000: Go.",
    ]
    assert "1970-01-12 13:47:40  bob approved it as role:owner: Tested by hand." in lines
    assert lines[-4:] == [
        "1970-01-12 13:47:40  Receipt rcp_1_1, link 7 of the chain",
        f"{EXE}  completed",
        "Outputs",
        "  answer: Go.",
    ]
    for status in ("failed", "cancelled"):
        runner.detail = view(status=status, code=status)
        assert await type_command("executions", "watch", EXE, "--url", runner.url) == 1


async def test_started_and_awaited_as_json_is_one_document(
    runner: Runner, type_command: Any, capsys: pytest.CaptureFixture[str]
) -> None:
    runner.has(released(), RECEIPT)
    assert await type_command("executions", "start", WF, "--wait", "--json", "--url", runner.url) == 0
    assert json.loads(capsys.readouterr().out) == runner.detail


@pytest.mark.parametrize(
    "faults",
    [[], ["cut", "cut", "503"], ["", "cut", "503", "503", "", "503"], ["", "", "cut", "cut", "cut", "cut", "503"]],
)
async def test_a_connection_that_is_cut_loses_no_event_and_repeats_none(
    runner: Runner, type_command: Any, capsys: pytest.CaptureFixture[str], faults: list[str]
) -> None:
    runner.has(released(), RECEIPT)
    runner.faults = faults
    assert await seqs(runner, type_command, capsys) == list(range(1, len(runner.events) + 1))
    assert await seqs(runner, type_command, capsys, "--after", "4") == list(range(5, len(runner.events) + 1))


async def test_a_server_that_stays_away_is_exit_code_3(
    runner: Runner, type_command: Any, monkeypatch: pytest.MonkeyPatch, capsys: pytest.CaptureFixture[str]
) -> None:
    monkeypatch.setattr(execution_events, "AWAY_S", 0.2)
    runner.has(released(), RECEIPT)
    runner.faults = ["", *["503"] * 10_000]
    assert await type_command("executions", "watch", EXE, "--url", runner.url) == 3
    told = capsys.readouterr()
    assert told.err.splitlines()[0] == "aragora: the server is away; asking again ..."
    assert len(told.out.splitlines()) == 3
    assert await type_command("executions", "watch", EXE, "--url", "http://127.0.0.1:9") == 3
    assert "asking again" not in capsys.readouterr().err, "who was never there is not waited for"


async def test_one_that_was_retried_is_followed_to_its_last_end(
    runner: Runner, type_command: Any, capsys: pytest.CaptureFixture[str]
) -> None:
    runner.most = 1  # each page ends where an end might be the last one
    runner.has(retried(), RECEIPT)
    assert await seqs(runner, type_command, capsys) == list(range(1, len(runner.events) + 1))


async def test_an_end_without_a_receipt_is_not_waited_upon_for_ever(
    runner: Runner, type_command: Any, capsys: pytest.CaptureFixture[str]
) -> None:
    runner.has(released())
    assert await seqs(runner, type_command, capsys) == list(range(1, len(runner.events) + 1))
    assert await seqs(runner, type_command, capsys, "--after", str(len(runner.events))) == []


async def test_watching_ends_at_its_timeout_and_says_how_to_go_on(
    runner: Runner, type_command: Any, capsys: pytest.CaptureFixture[str]
) -> None:
    runner.has(released())
    runner.events = runner.events[:4]
    runner.detail = view(status="waiting", ended_at=None, outputs=None)
    assert await type_command("executions", "watch", EXE, "--timeout", "0.3", "--url", runner.url) == 5
    told = capsys.readouterr()
    assert f"watch {EXE} --after 4 --url {runner.url}'" in told.err
    assert told.out.splitlines()[-1] == f"{EXE}  waiting"


async def test_it_is_steered(runner: Runner, type_command: Any, capsys: pytest.CaptureFixture[str]) -> None:
    for verb in ("pause", "resume"):
        assert await type_command("executions", verb, EXE, "--url", runner.url) == 0
    assert await type_command("executions", "cancel", EXE, "--reason", "Enough.", "--url", runner.url) == 0
    again = ("--value", "question=Why = not?")
    assert await type_command("executions", "retry", EXE, "judge", *again, "--url", runner.url) == 0
    sent = ("--field", "by=ops", "--key", "k1")
    assert await type_command("executions", "signal", EXE, "approved", *sent, "--url", runner.url) == 0
    assert runner.asked == [
        ("pause", {}),
        ("resume", {}),
        ("cancel", CancelExecution(reason="Enough.")),
        ("retry", RetryExecution(step="judge", values={"question": "Why = not?"})),
        ("signals", SendSignal(name="approved", payload={"by": "ops"})),
    ]
    assert runner.keys == [None, None, None, None, "k1"]
    assert capsys.readouterr().out == f"{EXE} is paused.\n" * 5


@pytest.mark.parametrize(
    "words",
    [
        ("show", "exe_1"),
        ("watch", "../health"),
        ("watch", EXE, "--after", "-1"),
        ("start", "wf/../x"),
        ("start", WF, "--input", "novalue"),
        ("start", WF, "--input", "version=1", "--input", "version=2"),
        ("start", WF, "--input", "replicas=three"),
        ("start", WF, "--input", "replicas=NaN"),
        ("start", WF, "--inputs", "nowhere.json"),
        ("start", WF, "--key", "ü"),
        ("start", WF, "--key", ""),
        ("signal", EXE, "x", "--field", "=1"),
        ("list", "--status", "odd"),
    ],
)
async def test_what_cannot_be_meant_is_wrong_usage(runner: Runner, type_command: Any, words: tuple[str, ...]) -> None:
    assert await type_command("executions", *words, "--url", runner.url) == 2
    assert runner.asked == []


@pytest.mark.parametrize(
    "text", ["[1]", "3", "null", '{"a": NaN}', '{"a": 1e999}', '{"a": Infinity}', "{", "[" * 100_000]
)
def test_what_would_arrive_as_something_else_is_refused(monkeypatch: pytest.MonkeyPatch, text: str) -> None:
    monkeypatch.setattr("sys.stdin", io.StringIO(text))
    with pytest.raises(InvalidInput):
        object_in(Path("-"))


JSON = st.recursive(
    st.none() | st.booleans() | st.integers() | st.floats(allow_nan=False, allow_infinity=False) | st.text(max_size=9),
    lambda inner: st.lists(inner, max_size=3) | st.dictionaries(st.text(max_size=5), inner, max_size=3),
    max_leaves=6,
)


@settings(max_examples=50, deadline=None)
@given(st.text(st.characters(exclude_characters="="), min_size=1, max_size=9), JSON, st.text())
def test_a_pair_gives_back_what_was_put_in(name: str, value: Any, text: str) -> None:
    assert pairs_of("--input", [f"{name}={text}"]) == {name: text}
    assert pairs_of("--input", [f"{name}={json.dumps(value)}"], {name: "object"}) == {name: value}


def test_every_event_but_no_other_is_told_in_a_line() -> None:
    assert set(rendering.told.registry) - {object} == set(model.WIRE_NAMES)


def test_events_of_a_newer_server_and_hostile_ones_do_no_harm() -> None:
    out = io.StringIO()
    printer = ExecutionPrinter(rendering.Console(file=out, width=80, highlight=False))
    printer({"type": "step_dreamt", "seq": 1, "data": {}, "timestamp": 0, "execution_id": EXE})
    printer({"type": "step_failed", "seq": 1, "data": {}, "timestamp": 0, "execution_id": EXE})
    assert out.getvalue() == ""
    hostile = model.StepFailed("a", "k", "x", "[bold]no\x1b[2J\nnext line[/bold]")
    printer(json.loads(row_of(EXE, 1, 0.0, hostile).payload))
    assert out.getvalue() == "1970-01-01 00:00:00  a failed (x): [bold]no[2J next line[/bold]\n"
    assert "\x1b" not in out.getvalue()


def test_a_file_is_read_as_it_is(tmp_path: Any) -> None:
    (tmp_path / "a.json").write_text('{"a": "é"}', encoding="utf-8")
    assert json_in(tmp_path / "a.json") == object_in(tmp_path / "a.json") == {"a": "é"}
    assert object_in(None) == {}
