"""Processes that write to the Knowledge Mound and are killed at any step: a program that forks one for each order.

Run as a program it does orders (`worlds.forking`):

    learn PLACE STEP        both adapters learn from two debates, as their actors do
    tasks PLACE STEP        the adapter of tasks learns from six attempts, failures among them, of two workspaces
    embed PLACE STEP        an index embeds all that waits, as its actor does
    zombie PLACE 1          an index that is stopped once it has made its first batch of vectors, and not stored it

PLACE is the word of a `worlds.knowledge_places.Place`. A process kills itself before its step number STEP, and with 0
at none. Steps are counted from 1: commits, vectors that are made, and on SQLite statements. In PostgreSQL, where a step
takes three times as long, whoever dies between two commits leaves what stood after the first, at whichever statement.
"""

from __future__ import annotations

import os
import signal
from collections.abc import Sequence
from contextlib import asynccontextmanager
from typing import TYPE_CHECKING, Any, Final

from sqlalchemy import event
from worlds import debating
from worlds.backends import SetClock
from worlds.closed_debates import closed
from worlds.forking import Deed, serve, strike
from worlds.knowledge_places import settings_of
from worlds.meanings import WordEmbedder
from worlds.task_outcomes import row
from worlds.taught import answers, spec

from aragora.control_plane.model import How
from aragora.errors import NotFound
from aragora.knowledge.heeding import heeding_over
from aragora.knowledge.indexing import LANE_BATCH, MoundIndex
from aragora.knowledge.learning import ADAPTERS, Learning
from aragora.knowledge.store.reading import KnowledgeReader
from aragora.knowledge.store.vectors import VectorStore
from aragora.knowledge.store.writing import KnowledgeWriter
from aragora.knowledge.task_learning import TaskLearning
from aragora.storage.contexts import Context
from aragora.storage.database import Database
from aragora.storage.outbox import OutboxRow

if TYPE_CHECKING:
    from collections.abc import AsyncIterator

    from aragora.knowledge.search.vectors import Vectors

PROGRAM: Final = __file__
DEBATES: Final = ("deb_1", "deb_2")


class Journals:
    """Journals of two debates, always the same."""

    def __init__(self) -> None:
        votes = answers(claude="three", gpt="three", gemini="five")
        self._lines = {
            f"deb_{number}": list(closed(debating.start(spec(number)).play(votes)).lines)
            for number in range(1, len(DEBATES) + 1)
        }

    async def journal(self, debate_id: str) -> list[str]:
        if debate_id not in self._lines:
            raise NotFound("there is no such debate")
        return self._lines[debate_id]


class _Steps:
    """Counts steps, and strikes at one of them."""

    def __init__(self, strike_at: int) -> None:
        self._strike_at = strike_at
        self._taken = 0

    def take(self, *_: Any) -> None:
        self._taken += 1
        if self._taken == self._strike_at:
            strike()


class _Embedder(WordEmbedder):
    """Each vector is a step; `stop_after` so many the process stops until it is told to go on."""

    def __init__(self, steps: _Steps, stop_after: int = 0) -> None:
        super().__init__()
        self._steps = steps
        self._left = stop_after

    async def embed_passages(self, texts: Sequence[str]) -> Vectors:
        self._steps.take()
        made = await super().embed_passages(texts)
        self._left -= 1
        if self._left == 0:
            os.kill(os.getpid(), signal.SIGSTOP)
        return made


@asynccontextmanager
async def _opened(place: str, steps: _Steps) -> AsyncIterator[Database]:
    database = Database.open(settings_of(place), Context.MEMORY)
    if database.is_sqlite:
        event.listen(database.engine.sync_engine, "before_cursor_execute", steps.take)
    event.listen(database.engine.sync_engine, "commit", steps.take)
    try:
        yield database
    finally:
        await database.aclose()


async def learn(place: str, step: int | str = 0, debates: int = len(DEBATES)) -> None:
    """Both adapters learn from so many debates. What was learnt from before changes nothing."""
    async with _opened(place, _Steps(int(step))) as database:
        reader, writer, journals = KnowledgeReader(database), KnowledgeWriter(database, SetClock()), Journals()
        rows = [OutboxRow(f"{one}:knowledge", "knowledge", one, "{}", 1.0) for one in DEBATES[:debates]]
        for name in ADAPTERS:
            await Learning(name, journals, reader, writer, heeding_over(database, writer)).learn(rows)


async def tasks(place: str, step: int | str = 0, attempts: int = 6) -> None:
    """The adapter of tasks learns from so many attempts. What was learnt from before changes nothing."""
    rows = [
        row(number, how=How.COMPLETED if number % 3 == 0 else How.FAILED, workspace=("default", "legal")[number % 2])
        for number in range(1, attempts + 1)
    ]
    async with _opened(place, _Steps(int(step))) as database:
        await TaskLearning(KnowledgeWriter(database, SetClock())).learn(rows)


async def embed(place: str, step: int | str = 0) -> None:
    """An index embeds all that waits."""
    await _embed(place, _Steps(int(step)), 0)


async def zombie(place: str, _step: int | str) -> None:
    """An index that is stopped before it stores its first batch."""
    await _embed(place, _Steps(0), LANE_BATCH)


async def _embed(place: str, steps: _Steps, stop_after: int) -> None:
    async with _opened(place, steps) as database:
        index = MoundIndex(VectorStore(database), _Embedder(steps, stop_after), SetClock())
        while await index.step():
            continue
        await index.aclose()


DEEDS: Final[dict[str, Deed]] = {
    "learn": learn,
    "tasks": tasks,
    "embed": embed,
    "zombie": zombie,
}


if __name__ == "__main__":
    serve(DEEDS)
