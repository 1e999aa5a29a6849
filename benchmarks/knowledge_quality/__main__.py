"""How well knowledge is found: `python -m benchmarks.knowledge_quality [--languages NAME ...]`. Prints one JSON line
for each language and goal, with each single list beside the hybrid one.

One workspace holds the made worlds of all languages (`languages.toml`), another one the same with other values. The
store and the searches are the product's, on SQLite in a directory that is removed; the embedder is the embedded one.
"""

from __future__ import annotations

import argparse
import asyncio
import json
import logging
import tempfile
import time
from collections.abc import Mapping
from dataclasses import replace
from pathlib import Path

import structlog

from aragora.clock import SystemClock
from aragora.config.settings import load_settings
from aragora.knowledge.indexing import MoundIndex
from aragora.knowledge.model import Home
from aragora.knowledge.search.embedders.embedded import EmbeddedEmbedder
from aragora.knowledge.searching import Mode, Searching
from aragora.knowledge.store.reading import KnowledgeReader
from aragora.knowledge.store.vectors import VectorStore
from aragora.knowledge.store.writing import KnowledgeWriter
from aragora.migrations.applying import apply_pending
from aragora.scope import Scope
from aragora.storage.contexts import Context
from aragora.storage.database import Database
from benchmarks.figures import rounded
from benchmarks.knowledge_quality.measuring import Asked, ask_all, lines_of, together
from benchmarks.knowledge_quality.worlds import World, languages, world_of
from benchmarks.webhooks.options import Line

HOME, ELSEWHERE = Home("acme", "default"), Home("acme", "elsewhere")


def main() -> None:
    parser = argparse.ArgumentParser(description=(__doc__ or "").splitlines()[0])
    parser.add_argument("--languages", nargs="*", choices=languages(), default=list(languages()))
    given = parser.parse_args()
    structlog.configure(wrapper_class=structlog.make_filtering_bound_logger(logging.WARNING))  # figures alone
    with tempfile.TemporaryDirectory(prefix="knowledge-quality-") as directory:
        asyncio.run(_measure(Path(directory), given.languages))


async def _measure(directory: Path, names: list[str]) -> None:
    settings, clock = load_settings({"ARAGORA_DATA_DIR": str(directory)}), SystemClock()
    await apply_pending(settings)
    words = languages()
    worlds = [world_of(name, words[name], clock.now()) for name in names]
    database = Database.open(settings, Context.MEMORY)
    index = MoundIndex(VectorStore(database), EmbeddedEmbedder(), clock)
    try:
        await _fill(KnowledgeWriter(database, clock), index, worlds)
        searching = Searching(KnowledgeReader(database), index, clock)
        foreign = frozenset(one.added.statement.content for world in worlds for one in world.foreign)
        all_told = []
        for world in worlds:
            all_told.append(await ask_all(searching, Scope(HOME.org_id, frozenset({HOME.workspace})), world, foreign))
            _print(world, all_told[-1])
        if len(worlds) > 1:
            _print(replace(worlds[0], language="all", script="all"), together(all_told))
    finally:
        await index.aclose()
        await database.aclose()


async def _fill(writer: KnowledgeWriter, index: MoundIndex, worlds: list[World]) -> None:
    for world in worlds:
        for addition in world.additions:  # one after the other: what was decided before may be superseded
            await writer.write(HOME, [addition])
        await writer.write(ELSEWHERE, world.foreign)
    began = time.perf_counter()
    while await index.step():
        continue
    figures = {"items": index.figures.vectors, "embedded_per_s": index.figures.vectors / (time.perf_counter() - began)}
    _tell(Line("embedded", figures))


def _print(world: World, told: Mapping[Mode, Asked]) -> None:
    for line in lines_of(world, told):
        _tell(line)


def _tell(line: Line) -> None:
    goal = {} if line.met is None else {"goal": line.goal, "met": line.met}
    print(json.dumps({"scenario": line.scenario, **rounded(dict(line.figures)), **goal}), flush=True)


if __name__ == "__main__":
    main()
