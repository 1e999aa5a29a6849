"""The process that learns from tasks while `benchmarks.control_plane` completes them: the outbox and the adapter, as
the coordinator and the adapter's actor run them, without Ray between the two."""

from __future__ import annotations

import asyncio
import json
import multiprocessing
import time
from collections.abc import AsyncIterator, Sequence
from contextlib import asynccontextmanager
from multiprocessing.synchronize import Event
from pathlib import Path
from typing import Final

import structlog

from aragora.config.settings import Settings
from aragora.control_plane.outcomes import TOPIC
from aragora.debate.store.journal_writer import JournalWriter
from aragora.knowledge.store.writing import KnowledgeWriter
from aragora.knowledge.syncing import PORTIONS
from aragora.knowledge.task_learning import TaskLearning
from aragora.storage.contexts import Context
from aragora.storage.database import Database
from aragora.storage.outbox import OutboxRelay, OutboxRow
from aragora.storage.outbox_store import OutboxStore
from benchmarks.figures import rounded

BEGINS_S: Final = 60.0
ENDS_S: Final = 30.0


class _Consumer:
    def __init__(self, learning: TaskLearning) -> None:
        self._learning = learning
        self.learnt = 0

    async def apply(self, rows: Sequence[OutboxRow]) -> None:
        for start in range(0, len(rows), PORTIONS[TOPIC]):
            self.learnt += (await self._learning.learn(rows[start : start + PORTIONS[TOPIC]])).debates


@asynccontextmanager
async def learner(settings: Settings) -> AsyncIterator[None]:
    """Learn in another process, over the stores of the settings, until the block ends."""
    context = multiprocessing.get_context("spawn")
    begun, ends = context.Event(), context.Event()
    process = context.Process(target=_main, args=(settings.data_dir, settings.database_url, begun, ends))
    process.start()
    try:
        if not await asyncio.to_thread(begun.wait, BEGINS_S):
            raise RuntimeError("the process that learns did not begin")
        yield
    finally:
        ends.set()
        await asyncio.to_thread(process.join, ENDS_S)
        process.kill()


def _main(data_dir: Path, database_url: str | None, begun: Event, ends: Event) -> None:
    structlog.configure(wrapper_class=structlog.make_filtering_bound_logger(30))
    asyncio.run(_learn(Settings(data_dir=data_dir, database_url=database_url), begun, ends))


async def _learn(settings: Settings, begun: Event, ends: Event) -> None:
    debates, memory = Database.open(settings, Context.DEBATES), Database.open(settings, Context.MEMORY)
    settling = JournalWriter(debates)
    consumer, cpu_s = _Consumer(TaskLearning(KnowledgeWriter(memory))), time.process_time()
    relay = OutboxRelay(OutboxStore(debates), settling, {TOPIC: consumer})
    relay.start()
    begun.set()
    await asyncio.to_thread(ends.wait)
    await relay.aclose()
    told = {"figure": "cpu_ms_of_one_learnt", "value": 1_000 * (time.process_time() - cpu_s) / max(1, consumer.learnt)}
    print(json.dumps(rounded({**told, "learnt": consumer.learnt})), flush=True)
    await settling.aclose()
    await debates.aclose()
    await memory.aclose()
