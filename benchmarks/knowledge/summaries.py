"""What summaries do to a search by words, and to what a debate is offered: one workspace in SQLite, made of topics that
share their common words as real texts do. Meanings are not searched: they cost the same with and without."""

from __future__ import annotations

import asyncio
import random
import tempfile
import time
from collections.abc import Iterator
from dataclasses import dataclass
from pathlib import Path
from typing import Final

from aragora.clock import SystemClock
from aragora.config.settings import Settings
from aragora.errors import Unavailable
from aragora.knowledge.ledger import Added
from aragora.knowledge.memories import Memories
from aragora.knowledge.model import Basis, Home, Item, ItemKind, Source, SourceKind, Statement, debate_root
from aragora.knowledge.near import Near
from aragora.knowledge.offering import offered
from aragora.knowledge.planning import Addition
from aragora.knowledge.searching import Mode, Searching
from aragora.knowledge.source import FOUND, MoundSource
from aragora.knowledge.store.observations import Observations
from aragora.knowledge.store.reading import KnowledgeReader
from aragora.knowledge.store.summaries import SummaryStore
from aragora.knowledge.store.writing import UNITS_MAX, KnowledgeWriter
from aragora.knowledge.summarising import Summarising
from aragora.knowledge.wanted import Wanted
from aragora.migrations.applying import apply_pending
from aragora.scope import Scope
from aragora.storage.contexts import Context
from aragora.storage.database import Database
from benchmarks.figures import percentile
from benchmarks.knowledge.options import Options
from benchmarks.webhooks.options import Line

TOPICS: Final = 200
COMMON: Final = [f"common{number}" for number in range(60)]
HOME: Final = Home("bench", "default")
SCOPE: Final = Scope("bench", frozenset({"default"}))
ALONE: Final = Wanted(kinds=(ItemKind.SUMMARY,))
CHARS_PER_TOKEN: Final = 4  # of English, roughly


class NoMeanings:
    """No index."""

    async def nearest(self, *_: object) -> Near:
        raise Unavailable("words alone are searched")


@dataclass(frozen=True, slots=True)
class _World:
    reader: KnowledgeReader
    searching: Searching
    memories: Memories
    questions: list[str]


def run(options: Options) -> Iterator[Line]:
    """Searches of all items, of summaries alone, and of the items of the best one; then offers."""
    with tempfile.TemporaryDirectory() as directory:
        yield from asyncio.run(_measured(options, Path(directory)))


async def _measured(options: Options, directory: Path) -> list[Line]:
    settings = Settings(data_dir=directory)
    await apply_pending(settings)
    database, clock, drawn = Database.open(settings, Context.MEMORY), SystemClock(), random.Random(14)
    writer, reader = KnowledgeWriter(database, clock), KnowledgeReader(database)
    began = time.perf_counter()
    for start in range(0, options.items, UNITS_MAX):
        await writer.write(HOME, [_item(drawn, n) for n in range(start, min(start + UNITS_MAX, options.items))])
    wrote_s, began = time.perf_counter() - began, time.perf_counter()
    made = await Summarising(SummaryStore(database), writer, clock).condense()
    figures = {"items": options.items, "items_per_s": options.items / wrote_s, "summaries": made}
    lines = [Line("summaries", {"step": "condense", **figures, "took_s": time.perf_counter() - began})]
    questions = [_question(drawn) for _ in range(options.searches)]
    world = _World(reader, Searching(reader, NoMeanings(), clock), Memories(Observations(database), clock), questions)
    lines += [await _searched(world, "all items", Wanted()), await _searched(world, "summaries", ALONE)]
    lines += [await _gone_into(world), await _offers(world)]
    await database.aclose()
    return lines


async def _searched(world: _World, name: str, wanted: Wanted) -> Line:
    took, hits = [], 0
    for question in world.questions:
        began = time.perf_counter()
        answer = await world.searching.search(SCOPE, question, mode=Mode.LEXICAL, wanted=wanted)
        took.append(1e3 * (time.perf_counter() - began))
        hits += bool(answer.results)
    return _line(name, took, hits / len(took))


async def _gone_into(world: _World) -> Line:
    """The best summary, then its items."""
    took, hits = [], 0
    for question in world.questions:
        began = time.perf_counter()
        found = await world.searching.search(SCOPE, question, k=1, mode=Mode.LEXICAL, wanted=ALONE)
        for one in found.results:
            within = Wanted(within=one.item.item_id)
            hits += bool((await world.searching.search(SCOPE, question, mode=Mode.LEXICAL, wanted=within)).results)
        took.append(1e3 * (time.perf_counter() - began))
    return _line("a summary, then its items", took, hits / len(took))


def _line(name: str, took: list[float], answered: float) -> Line:
    took.sort()
    of = {"searched": name, "p50_ms": percentile(took, 0.5), "p99_ms": percentile(took, 0.99), "answered": answered}
    return Line("summaries", of)


async def _offers(world: _World) -> Line:
    """Tokens of what a debate is offered."""
    source = MoundSource(world.reader, world.searching, world.memories, SystemClock(), summaries=True)
    plain, short = 0, 0
    for question in world.questions:
        answer = await world.searching.search(SCOPE, question, k=FOUND, mode=Mode.LEXICAL)
        found: list[Item] = [one.item for one in answer.results if one.item.statement.kind is not ItemKind.SUMMARY]
        summaries = await source.made_of(SCOPE, found)
        plain += sum(len(one.text) for one in offered(question, found, {}))
        short += sum(len(one.text) for one in offered(question, found, {}, summaries))
    count = CHARS_PER_TOKEN * len(world.questions)
    return Line("summaries", {"offered": "tokens of an offer", "without": plain / count, "with": short / count})


def _item(drawn: random.Random, number: int) -> Addition:
    topic = drawn.randrange(TOPICS)
    sentences = [f"{' '.join(_words(drawn, topic, 12))} {number}." for _ in range(3)]
    statement = Statement(ItemKind.FACT, " ".join(sentences), topics=(f"topic{topic}",))
    source = Source(SourceKind.DEBATE, debate_root(f"deb_{number}"), 1.0, debate_id=f"deb_{number}")
    return Addition(Added(statement, (source,), 0.6, Basis.VOTED))


def _question(drawn: random.Random) -> str:
    return " ".join(_words(drawn, drawn.randrange(TOPICS), 8))


def _words(drawn: random.Random, topic: int, count: int) -> list[str]:
    """Words of a topic and common ones, the first of each far more often than the last."""
    of_topic = [f"word{topic}x{int(20 * drawn.random() ** 2)}" for _ in range(count // 2)]
    return [*of_topic, *(COMMON[int(len(COMMON) * drawn.random() ** 2)] for _ in range(count - count // 2))]
