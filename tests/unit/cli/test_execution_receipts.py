"""`aragora verify` tells of an execution in plain words who approved what, when, and how they had logged in."""

from __future__ import annotations

import io
import json
import re
from collections.abc import AsyncIterator, Awaitable, Callable
from contextlib import AsyncExitStack
from pathlib import Path
from typing import Any

import pytest
from aiohttp import web
from aiohttp.test_utils import TestServer
from hypothesis import given
from hypothesis import strategies as st
from rich.console import Console
from worlds.execution_receipts import FOLDER, SIGNER, VECTORS, document_of

from aragora.cli.main import main
from aragora.cli.rendering.execution_receipts import execution_lines

EXE = "exe_" + 32 * "a"
KEYED = ["--key", SIGNER.public_key]


def shown(document: dict[str, Any]) -> str:
    """As on a terminal of 80 columns."""
    out = io.StringIO()
    console = Console(file=out, width=80, force_terminal=True, color_system=None, highlight=False)
    for line in execution_lines(document):
        console.print(line)
    return re.sub(r"\x1b\[[0-9;]*m", "", out.getvalue())


@pytest.mark.parametrize("name", VECTORS)
def test_a_receipt_is_checked_with_its_journal(name: str, capsys: pytest.CaptureFixture[str]) -> None:
    receipt, journal = FOLDER / f"{name}.json", FOLDER / f"{name}.jsonl"
    assert main(["verify", str(receipt), *KEYED, "--journal", str(journal)]) == 0
    told = capsys.readouterr().out
    assert "The receipt is valid." in told
    assert "none is missing or changed" in told
    assert "Execution exe_1 of 'a workflow': completed" in told


def test_a_journal_without_one_event_is_refused(tmp_path: Path, capsys: pytest.CaptureFixture[str]) -> None:
    lines = (FOLDER / "released.jsonl").read_text().splitlines(keepends=True)
    (tmp_path / "events.jsonl").write_text("".join(lines[:4] + lines[5:]))
    journal = ["--journal", str(tmp_path / "events.jsonl")]
    assert main(["verify", str(FOLDER / "released.json"), *KEYED, *journal]) == 1
    told = capsys.readouterr().out
    assert "NOT valid" in told
    assert "Approval" not in told, "what is not valid is not told as if it were so"
    assert main(["verify", str(FOLDER / "released.json"), *KEYED, *journal, "--json"]) == 1
    checks = json.loads(capsys.readouterr().out)["checks"]
    assert [one["name"] for one in checks if not one["passed"]] == ["journal"]


def test_a_journal_that_is_not_there_is_one_clear_line(capsys: pytest.CaptureFixture[str]) -> None:
    assert main(["verify", str(FOLDER / "released.json"), "--journal", "nowhere.jsonl"]) == 2


def test_who_approved_what_when_and_how_is_told_in_80_columns() -> None:
    told = shown(json.loads((FOLDER / "released.json").read_text()))
    assert all(len(line) <= 80 for line in told.splitlines())
    words = " ".join(told.split())
    assert "Approval 'Release it?': approved" in words
    assert "bob as role:owner approved it, 1970-01-12 13:47, as the operator of the server's own machine" in words
    assert "Tested by hand." in words
    assert "it took 2 of role:owner; one rejection rejects it" in words
    assert "judge: decided (75%), receipt rcp_1" in words
    assert "tell: failed, without a receipt" in words


def test_an_answer_in_place_of_others_and_a_retry_are_told() -> None:
    words = " ".join(shown(json.loads((FOLDER / "retried.json").read_text())).split())
    assert "root approved it in place of those who were asked" in words
    assert "logged in with a password and a second factor" in words
    assert "its end number 2, after retries" in words
    assert "check: not decided, receipt rcp_1" in words


def test_an_answer_to_another_text_than_was_shown_stands_out() -> None:
    document = json.loads((FOLDER / "released.json").read_text())
    document["approvals"][0]["answers"][0]["digest"] = "cd" * 32
    assert "had read another text" in shown(document)


@pytest.fixture
async def site() -> AsyncIterator[Callable[[dict[str, Any] | None], Awaitable[str]]]:
    """Begins a server that has this receipt for every execution, or none; gives its URL."""
    async with AsyncExitStack() as running:

        async def begun(document: dict[str, Any] | None) -> str:
            async def receipt(_request: web.Request) -> web.Response:
                error = {"error": {"code": "no_receipt", "message": "The execution has no receipt yet."}}
                return web.json_response(document or error, status=200 if document else 404)

            app = web.Application()
            app.router.add_get("/api/workflow-executions/{id}/receipt", receipt)
            return str((await running.enter_async_context(TestServer(app))).make_url(""))

        yield begun


async def test_the_receipt_of_an_execution_is_fetched_and_checked_here(
    site: Any, type_command: Any, capsys: pytest.CaptureFixture[str]
) -> None:
    signed = json.loads((FOLDER / "released.json").read_text())
    body = {name: value for name, value in signed.items() if name not in ("hash", "signature")} | {"execution_id": EXE}
    document = json.loads(document_of(body))
    url = await site(document)
    assert await type_command("verify", EXE, *KEYED, "--url", url) == 0
    assert "bob as role:owner approved it" in capsys.readouterr().out
    url = await site(document | {"cost_usd": 0.5})
    assert await type_command("verify", EXE, *KEYED, "--url", url) == 1
    assert "NOT valid" in capsys.readouterr().out


async def test_a_receipt_of_another_execution_is_not_taken_for_it(
    site: Any, type_command: Any, capsys: pytest.CaptureFixture[str]
) -> None:
    url = await site(json.loads((FOLDER / "released.json").read_text()))
    assert await type_command("verify", EXE, *KEYED, "--url", url) == 2
    assert f"is not the receipt of {EXE}" in capsys.readouterr().err
    assert await type_command("verify", EXE, *KEYED, "--url", await site(None)) == 1
    assert "no receipt yet" in capsys.readouterr().err


JSON = st.recursive(
    st.none() | st.booleans() | st.integers() | st.floats() | st.text(max_size=20),
    lambda inner: st.lists(inner, max_size=3) | st.dictionaries(st.text(max_size=8), inner, max_size=3),
    max_leaves=8,
)
MEMBERS = ("approvals", "debates", "executions", "left_out", "name", "cost_usd", "end", "started_at", "retries")


@given(st.dictionaries(st.sampled_from(MEMBERS), JSON | st.lists(st.fixed_dictionaries({"answers": JSON}), max_size=2)))
def test_whatever_a_stranger_has_signed_is_shown_or_left_out(odd: dict[str, Any]) -> None:
    assert "Execution" in shown({**json.loads((FOLDER / "released.json").read_text()), **odd})


def test_a_receipt_that_another_key_signed_is_not_told_to_be_known(
    tmp_path: Path, monkeypatch: pytest.MonkeyPatch, capsys: pytest.CaptureFixture[str]
) -> None:
    monkeypatch.setenv("ARAGORA_DATA_DIR", str(tmp_path))
    document = json.loads((FOLDER / "released.json").read_text())
    body = {name: value for name, value in document.items() if name not in ("hash", "signature")}
    (tmp_path / "receipt.json").write_text(document_of(body))
    assert main(["verify", str(tmp_path / "receipt.json")]) == 4
    assert main(["verify", str(tmp_path / "receipt.json"), "--any-key"]) == 0
