"""Clients of a cluster while something happens to it: reads at every node they use, and debates that are opened."""

from __future__ import annotations

import http.client
import itertools
import threading
import time
from collections import defaultdict
from collections.abc import Sequence
from types import TracebackType
from typing import Any, Final, Protocol, Self

from worlds.hosts.bed import OTHER_CLIENTS
from worlds.live_server import Response

READS_PER_S: Final = 10.0
"""At each node, from an address of its own: an address may ask 1,200 times a minute."""
OPENED_PER_S: Final = 2.0
PATH: Final = "/api/health"
TRIES: Final = 240
"""Of a debate, half a second apart: longer than any service is away."""


class Named(Protocol):
    """Whom a client asks: a node, or what stands before the nodes."""

    @property
    def name(self) -> str: ...


class Asks(Protocol):
    """How it is asked."""

    def ask(
        self, node: Any, method: str, path: str, body: Any = None, *, source: str = "", **headers: str
    ) -> Response: ...


class Load:
    """Between entering and leaving it asks each of `nodes` (the same one twice: two clients). A debate is opened with
    an id of its own and, like a client that does not give up, sent again until it is accepted. `reads_per_s` are those
    of each client, `opened_per_s` those of all."""

    def __init__(
        self,
        at: Asks,
        nodes: Sequence[Named],
        paths: Sequence[str] = (PATH,),
        *,
        reads_per_s: float = READS_PER_S,
        opened_per_s: float = OPENED_PER_S,
    ) -> None:
        self._at = at
        self._nodes = nodes
        self._paths = paths
        self._read_every_s = 1 / reads_per_s
        self._open_every_s = 1 / opened_per_s
        self._over = threading.Event()
        self._threads = [
            threading.Thread(target=self._read, args=read) for read in zip(nodes, OTHER_CLIENTS, strict=False)
        ]
        self._threads.append(threading.Thread(target=self._open))
        self.reads = 0
        self.failed: list[str] = []
        """Reads without a 200, each with its node and what came."""
        self.refused: list[str] = []
        """Tries to open a debate that did not end in 202."""
        self.accepted: list[str] = []
        """Ids of debates."""
        self.accepted_at: list[float] = []
        """When each was, by the monotonic clock."""
        self.read_at: list[float] = []
        """When a read had its 200, by the monotonic clock."""
        self.slowest_s: dict[str, float] = defaultdict(float)
        """Of the reads of each path, whatever came of them. One that hangs is no failure, and is seen here."""

    def __enter__(self) -> Self:
        for thread in self._threads:
            thread.start()
        return self

    def __exit__(self, kind: type[BaseException] | None, error: BaseException | None, at: TracebackType | None) -> None:
        self._over.set()
        for thread in self._threads:
            thread.join()

    def _read(self, node: Named, source: str) -> None:
        while not self._over.wait(self._read_every_s):
            path = self._paths[self.reads % len(self._paths)]
            self.reads += 1
            began = time.monotonic()
            try:
                answer = self._at.ask(node, "GET", path, source=source)
            except (OSError, http.client.HTTPException) as error:
                self.failed.append(f"{node.name}: {error!r}")
            else:
                if answer.status == 200:
                    self.read_at.append(time.monotonic())
                else:
                    self.failed.append(f"{node.name}: {answer.status} {answer.body[:200]}")
            self.slowest_s[path] = max(self.slowest_s[path], time.monotonic() - began)

    def without_debates_s(self, since: float) -> float:
        """The longest time, from `since` on, in which no debate was accepted; the way to the last one counts."""
        return _longest_gap(since, self.accepted_at)

    def without_reads_s(self, since: float) -> float:
        """The same of reads."""
        return _longest_gap(since, self.read_at)

    def _open(self) -> None:
        number = 0
        while not self._over.wait(self._open_every_s):
            number += 1
            self._open_one(number)

    def _open_one(self, number: int) -> None:
        body = {"question": f"Question {number}?", "rounds": 2, "agents": ["stub-1", "stub-2", "stub-3"]}
        key = f"load-{id(self)}-{number}"
        for attempt in range(TRIES):
            node = self._nodes[(number + attempt) % len(self._nodes)]
            try:
                answer = self._at.ask(node, "POST", "/api/debates", body, Idempotency_Key=key)
            except (OSError, http.client.HTTPException) as error:
                self.refused.append(f"{node.name}: {error!r}")
            else:
                if answer.status == 202:
                    self.accepted.append(str(answer.json["debate_id"]))
                    self.accepted_at.append(time.monotonic())
                    return
                self.refused.append(f"{node.name}: {answer.status} {answer.body[:200]}")
            self._over.wait(0.5)


def _longest_gap(since: float, times: Sequence[float]) -> float:
    stamps = [since, *sorted(at for at in times if at > since)]
    return max((later - at for at, later in itertools.pairwise(stamps)), default=0.0)
