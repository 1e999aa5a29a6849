"""A debate on the embedded model: what a newcomer without any key gets. Minutes of CPU, so there is one."""

from __future__ import annotations

import sys
import time
from pathlib import Path

import pytest
from worlds.live_server import running

pytestmark = pytest.mark.slow

DEBATE_S = 300.0
QUESTION = "Should a small team use one repository or many?"


def test_three_embedded_agents_settle_a_question_with_a_valid_receipt(
    data_dir: Path, capsys: pytest.CaptureFixture[str]
) -> None:
    with running(data_dir, ARAGORA_STUB_AGENTS="0", ARAGORA_EMBEDDED_AGENTS="true") as server:
        began = time.monotonic()
        ended = server.ended(server.debate(question=QUESTION, rounds=1), DEBATE_S)
        took = time.monotonic() - began

        assert ended["status"] == "completed", ended["reason"]
        assert len(ended["agents"]) == 3
        assert all(agent.startswith("embedded-") for agent in ended["agents"])
        assert len(ended["decision"]["answer"].split()) > 3
        receipt = server.get(f"/api/debates/{ended['debate_id']}/receipt")
        assert server.post("/api/receipts/verify", receipt)["valid"]
        events = server.get(f"/api/debates/{ended['debate_id']}/events?limit=1000")["events"]
        errors = {event["data"]["code"] for event in events if event["type"] == "agent_error"}
        assert errors <= {"deadline"}, "one that is late on a busy machine may be left behind; nothing else goes wrong"
        answers = [event["data"]["content"] for event in events if event["type"] == "agent_message"]
        assert len(set(answers)) > 1, "different voices"
    with capsys.disabled():
        sys.stdout.write(f"\nthree embedded agents, one round: {took:.1f} s\n")
