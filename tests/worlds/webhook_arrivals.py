"""Receivers of webhooks that keep what came: the witnesses of the chaos tests. They live in the test's process, so that
no fault reaches them."""

from __future__ import annotations

import threading
import time
from collections import defaultdict
from collections.abc import Callable, Collection, Iterator
from contextlib import contextmanager, suppress
from dataclasses import dataclass, field
from http.server import BaseHTTPRequestHandler, ThreadingHTTPServer
from typing import Any, Final

from worlds.waiting import WAIT_S, wait_until

from aragora.encoding import decode

DELIVERY: Final = "X-Webhook-Delivery-Id"
ATTEMPT: Final = "X-Webhook-Attempt"


@dataclass(frozen=True)
class Arrival:
    """One request. `place` is the first part of its path, `number` counts the requests of that place from 1, `at` is
    monotonic seconds, `wall` seconds since the epoch."""

    place: str
    number: int
    at: float
    wall: float
    headers: dict[str, str]
    body: bytes

    @property
    def delivery_id(self) -> str:
        return self.headers[DELIVERY]

    @property
    def event_id(self) -> str:
        return self.headers["webhook-id"]

    @property
    def attempt(self) -> int:
        return int(self.headers[ATTEMPT])

    @property
    def key(self) -> tuple[str, int]:
        """What a repeated request shares with the first: delivery and number of the attempt."""
        return self.delivery_id, self.attempt

    @property
    def data(self) -> Any:
        return decode(self.body.decode())


Answering = Callable[[Arrival], int]


@dataclass
class Arrivals:
    """What came at `url`/PLACE, whatever the place, and what is answered.

    Args:
        answering: the status code by place; 200 elsewhere. It is called before the answer goes out, and may wait.
        answered: of each request that got its answer, the code, by its place in `requests`.
    """

    url: str = ""
    answering: dict[str, Answering] = field(default_factory=dict)
    requests: list[Arrival] = field(default_factory=list)
    answered: dict[int, int] = field(default_factory=dict)
    _open: set[int] = field(default_factory=set)
    _lock: threading.Lock = field(default_factory=threading.Lock)
    _numbers: defaultdict[str, int] = field(default_factory=lambda: defaultdict(int))

    def of(self, place: str) -> list[Arrival]:
        return [one for one in list(self.requests) if one.place == place]

    def delivered(self) -> set[str]:
        """The deliveries that a receiver said yes to."""
        return {self.requests[place].delivery_id for place, code in list(self.answered.items()) if 200 <= code < 300}

    @property
    def port(self) -> int:
        return int(self.url.rpartition(":")[2])

    def wait_quiet(self) -> None:
        """Return once every connection has ended: its sender is dead, and what it had sent was read."""
        wait_until(lambda: not self._open, "all connections to the receivers have ended")

    def wait_accepted(self, ports: Collection[int]) -> None:
        """Return once the connections from these ports have come, if they wait for that only."""
        wait_until(lambda: self._open.issuperset(ports), "the connections of a sender are accepted")

    def wait_ended(self, ports: Collection[int]) -> None:
        """Return once the connections from these ports have ended: whatever their sender had sent was read."""
        wait_until(lambda: self._open.isdisjoint(ports), "the connections of a sender have ended")

    def take(self, path: str, headers: dict[str, str], body: bytes) -> tuple[int, int]:
        """Note a request; its place in `requests`, and the status code that it gets."""
        place = path.strip("/").split("/")[0]
        with self._lock:
            self._numbers[place] += 1
            arrival = Arrival(place, self._numbers[place], time.monotonic(), time.time(), headers, body)
            self.requests.append(arrival)
            index = len(self.requests) - 1
        return index, self.answering.get(place, lambda _: 200)(arrival)

    def opened(self, port: int) -> None:
        with self._lock:
            self._open.add(port)

    def ended(self, port: int) -> None:
        with self._lock:
            self._open.remove(port)


class Held:
    """An answer that waits until it is let go, at most `WAIT_S` seconds."""

    def __init__(self, code: int = 200) -> None:
        self._code = code
        self._free = threading.Event()

    def __call__(self, _: Arrival) -> int:
        self._free.wait(WAIT_S)
        return self._code

    def let_go(self) -> None:
        self._free.set()


@contextmanager
def receiving() -> Iterator[Arrivals]:
    """Receivers on a free port of loopback for the block."""
    arrivals = Arrivals()

    class Handler(BaseHTTPRequestHandler):
        protocol_version = "HTTP/1.1"

        def setup(self) -> None:
            arrivals.opened(self.client_address[1])
            super().setup()

        def finish(self) -> None:
            try:
                super().finish()
            finally:
                arrivals.ended(self.client_address[1])

        def handle(self) -> None:
            with suppress(ConnectionError):  # the sender was killed
                super().handle()

        def do_POST(self) -> None:
            size = int(self.headers["Content-Length"])
            body = self.rfile.read(size)
            if len(body) < size:
                return  # the sender died before it had sent all of it
            index, code = arrivals.take(self.path, dict(self.headers), body)
            self.send_response(code)
            self.send_header("Content-Length", "0")
            self.end_headers()
            self.wfile.flush()
            arrivals.answered[index] = code

        def log_message(self, format: str, *args: Any) -> None:  # noqa: A002  as the base class names it
            """Nothing is printed."""

    class Server(ThreadingHTTPServer):
        request_queue_size = 512

    with Server(("127.0.0.1", 0), Handler) as server:
        thread = threading.Thread(target=server.serve_forever, kwargs={"poll_interval": 0.05}, daemon=True)
        thread.start()
        arrivals.url = f"http://127.0.0.1:{server.server_port}"
        try:
            yield arrivals
        finally:
            server.shutdown()
            thread.join()
