"""The commands that read, and the command line as a whole."""

from __future__ import annotations

import json
import resource
import subprocess
import sys
from typing import Any

import pytest

from aragora.cli.main import COMMANDS, load, main


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
    assert "aragora debates --cursor c2" in told


async def test_show_tells_decision_and_receipt(
    server: Any, type_command: Any, capsys: pytest.CaptureFixture[str]
) -> None:
    assert await type_command("show", "deb_1", "--url", server.url) == 0
    told = capsys.readouterr().out
    assert "Start with a monolith." in told
    assert "rcp_1" in told


async def test_an_unknown_debate_is_one_clear_line(
    server: Any, type_command: Any, capsys: pytest.CaptureFixture[str]
) -> None:
    assert await type_command("show", "deb_9", "--url", server.url) == 1
    assert await type_command("replay", "deb_9", "--follow", "--url", server.url) == 1
    assert capsys.readouterr().err == "aragora: There is no such debate. (request req-7)\n" * 2


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
