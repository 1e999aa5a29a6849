"""How soon an event reaches a thousand clients: `python -m benchmarks.fanout [--clients 1000] [--latency-ms 3000]`.

All clients follow one debate. Stub agents answer in the same instant, so its events come in bursts of 4 and 12; in
between, a person's votes come one by one, every `--vote-every-ms`. Prints one JSON line of milliseconds from an event's
time in the journal (before its commit) to a client: p50 and p99 of single events, of the bursts, of all; and the
microseconds of CPU that each kind of process spends per message.
"""

from __future__ import annotations

import argparse
import json
import subprocess
import sys
import time
import urllib.error
import urllib.request
from typing import Any, Final

from benchmarks.figures import rounded
from benchmarks.load import AGENTS, FULL_EXCHANGE
from benchmarks.shares import cpu_by_kind, spent_since
from benchmarks.system import running

LIMIT_S: Final = 300.0


def main() -> None:
    parser = argparse.ArgumentParser(description=(__doc__ or "").splitlines()[0])
    parser.add_argument("--clients", type=int, default=1000)
    parser.add_argument("--latency-ms", type=float, default=3000.0)
    parser.add_argument("--vote-every-ms", type=float, default=250.0)
    given = parser.parse_args()
    with running(stubs=len(AGENTS), latency_ms=given.latency_ms, http=True) as system:
        assert system.http_port is not None
        _follow(system.http_port, 1, None)  # agents have their processes, caches are warm
        before = cpu_by_kind()
        told = _follow(system.http_port, given.clients, given.vote_every_ms / 1000)
        used = spent_since(before)
    spent = rounded({kind: seconds * 1e6 / told["received"] for kind, seconds in used.items()})
    print(json.dumps({"clients": given.clients, "latency_ms": given.latency_ms, **told, "cpu_us_per_message": spent}))


def _follow(port: int, clients: int, vote_every_s: float | None) -> dict[str, Any]:
    """What `clients` received of a debate to its end."""
    debate_id = _post(port, "/api/debates", {"question": "Which queue?", "agents": AGENTS, **FULL_EXCHANGE})[
        "debate_id"
    ]
    command = [sys.executable, "-m", "benchmarks.socket_crowd", str(port), debate_id, str(clients)]
    with subprocess.Popen(command, stdout=subprocess.PIPE, text=True) as crowd:
        try:
            assert crowd.stdout is not None
            if crowd.stdout.readline().strip() != "ready":
                sys.exit("the clients did not get ready: the debate may have ended before (raise --latency-ms)")
            if vote_every_s is not None:
                _vote(port, debate_id, vote_every_s)
            out, _ = crowd.communicate(timeout=LIMIT_S)
        finally:
            crowd.kill()
    told: dict[str, Any] = json.loads(out)
    return told


def _vote(port: int, debate_id: str, every_s: float) -> None:
    """Until the debate takes no more."""
    while True:
        time.sleep(every_s)
        try:
            _post(port, f"/api/debates/{debate_id}/votes", {"choice": AGENTS[0]})
        except urllib.error.HTTPError as refused:
            if refused.code == 409:
                return
            raise


def _post(port: int, path: str, body: object) -> Any:
    request = urllib.request.Request(
        f"http://127.0.0.1:{port}{path}", json.dumps(body).encode(), {"Content-Type": "application/json"}
    )
    with urllib.request.urlopen(request, timeout=10) as answer:
        return json.load(answer)


if __name__ == "__main__":
    main()
