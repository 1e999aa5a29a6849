"""Another embedder under load: clients search all the time, and the process is gone once in the middle."""

from __future__ import annotations

import asyncio
import time
from collections.abc import Awaitable, Callable, Sequence
from dataclasses import dataclass, field
from random import Random
from typing import Final

from aragora.knowledge.indexing import MoundIndex
from aragora.knowledge.searching import Mode, Searching
from aragora.scope import Scope
from benchmarks.figures import percentile
from benchmarks.knowledge.mound import ORG, MadeEmbedder, Mound, texts_of, workspace
from benchmarks.knowledge.options import Options
from benchmarks.knowledge.scan import DIMENSION, made
from benchmarks.webhooks.options import Line

CLIENTS: Final = 4
PACE_S: Final = 1.0  # of each client, from one search to the next: they share the process with the index
QUIET_S: Final = 5.0
OLD_DIMENSION, NEW_DIMENSION = DIMENSION, 256
_LOOK_EVERY: Final = 50  # steps
_ASKED_WORDS: Final = 6
_SCOPE: Final = Scope(ORG, frozenset({workspace(0)}))


@dataclass
class Load:
    """What clients saw: how long searches took, and how many found nothing or went by words alone."""

    took_ms: list[float] = field(default_factory=list)
    empty: int = 0
    by_words: int = 0

    def p99(self) -> float:
        return percentile(sorted(self.took_ms), 0.99)


async def run(mound: Mound, options: Options) -> list[Line]:
    """One line."""
    texts, (vectors, _) = texts_of(options.switched), made(options.switched, 1)
    old, new = MadeEmbedder("old", OLD_DIMENSION), MadeEmbedder("new", NEW_DIMENSION)
    await mound.fill(texts)
    await mound.embed(old, vectors)
    index = mound.index(old)
    await index.step()
    quiet = await _searched(Searching(mound.reader, index, mound.clock), texts, asyncio.sleep(QUIET_S))
    await index.aclose()

    async def half() -> bool:
        return await mound.vectors.count(str(new.embedder_id)) >= options.switched // 2

    async def never() -> bool:
        return False

    began = time.perf_counter()
    first = mound.index(new, old)
    await first.step()  # loaded: until then words alone are searched
    before = await _searched(Searching(mound.reader, first, mound.clock), texts, _stepped(first, half))
    await first.aclose()
    resumed_at = await mound.vectors.count(str(new.embedder_id))
    second = mound.index(new, old)
    await second.step()
    after = await _searched(Searching(mound.reader, second, mound.clock), texts, _stepped(second, never))
    took_s = time.perf_counter() - began
    left = await mound.vectors.count(str(old.embedder_id)), await mound.vectors.count(str(new.embedder_id))
    whole = not second.arriving and left == (0, options.switched)
    await second.aclose()
    figures = {
        "items": options.switched,
        "took_s": took_s,
        "resumed_at": resumed_at,
        "searches": len(before.took_ms) + len(after.took_ms),
        "empty": before.empty + after.empty,
        "by_words_alone": before.by_words + after.by_words,
        "p99_ms_quiet": quiet.p99(),
        "p99_ms_meanwhile": max(before.p99(), after.p99()),
        "old_left": left[0],
        "new": left[1],
    }
    met = whole and not before.empty + after.empty and resumed_at >= options.switched // 2
    return [Line("switch", figures, "all vectors are of the new one, and no search was empty", met)]


async def _stepped(index: MoundIndex, enough: Callable[[], Awaitable[bool]]) -> None:
    """Step the index until it is enough, which is looked at now and then, or nothing is left to do."""
    steps = 0
    while await index.step():
        steps += 1
        if steps % _LOOK_EVERY == 0 and await enough():
            return


async def _searched(searching: Searching, texts: Sequence[str], work: Awaitable[None]) -> Load:
    """Clients search until the work is done."""
    load, done = Load(), asyncio.Event()

    async def client(number: int) -> None:
        chance = Random(number)
        while not done.is_set():
            question = " ".join(chance.choice(texts).split()[:_ASKED_WORDS])
            began = time.perf_counter()
            answer = await searching.search(_SCOPE, question)
            load.took_ms.append(1e3 * (time.perf_counter() - began))
            load.empty += not answer.results
            load.by_words += answer.mode is Mode.LEXICAL
            await asyncio.sleep(PACE_S)

    clients = [asyncio.create_task(client(number)) for number in range(CLIENTS)]
    try:
        await work
    finally:
        done.set()
    await asyncio.gather(*clients)
    return load
