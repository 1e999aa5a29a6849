"""The workload of `benchmarks.debates`, free of any framework and of Aragora: what is asked, and what a stub answers.

A debate has 4 agents and 3 rounds of 4 answers and 12 critiques, then 4 votes: 52 asks in 7 phases, each of which
needs all answers of the one before. An ask carries the texts its agent must read. Every module in this directory
needs the standard library and its own framework alone, so that it runs in an environment of its own.
"""

from __future__ import annotations

import asyncio
from collections.abc import Awaitable, Callable
from dataclasses import dataclass
from hashlib import blake2b

AGENTS = ("stub-1", "stub-2", "stub-3", "stub-4")
ROUNDS = 3
ASKS = ROUNDS * (len(AGENTS) + len(AGENTS) * (len(AGENTS) - 1)) + len(AGENTS)
_WORDS = tuple(f"{first}{second}n" for first in "bdfghklmnprstvwz" for second in "aeiouyaeiouyaeio")

RunDebate = Callable[[str], Awaitable[int]]
"""Runs the debate of that id; returns how many answers it collected."""


@dataclass(frozen=True)
class Ask:
    """`target` is whose answer is criticised; empty for answers and votes."""

    ask_id: str
    agent: str
    reads: tuple[str, ...]
    target: str = ""


@dataclass(frozen=True)
class Answer:
    agent: str
    target: str
    text: str


async def answer(ask: Ask, latency_s: float) -> Answer:
    """About 400 characters after `latency_s` seconds, another text for every ask."""
    if latency_s > 0:
        await asyncio.sleep(latency_s)
    digest = blake2b(ask.ask_id.encode()).digest() * 2
    return Answer(ask.agent, ask.target, " ".join(_WORDS[byte] for byte in digest[:100]))


def answer_asks(debate_id: str, round_number: int, critiques: list[Answer]) -> list[Ask]:
    """Each agent answers, having read what the others found wrong with its last answer."""
    return [
        Ask(
            f"{debate_id}/{round_number}/answer/{agent}",
            agent,
            tuple(critique.text for critique in critiques if critique.target == agent),
        )
        for agent in AGENTS
    ]


def critique_asks(debate_id: str, round_number: int, answers: list[Answer]) -> list[Ask]:
    """Each agent criticises each of the others."""
    return [
        Ask(f"{debate_id}/{round_number}/critique/{critic}/{given.agent}", critic, (given.text,), given.agent)
        for critic in AGENTS
        for given in answers
        if given.agent != critic
    ]


def vote_asks(debate_id: str, answers: list[Answer]) -> list[Ask]:
    """Each agent votes, having read all last answers."""
    texts = tuple(given.text for given in answers)
    return [Ask(f"{debate_id}/vote/{agent}", agent, texts) for agent in AGENTS]
