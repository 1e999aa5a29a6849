"""Searches of a whole mound in one process: both lists, each list alone, brute force and a kept answer side by side;
how it is written and how its index is built from the store."""

from __future__ import annotations

import asyncio
import os
import time
from collections.abc import Awaitable, Callable, Sequence
from dataclasses import dataclass
from random import Random
from typing import Any, Final

import numpy as np
import psutil

from aragora.knowledge.answers import AnswerCache
from aragora.knowledge.indexing import MoundIndex
from aragora.knowledge.model import Home
from aragora.knowledge.search.vectors import Vectors
from aragora.knowledge.searching import EVERYTHING, Keeping, Mode, Searching
from aragora.knowledge.store.generations import Generations
from aragora.knowledge.store.lexical import workspace_scope
from aragora.knowledge.wanted import Wanted
from aragora.scope import Scope
from benchmarks.figures import percentile
from benchmarks.knowledge.mound import ORG, RARE, RARE_EVERY, MadeEmbedder, Mound, addition, texts_of, workspace
from benchmarks.knowledge.options import Options
from benchmarks.knowledge.scan import DIMENSION, made
from benchmarks.webhooks.options import Line

K: Final = 10
CLIENTS: Final = 16
SINGLE: Final = 100  # writes of one item
SPREAD: Final = 100  # workspaces
_GOAL_P50_MS, _GOAL_P99_MS = 20.0, 60.0
_ASKED_WORDS: Final = 6


@dataclass(frozen=True, slots=True)
class Asked:
    """Questions with the rows of the items that they are near to."""

    questions: list[str]
    vectors: Vectors


async def one_workspace(mound: Mound, options: Options) -> list[Line]:
    """All items in one workspace."""
    texts, (vectors, queries) = texts_of(options.items), made(options.items, options.searches)
    embedder = MadeEmbedder("made", DIMENSION)
    lines = [await _written(mound, texts)]
    await mound.embed(embedder, vectors)
    index = mound.index(embedder)
    lines.append(await _built(mound, index))
    asked = _asked(embedder, texts, queries)
    scope = Scope(ORG, frozenset({workspace(0)}))
    searching = Searching(mound.reader, index, mound.clock)
    keeping = Searching(
        mound.reader, index, mound.clock, Keeping(AnswerCache(mound.clock), Generations(mound.database))
    )
    rare = Wanted(topics=(RARE,))

    def by(of: Searching, mode: Mode, wanted: Wanted = EVERYTHING) -> Callable[[str], Awaitable[Any]]:
        return lambda question: of.search(scope, question, k=K, mode=mode, wanted=wanted)

    async def brute(question: str) -> Any:
        best = np.argsort(-(vectors @ embedder.vectors[question]), kind="stable")[:K]
        return await mound.reader.numbered(scope, Wanted(), [int(row) + 1 for row in best], mound.clock.now())

    for question in asked.questions:  # what is kept is what was asked before
        await keeping.search(scope, question, k=K)
    goal = f"p50 {_GOAL_P50_MS:g}, p99 {_GOAL_P99_MS:g} ms"
    for name, ask in (
        ("hybrid", by(searching, Mode.HYBRID)),
        ("lexical", by(searching, Mode.LEXICAL)),
        ("semantic", by(searching, Mode.SEMANTIC)),
        (f"hybrid, 1 item in {RARE_EVERY}", by(searching, Mode.HYBRID, rare)),
        ("brute force over vectors", brute),
        ("kept answer", by(keeping, Mode.HYBRID)),
    ):
        cpu = time.process_time()
        p50, p99 = await _times_ms(ask, asked.questions)
        cpu_ms = 1e3 * (time.process_time() - cpu) / len(asked.questions)
        figures = {"by": name, "items": options.items, "p50_ms": p50, "p99_ms": p99, "cpu_ms": cpu_ms}
        is_goal = name == "hybrid"
        met = p50 <= _GOAL_P50_MS and p99 <= _GOAL_P99_MS
        lines.append(Line("search", figures, goal if is_goal else "", met if is_goal else None))
    lines.append(await _recall(index, vectors, asked, mound, scope))
    lines.append(await _at_once(by(searching, Mode.HYBRID), asked.questions, options.items))
    await index.aclose()
    return lines


async def many_workspaces(mound: Mound, options: Options) -> list[Line]:
    """The items in 100 workspaces, of which each search names one."""
    texts, (vectors, queries) = texts_of(options.spread), made(options.spread, options.searches)
    embedder = MadeEmbedder("made", DIMENSION)
    await mound.fill(texts, SPREAD)
    await mound.embed(embedder, vectors)
    index = mound.index(embedder)
    await _load(index)
    asked = _asked(embedder, texts, queries)
    searching, chance = Searching(mound.reader, index, mound.clock), Random(14)
    lines = []
    for mode in (Mode.HYBRID, Mode.LEXICAL, Mode.SEMANTIC):

        async def ask(question: str, mode: Mode = mode) -> Any:
            scope = Scope(ORG, frozenset({workspace(chance.randrange(SPREAD))}))
            return await searching.search(scope, question, k=K, mode=mode)

        p50, p99 = await _times_ms(ask, asked.questions)
        figures = {"by": mode, "items": options.spread, "workspaces": SPREAD, "p50_ms": p50, "p99_ms": p99}
        is_goal = mode is Mode.HYBRID
        lines.append(
            Line(
                "spread",
                figures,
                f"p99 {_GOAL_P99_MS:g} ms" if is_goal else "",
                p99 <= _GOAL_P99_MS if is_goal else None,
            )
        )
    await index.aclose()
    return lines


