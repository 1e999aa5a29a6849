"""A debate's whole life over HTTP, and its receipt checked by everyone who should be able to."""

from __future__ import annotations

import csv
import http.client
import io
import itertools
import json
import subprocess
import sys
from pathlib import Path
from typing import Any
from uuid import uuid4

import pytest
from worlds.live_server import ROOT, LiveServer

pytestmark = pytest.mark.slow

LONG = {"rounds": 20, "topology": "all_to_all"}
"""Such a debate takes seconds, so that something can be done to it."""


# --- opening --------------------------------------------------------------------------------------------


def test_a_debate_is_accepted_with_its_id_and_where_to_watch_it(server: LiveServer) -> None:
    opened = server.request("POST", "/api/debates", {"question": "Tabs or spaces?", "rounds": 1})

    assert opened.status == 202
    assert opened.json["ws_url"] == f"ws://127.0.0.1:{server.ws_port}/ws"
    assert opened.headers["location"] == f"/api/debates/{opened.json['debate_id']}"
    ended = server.ended(opened.json["debate_id"])
    assert ended["question"] == "Tabs or spaces?"
    assert ended["decision"]["answer"]
    assert ended["receipt_id"]


@pytest.mark.parametrize("protocol", ["structured", "council", "society", "duel", "ensemble"])
def test_every_protocol_ends_with_a_decision_and_a_receipt(server: LiveServer, protocol: str) -> None:
    agents = ["stub-1", "stub-2", "stub-3", "stub-4"]

    ended = server.ended(server.debate(protocol=protocol, agents=agents))

    assert ended["status"] == "completed", ended["reason"]
    assert server.get(f"/api/debates/{ended['debate_id']}/receipt")["debate_id"] == ended["debate_id"]


@pytest.mark.parametrize("consensus", ["majority", "supermajority", "unanimous", "weighted", "judge", "none"])
def test_every_mode_of_consensus_ends_with_a_decision(server: LiveServer, consensus: str) -> None:
    ended = server.ended(server.debate(consensus=consensus, rounds=1))

    assert ended["status"] == "completed", ended["reason"]
    assert ended["decision"]["mode"] == consensus


def test_the_same_idempotency_key_opens_one_debate_and_refuses_another_question(server: LiveServer) -> None:
    key = f"key-{uuid4()}"
    body = {"question": "Once?", "rounds": 1}

    first = server.request("POST", "/api/debates", body, Idempotency_Key=key)
    again = server.request("POST", "/api/debates", body, Idempotency_Key=key)
    other = server.request("POST", "/api/debates", {"question": "Twice?", "rounds": 1}, Idempotency_Key=key)

    assert first.json["debate_id"] == again.json["debate_id"]
    assert other.status == 409
    server.ended(first.json["debate_id"])


# --- reading --------------------------------------------------------------------------------------------


def test_pages_follow_each_other_without_gap_or_repetition(server: LiveServer) -> None:
    opened = [server.debate(rounds=1) for _ in range(5)]
    for debate_id in opened:
        server.ended(debate_id)
    seen: list[str] = []
    cursor = ""
    while True:
        page = server.get(f"/api/debates?limit=2{cursor}")
        seen += [debate["debate_id"] for debate in page["debates"]]
        if page["next_cursor"] is None:
            break
        cursor = f"&cursor={page['next_cursor']}"

    assert len(seen) == len(set(seen))
    assert seen[:5] == opened[::-1], "newest first"


def test_active_debates_are_listed_while_they_run(server: LiveServer) -> None:
    running = server.debate(**LONG)

    server.until(lambda: running in ids(server.get("/api/debates?status=active")))
    server.request("POST", f"/api/debates/{running}/cancel")

    server.ended(running)
    assert running not in ids(server.get("/api/debates?status=active"))


def test_the_journal_comes_as_pages_and_as_a_stream_with_the_same_events(server: LiveServer, debate_id: str) -> None:
    whole = server.get(f"/api/debates/{debate_id}/events")["events"]
    first = server.get(f"/api/debates/{debate_id}/events?limit=3")
    rest = server.get(f"/api/debates/{debate_id}/events?after={first['next_after']}")

    assert first["events"] + rest["events"] == whole
    assert [event["seq"] for event in whole] == list(range(1, len(whole) + 1))
    assert (whole[0]["type"], whole[-1]["type"]) == ("debate_start", "debate_end")
    assert [event for _, event in streamed(server, debate_id)] == whole
    assert [event for _, event in streamed(server, debate_id, Last_Event_ID="5")] == whole[5:]


def test_a_stream_follows_a_running_debate_to_its_end(server: LiveServer) -> None:
    running = server.debate(rounds=3)

    events = streamed(server, running)

    assert [number for number, _ in events] == list(range(1, len(events) + 1))
    assert events[-1][1]["type"] == "debate_end"


@pytest.mark.parametrize("form", ["json", "jsonl", "csv", "markdown"])
def test_an_export_holds_every_debate_in_each_of_four_forms(server: LiveServer, debate_id: str, form: str) -> None:
    exported = server.request("GET", f"/api/debates/export?format={form}")

    assert exported.status == 200
    assert "attachment" in exported.headers["content-disposition"]
    parsed: dict[str, Any] = {
        "json": lambda text: ids(json.loads(text)),
        "jsonl": lambda text: [json.loads(line)["debate_id"] for line in text.splitlines()],
        "csv": lambda text: [row["debate_id"] for row in csv.DictReader(io.StringIO(text))],
        "markdown": lambda text: [debate_id] if debate_id in text else [],
    }
    assert debate_id in parsed[form](exported.body)


# --- steering -------------------------------------------------------------------------------------------


