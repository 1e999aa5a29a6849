"""A steady load of debates over HTTP by clients who do not give up: each tries again under its idempotency key."""

from __future__ import annotations

import http.client
import json
import random
import threading
import time
import urllib.error
import urllib.request
from collections.abc import Iterator, Sequence
from contextlib import contextmanager
from dataclasses import dataclass, field
from typing import Any

from prometheus_client.parser import text_string_to_metric_families

CLIENTS = 4
PATIENCE_S = 180.0  # a start takes ten seconds, and a minute where other work holds the cores
REQUEST_S = 10.0
AGAIN_S = 0.2
NO_ROUTES_YET = "Ping http"  # what a proxy says that has just begun and knows no replica
MONOTONE = ("counter", "histogram", "summary")


@dataclass
class Load:
    """Opens a debate per client every `every_s` seconds; `accepted` are those the server said yes to."""

    url: str
    agents: Sequence[str]
    rounds: int = 3
    every_s: float = 0.5
    accepted: list[str] = field(default_factory=list)
    refused: list[str] = field(default_factory=list)  # answers that promise nothing but are no invitation to try again
    backwards: list[str] = field(default_factory=list)
    samples: int = 0
    unanswered: int = 0
    _ended: threading.Event = field(default_factory=threading.Event)

    @contextmanager
    def running(self) -> Iterator[Load]:
        """Load the server, and watch its metrics, for the block; then let every client have its answer."""
        self._ended.clear()
        threads = [threading.Thread(target=self._client, args=(number,)) for number in range(CLIENTS)]
        threads.append(threading.Thread(target=self._watch_metrics))
        for thread in threads:
            thread.start()
        try:
            yield self
        finally:
            self._ended.set()
            for thread in threads:
                thread.join()

    def _client(self, number: int) -> None:
        chance = random.Random(number)
        pause = chance.random() * self.every_s
        while not self._ended.wait(pause):
            self._open(f"{number}-{chance.getrandbits(64):x}")
            pause = chance.uniform(0.5, 1.5) * self.every_s

    def _open(self, key: str) -> None:
        body = {
            "question": "Which queue should we use?",
            "agents": list(self.agents),
            "rounds": self.rounds,
            "topology": "all_to_all",
        }
        headers = {"Content-Type": "application/json", "Idempotency-Key": key}
        request = urllib.request.Request(f"{self.url}/api/debates", json.dumps(body).encode(), headers)
        ids, told = set(), ""
        deadline = time.monotonic() + PATIENCE_S
        while time.monotonic() < deadline:
            try:
                with urllib.request.urlopen(request, timeout=REQUEST_S) as response:
                    ids.add(json.loads(response.read())["debate_id"])
            except urllib.error.HTTPError as error:
                with error:
                    told = error.read().decode(errors="replace")
                if error.code < 500 and error.code != 429 and NO_ROUTES_YET not in told:
                    self.refused.append(f"{error.code} {told[:200]}")
                    return
            except (OSError, http.client.HTTPException, ValueError):
                self.unanswered += 1  # the debate may be open or not: the key will tell
                told = "none"
            else:
                self.accepted += ids
                return
            time.sleep(AGAIN_S)
        self.refused.append(f"no answer to {key} within {PATIENCE_S} s, the last: {told}")

    def _watch_metrics(self) -> None:
        """Every counter the server shows only grows, whichever replica shows it and whatever died meanwhile."""
        last: dict[Any, float] = {}
        while not self._ended.wait(0.3):
            try:
                with urllib.request.urlopen(f"{self.url}/api/metrics", timeout=REQUEST_S) as response:
                    text = response.read().decode()
            except (OSError, http.client.HTTPException):
                continue
            self.samples += 1
            for family in text_string_to_metric_families(text):
                if family.type in MONOTONE:
                    self._compare(last, family.samples)

    def _compare(self, last: dict[Any, float], samples: Sequence[Any]) -> None:
        for sample in samples:
            key = (sample.name, tuple(sorted(sample.labels.items())))
            if sample.value < last.get(key, 0.0):
                self.backwards.append(f"{key} went from {last[key]} to {sample.value}")
            last[key] = sample.value
