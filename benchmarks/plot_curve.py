"""Draw what `benchmarks.curve` printed: `python -m benchmarks.plot_curve curve.jsonl docs/images/cost-curve.svg`.

Needs benchmarks/requirements-plots.txt in an environment of its own, and nothing of Aragora.
"""

from __future__ import annotations

import json
import sys
from pathlib import Path

import matplotlib as mpl
from matplotlib import pyplot as plt


def main(source: Path, target: Path) -> None:
    points = [json.loads(line) for line in source.read_text().splitlines()]
    at_once = [point["at_once"] for point in points]
    mpl.rcParams["svg.hashsalt"] = "aragora"  # the same figures give the same file
    figure, (cost, speed) = plt.subplots(1, 2, figsize=(10, 3.6), layout="constrained")
    cost.plot(at_once, [point["cpu_ms_per_debate"] for point in points], marker="o")
    cost.set(title="CPU of all processes", xlabel="debates at once", ylabel="ms per debate", xscale="log")
    cost.set_ylim(bottom=0)
    speed.plot(at_once, [point["debates_per_s"] for point in points], marker="o", color="tab:green")
    speed.set(title="Throughput", xlabel="debates at once", ylabel="debates per second", xscale="log")
    speed.set_ylim(bottom=0)
    for axes in (cost, speed):
        axes.grid(alpha=0.3)
    target.parent.mkdir(parents=True, exist_ok=True)
    figure.savefig(target, metadata={"Date": None})


if __name__ == "__main__":
    main(Path(sys.argv[1]), Path(sys.argv[2]))