def test_a_cancelled_debate_ends_and_takes_no_second_end(server: LiveServer) -> None:
    running = server.debate(**LONG)

    cancelled = server.request("POST", f"/api/debates/{running}/cancel")
    again = server.request("POST", f"/api/debates/{running}/cancel")

    assert (cancelled.status, cancelled.json["status"]) == (200, "cancelled")
    assert again.status == 409
    assert server.ended(running)["status"] == "cancelled"
    assert server.request("GET", f"/api/debates/{running}/receipt").status == 404


def test_a_person_votes_and_suggests_while_the_debate_runs(server: LiveServer) -> None:
    running = server.debate(**LONG)
    votes = f"/api/debates/{running}/votes"

    vote = server.request("POST", votes, {"choice": "stub-2", "intensity": 7})
    suggestion = server.request("POST", votes, {"suggestion": "Think of the operators."})
    stranger = server.request("POST", votes, {"choice": "stub-5", "intensity": 7})
    too_strong = server.request("POST", votes, {"choice": "stub-2", "intensity": 11})
    server.request("POST", f"/api/debates/{running}/cancel")
    late = server.request("POST", votes, {"choice": "stub-2", "intensity": 7})

    assert (vote.status, suggestion.status) == (201, 201), vote.body
    assert (stranger.status, too_strong.status, late.status) == (422, 422, 409)
    told = {event["seq"]: event for event in server.get(f"/api/debates/{running}/events?limit=1000")["events"]}
    assert told[vote.json["seq"]]["type"] == "user_vote"
    assert told[vote.json["seq"]]["data"]["choice"] == "stub-2"
    assert told[suggestion.json["seq"]]["type"] == "user_suggestion"


# --- receipts -------------------------------------------------------------------------------------------


def test_a_receipt_comes_in_three_forms(server: LiveServer, debate_id: str) -> None:
    receipt = server.get(f"/api/debates/{debate_id}/receipt")
    answer = server.get(f"/api/debates/{debate_id}")["decision"]["answer"]

    for form, media_type in {"markdown": "text/markdown", "html": "text/html"}.items():
        printed = server.request("GET", f"/api/debates/{debate_id}/receipt?format={form}")
        assert printed.headers["content-type"].startswith(media_type)
        assert receipt["hash"] in printed.body
        assert answer[:20] in printed.body


def test_the_server_finds_a_receipt_valid_and_a_changed_one_not(server: LiveServer, debate_id: str) -> None:
    receipt = server.get(f"/api/debates/{debate_id}/receipt")

    valid = server.request("POST", "/api/receipts/verify", receipt).json
    changed = server.request("POST", "/api/receipts/verify", receipt | {"question": "Another one?"}).json

    assert valid["valid"] is True
    assert all(check["passed"] for check in valid["checks"])
    assert changed["valid"] is False
    assert {check["name"] for check in changed["checks"] if not check["passed"]}


def test_the_standalone_verifier_accepts_the_receipt_with_its_journal(
    server: LiveServer, debate_id: str, tmp_path: Path
) -> None:
    receipt, journal = tmp_path / "receipt.json", tmp_path / "events.jsonl"
    document = server.request("GET", f"/api/debates/{debate_id}/receipt").body
    receipt.write_text(document)
    (key,) = (server.data_dir / "keys").glob("*.pub")
    journal.write_text(cli(server, "replay", debate_id, "--json"))

    accepted = verify_receipt(receipt, "--journal", str(journal), "--key", str(key))
    receipt.write_text(document.replace('"reached":true', '"reached":false', 1))
    refused = verify_receipt(receipt)

    assert accepted.returncode == 0, accepted.stdout + accepted.stderr
    assert refused.returncode == 1, refused.stdout + refused.stderr


def test_receipts_form_one_chain_in_the_order_of_the_ends(server: LiveServer) -> None:
    opened = [server.debate(rounds=1) for _ in range(3)]
    receipts = []
    for debate_id in opened:
        server.ended(debate_id)
        receipts.append(server.get(f"/api/debates/{debate_id}/receipt"))
    receipts.sort(key=lambda receipt: receipt["position"])

    for earlier, later in itertools.pairwise(receipts):
        assert later["position"] == earlier["position"] + 1
        assert later["previous_hash"] == earlier["hash"]


# --- helpers --------------------------------------------------------------------------------------------


def ids(page: Any) -> list[str]:
    debates = page["debates"] if isinstance(page, dict) else page
    return [debate["debate_id"] for debate in debates]


def streamed(server: LiveServer, debate_id: str, **headers: str) -> list[tuple[int, Any]]:
    """(id, event) of the server-sent events until the server ends the stream."""
    connection = http.client.HTTPConnection("127.0.0.1", server.http_port, timeout=30)
    sent = {name.replace("_", "-"): value for name, value in headers.items()}
    connection.request("GET", f"/api/debates/{debate_id}/events", headers={"Accept": "text/event-stream", **sent})
    with connection.getresponse() as answer:
        assert answer.status == 200
        text = answer.read().decode()
    connection.close()
    events = []
    for block in text.split("\n\n"):
        fields = dict(line.split(": ", 1) for line in block.splitlines() if line and not line.startswith(":"))
        if "data" in fields:
            events.append((int(fields["id"]), json.loads(fields["data"])))
    return events


def cli(server: LiveServer, *arguments: str) -> str:
    done = subprocess.run(
        [sys.executable, "-m", "aragora.cli", *arguments, "--url", server.url],
        capture_output=True,
        text=True,
        timeout=60,
        cwd=ROOT,
        check=True,
    )
    return done.stdout


def verify_receipt(receipt: Path, *arguments: str) -> subprocess.CompletedProcess[str]:
    script = ROOT / "scripts" / "verify_receipt.py"
    return subprocess.run(
        [sys.executable, str(script), str(receipt), *arguments], capture_output=True, text=True, timeout=60, check=False
    )
