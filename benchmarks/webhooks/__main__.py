"""How many webhooks a second, how soon, and what bad receivers and large stores take from the others:
`python -m benchmarks.webhooks [--scenario NAME ...] [sizes]`. Prints one JSON line a scenario, with its goal and
whether it is met.

Most scenarios have one dispatcher over a store of its own in this process; `debates` runs the actors. All figures of a
line come from one run. DATABASE_URL puts the store into PostgreSQL. With other sizes than the defaults a goal says
little.
"""

from __future__ import annotations

import argparse
import asyncio
import gc
import json
import logging
import tempfile
from collections.abc import Awaitable, Callable
from dataclasses import fields
from pathlib import Path
from typing import Final

import structlog
import uvloop

from actors.virtual import collect_seldom
from benchmarks.figures import rounded
from benchmarks.webhooks import (
    debates,
    isolation,
    large_store,
    latency,
    many,
    naive,
    own_process,
    published,
    recovery,
    signing,
    throughput,
)
from benchmarks.webhooks.bed import Bed, listens, receiver, store_kind
from benchmarks.webhooks.options import Line, Options

Scenario = Callable[[Bed, Options], list[Line]]


def on_loop(scenario: Callable[[Bed, Options], Awaitable[list[Line]]]) -> Scenario:
    """A scenario in an event loop like that of an actor."""

    async def ready(bed: Bed, options: Options) -> list[Line]:
        await listens(bed.url)
        return await scenario(bed, options)

    def on_its_own(bed: Bed, options: Options) -> list[Line]:
        gc.collect()
        gc.freeze()
        collect_seldom()
        with asyncio.Runner(loop_factory=uvloop.new_event_loop) as runner:
            return runner.run(ready(bed, options))

    return on_its_own


SCENARIOS: Final[dict[str, Scenario]] = {
    "throughput": on_loop(throughput.run),
    "latency": on_loop(latency.run),
    "loaded": on_loop(latency.run_loaded),
    "hot": on_loop(many.run_hot),
    "registered": on_loop(many.run_registered),
    "large_event": on_loop(many.run_large_event),
    "isolation": on_loop(isolation.run),
    "recovery": on_loop(recovery.run),
    "large_store": on_loop(large_store.run),
    "published": on_loop(published.run),
    "signing": on_loop(signing.run),
    "commit_per_change": on_loop(naive.run),
    "debates": debates.run_all,  # the last ones: they start Ray
    "own_process": own_process.run_all,
}


def main() -> None:
    parser = argparse.ArgumentParser(description=(__doc__ or "").splitlines()[0])
    parser.add_argument("--scenario", nargs="*", choices=SCENARIOS, default=list(SCENARIOS))
    for size in fields(Options):
        parser.add_argument(f"--{size.name}", type=type(size.default), default=size.default)
    given = vars(parser.parse_args())
    names = given.pop("scenario")
    structlog.configure(wrapper_class=structlog.make_filtering_bound_logger(logging.ERROR))
    for name in names:
        for line in lines(name, Options(**given)):
            print(json.dumps(line), flush=True)


def lines(name: str, options: Options) -> list[dict[str, object]]:
    """The lines of one scenario, in a directory and with a receiver of its own."""
    with tempfile.TemporaryDirectory(prefix="webhooks-") as made, receiver(Path(made)) as url:
        return [_printed(line) for line in SCENARIOS[name](Bed(Path(made), url), options)]


def _printed(line: Line) -> dict[str, object]:
    told: dict[str, object] = {"scenario": line.scenario, "store": store_kind(), **rounded(dict(line.figures))}
    return told if line.met is None else {**told, "goal": line.goal, "met": line.met}


if __name__ == "__main__":
    main()
