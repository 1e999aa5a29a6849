"""The commands that read, and the command line as a whole."""

from __future__ import annotations

import json
import resource
import subprocess
import sys
from collections.abc import Callable
from pathlib import Path
from typing import Any

import pytest
from aiohttp import web
from aiohttp.test_utils import TestServer
from worlds.denied import unseen

from aragora.cli import audit, encrypt_existing_data
from aragora.cli.main import COMMANDS, load, main
from aragora.debate.model import DebateStatus
from aragora.errors import Conflict
from aragora.migrations import apply, rollback, status


@pytest.mark.parametrize("name", COMMANDS)
def test_every_command_has_help(name: str, capsys: pytest.CaptureFixture[str]) -> None:
    assert load(COMMANDS[name].target).__doc__
    assert main([name, "--help"]) == 0
    assert "Usage: aragora" in capsys.readouterr().out


def test_help_lists_every_command_and_the_exit_codes(capsys: pytest.CaptureFixture[str]) -> None:
    assert main(["--help"]) == 0
    told = capsys.readouterr().out
    for name, command in COMMANDS.items():
        assert name in told
        assert command.help.split()[0] in told
    assert "130 interrupted" in told


def test_help_takes_under_300_ms_of_processor_and_loads_nothing_heavy() -> None:
    heavy = ("ray", "aiohttp", "fastapi", "sqlalchemy", "pydantic", "openai")
    probe = (
        "import sys; from aragora.cli.main import main; main(['--help']); "
        f"sys.stderr.write(','.join(name for name in {heavy} if name in sys.modules))"
    )
    best_s = 10.0
    for _ in range(3):
        used_s = _processor_s_of_children()
        done = subprocess.run([sys.executable, "-c", probe], capture_output=True, text=True, timeout=60, check=True)
        best_s = min(best_s, _processor_s_of_children() - used_s)
    assert done.stderr == ""
    assert best_s < 0.3


def _processor_s_of_children() -> float:
    """What ended children have used: the time that a command takes, whatever else the machine does."""
    used = resource.getrusage(resource.RUSAGE_CHILDREN)
    return used.ru_utime + used.ru_stime


def test_the_version_is_the_packages(capsys: pytest.CaptureFixture[str]) -> None:
    assert main(["--version"]) == 0
    assert capsys.readouterr().out == "aragora 1.0.0\n"


@pytest.mark.parametrize("arguments", [["bogus"], ["show"], ["ask"], ["debates", "--limit", "0"]])
def test_wrong_usage_is_exit_code_2(arguments: list[str], capsys: pytest.CaptureFixture[str]) -> None:
    assert main(arguments) == 2
    assert "Error" in capsys.readouterr().err


async def test_agents_are_listed_with_breaker_and_rating(
    server: Any, type_command: Any, capsys: pytest.CaptureFixture[str]
) -> None:
    assert await type_command("agents", "--url", server.url) == 0
    told = capsys.readouterr().out
    for part in ("ada", "stub-1", "open", "0.25", "1532"):
        assert part in told
    assert await type_command("agents", "--url", server.url, "--json") == 0
    assert json.loads(capsys.readouterr().out)[0]["elo"] == 1532.4


async def test_debates_are_listed_and_the_next_page_is_named(
    server: Any, type_command: Any, capsys: pytest.CaptureFixture[str]
) -> None:
    assert await type_command("debates", "--url", server.url, "--status", "completed") == 0
    told = capsys.readouterr().out
    assert "deb_1" in told
    assert "2023-11-14 22:13" in told
    assert "More: the same with --cursor c2" in told


async def test_show_tells_decision_and_receipt(
    server: Any, type_command: Any, capsys: pytest.CaptureFixture[str]
) -> None:
    assert await type_command("show", "deb_1", "--url", server.url) == 0
    told = capsys.readouterr().out
    assert "Start with a monolith." in told
    assert "rcp_1" in told
    assert f"\naragora verify deb_1 --url {server.url}\n" in told
    assert "/api/" not in told


