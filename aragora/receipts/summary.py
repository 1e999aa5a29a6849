"""What a receipt tells of each agent, gathered from the events of its debate. Pure."""

from __future__ import annotations

from collections.abc import Iterable
from dataclasses import dataclass, field

from aragora.debate.model import (
    AgentFailed,
    AnswerGiven,
    CritiqueGiven,
    DebateOpened,
    Event,
    Fallback,
    FallbackUsed,
    Usage,
    VoteCast,
)
from aragora.receipts.canonical import text_digest


@dataclass(frozen=True, slots=True)
class FallbackCount:
    """How often an agent answered, or tried to, through another provider, and why."""

    from_provider: str
    to_provider: str
    model: str
    reason: str
    succeeded: int
    failed: int


@dataclass(frozen=True, slots=True)
class AgentPart:
    """One agent's part in a debate. Provider and model are those of its last answer; None where it gave none."""

    name: str
    provider: str | None
    model: str | None
    answers: int
    failures: int
    input_tokens: int
    output_tokens: int
    cost_usd: float
    latency_s: float  # all its answers together
    answer_sha256: str | None  # of its final answer to the question
    fallbacks: tuple[FallbackCount, ...] = ()


@dataclass(frozen=True, slots=True)
class DebateSummary:
    """The parts in the order in which the agents were named."""

    agents: tuple[AgentPart, ...]


@dataclass(slots=True)
class _Running:
    """One agent's figures while its events go by."""

    provider: str | None = None
    model: str | None = None
    answers: int = 0
    failures: int = 0
    input_tokens: int = 0
    output_tokens: int = 0
    cost_usd: float = 0.0
    latency_s: float = 0.0
    answer: str | None = None
    fallbacks: dict[tuple[str, str, str, str], list[int]] = field(default_factory=dict)

    def pay(self, usage: Usage) -> None:
        self.input_tokens += usage.input_tokens
        self.output_tokens += usage.output_tokens
        self.cost_usd += usage.cost_usd
        self.latency_s += usage.latency_s

    def fall_back(self, fallback: Fallback, *, succeeded: bool) -> None:
        key = (fallback.from_provider, fallback.to_provider, fallback.model, fallback.reason)
        counts = self.fallbacks.setdefault(key, [0, 0])
        counts[0 if succeeded else 1] += 1

    def part(self, name: str) -> AgentPart:
        return AgentPart(
            name=name,
            provider=self.provider,
            model=self.model,
            answers=self.answers,
            failures=self.failures,
            input_tokens=self.input_tokens,
            output_tokens=self.output_tokens,
            cost_usd=self.cost_usd,
            latency_s=self.latency_s,
            answer_sha256=None if self.answer is None else text_digest(self.answer),
            fallbacks=tuple(FallbackCount(*key, *counts) for key, counts in self.fallbacks.items()),
        )


def summary_of(events: Iterable[Event]) -> DebateSummary:
    """What each agent contributed and cost, from the events of one debate in the order of their seq."""
    running: dict[str, _Running] = {}
    for event in events:
        if isinstance(event, AnswerGiven | CritiqueGiven | VoteCast):
            agent = running.setdefault(event.agent, _Running())
            agent.answers += 1
            agent.provider, agent.model = event.usage.provider, event.usage.model
            agent.pay(event.usage)
            if isinstance(event, AnswerGiven):
                agent.answer = event.content
        elif isinstance(event, AgentFailed):
            agent = running.setdefault(event.agent, _Running())
            agent.failures += 1
            if event.usage is not None:
                agent.pay(event.usage)
        elif isinstance(event, FallbackUsed):
            running.setdefault(event.agent, _Running()).fall_back(event.fallback, succeeded=event.succeeded)
        elif isinstance(event, DebateOpened):
            running.update({name: _Running() for name in event.spec.agents})
    return DebateSummary(tuple(agent.part(name) for name, agent in running.items()))
