"""Debates whose critics all name the same issues."""

from __future__ import annotations

from collections.abc import Callable
from dataclasses import replace
from typing import Any

from worlds import debating
from worlds.closed_debates import OPENED_AT, closed
from worlds.taught import HOME, answers, spec

from aragora.debate.hints import OfferedIssue
from aragora.debate.journal import events_of
from aragora.debate.model import AgentAnswer, AgentRequest, AskKind, Critique, KnowledgeOffered, Proposal, Reply
from aragora.knowledge.taught import Offered, TaughtDebate

LOAD = "It names no source for the load that it expects."
THREE = {"claude": "three", "gpt": "three", "gemini": "five"}

Revising = Callable[[AgentRequest, Proposal], Proposal]


def kept(_: AgentRequest, said: Proposal) -> Proposal:
    """Answers that stay as they were."""
    return said


def longer(_: AgentRequest, said: Proposal) -> Proposal:
    """Answers of the same conclusion that say more."""
    return replace(said, text=said.text + " The load test of March shows it, and its log names each request.")


def played(
    number: int,
    issues: tuple[str, ...] = (LOAD,),
    revising: Revising = kept,
    shown: tuple[OfferedIssue, ...] = (),
    **of: Any,
) -> debating.Run:
    """Debate `number` of two rounds, in which every critic names these issues; `revising` says what becomes of later
    answers, `shown` was the checklist."""
    sensible = answers(**THREE)

    def answer(request: AgentRequest) -> Reply:
        reply = sensible(request)
        assert isinstance(reply, AgentAnswer)
        if request.ask.kind is AskKind.CRITIQUE:
            return replace(reply, content=Critique(issues, (), 0.8))
        if isinstance(reply.content, Proposal) and request.ask.kind is AskKind.REVISE:
            return replace(reply, content=revising(request, reply.content))
        return reply

    protocol = replace(spec().protocol, rounds=2)
    offered = KnowledgeOffered(checklist=shown) if shown else None
    return debating.start(spec(number, protocol=protocol, **of), offered).play(answer)


def journal(number: int, **of: Any) -> list[str]:
    """The same as its journal tells it."""
    return list(closed(played(number, **of)).lines)


def criticised(number: int = 1, *issues: str, offered: Offered | None = None, **of: Any) -> TaughtDebate:
    """The same as adapters see it."""
    run = played(number, issues or (LOAD,), **of)
    events = tuple(enumerate(events_of(closed(run).lines), 1))
    return TaughtDebate(HOME, run.state.spec, events, OPENED_AT + 100.0, offered or Offered(), OPENED_AT)
