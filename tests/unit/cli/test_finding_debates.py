"""The beginning of a debate's id is enough for every command that takes one, as long as no other debate has it too."""

from __future__ import annotations

import json
from typing import Any

import pytest
from worlds.signed_receipts import signed_receipt

from aragora.client import CHOICE_MAX, FOUND_MAX

from .conftest import FakeServer

TEA = "deb_01a21546b52e744db4747493a060d067"
COFFEE = "deb_01a21546ad6274c984fe6bf06530e3e8"
COMMANDS = ("show", "replay", "verify")


def ids(count: int) -> list[str]:
    return [f"deb_01a3{number:028x}" for number in range(count)]


@pytest.fixture
def two(server: FakeServer) -> FakeServer:
    """A server with two debates that were asked within one second."""
    server.questions = {TEA: "Tea?", COFFEE: "Coffee?"}
    server.receipt = signed_receipt(TEA)
    return server


@pytest.mark.parametrize(
    "named", ["deb_01a21546b", "01a21546b", "deb_01a21546b52e744...", TEA, TEA.removeprefix("deb_")]
)
async def test_show_and_replay_and_verify_find_a_debate_by_the_beginning_of_its_id(
    named: str, two: FakeServer, type_command: Any, capsys: pytest.CaptureFixture[str]
) -> None:
    assert await type_command("show", named, "--url", two.url) == 0
    assert "Tea?" in capsys.readouterr().out
    assert await type_command("replay", named, "--url", two.url, "--json") == 0
    assert capsys.readouterr().out.splitlines() == two.rows_of(TEA)
    assert await type_command("replay", named, "--url", two.url, "--json", "--follow") == 0
    assert capsys.readouterr().out.splitlines() == two.rows_of(TEA)
    assert await type_command("verify", named, "--url", two.url, "--any-key") == 0
    assert "The receipt is valid." in capsys.readouterr().out


async def test_a_whole_id_is_not_looked_up_first(two: FakeServer, type_command: Any) -> None:
    assert await type_command("show", TEA, "--url", two.url) == 0
    assert two.searches == []
    assert await type_command("show", TEA[:-1], "--url", two.url) == 0
    assert two.searches == [TEA[:-1]]


@pytest.mark.parametrize("command", COMMANDS)
async def test_where_several_begin_so_each_is_named_with_its_question(
    command: str, two: FakeServer, type_command: Any, capsys: pytest.CaptureFixture[str]
) -> None:
    two.questions[COFFEE] = f"Coffee,\n\x1b[2J{'or ' * 200}?"
    assert await type_command(command, "01a2", "--url", two.url) == 2
    told = capsys.readouterr().err.splitlines()
    assert told[0] == "aragora: 2 debates have ids that begin with deb_01a2. Give more of the id:"
    assert told[1] == f"  {TEA}  Tea?"
    assert told[2].startswith(f"  {COFFEE}  Coffee, [2Jor or")
    assert told[2].endswith("…")
    assert len(told) == 3


@pytest.mark.parametrize(
    ("count", "told"), [(CHOICE_MAX, "5"), (FOUND_MAX, "20"), (FOUND_MAX + 1, "more than 20"), (300, "more than 20")]
)
async def test_of_many_five_are_shown_and_how_many_there_are_is_said(
    count: int, told: str, server: FakeServer, type_command: Any, capsys: pytest.CaptureFixture[str]
) -> None:
    server.questions = dict.fromkeys(ids(count), "Tea?")
    assert await type_command("show", "deb_01a3", "--url", server.url) == 2
    lines = capsys.readouterr().err.splitlines()
    assert lines[0].startswith(f"aragora: {told} debates have ids")
    assert [line.split()[0] for line in lines[1:6]] == ids(CHOICE_MAX)
    assert ("aragora debates" in lines[-1]) == (count > CHOICE_MAX)


@pytest.mark.parametrize("named", ["deb_01ff", "01ffab", "deb_01a", "deb_unknown", f"{TEA[:-1]}0"])
@pytest.mark.parametrize("command", COMMANDS)
async def test_an_unknown_one_is_told_with_where_to_look(
    command: str, named: str, two: FakeServer, type_command: Any, capsys: pytest.CaptureFixture[str]
) -> None:
    assert await type_command(command, named, "--url", two.url) == 1
    (line,) = capsys.readouterr().err.splitlines()
    assert "See 'aragora debates'" in line
    assert "first 4 digits" in line


async def test_a_server_that_knows_no_prefixes_hands_out_no_wrong_debate(
    two: FakeServer, type_command: Any, capsys: pytest.CaptureFixture[str]
) -> None:
    two.knows_prefixes = False
    assert await type_command("show", "deb_01ff", "--url", two.url) == 1
    assert "begins with deb_01ff" in capsys.readouterr().err


@pytest.mark.parametrize("answered", [{"items": []}, [], {"debates": [{}]}, {"debates": None}])
async def test_what_answers_something_else_is_no_aragora_server(
    answered: object, server: FakeServer, type_command: Any, monkeypatch: Any, capsys: pytest.CaptureFixture[str]
) -> None:
    async def answer(*_args: object, **_query: object) -> object:
        return answered

    monkeypatch.setattr("aragora.client.AragoraClient.get", answer)
    assert await type_command("show", "deb_01ff", "--url", server.url) == 2
    assert await type_command("show", TEA, "--url", server.url) == 2
    assert capsys.readouterr().err.count("no Aragora server") == 2


async def test_the_receipt_of_another_debate_is_not_taken_for_this_ones(
    two: FakeServer, type_command: Any, capsys: pytest.CaptureFixture[str]
) -> None:
    assert await type_command("verify", COFFEE, "--url", two.url, "--any-key") == 2
    assert f"not the receipt of {COFFEE}" in capsys.readouterr().err


async def test_a_fetched_receipt_is_checked_here_and_its_signer_must_be_known(
    two: FakeServer, type_command: Any, capsys: pytest.CaptureFixture[str], monkeypatch: Any, tmp_path: Any
) -> None:
    monkeypatch.setenv("ARAGORA_DATA_DIR", str(tmp_path))
    assert await type_command("verify", TEA, "--url", two.url, "--json") == 4
    assert json.loads(capsys.readouterr().out)["signer_known"] is False
    two.receipt["answer"] = "something else"
    assert await type_command("verify", TEA, "--url", two.url, "--any-key") == 1


async def test_a_file_goes_before_a_debate_of_the_same_name(
    two: FakeServer, type_command: Any, monkeypatch: Any, tmp_path: Any, capsys: pytest.CaptureFixture[str]
) -> None:
    (tmp_path / "01a21546b").write_text("no receipt")
    monkeypatch.chdir(tmp_path)
    assert await type_command("verify", "01a21546b", "--url", two.url) == 2
    assert "01a21546b is not a receipt" in capsys.readouterr().err
    assert two.searches == []
