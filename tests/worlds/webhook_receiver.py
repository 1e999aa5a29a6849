"""A receiver of webhooks on this machine, and what arrived there."""

from __future__ import annotations

import json
from collections.abc import Callable, Iterator
from contextlib import contextmanager
from http.server import BaseHTTPRequestHandler, ThreadingHTTPServer
from threading import Thread
from typing import Any


class Arrived:
    """What came, and what is answered: `codes` in turn, the last one for ever."""

    def __init__(self, *codes: int) -> None:
        self.codes = list(codes) or [200]
        self.requests: list[tuple[dict[str, str], bytes]] = []

    def take(self, headers: dict[str, str], body: bytes) -> int:
        self.requests.append((headers, body))
        return self.codes.pop(0) if len(self.codes) > 1 else self.codes[0]

    @property
    def twice(self) -> int:
        """How many requests brought what had come before."""
        return len(self.requests) - len({headers["webhook-id"] for headers, _ in self.requests})

    def of(self, debate_id: str) -> list[dict[str, Any]]:
        return [body for _, body in self._about(debate_id)]

    def ids_of(self, debate_id: str) -> set[str]:
        """The ids of the deliveries that told of this debate."""
        return {headers["X-Webhook-Delivery-Id"] for headers, _ in self._about(debate_id)}

    def _about(self, debate_id: str) -> list[tuple[dict[str, str], dict[str, Any]]]:
        told = [(headers, json.loads(body)) for headers, body in self.requests]
        return [(headers, body) for headers, body in told if body["data"].get("debate_id") == debate_id]


@contextmanager
def receiving(*codes: int, before_answer: Callable[[], Any] = lambda: None) -> Iterator[tuple[str, Arrived]]:
    """A receiver of its own; its URL and what arrived. `before_answer` is called with each request, and may block."""
    arrived = Arrived(*codes)

    class Handler(BaseHTTPRequestHandler):
        protocol_version = "HTTP/1.1"

        def do_POST(self) -> None:
            code = arrived.take(dict(self.headers), self.rfile.read(int(self.headers["Content-Length"])))
            before_answer()
            self.send_response(code)
            self.send_header("Content-Length", "0")
            if challenge := self.headers.get("webhook-challenge"):
                self.send_header("webhook-challenge-response", challenge)
            self.end_headers()

        def log_message(self, format: str, *args: Any) -> None:  # noqa: A002  as the base class names it
            """Nothing is printed."""

    with ThreadingHTTPServer(("127.0.0.1", 0), Handler) as server:
        thread = Thread(target=server.serve_forever, daemon=True)
        thread.start()
        try:
            yield f"http://127.0.0.1:{server.server_port}/hook", arrived
        finally:
            server.shutdown()
            thread.join()
