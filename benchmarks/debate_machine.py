"""What the pure machine costs per reply: settle, apply, advance and the request that caused it, in microseconds.

    python -m benchmarks.debate_machine [--debates N]

Runs the full exchange, everyone with everyone in three rounds, among four agents (52 asks), with answers of about 500
characters that differ, and prints one JSON line. No agent, journal or clock takes part.
"""

from __future__ import annotations

import argparse
import json
import statistics
import time
from dataclasses import replace
from itertools import count

from aragora.debate import machine
from aragora.debate.model import AgentAnswer, AgentRequest, AskKind, Ballot, Critique, DebateSpec, Proposal, Usage
from aragora.debate.protocol import preset

_AGENTS = ("claude", "gpt", "gemini", "grok")
_OPTIONS = ("yes", "no")  # they tell the positions: no ask is needed for them
_USAGE = Usage("stub", "stub-1", 100, 100, 0.001, 0.0)
_AT_ONCE = machine.Timing(0.0)
_serial = count()


def main() -> None:
    parser = argparse.ArgumentParser(description=__doc__.partition("\n")[0])
    parser.add_argument("--debates", type=int, default=300)
    runs = [_debate() for _ in range(parser.parse_args().debates)]
    each_us = [1e6 * spent_s / replies for spent_s, replies in runs]
    told = {
        "asks": runs[0][1],
        "us_per_reply_median": round(statistics.median(each_us), 1),
        "min": round(min(each_us), 1),
    }
    print(json.dumps(told))


def _debate() -> tuple[float, int]:
    """Seconds spent in the machine, and replies."""
    protocol = replace(preset("structured", topology="all_to_all"), early_stop=False)
    state = machine.DebateState()
    started = time.perf_counter()
    spec = DebateSpec("deb_bench", "Which one?", _AGENTS, protocol, seed=7, options=_OPTIONS)
    machine.apply(state, machine.first_event(spec))
    _advance(state)
    spent_s, replies = time.perf_counter() - started, 0
    while machine.asks(state):
        started = time.perf_counter()
        requests = [machine.request(state, ask, 30.0) for ask in machine.asks(state)]
        spent_s += time.perf_counter() - started
        answers = [_answer(request) for request in requests]
        started = time.perf_counter()
        for answer in answers:
            for event in machine.settle(state, answer):
                machine.apply(state, event)
            _advance(state)
        spent_s += time.perf_counter() - started
        replies += len(answers)
    return spent_s, replies


def _advance(state: machine.DebateState) -> None:
    while events := machine.advance(state, _AT_ONCE):
        for event in events:
            machine.apply(state, event)
    machine.phase_key(state)
    machine.quorum_met(state)
    machine.next_deadline_s(state, _AT_ONCE)


def _answer(request: AgentRequest) -> AgentAnswer:
    ask = request.ask
    content: Proposal | Critique | Ballot
    if ask.kind is AskKind.CRITIQUE:
        content = Critique(("the second reason does not follow " * 3,), ("name a source " * 4,), 0.4)
    elif ask.kind is AskKind.VOTE:
        content = Ballot("A", 0.7, "it names what decides")
    else:
        option = _OPTIONS[_AGENTS.index(ask.agent) % len(_OPTIONS)]
        content = Proposal(" ".join(f"word{next(_serial)}" for _ in range(55)), 0.6, ("a source",), option)
    return AgentAnswer(ask.ask_id, ask.agent, content, _USAGE)


if __name__ == "__main__":
    main()
