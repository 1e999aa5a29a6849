"""The scenarios of `benchmarks.webhooks` still run: tiny, so their figures mean nothing."""

from __future__ import annotations

import json
import subprocess
import sys
from pathlib import Path

ROOT = Path(__file__).parents[3]
WITHOUT_RAY = ("throughput", "latency", "hot", "registered", "large_event", "isolation", "recovery", "large_store")
AND_QUICK = (*WITHOUT_RAY, "published", "signing", "commit_per_change")
TINY = {
    "events": 3,
    "endpoints": 10,
    "seconds": 0.5,
    "hot": 5,
    "registered": 1_100,
    "large": 50,
    "waiting": 20,
    "down_s": 0.1,
    "rows": 1_000,
    "scale": 0.001,
}


def test_every_scenario_without_actors_prints_its_figures() -> None:
    sizes = [word for name, value in TINY.items() for word in (f"--{name}", str(value))]
    ran = subprocess.run(
        [sys.executable, "-m", "benchmarks.webhooks", *sizes, "--scenario", *AND_QUICK],
        cwd=ROOT,
        capture_output=True,
        text=True,
        timeout=300,
        check=False,
    )
    assert ran.returncode == 0, ran.stderr
    lines = [json.loads(line) for line in ran.stdout.splitlines()]
    assert len(lines) == len(AND_QUICK) + 1, "published has two"
    for line in lines:
        figures = {name: value for name, value in line.items() if name not in ("scenario", "store", "goal", "met")}
        assert figures, line
        assert all(isinstance(value, int | float) for value in figures.values()), line