async def test_show_of_a_debate_that_waits_tells_what_is_proposed_and_who_must_sign_it_still(
    server: Any, type_command: Any, capsys: pytest.CaptureFixture[str]
) -> None:
    server.status = DebateStatus.WAITING
    assert await type_command("show", "deb_1", "--url", server.url) == 0
    told = capsys.readouterr().out
    assert told.index("not decided yet") < told.index("Start with a monolith.")
    assert "waits for role:owner;" in told
    assert f"\naragora sign deb_1 --url {server.url}\n" in told
    assert "aragora verify" not in told


async def test_an_unknown_debate_is_one_clear_line(
    server: Any, type_command: Any, capsys: pytest.CaptureFixture[str]
) -> None:
    assert await type_command("show", "deb_9", "--url", server.url) == 1
    assert await type_command("replay", "deb_9", "--follow", "--url", server.url) == 1
    lines = capsys.readouterr().err.splitlines()
    assert len(lines) == 2
    for line in lines:
        assert line.startswith("aragora: There is no such debate. (request req-7) See 'aragora debates'")


async def test_replay_prints_every_event_of_all_pages(
    server: Any, type_command: Any, capsys: pytest.CaptureFixture[str]
) -> None:
    assert await type_command("replay", "deb_1", "--url", server.url, "--json") == 0
    lines = capsys.readouterr().out.splitlines()
    assert [json.loads(line)["seq"] for line in lines] == list(range(1, len(server.rows) + 1))
    assert lines == server.rows


async def test_replay_can_follow_from_a_seq(server: Any, type_command: Any, capsys: pytest.CaptureFixture[str]) -> None:
    assert await type_command("replay", "deb_1", "--url", server.url, "--follow", "--after", "8", "--json") == 0
    assert [json.loads(line)["seq"] for line in capsys.readouterr().out.splitlines()] == [9, 10]


async def test_a_server_that_is_not_aragora_is_recognised(
    server: Any, type_command: Any, capsys: pytest.CaptureFixture[str]
) -> None:
    assert await type_command("show", "deb_1", "--url", f"{server.url}/elsewhere") == 1
    assert "is this an Aragora server?" in capsys.readouterr().err


@pytest.mark.parametrize(
    "answer", [{}, [], 3, {"debates": None, "agents": {"a": 1}}, {"debates": [3], "agents": [None]}]
)
@pytest.mark.parametrize("command", ["debates", "agents"])
async def test_whatever_json_another_server_answers_it_is_told_to_be_no_aragora(
    command: str, answer: Any, type_command: Any, capsys: pytest.CaptureFixture[str]
) -> None:
    async def any_path(_request: web.Request) -> web.Response:
        return web.json_response(answer)

    app = web.Application()
    app.router.add_get("/{path:.*}", any_path)
    async with TestServer(app) as other:
        assert await type_command(command, "--url", str(other.make_url(""))) == 2
    assert "is no Aragora server: name one with --url" in capsys.readouterr().err


@pytest.mark.parametrize(
    "url", ["localhost:8080", "ftp://localhost", "http://", "http://[::1", "http://localhost:99999"]
)
def test_what_is_no_address_of_a_server_is_wrong_usage_and_no_server_that_is_away(
    url: str, capsys: pytest.CaptureFixture[str]
) -> None:
    assert main(["agents", "--url", url]) == 2
    assert "http://127.0.0.1:8080" in capsys.readouterr().err


@pytest.mark.parametrize("debate", ["export", "", "..", "deb_1/events", "deb_1?x", "abc", "ABCD"])
@pytest.mark.parametrize("command", ["show", "replay"])
def test_what_is_no_debates_id_names_no_other_path_of_the_server(
    command: str, debate: str, capsys: pytest.CaptureFixture[str]
) -> None:
    assert main([command, debate, "--url", "http://127.0.0.1:9"]) == 2
    assert "aragora debates" in capsys.readouterr().err


