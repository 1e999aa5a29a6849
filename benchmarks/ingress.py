"""What a request costs beyond a bare FastAPI route under the same Serve, in the same run.

    python -m benchmarks.ingress [--rounds 5] [--seconds 3] [--connections 32]

GET /api/health and GET /api/debates/{id} of a finished debate take turns with a route of a second Serve application
behind the same HAProxy. Prints one JSON line: requests per second of each (medians) and the ratios (medians of the
rounds' ratios, so that what else the machine does strikes both sides).
"""

from __future__ import annotations

import argparse
import asyncio
import json
import statistics
import time
import urllib.error
import urllib.request
from typing import Final

from benchmarks.figures import rounded
from benchmarks.http_stress import requests_per_s
from benchmarks.load import AGENTS, load_on, run
from benchmarks.system import System, running

BARE: Final = "/bare"
LIMIT_S: Final = 20.0
SETTLE_S: Final = 3.0  # HAProxy is reloaded for the second application; what it holds open is closed meanwhile


def main() -> None:
    parser = argparse.ArgumentParser(description=(__doc__ or "").splitlines()[0])
    parser.add_argument("--rounds", type=int, default=5)
    parser.add_argument("--seconds", type=float, default=3.0)
    parser.add_argument("--connections", type=int, default=32)
    given = parser.parse_args()
    with running(stubs=len(AGENTS), latency_ms=0.0, http=True) as system:
        assert system.http_port is not None
        asyncio.run(_debate(system))
        _deploy_bare()
        paths = {
            "bare": f"{BARE}/health",
            "health": "/api/health",
            "debate": f"/api/debates/{_newest(system.http_port)}",
        }
        for path in paths.values():
            _until_200(system.http_port, path)
        time.sleep(SETTLE_S)
        for path in paths.values():
            requests_per_s(system.http_port, path, 0.5, given.connections)  # the first requests find caches cold
        rounds = [
            {
                name: requests_per_s(system.http_port, path, given.seconds, given.connections)
                for name, path in paths.items()
            }
            for _ in range(given.rounds)
        ]
    figures: dict[str, object] = {f"{name}_per_s": statistics.median(one[name] for one in rounds) for name in paths}
    for name in ("health", "debate"):
        figures[f"{name}_ratio"] = statistics.median(one[name] / one["bare"] for one in rounds)
    print(json.dumps(rounded({"rounds": given.rounds, "connections": given.connections, **figures})))


async def _debate(system: System) -> None:
    async with load_on(system) as load:
        await run(load.debate, 1, 1)


def _newest(port: int) -> str:
    with urllib.request.urlopen(f"http://127.0.0.1:{port}/api/debates?limit=1", timeout=10) as answer:
        newest: str = json.load(answer)["debates"][0]["debate_id"]
    return newest


def _until_200(port: int, path: str) -> None:
    """HAProxy learns of a new application a moment after Serve calls it ready. Raises the last error after LIMIT_S."""
    until = time.monotonic() + LIMIT_S
    while True:
        try:
            with urllib.request.urlopen(f"http://127.0.0.1:{port}{path}", timeout=10):
                return
        except urllib.error.URLError:
            if time.monotonic() >= until:
                raise
            time.sleep(0.1)


def _deploy_bare() -> None:
    from ray import serve  # noqa: PLC0415 - after the system's start

    from serve_app import MAX_ONGOING, QUIET  # noqa: PLC0415

    deployment = serve.deployment(
        serve.ingress(_bare)(),
        name="bare",
        num_replicas=1,
        max_ongoing_requests=MAX_ONGOING,
        logging_config=QUIET,
        ray_actor_options={"num_cpus": 0},
    )
    serve.run(deployment.bind(), name="bare", route_prefix=BARE)


def _bare() -> object:
    """The application to compare with: one route, no middleware."""
    from fastapi import FastAPI  # noqa: PLC0415 - in the replica's process

    app = FastAPI()

    @app.get("/health")
    async def health() -> dict[str, str]:
        return {"status": "healthy"}

    return app


if __name__ == "__main__":
    main()
