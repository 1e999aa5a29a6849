"""How soon `aragora serve` is healthy and what it takes when idle: `python -m benchmarks.start_up [--idle-s 5]`.

The server starts with its defaults on a fresh data directory and ports of its own. Prints one JSON line: seconds from
the command to the first 200 of /api/health and of /api/health/ready, then the memory of all its processes (MB).
"""

from __future__ import annotations

import argparse
import json
import os
import shutil
import signal
import subprocess
import sys
import time
import urllib.error
import urllib.request
from typing import Final

from actors.cluster import short_directory
from aragora.free_ports import free_ports
from benchmarks.figures import rounded
from benchmarks.system import MARK, memory

LIMIT_S: Final = 90.0
POLL_S: Final = 0.05


def main() -> None:
    parser = argparse.ArgumentParser(description=(__doc__ or "").splitlines()[0])
    parser.add_argument("--idle-s", type=float, default=5.0)
    given = parser.parse_args()
    directory = short_directory("bench")
    os.environ[MARK] = str(directory / "data")  # as the server marks its processes
    http_port, ws_port = free_ports(2)
    command = [sys.executable, "-m", "aragora.server", "--http-port", str(http_port), "--port", str(ws_port)]
    environment = {**os.environ, "ARAGORA_DATA_DIR": str(directory / "data"), "ARAGORA_LOG_LEVEL": "WARNING"}
    began = time.monotonic()
    with subprocess.Popen(command, env=environment, stdout=subprocess.DEVNULL) as server:
        try:
            healthy_s = _until_200(server, f"http://127.0.0.1:{http_port}/api/health", began)
            ready_s = _until_200(server, f"http://127.0.0.1:{http_port}/api/health/ready", began)
            time.sleep(given.idle_s)
            used = memory(but=os.getpid())
        finally:
            server.send_signal(signal.SIGTERM)
            server.wait(LIMIT_S)
            shutil.rmtree(directory, ignore_errors=True)
    figures: dict[str, object] = {
        "healthy_s": healthy_s,
        "ready_s": ready_s,
        "idle_rss_mb": used.rss_mb,
        "idle_pss_mb": used.pss_mb,
        "processes": used.processes,
    }
    print(json.dumps(rounded(figures)))


def _until_200(server: subprocess.Popen[bytes], url: str, began: float) -> float:
    """Seconds since `began`. Exits where the server does, or takes more than LIMIT_S."""
    while (passed_s := time.monotonic() - began) < LIMIT_S and server.poll() is None:
        try:
            with urllib.request.urlopen(url, timeout=2):
                return time.monotonic() - began
        except (urllib.error.URLError, ConnectionError, TimeoutError):
            time.sleep(POLL_S)
    sys.exit(f"{url} did not answer 200 within {passed_s:.0f} s; the server's exit code is {server.poll()}")


if __name__ == "__main__":
    main()
