"""autogen-core: four routed agents in its single-threaded runtime, a message and a reply for each ask. Nothing kept."""

from __future__ import annotations

import asyncio
from collections.abc import AsyncIterator
from contextlib import asynccontextmanager
from pathlib import Path

from autogen_core import AgentId, MessageContext, RoutedAgent, SingleThreadedAgentRuntime, message_handler

from benchmarks.peers.workload import (
    AGENTS,
    ROUNDS,
    Answer,
    Ask,
    RunDebate,
    answer,
    answer_asks,
    critique_asks,
    vote_asks,
)


class StubAgent(RoutedAgent):
    def __init__(self, latency_s: float) -> None:
        super().__init__("answers after a while")
        self._latency_s = latency_s

    @message_handler
    async def on_ask(self, message: Ask, ctx: MessageContext) -> Answer:  # noqa: ARG002 - the framework's signature
        return await answer(message, self._latency_s)


@asynccontextmanager
async def opened(latency_s: float, _directory: Path) -> AsyncIterator[RunDebate]:
    runtime = SingleThreadedAgentRuntime()
    for agent in AGENTS:
        await StubAgent.register(runtime, agent, lambda: StubAgent(latency_s))
    runtime.start()

    async def ask_all(asks: list[Ask]) -> list[Answer]:
        return list(await asyncio.gather(*(runtime.send_message(ask, AgentId(ask.agent, "default")) for ask in asks)))

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
    await runtime.stop_when_idle()
