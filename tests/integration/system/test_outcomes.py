"""What came of a debate, told to a running server: it counts in the calibration and in the ratings."""

from __future__ import annotations

from typing import Any

import pytest
from worlds.live_server import LiveServer

pytestmark = pytest.mark.slow


def test_an_outcome_is_told_replaced_and_counts(server: LiveServer) -> None:
    domain = "outcomes of one test"
    debate = server.ended(server.debate(rounds=1, domain=domain))
    debate_id, decision = debate["debate_id"], debate["decision"]
    page = f"/api/debates/{debate_id}/outcome"
    assert server.request("GET", page).json["error"]["code"] == "no_outcome"

    told = server.request("POST", page, {"right": decision["winner"], "note": "It held."})
    again = server.request("POST", page, {"right": decision["winner"], "note": "It held."})

    assert (told.status, again.status) == (201, 200), told.body
    assert told.json == again.json
    assert told.json["decision_right"] is True
    assert told.json["confidence"] == pytest.approx(decision["confidence"], abs=0.0005)
    report = server.get("/api/knowledge/calibration?domain=outcomes%20of%20one%20test")
    (one,) = report["domains"]
    assert (one["curve"]["outcomes"], one["curve"]["right"], one["curve"]["calibrated"]) == (1, 1, False)
    voters = {agent["agent"]: agent["calibration"] for agent in one["agents"]}

    def rated() -> dict[str, Any]:
        rows = server.get("/api/leaderboard/rankings?domain=outcomes%20of%20one%20test")["agents"]
        return {row["name"]: row["calibration"] for row in rows if row["name"] in voters}

    assert voters, "somebody voted"
    server.until(lambda: rated() == pytest.approx(voters))
    weighted = server.debate(rounds=1, domain=domain, consensus="weighted")
    server.ended(weighted)
    spec = server.get(f"/api/debates/{weighted}/events?limit=1")["events"][0]["data"]["spec"]
    weights = {agent: standing["calibration"] for agent, standing in spec["standings"].items()}
    assert weights == pytest.approx(voters)

    refused = server.request("POST", page, {"right": None})
    replaced = server.request("POST", page, {"right": None}, If_Match=told.headers["etag"])

    assert (refused.status, refused.json["error"]["code"]) == (409, "outcome_exists")
    assert (replaced.status, replaced.json["version"]) == (201, 2)
    (one,) = server.get("/api/knowledge/calibration?domain=outcomes%20of%20one%20test")["domains"]
    assert (one["curve"]["outcomes"], one["curve"]["right"]) == (1, 0)
    receipt = server.get(f"/api/debates/{debate_id}/receipt")
    assert server.post("/api/receipts/verify", receipt)["valid"], "the receipt says what was known when it was sealed"
