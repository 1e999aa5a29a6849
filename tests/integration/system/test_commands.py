"""The commands of the `aragora` tool against a running server, as separate processes."""

from __future__ import annotations

import json
import subprocess
import sys
from collections.abc import Mapping, Sequence
from pathlib import Path
from typing import Any

import pytest
from worlds.live_server import ROOT, LiveServer, environment, free_port

pytestmark = pytest.mark.slow

COMMAND_S = 120.0


def aragora(server: LiveServer | None, *arguments: str, code: int = 0, **variables: str) -> str:
    """What a command prints on standard output; fails where it ends with another exit code."""
    at = () if server is None else ("--url", server.url)
    home = ROOT if server is None else server.data_dir
    return finished((*arguments, *at), {**environment(home, **variables), "COLUMNS": "200"}, code).stdout


def finished(
    arguments: Sequence[str | bytes], variables: Mapping[str, str], code: int
) -> subprocess.CompletedProcess[str]:
    """A command that has ended; fails where it did with another exit code, or with a traceback."""
    done = subprocess.run(
        [sys.executable, "-m", "aragora.cli", *arguments],
        env=variables,
        capture_output=True,
        text=True,
        timeout=COMMAND_S,
        cwd=ROOT,
        check=False,
    )
    assert done.returncode == code, done.stdout + done.stderr
    assert "Traceback" not in done.stderr
    return done


def as_json(server: LiveServer, *arguments: str) -> Any:
    return json.loads(aragora(server, *arguments, "--json"))


def test_ask_streams_the_debate_and_ends_with_decision_and_check(server: LiveServer) -> None:
    told = aragora(server, "ask", "Which cache should we use?", "--agents", "stub-1,stub-2,stub-3", "--verify")

    assert "Which cache should we use?" in told
    assert "stub-1" in told
    assert "onfidence" in told
    assert "eceipt" in told


def test_ask_as_json_gives_debate_receipt_and_verification(server: LiveServer) -> None:
    outcome = as_json(server, "ask", "Which cache?", "--rounds", "1", "--protocol", "structured", "--verify")

    assert outcome["status"] == "completed"
    assert outcome["decision"]["answer"]
    assert outcome["receipt"]["debate_id"] == outcome["debate_id"]
    assert outcome["verification"]["valid"] is True


def test_a_workflow_is_run_to_its_end_and_its_receipt_checked_with_its_events(
    server: LiveServer, tmp_path: Path
) -> None:
    workflow_id = server.request("POST", "/api/workflows", {"template": "quick_decision"}).json["workflow_id"]
    found = as_json(server, "executions", "start", workflow_id, "--input", "question=Queue or stream?", "--wait")
    assert found["status"] == "completed"
    assert found["outputs"]["answer"]

    events = aragora(server, "executions", "watch", found["execution_id"], "--json")
    told = [json.loads(line) for line in events.splitlines()]
    assert [one["seq"] for one in told] == list(range(1, found["last_seq"] + 1))
    assert told[-1]["type"] == "receipt_issued"
    journal = tmp_path / "events.jsonl"
    journal.write_text(events)
    checked = as_json(server, "verify", found["execution_id"], "--journal", str(journal))
    assert {one["name"]: one["passed"] for one in checked["checks"]}["journal"] is True


def test_a_question_that_was_decided_is_not_debated_again(server: LiveServer) -> None:
    words = ("decide", "Should the commands move to the quiet datacentre?")
    first = as_json(server, *words, "--fresh")
    assert (first["cached"], first["status"], first["route"]["target"]) == (False, "completed", "debate")
    assert first["receipt"]["debate_id"] == first["debate_id"]
    told = aragora(server, *words)
    assert "it costs nothing" in told
    assert f"aragora verify {first['debate_id']}" in told


def test_ask_names_an_unknown_agent_and_ends_with_2(server: LiveServer) -> None:
    aragora(server, "ask", "Who?", "--agents", "nobody,stub-1", code=2)


def test_agents_lists_each_with_provider_and_breaker(server: LiveServer) -> None:
    listed = as_json(server, "agents")

    assert {agent["name"] for agent in listed} >= {f"stub-{number}" for number in range(1, 6)}
    assert "stub-5" in aragora(server, "agents")


