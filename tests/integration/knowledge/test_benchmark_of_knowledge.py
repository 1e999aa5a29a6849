"""The scenarios of `benchmarks.knowledge` still run: tiny, so their figures mean nothing."""

from __future__ import annotations

import json
import subprocess
import sys
from pathlib import Path

import pytest

ROOT = Path(__file__).parents[3]
TINY = ("--vectors", "3000", "--searches", "3", "--texts", "3", "--pairs", "3", "--items", "400")


@pytest.mark.slow
def test_every_scenario_prints_its_figures() -> None:
    ran = subprocess.run(
        [sys.executable, "-m", "benchmarks.knowledge", *TINY],
        cwd=ROOT,
        capture_output=True,
        text=True,
        timeout=300,
        check=False,
    )
    assert ran.returncode == 0, ran.stderr
    lines = [json.loads(line) for line in ran.stdout.splitlines()]
    assert {line["scenario"] for line in lines} == {"tokens", "scan", "embedding", "floor", "summaries"}
    exact = [line for line in lines if line["scenario"] == "scan" and line["kind"] == "exact"]
    assert len(exact) == 8
    assert all(line["recall_at_10"] == 1.0 for line in exact)
