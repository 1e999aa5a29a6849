"""LangGraph: a graph whose steps fan out one task per ask, with its SQLite checkpointer, durable as it ships.

The checkpointer writes what each task returned and the state after each step, in WAL mode and with SQLite's default
synchronous=FULL. The state of a step goes on while the checkpoint of the one before is written (`durability`
"async", the framework's default).
"""

from __future__ import annotations

import operator
from collections.abc import AsyncIterator
from contextlib import asynccontextmanager
from pathlib import Path
from typing import Annotated, TypedDict

from langgraph.checkpoint.sqlite.aio import AsyncSqliteSaver
from langgraph.graph import END, START, StateGraph
from langgraph.types import Send

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


class State(TypedDict):
    """Answers as plain texts by (agent, target): what the checkpointer serializes without help."""

    debate_id: str
    answers: Annotated[list[tuple[str, str, str]], operator.add]
    critiques: Annotated[list[tuple[str, str, str]], operator.add]
    votes: Annotated[list[tuple[str, str, str]], operator.add]
    round: int


class Task(TypedDict):
    ask_id: str
    agent: str
    reads: tuple[str, ...]
    target: str


@asynccontextmanager
async def opened(latency_s: float, directory: Path) -> AsyncIterator[RunDebate]:
    async with AsyncSqliteSaver.from_conn_string(str(directory / "checkpoints.db")) as saver:
        graph = _builder(latency_s).compile(checkpointer=saver)

        async def debate(debate_id: str) -> int:
            opening: State = {"debate_id": debate_id, "answers": [], "critiques": [], "votes": [], "round": 1}
            settings = {"configurable": {"thread_id": debate_id}, "recursion_limit": 50}
            ended = await graph.ainvoke(opening, settings)
            return len(ended["answers"]) + len(ended["critiques"]) + len(ended["votes"])

        yield debate


def _builder(latency_s: float) -> StateGraph[State]:
    async def told(task: Task) -> tuple[str, str, str]:
        given = await answer(Ask(**task), latency_s)
        return (given.agent, given.target, given.text)

    async def give(task: Task) -> dict[str, list[tuple[str, str, str]]]:
        return {"answers": [await told(task)]}

    async def criticise(task: Task) -> dict[str, list[tuple[str, str, str]]]:
        return {"critiques": [await told(task)]}

    async def vote(task: Task) -> dict[str, list[tuple[str, str, str]]]:
        return {"votes": [await told(task)]}

    async def next_round(state: State) -> dict[str, int]:
        return {"round": state["round"] + 1}

    builder = StateGraph(State)
    for name, node in (("give", give), ("criticise", criticise), ("vote", vote)):
        builder.add_node(name, node)
    builder.add_node("answered", _nothing)
    builder.add_node("next_round", next_round)
    builder.add_conditional_edges(START, _answers, ["give"])
    builder.add_edge("give", "answered")
    builder.add_conditional_edges("answered", _critiques, ["criticise"])
    builder.add_edge("criticise", "next_round")
    builder.add_conditional_edges("next_round", _answers_or_votes, ["give", "vote"])
    builder.add_edge("vote", END)
    return builder


async def _nothing(_state: State) -> dict[str, int]:
    return {}


def _last(given: list[tuple[str, str, str]], count: int) -> list[Answer]:
    return [Answer(*one) for one in given[-count:]]


def _answers(state: State) -> list[Send]:
    critiques = _last(state["critiques"], len(AGENTS) * (len(AGENTS) - 1))
    return _sends("give", answer_asks(state["debate_id"], state["round"], critiques))


def _critiques(state: State) -> list[Send]:
    answers = _last(state["answers"], len(AGENTS))
    return _sends("criticise", critique_asks(state["debate_id"], state["round"], answers))


def _answers_or_votes(state: State) -> list[Send]:
    if state["round"] <= ROUNDS:
        return _answers(state)
    return _sends("vote", vote_asks(state["debate_id"], _last(state["answers"], len(AGENTS))))


def _sends(node: str, asks: list[Ask]) -> list[Send]:
    return [Send(node, Task(ask_id=ask.ask_id, agent=ask.agent, reads=ask.reads, target=ask.target)) for ask in asks]
