"""`aragora ask` against a server that speaks the contract, also over connections that break."""

from __future__ import annotations

import json
import math
from typing import Any

import pytest
from fastapi.dependencies.utils import get_dependant
from pydantic import ValidationError

from aragora import client
from aragora.cli.main import main
from aragora.debate.model import ConsensusMode, DebateStatus
from aragora.debate.protocol import PRESETS
from aragora.resilience.backoff import Backoff
from aragora.server.chapters.debates import CreateDebate, listing


async def test_ask_streams_the_debate_and_shows_decision_votes_dissent_and_receipt(
    server: Any, type_command: Any, capsys: pytest.CaptureFixture[str]
) -> None:
    assert await type_command("ask", "Monolith?", "--url", server.url, "--verify") == 0
    told = capsys.readouterr().out
    for part in (
        "Round 1",
        "ada proposes",
        "bob objects to ada",
        "eve gave no answer (deadline)",
        "Start with a monolith.",
        "confidence 75%",
        "bob, eve",
        "deployment is simpler",
        "Two of three votes.",
        "The receipt is valid.",
        "signature",
    ):
        assert part in told, part


async def test_what_a_model_writes_cannot_steer_the_terminal(
    server: Any, type_command: Any, capsys: pytest.CaptureFixture[str]
) -> None:
    await type_command("ask", "Monolith?", "--url", server.url)
    told = capsys.readouterr().out
    assert "\x1b[31m" not in told
    assert "\x07" not in told
    assert "[bold]one[/bold]" in told


async def test_settings_reach_the_server_and_what_is_left_out_is_the_servers(server: Any, type_command: Any) -> None:
    arguments = ("--agents", "ada, bob", "--protocol", "council", "--rounds", "2", "--budget", "0.5")
    assert await type_command("ask", "Monolith?", "--url", server.url, *arguments) == 0
    assert server.opened == [
        {"question": "Monolith?", "agents": ["ada", "bob"], "protocol": "council", "rounds": 2, "budget_usd": 0.5}
    ]


async def test_a_debate_without_knowledge_is_asked_for_by_name(server: Any, type_command: Any) -> None:
    assert await type_command("ask", "Monolith?", "--url", server.url, "--no-knowledge") == 0
    assert server.opened == [{"question": "Monolith?", "knowledge": False}]


@pytest.mark.parametrize(
    ("typed", "sent"),
    [
        (["--options", "yes,no"], ["yes", "no"]),
        (["--options", " yes , no ,"], ["yes", "no"]),
        (["--options", "yes", "--options", "no"], ["yes", "no"]),
        (["--options", "Postgres,SQLite", "--options", "neither"], ["Postgres", "SQLite", "neither"]),
        (["--options", '"yes, with care",no'], ["yes, with care", "no"]),
        (["--options", 'a 5" disk,an SSD'], ['a 5" disk', "an SSD"]),
        ([], None),
    ],
)
async def test_options_reach_the_server_in_the_order_in_which_they_were_typed(
    typed: list[str], sent: list[str] | None, server: Any, type_command: Any
) -> None:
    assert await type_command("ask", "Monolith?", "--url", server.url, *typed) == 0
    assert server.opened[0].get("options") == sent


@pytest.mark.parametrize(
    ("typed", "told"),
    [
        (["--options", ","], "--options names nothing"),
        (["--options", "yes,no", "--options", ""], "--options"),
        (["--options", "yes\nno"], "--options is no list"),
        (["--options", '"yes,no'], "--options is no list"),
        (["--agents", " , "], "--agents names nothing"),
        (["--agents", ""], "--agents"),
    ],
)
async def test_a_list_that_holds_nothing_is_refused_and_not_taken_for_none(
    typed: list[str], told: str, server: Any, type_command: Any, capsys: pytest.CaptureFixture[str]
) -> None:
    assert await type_command("ask", "Monolith?", "--url", server.url, *typed) == 2
    assert told in capsys.readouterr().err
    assert server.opened == []


@pytest.mark.parametrize("command", ["ask", "demo"])
@pytest.mark.parametrize("question", ["", "  \n"])
def test_an_empty_question_is_refused_before_a_server_is_started(
    command: str, question: str, capsys: pytest.CaptureFixture[str]
) -> None:
    assert main([command, question]) == 2
    assert "The question is empty" in capsys.readouterr().err