def test_debates_lists_the_newest_first(server: LiveServer) -> None:
    newest = server.debate(rounds=1)
    server.ended(newest)

    listed = as_json(server, "debates")
    debates = listed["debates"] if isinstance(listed, dict) else listed

    assert debates[0]["debate_id"] == newest
    assert newest in aragora(server, "debates")


def test_show_gives_question_decision_and_receipt(server: LiveServer, debate_id: str) -> None:
    debate = as_json(server, "show", debate_id)
    told = aragora(server, "show", debate_id)

    assert debate["question"] in told
    assert debate["receipt_id"] in told
    assert debate["decision"]["winner"] in told


def test_show_of_an_unknown_debate_says_so(server: LiveServer) -> None:
    aragora(server, "show", "deb_unknown", code=1)


def test_replay_gives_the_journal_and_follows_a_running_debate(server: LiveServer, debate_id: str) -> None:
    journal = [json.loads(line) for line in aragora(server, "replay", debate_id, "--json").splitlines()]
    running = server.debate(rounds=6)
    followed = [json.loads(line) for line in aragora(server, "replay", running, "--follow", "--json").splitlines()]

    assert journal == server.get(f"/api/debates/{debate_id}/events")["events"]
    assert [event["seq"] for event in followed] == list(range(1, len(followed) + 1))
    assert followed[-1]["type"] == "debate_end"


def test_the_beginning_of_an_id_is_enough_and_an_argument_that_is_no_utf_8_is_refused(
    server: LiveServer, debate_id: str
) -> None:
    beginning = debate_id[:-4]

    assert as_json(server, "show", beginning)["debate_id"] == debate_id
    assert aragora(server, "replay", beginning.removeprefix("deb_"), "--json") == aragora(
        server, "replay", debate_id, "--json"
    )
    assert "The receipt is valid." in aragora(server, "verify", beginning, "--any-key")
    assert f"aragora verify {debate_id} --url {server.url}" in aragora(server, "show", debate_id)

    assert "begin" in told_wrong(server, "show", "deb_ffffffff", code=1)
    another = server.debate(rounds=1)
    shared = next(place for place, pair in enumerate(zip(debate_id, another, strict=True)) if len(set(pair)) > 1)
    several = told_wrong(server, "show", debate_id[:shared], code=2)
    assert debate_id in several
    assert another in several
    for command in ("ask", "show", "verify"):
        assert "argument 2 is not UTF-8" in told_wrong(server, command, b"Tabs \xff or spaces?", code=2)


def told_wrong(server: LiveServer, *arguments: str | bytes, code: int) -> str:
    """What a command that ends with this exit code says on standard error."""
    at = ("--url", server.url)
    return finished((*arguments, *at), environment(server.data_dir), code).stderr


def test_verify_accepts_a_downloaded_receipt_and_not_a_changed_one(
    server: LiveServer, debate_id: str, tmp_path: Path
) -> None:
    file = tmp_path / "receipt.json"
    document = server.request("GET", f"/api/debates/{debate_id}/receipt").body
    file.write_text(document)
    (key,) = (server.data_dir / "keys").glob("*.pub")

    accepted = json.loads(aragora(None, "verify", str(file), "--key", key.read_text().strip(), "--json"))
    file.write_text(document.replace(debate_id, "deb_another"))
    changed = json.loads(aragora(None, "verify", str(file), "--json", code=1))
    file.write_text(document)
    stranger = json.loads(aragora(None, "verify", str(file), "--key", "ab" * 32, "--json", code=1))

    assert (accepted["valid"], changed["valid"], stranger["valid"]) == (True, False, False)


def test_doctor_finds_a_running_server_in_order(server: LiveServer) -> None:
    findings = as_json(server, "doctor")

    assert findings
    assert not [finding for finding in findings if finding["state"] == "fault"], findings


def test_commands_say_where_no_server_answers(tmp_path: Path) -> None:
    done = subprocess.run(
        [sys.executable, "-m", "aragora.cli", "debates", "--url", f"http://127.0.0.1:{free_port()}"],
        env=environment(tmp_path),
        capture_output=True,
        text=True,
        timeout=COMMAND_S,
        cwd=ROOT,
        check=False,
    )

    assert done.returncode == 3
    assert "aragora serve" in done.stderr
    assert len(done.stderr.splitlines()) == 1
