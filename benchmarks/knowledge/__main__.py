"""How fast and how well knowledge is found: `python -m benchmarks.knowledge [--scenario NAME ...] [sizes]`. Prints one
JSON line for each figure, with its goal, where there is one, and whether it is met.

The scenarios run in this process. For figures of one processor set OPENBLAS_NUM_THREADS=1 and RAYON_NUM_THREADS=1.
"""

from __future__ import annotations

import argparse
import json
from collections.abc import Callable, Iterator
from dataclasses import fields
from typing import Final

from benchmarks.figures import rounded
from benchmarks.knowledge import floor, learning, rates, scan, searches, summaries, switching
from benchmarks.knowledge.mound import on_a_mound
from benchmarks.knowledge.options import Options
from benchmarks.webhooks.options import Line

SCENARIOS: Final[dict[str, Callable[[Options], Iterator[Line]]]] = {
    "tokens": rates.run_tokens,
    "scan": scan.run,
    "embedding": rates.run_embedding,
    "floor": floor.run,
    "searches": on_a_mound(searches.one_workspace),
    "spread": on_a_mound(searches.many_workspaces),
    "switch": on_a_mound(switching.run),
    "summaries": summaries.run,
    "learning": learning.run,
}


def main() -> None:
    parser = argparse.ArgumentParser(description=(__doc__ or "").splitlines()[0])
    parser.add_argument("--scenario", nargs="*", choices=SCENARIOS, default=list(SCENARIOS))
    for size in fields(Options):
        parser.add_argument(f"--{size.name}", type=type(size.default), default=size.default)
    given = vars(parser.parse_args())
    for name in given.pop("scenario"):
        for line in SCENARIOS[name](Options(**given)):
            print(json.dumps(_printed(line)), flush=True)


def _printed(line: Line) -> dict[str, object]:
    told: dict[str, object] = {"scenario": line.scenario, **rounded(dict(line.figures))}
    return told if line.met is None else {**told, "goal": line.goal, "met": line.met}


if __name__ == "__main__":
    main()