@pytest.mark.parametrize(
    ("option", "field", "value"),
    [
        *(("--budget", "budget_usd", value) for value in ("0", "-0.0", "-1", "1e-9", "0.00005", "1e6", "1000000.01")),
        *(("--budget", "budget_usd", value) for value in ("nan", "inf", "-inf")),
        *(("--rounds", "rounds", value) for value in ("0", "1", "20", "21", "-1")),
    ],
)
async def test_what_the_command_refuses_the_server_would_refuse_and_the_other_way_round(
    option: str, field: str, value: str, *, server: Any, type_command: Any, capsys: pytest.CaptureFixture[str]
) -> None:
    code = await type_command("ask", "Monolith?", "--url", server.url, option, value)
    told = " ".join(capsys.readouterr().err.split())
    refusal = refusal_of(field, float(value))
    assert code == (0 if refusal is None else 2)
    if refusal is not None and math.isfinite(float(value)):  # JSON cannot even say the others
        assert told.endswith(refusal)


def refusal_of(field: str, value: float) -> str | None:
    """The words in which the server refuses a setting of a debate; None where it takes it."""
    try:
        CreateDebate.model_validate({"question": "Monolith?", field: value})
    except ValidationError as error:
        return error.errors()[0]["msg"]
    return None


async def test_the_longest_page_that_the_command_asks_for_is_one_that_the_server_gives(
    type_command: Any, server: Any
) -> None:
    (limit,) = [one for one in get_dependant(path="/", call=listing).query_params if one.name == "limit"]
    largest = next(rule.le for rule in limit.field_info.metadata if hasattr(rule, "le"))
    assert await type_command("debates", "--url", server.url, "--limit", str(largest)) == 0
    assert await type_command("debates", "--url", server.url, "--limit", str(largest + 1)) == 2


async def test_json_is_one_document_with_decision_and_receipt(
    server: Any, type_command: Any, capsys: pytest.CaptureFixture[str]
) -> None:
    assert await type_command("ask", "Monolith?", "--url", server.url, "--json", "--verify") == 0
    document = json.loads(capsys.readouterr().out)
    assert document["decision"]["answer"] == "Start with a monolith."
    assert document["receipt"]["receipt_id"] == "rcp_1"
    assert document["verification"]["valid"] is True


@pytest.mark.parametrize("cuts", [[0, 3, 1], [9], [1, 1, 1, 1, 1, 1, 1, 1, 1, 1]])
async def test_a_broken_stream_goes_on_after_the_last_event_seen(
    server: Any, type_command: Any, capsys: pytest.CaptureFixture[str], cuts: list[int]
) -> None:
    server.cuts = list(cuts)
    assert await type_command("ask", "Monolith?", "--url", server.url) == 0
    told = capsys.readouterr().out
    assert told.count("ada proposes") == 1
    assert told.count("Start with a monolith.") == 1
    assert server.subscriptions == [sum(cuts[:index]) for index in range(len(server.subscriptions))]
    assert len(server.subscriptions) == len(cuts) + (sum(cuts) < len(server.rows))


async def test_a_gap_in_the_stream_is_fetched_again(
    server: Any, type_command: Any, capsys: pytest.CaptureFixture[str]
) -> None:
    server.skips = [3]
    assert await type_command("ask", "Monolith?", "--url", server.url) == 0
    assert server.subscriptions == [0, 2]
    assert "ada proposes" in capsys.readouterr().out


async def test_a_stream_that_never_holds_ends_with_what_to_do(
    server: Any, type_command: Any, capsys: pytest.CaptureFixture[str], monkeypatch: pytest.MonkeyPatch
) -> None:
    monkeypatch.setattr(client, "RECONNECT", Backoff(base_s=0.0, cap_s=0.0, attempts=3))
    server.cuts = [2] + [0] * 20
    assert await type_command("ask", "Monolith?", "--url", server.url) == 3
    assert server.subscriptions == [0, 2, 2]
    problem = capsys.readouterr().err
    assert "after seq 2" in problem
    assert "aragora replay deb_1 --follow" in problem


