"""No framework: coroutines in one process, nothing kept. What the workload costs in Python at the least."""

from __future__ import annotations

import asyncio
from collections.abc import AsyncIterator
from contextlib import asynccontextmanager
from pathlib import Path

from benchmarks.peers.workload import ROUNDS, Answer, Ask, RunDebate, answer, answer_asks, critique_asks, vote_asks


@asynccontextmanager
async def opened(latency_s: float, _directory: Path) -> AsyncIterator[RunDebate]:
    async def ask_all(asks: list[Ask]) -> list[Answer]:
        return list(await asyncio.gather(*(answer(ask, latency_s) for ask in asks)))

    async def debate(debate_id: str) -> int:
        critiques: list[Answer] = []
        answers: list[Answer] = []
        count = 0
        for number in range(1, ROUNDS + 1):
            answers = await ask_all(answer_asks(debate_id, number, critiques))
            critiques = await ask_all(critique_asks(debate_id, number, answers))
            count += len(answers) + len(critiques)
        return count + len(await ask_all(vote_asks(debate_id, answers)))

    yield debate