async def _written(mound: Mound, texts: Sequence[str]) -> Line:
    took_s = await mound.fill(texts)
    now, single = mound.clock.now(), []
    for number in range(SINGLE):
        one = addition(f"a single word of its own, {number}", 10**9 + 1 + number, now)
        began = time.perf_counter()
        await mound.writer.write(Home(ORG, workspace(0)), [one])
        single.append(time.perf_counter() - began)
    per_s, single_per_s = len(texts) / took_s, SINGLE / sum(single)
    figures = {"items": len(texts), "batched_per_s": per_s, "single_per_s": single_per_s}
    return Line("writes", figures, "2,000/s in batches, 150/s single", per_s >= 2_000 and single_per_s >= 150)


async def _built(mound: Mound, index: MoundIndex) -> Line:
    """Searches go on by words while the index is loaded."""
    process = psutil.Process(os.getpid())
    before, searching = process.memory_info().rss, Searching(mound.reader, index, mound.clock)
    scope, lexical = Scope(ORG, frozenset({workspace(0)})), 0
    began = time.perf_counter()
    loading = asyncio.create_task(_load(index))
    while not loading.done():
        answer = await searching.search(scope, "a single word of its own", k=1)
        lexical += answer.mode is Mode.LEXICAL
        await asyncio.sleep(0.01)
    took_s = await loading - began
    index_mb, rss_mb = index.figures.size_bytes / 1e6, (process.memory_info().rss - before) / 1e6
    figures = {
        "vectors": index.figures.vectors,
        "built_s": took_s,
        "searches_meanwhile": lexical,
        "index_mb": index_mb,
        "rss_grew_mb": rss_mb,
    }
    return Line("index", figures, "5 s, 350 MB", took_s <= 5.0 and index_mb <= 350.0)


async def _load(index: MoundIndex) -> float:
    """Until the vectors of the store are in the index; returns when that was."""
    while not index.figures.loaded:
        await index.step()
    return time.perf_counter()


def _asked(embedder: MadeEmbedder, texts: Sequence[str], queries: Vectors) -> Asked:
    """Questions of some words of a text."""
    chance = Random(41)
    questions = [" ".join(chance.sample(chance.choice(texts).split(), _ASKED_WORDS)) for _ in queries]
    embedder.vectors = dict(zip(questions, queries, strict=True))
    return Asked(questions, queries)


async def _recall(index: MoundIndex, vectors: Vectors, asked: Asked, mound: Mound, scope: Scope) -> Line:
    """Of the index of meanings against brute force, of all and behind a filter."""
    place = workspace_scope(ORG, workspace(0))
    found: dict[str, object] = {"items": len(vectors)}
    rare = await mound.reader.allowed(scope, Wanted(topics=(RARE,)), len(vectors), mound.clock.now()) or []
    for name, allowed in (("all", None), ("behind_0.1_percent", rare)):
        rows = np.arange(len(vectors)) if allowed is None else np.array(sorted(allowed)) - 1
        hit = whole = 0
        for question, query in zip(asked.questions, asked.vectors, strict=True):
            near = await index.nearest((place,), question, K, allowed)
            truth = {int(row) + 1 for row in rows[np.argsort(-(vectors[rows] @ query), kind="stable")[:K]]}
            hit += len(truth & {number for number, _ in near.found})
            whole += len(truth)
        found[f"recall_at_10_{name}"] = hit / whole
    return Line("recall", found, "1.0", all(value == 1.0 for name, value in found.items() if name != "items"))


async def _times_ms(ask: Callable[[str], Awaitable[Any]], questions: Sequence[str]) -> tuple[float, float]:
    took = []
    await ask(questions[0])
    for question in questions:
        began = time.perf_counter()
        await ask(question)
        took.append(1e3 * (time.perf_counter() - began))
    took.sort()
    return percentile(took, 0.5), percentile(took, 0.99)


async def _at_once(ask: Callable[[str], Awaitable[Any]], questions: Sequence[str], items: int) -> Line:
    waiting = iter([*questions, *questions])

    async def client() -> None:
        for question in waiting:
            await ask(question)

    began = time.perf_counter()
    await asyncio.gather(*(client() for _ in range(CLIENTS)))
    per_s = 2 * len(questions) / (time.perf_counter() - began)
    return Line("at once", {"clients": CLIENTS, "items": items, "searches_per_s": per_s}, "60/s", per_s >= 60.0)
