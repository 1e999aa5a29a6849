"""What one debate settled is offered to the next one on a running server, and its receipt says so."""

from __future__ import annotations

from typing import Any

import pytest
from worlds.live_server import LiveServer

pytestmark = pytest.mark.slow

QUESTION = "Which colour has the bicycle shed of the knowledge test?"


def events(server: LiveServer, debate_id: str, kind: str) -> list[dict[str, Any]]:
    found = server.get(f"/api/debates/{debate_id}/events?limit=500")["events"]
    return [event["data"] for event in found if event["type"] == kind]


def test_the_second_debate_of_a_question_is_offered_what_the_first_one_settled(server: LiveServer) -> None:
    first = server.ended(server.debate(question=QUESTION, rounds=1))
    assert first["status"] == "completed"
    receipt = server.get(f"/api/debates/{first['debate_id']}/receipt")

    def offered() -> list[dict[str, Any]]:
        """What a debate is offered now: adapters learn beside the debates."""
        opened = server.debate(question=QUESTION, rounds=1)
        server.ended(opened)
        (offer,) = events(server, opened, "knowledge_offered")
        assert offer["checklist"] == []  # stubs never name an issue twice
        return [item for item in offer["items"] if item["source_debate_id"] == first["debate_id"]]

    shown = server.until(offered)

    decision = next(item for item in shown if item["kind"] in ("decision", "open_question"))
    assert QUESTION in decision["text"]
    assert decision["source_receipt_hash"] == receipt["hash"]


def test_a_debate_that_wants_none_and_the_baseline_are_offered_nothing(server: LiveServer) -> None:
    without = server.debate(question=QUESTION, rounds=1, knowledge=False)
    baseline = server.debate(question=QUESTION, protocol="ensemble")
    for debate_id in (without, baseline):
        server.ended(debate_id)
        assert events(server, debate_id, "knowledge_offered") == []
