"""Executions of a workflow on a cluster while something happens to it: started, sent the events that they wait for, and
brought to their end by clients that do not give up."""

from __future__ import annotations

import http.client
import threading
from collections.abc import Sequence
from types import TracebackType
from typing import Any, Final, Self

from worlds.hosts.cluster_load import TRIES, Asks, Named
from worlds.live_server import Response

ROUNDS: Final = 3
DEFINITION: Final = {
    "name": "Rounds",
    "steps": [
        {"id": "rounds", "type": "loop", "block": "go", "rounds_max": ROUNDS},
        {"id": "go", "type": "wait", "event": "go", "next": "ask"},
        {"id": "ask", "type": "ask", "question": "Round {{ round }}?", "agent": "stub-1"},
    ],
}
"""In each round it waits for an event, then asks an agent."""


class ExecutionLoad:
    """Between entering and leaving it starts an execution every second, and sends each of them the event of every
    round, at another node each time. Each request has an Idempotency-Key, and is sent again until it is taken."""

    def __init__(self, at: Asks, nodes: Sequence[Named]) -> None:
        self._at = at
        self._nodes = nodes
        self._over = threading.Event()
        self._thread = threading.Thread(target=self._run)
        self._tries = 0
        self.started: list[str] = []
        """Executions that were sent all their events."""
        self.refused: list[str] = []
        """Tries that were not taken, each with its node and what came."""

    def __enter__(self) -> Self:
        made = self._sent("POST", "/api/workflows", {"definition": DEFINITION}, "made")
        self._path = f"/api/workflows/{made.json['workflow_id']}/execute"
        self._thread.start()
        return self

    def __exit__(self, kind: type[BaseException] | None, error: BaseException | None, at: TracebackType | None) -> None:
        self._over.set()
        self._thread.join()

    def _run(self) -> None:
        number = 0
        while not self._over.wait(1.0):
            number += 1
            begun = self._sent("POST", self._path, {"inputs": {}}, f"start {number}")
            execution_id = str(begun.json["execution_id"])
            for which in range(ROUNDS):
                path = f"/api/workflow-executions/{execution_id}/signals"
                self._sent("POST", path, {"name": "go"}, f"signal {number} {which}")
            self.started.append(execution_id)

    def _sent(self, method: str, path: str, body: Any, key: str) -> Response:
        """What was answered once it was taken."""
        for _ in range(TRIES):
            self._tries += 1
            node = self._nodes[self._tries % len(self._nodes)]
            try:
                answer = self._at.ask(node, method, path, body, Idempotency_Key=f"{id(self)} {key}")
            except (OSError, http.client.HTTPException) as error:
                self.refused.append(f"{node.name}: {error!r}")
            else:
                if answer.status < 300:
                    return answer
                self.refused.append(f"{node.name}: {answer.status} {answer.body[:200]}")
            threading.Event().wait(0.5)
        raise AssertionError(f"not taken: {method} {path}: {self.refused[-1]}")