async def test_a_token_with_a_line_end_is_taken_and_one_with_control_characters_refused_unseen(
    server: Any, type_command: Any, capsys: pytest.CaptureFixture[str], monkeypatch: pytest.MonkeyPatch
) -> None:
    monkeypatch.setenv("ARAGORA_API_TOKEN", "secret\r\n")
    assert await type_command("ask", "Monolith?", "--url", server.url) == 0
    assert server.tokens == ["Bearer secret"]
    for wrong in ("sec\nret", "sec\x00ret", "sec\udcffret"):
        assert await type_command("agents", "--url", server.url, "--token", wrong) == 2
    told = capsys.readouterr().err
    assert "ARAGORA_API_TOKEN" in told
    assert "sec" not in told


def test_what_cannot_be_sent_is_wrong_usage(capsys: pytest.CaptureFixture[str]) -> None:
    assert main(["ask", "Tabs?", "--budget", "inf", "--url", "http://127.0.0.1:9"]) == 2
    capsys.readouterr()


@pytest.mark.parametrize(
    ("arguments", "place"),
    [
        (["ask", "caf\udce9?"], "argument 2 is"),
        (["show", "deb_\udcff"], "argument 2 is"),
        (["verify", "r\udcff.json"], "argument 2 is"),
        (["budget", "\udcff"], "argument 2 is"),
        (["users", "list", "--data-dir", "/tmp/\udcff"], "argument 4 (--data-dir) is"),
        (["debates", "--token=hunter2\udcff"], "argument 2 (--token) is"),
        (["agents", "--token", "hunter2\udcff"], "argument 3 (--token) is"),
        (["doctor", "--url", "http://\udcff"], "argument 3 (--url) is"),
        (["demo", "\udcff"], "argument 2 is"),
        (["\udcff"], "argument 1 is"),
    ],
)
def test_an_argument_that_is_no_utf_8_is_refused_by_its_place_whatever_the_command(
    arguments: list[str], place: str, capsys: pytest.CaptureFixture[str]
) -> None:
    assert main(arguments) == 2
    told = capsys.readouterr().err
    assert told.startswith(f"aragora: {place} not UTF-8")
    assert told.count("\n") == 1
    assert "hunter2" not in told


def test_every_command_of_a_list_is_described_whole_in_80_columns(
    monkeypatch: pytest.MonkeyPatch, capsys: pytest.CaptureFixture[str]
) -> None:
    monkeypatch.setenv("COLUMNS", "80")
    for group in ([], ["users"], ["webhooks"], ["webhooks", "dead-letters"], ["executions"], ["workflows"]):
        assert main([*group, "--help"]) == 0
        commands = capsys.readouterr().out.partition("Commands:")[2]
        assert commands
        assert "..." not in commands


def test_what_a_server_says_in_an_error_cannot_steer_the_terminal(
    monkeypatch: pytest.MonkeyPatch, capsys: pytest.CaptureFixture[str]
) -> None:
    def fail() -> None:
        raise Conflict("\x1b[2Jgone\x07")

    monkeypatch.setattr("aragora.cli.main.load", lambda _target: fail)
    assert main(["agents"]) == 1
    assert capsys.readouterr().err == "aragora: [2Jgone\n"


@pytest.mark.parametrize(
    ("command", "arguments"),
    [
        (main, ["users", "list"]),
        (main, ["budget"]),
        (status.main, []),
        (apply.main, ["--dry-run"]),
        (rollback.main, []),
        (audit.main, ["verify"]),
        (encrypt_existing_data.main, ["--all"]),
    ],
)
def test_a_data_directory_that_cannot_be_looked_at_is_one_line_that_names_it(
    command: Callable[[list[str]], int],
    arguments: list[str],
    tmp_path: Path,
    monkeypatch: pytest.MonkeyPatch,
    capsys: pytest.CaptureFixture[str],
) -> None:
    monkeypatch.delenv("DATABASE_URL", raising=False)
    monkeypatch.setenv("ARAGORA_ENCRYPTION_KEY", "ab" * 32)
    unseen(monkeypatch, tmp_path / "closed")
    assert command([*arguments, "--data-dir", str(tmp_path / "closed" / "data")]) == 2
    (line,) = capsys.readouterr().err.splitlines()
    assert str(tmp_path / "closed" / "data") in line
    assert "Permission denied" in line
