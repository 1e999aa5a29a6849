"""What an agent's own work for one answer costs, by kind of ask, in microseconds of CPU.

    python -m benchmarks.answering [--asks N] [--options yes no]

A stub without latency stands for the provider, the breaker is in this process, and the log is silent: what is left is
making the call, reading the answer and counting what it cost. Prints one JSON line, for each kind the least of five
runs.
"""

from __future__ import annotations

import argparse
import asyncio
import json
import logging
import time
from typing import Final

import structlog

from aragora.agents.answering import Answering
from aragora.agents.gate import LeasedGate, LocalBreaker
from aragora.agents.model import AgentSpec
from aragora.agents.providers.stub import StubProvider
from aragora.clock import SystemClock
from aragora.debate.model import AgentAnswer, AgentRequest, Ask, AskKind, Brief, Candidate

_KINDS: Final = (AskKind.PROPOSE, AskKind.CRITIQUE, AskKind.VOTE)
_RUNS: Final = 5
_ANSWERS: Final = tuple(Candidate(label, "word " * 80) for label in "ABC")


def main() -> None:
    parser = argparse.ArgumentParser(description=(__doc__ or "").partition("\n")[0])
    parser.add_argument("--asks", type=int, default=3_000)
    parser.add_argument("--options", nargs="*", default=())
    given = parser.parse_args()
    structlog.configure(wrapper_class=structlog.make_filtering_bound_logger(logging.ERROR))
    print(json.dumps(asyncio.run(_measure(given.asks, tuple(given.options)))))


async def _measure(asks: int, options: tuple[str, ...]) -> dict[str, float]:
    clock = SystemClock()
    agent = Answering(
        AgentSpec("stub-1", "stub", "stub"), StubProvider("stub"), None, LeasedGate(LocalBreaker(clock), clock), clock
    )
    return {str(kind): min([await _us_each(agent, kind, asks, options) for _ in range(_RUNS)]) for kind in _KINDS}


async def _us_each(agent: Answering, kind: AskKind, asks: int, options: tuple[str, ...]) -> float:
    requests = [_request(kind, number, options) for number in range(asks)]
    began = time.process_time()
    for request in requests:
        reply = await agent.answer(request)
        assert isinstance(reply, AgentAnswer), reply
    return round(1e6 * (time.process_time() - began) / asks, 1)


def _request(kind: AskKind, number: int, options: tuple[str, ...]) -> AgentRequest:
    ask = Ask(f"deb_{number}/1/{kind}/stub-1", f"deb_{number}", "stub-1", kind, 1)
    answering = kind is AskKind.PROPOSE
    brief = Brief("Which queue?", candidates=() if answering else _ANSWERS, options=options if answering else ())
    return AgentRequest(ask, brief, 30.0)


if __name__ == "__main__":
    main()
