"""A client of the event stream that outlives nodes: it follows every debate of a load, and where its connection ends it
goes on at the next node, after the last event that it heard of each."""

from __future__ import annotations

import itertools
import json
import threading
from collections.abc import Sequence
from types import TracebackType
from typing import Any, Final, Self

from websockets.exceptions import WebSocketException
from websockets.sync.client import ClientConnection, connect
from worlds.hosts.cluster_load import Load
from worlds.hosts.host import Host
from worlds.hosts.installation import Installation
from worlds.waiting import wait_until

from aragora.debate.journal import END

OPEN_S: Final = 10.0
PING_S: Final = 3.0
"""After twice this time a silent connection is given up."""
LOOK_S: Final = 0.2
HEARD_S: Final = 120.0


class EventFollower:
    """Within its block it follows what `load` opens, at the first of `nodes` to begin with."""

    def __init__(self, at: Installation, nodes: Sequence[Host], load: Load) -> None:
        self._at = at
        self._nodes = itertools.cycle(nodes)
        self._load = load
        self._over = threading.Event()
        self._thread = threading.Thread(target=self._run, name="events")
        self.last: dict[str, int] = {}
        """The number of the last event heard, by debate."""
        self.ended: set[str] = set()
        self.wrong: list[str] = []
        """Events that came twice on one connection, or before those in front of them."""
        self.connections = 0

    def __enter__(self) -> Self:
        self._thread.start()
        return self

    def __exit__(self, kind: type[BaseException] | None, error: BaseException | None, at: TracebackType | None) -> None:
        try:
            if error is None:
                wait_until(lambda: not self._left(), "the client has heard of every debate's end", HEARD_S, pause_s=0.1)
        finally:
            self._over.set()
            self._thread.join()

    def missed(self) -> list[str]:
        """Of each debate, whether the events that were heard are those that are stored."""
        rows = self._at.sql("SELECT debate_id, max(seq) FROM journal GROUP BY 1").splitlines()
        stored = {debate_id: int(seq) for debate_id, _, seq in (row.partition("|") for row in rows)}
        return [
            f"{debate_id}: heard {self.last.get(debate_id, 0)} of {stored.get(debate_id, 0)}"
            for debate_id in self._load.accepted
            if self.last.get(debate_id) != stored.get(debate_id)
        ]

    def _left(self) -> list[str]:
        return [debate_id for debate_id in tuple(self._load.accepted) if debate_id not in self.ended]

    def _run(self) -> None:
        while not self._over.is_set():
            node = next(self._nodes)
            try:
                self._follow(node)
            except (OSError, WebSocketException):
                self._over.wait(LOOK_S)

    def _follow(self, node: Host) -> None:
        """One connection, to its end. Raises OSError, WebSocketException."""
        with self._at.bed.laptop.network():
            socket = connect(
                f"ws://{node.address}:8080/ws",
                additional_headers={"Authorization": f"Bearer {self._at.token}"},
                open_timeout=OPEN_S,
                ping_interval=PING_S,
                ping_timeout=PING_S,
                close_timeout=1,
            )
        self.connections += 1
        followed: dict[str, int] = {}
        """The last event of each debate that this connection has carried."""
        with socket:
            while not self._over.is_set():
                for debate_id in self._left():
                    if debate_id not in followed:
                        followed[debate_id] = self.last.get(debate_id, 0)
                        _say(socket, type="subscribe", debate_id=debate_id, after_seq=followed[debate_id])
                try:
                    message = json.loads(socket.recv(LOOK_S))
                except TimeoutError:
                    continue
                self._hear(message, followed, socket)

    def _hear(self, message: dict[str, Any], followed: dict[str, int], socket: ClientConnection) -> None:
        debate_id = str(message["loop_id"])
        if message["type"] == "error":
            followed.pop(debate_id, None)  # it says so: subscribe again after the last one
        elif message["seq"]:
            seq, expected = int(message["seq"]), followed.get(debate_id, 0) + 1
            if seq != expected:
                self.wrong.append(f"{debate_id}: {seq} where {expected} was due")
            followed[debate_id] = self.last[debate_id] = seq
            if message["type"] == END:
                self.ended.add(debate_id)
                _say(socket, type="unsubscribe", debate_id=debate_id)


def _say(socket: ClientConnection, **message: Any) -> None:
    socket.send(json.dumps(message))
