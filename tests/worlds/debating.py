"""Builders and a driver for debates without agents, time, or a journal."""

from __future__ import annotations

from collections.abc import Callable, Iterable
from dataclasses import dataclass, field, replace
from typing import Any

from aragora.debate import machine
from aragora.debate.knowledge import OfferedItem, digest_of
from aragora.debate.model import (
    AgentAnswer,
    AgentFailure,
    AgentRequest,
    AnswerGiven,
    AskKind,
    Ballot,
    Content,
    Critique,
    DebateSpec,
    Event,
    Grouping,
    KnowledgeOffered,
    Proposal,
    Protocol,
    Reply,
    Usage,
)

AGENTS = ("claude", "gpt", "gemini", "grok")
USAGE = Usage("stub", "stub-1", 100, 50, 0.001, 0.2)
ENOUGH = 10_000

Answerer = Callable[[AgentRequest], Reply]


def spec_of(agents: tuple[str, ...] = AGENTS, protocol: Protocol | None = None, **changes: Any) -> DebateSpec:
    plain = protocol or Protocol("structured", early_stop=False, trickster=False)
    return replace(DebateSpec("deb_1", "Tea or coffee?", agents, plain, seed=7), **changes)


def answer_to(request: AgentRequest, cost_usd: float = 0.001) -> AgentAnswer:
    """A sensible answer: each agent has words of its own, and votes for the first label it sees."""
    ask = request.ask
    usage = replace(USAGE, cost_usd=cost_usd)
    content: Content
    if ask.kind is AskKind.GROUP:
        content = Grouping(tuple((candidate.label,) for candidate in request.brief.candidates))
    elif ask.kind is AskKind.CRITIQUE:
        content = Critique(("too vague",), ("say why",), 0.4)
    elif ask.kind in (AskKind.VOTE, AskKind.RANK, AskKind.JUDGE):
        labels = tuple(candidate.label for candidate in request.brief.candidates)
        content = Ballot(labels[0], 0.8, "the clearest", labels)
    else:
        words = " ".join(f"{ask.agent[::-1]}{word}{ask.round}" for word in ("alpha", "beta", "gamma"))
        options = request.brief.options
        place = AGENTS.index(ask.agent) if ask.agent in AGENTS else sum(ask.agent.encode())
        option = options[place % len(options)] if options else ""
        content = Proposal(f"{words}. Because {words}.", 0.6, (f"source {words}",), option)
    return AgentAnswer(ask.ask_id, ask.agent, content, usage)


def failure_of(request: AgentRequest, code: str = "timeout") -> AgentFailure:
    return AgentFailure(request.ask.ask_id, request.ask.agent, code, "no luck")


@dataclass
class Run:
    """A debate on its way: `play` answers every ask in the order asked until there is nothing more."""

    state: machine.DebateState = field(default_factory=machine.DebateState)
    events: list[Event] = field(default_factory=list)
    requests: list[AgentRequest] = field(default_factory=list)

    def take(self, events: Iterable[Event]) -> None:
        for event in events:
            machine.apply(self.state, event)
            self.events.append(event)

    def advance(self, timing: machine.Timing | None = None) -> None:
        while events := machine.advance(self.state, timing or machine.Timing(0.0)):
            self.take(events)
            timing = None

    def pending(self) -> list[AgentRequest]:
        return [machine.request(self.state, ask, 30.0) for ask in machine.asks(self.state)]

    def give(self, reply: Reply) -> None:
        self.take(machine.settle(self.state, reply))

    def step(self, answerer: Answerer = answer_to) -> None:
        """Answer all that is open, then advance."""
        for request in self.pending():
            self.requests.append(request)
            self.give(answerer(request))
        self.advance()

    def play(self, answerer: Answerer = answer_to) -> Run:
        for _ in range(ENOUGH):
            if not machine.asks(self.state):
                return self
            self.step(answerer)
        raise AssertionError("the debate does not end")

    def until(self, kind: AskKind, answerer: Answerer = answer_to) -> Run:
        while machine.asks(self.state) and machine.asks(self.state)[0].kind is not kind:
            self.step(answerer)
        assert machine.asks(self.state), f"no {kind} was asked"
        return self

    def kinds(self) -> list[AskKind]:
        return [request.ask.kind for request in self.requests]

    def of(self, kind: type) -> list[Any]:
        return [event for event in self.events if isinstance(event, kind)]


def start(spec: DebateSpec | None = None, offered: KnowledgeOffered | None = None) -> Run:
    """A debate that waits for its first answers; one that is `offered` something takes knowledge."""
    run = Run()
    asked = spec or spec_of()
    run.take([machine.first_event(asked if offered is None else replace(asked, knowledge=True))])
    run.take([] if offered is None else [offered])
    run.advance()
    return run


def item_of(number: int = 1, text: str = "Tea has less caffeine than coffee.", **changes: Any) -> OfferedItem:
    """An item as a source offers it."""
    found = f"deb_{number + 100}"
    plain = OfferedItem(
        label=f"K{number}",
        item_id=f"kno_{number}",
        version=1,
        digest=digest_of(text),
        kind="fact",
        text=text,
        confidence=0.7,
        confidence_words="likely",
        at=1_700_000_000.0,
        source_debate_id=found,
        source_receipt_id=f"rcp_{number + 100}",
        source_receipt_hash=digest_of(found),
    )
    return replace(plain, **changes)


def offer_of(*items: OfferedItem) -> KnowledgeOffered:
    return KnowledgeOffered(items or (item_of(1), item_of(2, "Coffee costs more than tea.")))


def given(agent: str, text: str, evidence: tuple[str, ...] = (), confidence: float = 0.5) -> AnswerGiven:
    """An answer as the journal tells it."""
    return AnswerGiven(1, agent, f"deb_1/1/propose/{agent}", AskKind.PROPOSE, text, confidence, evidence, USAGE)
