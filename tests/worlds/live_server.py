"""A real server: `python -m aragora.server` as its operators start it, on free ports and a data directory of its
own."""

from __future__ import annotations

import json
import os
import signal
import subprocess
import sys
import urllib.error
import urllib.request
from collections.abc import Callable, Iterator, Mapping
from contextlib import contextmanager
from dataclasses import dataclass
from pathlib import Path
from typing import Any, TypeVar

from worlds.waiting import WAIT_S, wait_until

from aragora.free_ports import free_ports

START_S = 180.0  # ten seconds, and a minute where other work holds the cores
STOP_S = 120.0
REQUEST_S = 60.0
POLL_S = 0.02
ROOT = Path(__file__).parents[2]
T = TypeVar("T")


@dataclass(frozen=True)
class Response:
    """What came back, refusals included. Header names are lower-case."""

    status: int
    headers: Mapping[str, str]
    body: str

    @property
    def json(self) -> Any:
        return json.loads(self.body)


@dataclass
class LiveServer:
    """A running server process and its addresses."""

    process: subprocess.Popen[bytes]
    http_port: int
    ws_port: int
    data_dir: Path
    output: Path

    @property
    def url(self) -> str:
        return f"http://127.0.0.1:{self.http_port}"

    def get(self, path: str) -> Any:
        """The JSON (or text) of a GET. Raises urllib.error.HTTPError for refusals."""
        with urllib.request.urlopen(self.url + path, timeout=REQUEST_S) as response:
            body = response.read().decode()
        return json.loads(body) if body[:1] in "{[" else body

    def post(self, path: str, body: Mapping[str, Any], **headers: str) -> Any:
        request = urllib.request.Request(
            self.url + path, json.dumps(body).encode(), {"Content-Type": "application/json", **headers}
        )
        with urllib.request.urlopen(request, timeout=REQUEST_S) as response:
            return json.loads(response.read())

    def request(self, method: str, path: str, body: Any = None, **headers: str) -> Response:
        """Any request, whatever its status. Keywords are headers: `Idempotency_Key` is Idempotency-Key."""
        sent = {name.replace("_", "-"): value for name, value in headers.items()}
        data = None
        if body is not None:
            data = body if isinstance(body, bytes) else json.dumps(body).encode()
            sent.setdefault("Content-Type", "application/json")
        request = urllib.request.Request(self.url + path, data, sent, method=method)
        try:
            with urllib.request.urlopen(request, timeout=REQUEST_S) as response:
                return _response(response.status, response)
        except urllib.error.HTTPError as refused:
            with refused:
                return _response(refused.code, refused)

    def debate(self, **settings: Any) -> str:
        """Open a debate; returns its id."""
        opened = self.post("/api/debates", {"question": "Which queue should we use?", **settings})
        debate_id: str = opened["debate_id"]
        return debate_id

    def long_debate(self, **settings: Any) -> str:
        """Open a debate that runs all its rounds, whether or not the positions move; returns its id once the first one
        has begun: until then it looks for knowledge, and counts as queued."""
        debate_id = self.debate(topology="all_to_all", **settings)
        self.until(lambda: self.get(f"/api/debates/{debate_id}")["status"] != "queued")
        return debate_id

    def ended(self, debate_id: str, within_s: float = 2 * WAIT_S) -> dict[str, Any]:
        """The debate once it has ended; fails after `within_s` seconds."""

        def end() -> dict[str, Any] | None:
            debate: dict[str, Any] = self.get(f"/api/debates/{debate_id}")
            return None if debate["status"] in ("queued", "active") else debate

        ended = self.until(end, within_s)
        assert ended is not None
        return ended

    def until(self, holds: Callable[[], T], within_s: float = WAIT_S) -> T:
        """What `holds` returns as soon as that is true; fails after `within_s` seconds."""
        try:
            return wait_until(holds, deadline_s=within_s, pause_s=POLL_S)
        except AssertionError as missed:
            raise AssertionError(f"{missed}\n{self.told()}") from None

    def stop(self, number: int = signal.SIGTERM) -> int:
        """Send a signal and wait for the end; returns the exit code (negative: the signal that killed it)."""
        self.process.send_signal(number)
        return self.process.wait(STOP_S)

    def told(self) -> str:
        return self.output.read_text(errors="replace")


def _response(status: int, answer: Any) -> Response:
    headers = {name.lower(): value for name, value in answer.headers.items()}
    return Response(status, headers, answer.read().decode())


_given: set[int] = set()


def free_port() -> int:
    """A port that this test run has not used yet."""
    (port,) = free_ports(1, but=_given)
    _given.add(port)
    return port


def environment(data_dir: Path, **variables: str) -> dict[str, str]:
    """What a server of stub agents gets; keys of real providers stay out."""
    kept = {name: value for name, value in os.environ.items() if not name.endswith("_API_KEY")}
    return {
        **kept,
        "PYTHONPATH": str(ROOT),
        "ARAGORA_DATA_DIR": str(data_dir),
        "ARAGORA_STUB_AGENTS": "5",
        "ARAGORA_EMBEDDED_AGENTS": "false",
        "ARAGORA_DRAIN_TIMEOUT_S": "5",
        **variables,
    }


def command(http_port: int, ws_port: int, *more: str) -> list[str]:
    return [sys.executable, "-m", "aragora.server", "--http-port", str(http_port), "--port", str(ws_port), *more]


def launch(
    data_dir: Path,
    http_port: int | None = None,
    ws_port: int | None = None,
    *,
    host: str = "127.0.0.1",
    **variables: str,
) -> LiveServer:
    """Start a server; it may not be ready yet."""
    http_port, ws_port = http_port or free_port(), ws_port or free_port()
    data_dir.mkdir(parents=True, exist_ok=True)
    output = data_dir.parent / f"{data_dir.name}.out"
    with output.open("ab") as sink:
        process = subprocess.Popen(
            command(http_port, ws_port, "--host", host),
            env=environment(data_dir, **variables),
            stdout=sink,
            stderr=subprocess.STDOUT,
            cwd=data_dir.parent,
            start_new_session=True,
        )
    return LiveServer(process, http_port, ws_port, data_dir, output)


def wait_ready(server: LiveServer, within_s: float = START_S) -> LiveServer:
    """Return once the server takes work; fails with its output otherwise."""

    def ready() -> bool:
        assert server.process.poll() is None, "the server ended while it started"
        try:
            server.get("/api/health/ready")
        except (urllib.error.URLError, OSError):
            return False
        return True

    server.until(ready, within_s)
    return server


@contextmanager
def running(data_dir: Path, *, host: str = "127.0.0.1", **variables: str) -> Iterator[LiveServer]:
    """A ready server for the block; it is stopped afterwards, whatever happened."""
    server = launch(data_dir, None, None, host=host, **variables)
    try:
        yield wait_ready(server)
    finally:
        if server.process.poll() is None:
            server.process.send_signal(signal.SIGTERM)
            try:
                server.process.wait(STOP_S)
            except subprocess.TimeoutExpired:
                os.killpg(server.process.pid, signal.SIGKILL)
