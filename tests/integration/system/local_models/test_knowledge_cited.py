"""One piece of knowledge on a running server: a debate settles it, the next one cites it, `why` leads back to the
signed receipt, and once it is forgotten a certificate stands in its place."""

from __future__ import annotations

import json
import subprocess
import sys
from pathlib import Path
from typing import Any

import pytest
from worlds.live_server import LiveServer

pytestmark = pytest.mark.slow

QUESTION = "Which colour has the shed of the bicycles?"
TEAM = ["local", "local-skeptic", "local-pragmatist"]


def settled(server: LiveServer) -> dict[str, list[dict[str, Any]]]:
    """A debate of the question once it has ended and everybody has learnt from it; its events by type, and its id."""
    debate_id = server.debate(question=QUESTION, agents=TEAM, rounds=1)
    assert server.ended(debate_id)["status"] == "completed"
    server.until(lambda: all(one["backlog"] == 0 for one in server.get("/api/knowledge/adapters")["adapters"]))
    by_type: dict[str, list[dict[str, Any]]] = {"id": [{"debate_id": debate_id}]}
    for event in server.get(f"/api/debates/{debate_id}/events?limit=500")["events"]:
        by_type.setdefault(event["type"], []).append(event["data"])
    return by_type


def verified(document: dict[str, Any], directory: Path) -> dict[str, Any]:
    """What `aragora verify` says of a document in a file, on a machine that knows no server."""
    path = directory / "document.json"
    path.write_text(json.dumps(document))
    command = [sys.executable, "-m", "aragora.cli", "verify", str(path), "--any-key", "--json"]
    environment = {"ARAGORA_DATA_DIR": str(directory / "of_another"), "HOME": str(directory), "PATH": ""}
    done = subprocess.run(command, capture_output=True, text=True, timeout=120, env=environment, check=False)
    assert done.returncode == 0, done.stdout + done.stderr
    told: dict[str, Any] = json.loads(done.stdout)
    return told


def test_what_a_debate_settled_is_cited_by_the_next_proved_by_its_receipt_and_forgotten_with_a_certificate(
    local_server: LiveServer, tmp_path: Path
) -> None:
    server = local_server
    first, second = settled(server), settled(server)

    shown = {item["label"]: item for item in second["knowledge_offered"][0]["items"]}
    assert {label for cited in second["knowledge_cited"] for label in cited["labels"]} == {"K1"}
    item_id, first_id = shown["K1"]["item_id"], first["id"][0]["debate_id"]
    assert shown["K1"]["source_debate_id"] == first_id

    why = server.get(f"/api/knowledge/items/{item_id}/why")
    (origin,) = [one for one in why["item"]["sources"] if one["debate_id"] == first_id]
    receipt = server.get(f"/api/debates/{first_id}/receipt")
    assert why["receipts"][first_id]["state"] == "valid"
    assert origin["receipt_hash"] == receipt["hash"]
    assert verified(receipt, tmp_path)["valid"]

    forgotten = server.request("DELETE", f"/api/knowledge/items/{item_id}")
    assert forgotten.status == 200, forgotten.body
    assert item_id in forgotten.json["forgotten"]
    assert verified(forgotten.json["certificate"], tmp_path)["valid"]
    assert server.get(f"/api/knowledge/items/{item_id}")["status"] == "forgotten"

    third = settled(server)
    offers = third.get("knowledge_offered", [{"items": []}])
    assert item_id not in {item["item_id"] for offer in offers for item in offer["items"]}
    assert server.get("/api/health/knowledge-mound")["status"] == "healthy"