async def test_opening_is_repeated_under_the_same_key_while_the_server_starts(server: Any, type_command: Any) -> None:
    server.unavailable = 2
    assert await type_command("ask", "Monolith?", "--url", server.url) == 0
    assert len(server.keys) == 3
    assert len(set(server.keys)) == 1
    assert len(server.opened) == 1


async def test_a_server_that_stays_unavailable_is_not_asked_forever(
    server: Any, type_command: Any, capsys: pytest.CaptureFixture[str]
) -> None:
    server.unavailable = 100
    assert await type_command("ask", "Monolith?", "--url", server.url) == 3
    assert len(server.keys) == client.RETRY.attempts
    assert capsys.readouterr().err == "aragora: The server is starting. (request req-7)\n"


async def test_a_wrong_agent_is_told_in_the_servers_words(
    server: Any, type_command: Any, capsys: pytest.CaptureFixture[str]
) -> None:
    assert await type_command("ask", "Monolith?", "--url", server.url, "--agents", "nobody") == 2
    assert "There is no agent nobody" in capsys.readouterr().err


@pytest.mark.parametrize("ending", [DebateStatus.FAILED, DebateStatus.CANCELLED])
async def test_a_debate_that_failed_is_exit_code_1_with_its_reason(
    server: Any, type_command: Any, capsys: pytest.CaptureFixture[str], ending: DebateStatus, failed_events: Any
) -> None:
    server.events = failed_events(ending)
    server.status = ending
    assert await type_command("ask", "Monolith?", "--url", server.url) == 1
    assert "every agent failed" in capsys.readouterr().out


async def test_an_invalid_receipt_is_exit_code_1(
    server: Any, type_command: Any, capsys: pytest.CaptureFixture[str]
) -> None:
    server.valid = False
    assert await type_command("ask", "Monolith?", "--url", server.url, "--verify") == 1
    assert "NOT valid" in capsys.readouterr().out


async def test_a_server_that_vouches_for_a_forged_receipt_is_not_believed(
    server: Any, type_command: Any, capsys: pytest.CaptureFixture[str]
) -> None:
    server.receipt["answer"] = "something else"
    assert await type_command("ask", "Monolith?", "--url", server.url, "--verify") == 1
    assert "NOT valid" in capsys.readouterr().out


async def test_the_token_travels_but_is_never_printed(
    server: Any, type_command: Any, capsys: pytest.CaptureFixture[str], monkeypatch: pytest.MonkeyPatch
) -> None:
    monkeypatch.setenv("ARAGORA_API_TOKEN", "s3cret-token")
    assert await type_command("ask", "Monolith?", "--url", server.url) == 0
    assert await type_command("ask", "Monolith?", "--url", "http://127.0.0.1:9") == 3
    assert await type_command("ask", "--help") == 0
    assert server.tokens == ["Bearer s3cret-token"]
    captured = capsys.readouterr()
    assert "s3cret" not in captured.out + captured.err


async def test_a_named_server_that_is_away_is_one_clear_line(
    type_command: Any, capsys: pytest.CaptureFixture[str]
) -> None:
    assert await type_command("ask", "Monolith?", "--url", "http://127.0.0.1:9") == 3
    problem = capsys.readouterr().err
    assert problem.count("\n") == 1
    assert "http://127.0.0.1:9" in problem


async def test_help_names_the_protocols_and_consensus_modes_there_are(
    type_command: Any, capsys: pytest.CaptureFixture[str]
) -> None:
    assert await type_command("ask", "--help") == 0
    told = " ".join(capsys.readouterr().out.split())
    for name in (*PRESETS, *ConsensusMode):
        assert name in told


async def test_the_servers_checks_and_those_made_here_have_the_same_names(
    server: Any, type_command: Any, capsys: pytest.CaptureFixture[str]
) -> None:
    assert await type_command("ask", "Monolith?", "--url", server.url, "--json", "--verify") == 0
    names = [check["name"] for check in json.loads(capsys.readouterr().out)["verification"]["checks"]]
    assert names[1:] == [f"{name}, checked here" for name in ("structure", "hash", "key_id", "signature")]
