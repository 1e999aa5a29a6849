"""Aragora and its peers on one workload, in one run: prints a table with each peer's ratio to Aragora.

    python -m venv /tmp/peers && /tmp/peers/bin/pip install -r benchmarks/peers/requirements.txt
    python -m benchmarks.peers --python /tmp/peers/bin/python [--debates 200] [--concurrency 100] [--latency-ms 0]

All take turns, `--repeats` times; the figures are medians. Each runs in a process of its own, the peers under
`--python`, whose packages the product does not know. Only Aragora and LangGraph keep what was said.
"""

from __future__ import annotations

import argparse
import json
import statistics
import subprocess
import sys
from collections import defaultdict
from typing import Any

from benchmarks.peers.run import PEERS

OURS = "aragora"
LIMIT_S = 300.0
FIGURES = ("debates_per_s", "mean_s", "cpu_ms_per_debate", "rss_mb")


def main() -> None:
    parser = argparse.ArgumentParser(description=(__doc__ or "").splitlines()[0])
    parser.add_argument(
        "--python", default=sys.executable, help="an interpreter with benchmarks/peers/requirements.txt"
    )
    parser.add_argument("--debates", type=int, default=200)
    parser.add_argument("--concurrency", type=int, default=100)
    parser.add_argument("--latency-ms", type=float, default=0.0)
    parser.add_argument("--repeats", type=int, default=3)
    given = parser.parse_args()
    options = [
        f"--debates={given.debates}",
        f"--concurrency={given.concurrency}",
        f"--latency-ms={given.latency_ms:g}",
    ]
    runs: defaultdict[str, list[dict[str, Any]]] = defaultdict(list)
    for _ in range(given.repeats):
        runs[OURS].append(_figures([sys.executable, "-m", "benchmarks.debates", *options]))
        for peer in PEERS:
            runs[peer].append(_figures([given.python, "-m", "benchmarks.peers.run", peer, *options]))
    print("\n".join(table(runs)))


def table(runs: dict[str, list[dict[str, Any]]]) -> list[str]:
    """Markdown: medians of each, and how many times as many debates per second Aragora reaches."""
    lines = [f"| | {' | '.join(FIGURES)} | aragora / this |", f"|---|{'---|' * (len(FIGURES) + 1)}"]
    medians = {
        name: {figure: statistics.median(run[figure] for run in told) for figure in FIGURES}
        for name, told in runs.items()
    }
    for name, median in medians.items():
        ratio = medians[OURS]["debates_per_s"] / median["debates_per_s"]
        lines.append(f"| {name} | {' | '.join(f'{median[figure]:.4g}' for figure in FIGURES)} | {ratio:.2f} |")
    return lines


def _figures(command: list[str]) -> dict[str, Any]:
    """What a benchmark prints on its last line. Exits with its errors where it fails."""
    done = subprocess.run(command, capture_output=True, text=True, timeout=LIMIT_S, check=False)
    if done.returncode != 0:
        sys.exit(f"{' '.join(command)} failed:\n{done.stderr.strip()[-2000:]}")
    figures: dict[str, Any] = json.loads(done.stdout.splitlines()[-1])
    return figures


if __name__ == "__main__":
    main()
