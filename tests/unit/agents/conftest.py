"""Providers that play a script, a gate that records, and asks to answer."""

from __future__ import annotations

import asyncio
import json
from collections.abc import Callable
from dataclasses import dataclass, field

import pytest
from worlds.logical_time import LoopClock

from aragora.agents.answering import Answering
from aragora.agents.gate import Gate
from aragora.agents.model import AgentSpec, BreakerOpen, Completion, ModelCall, ProviderError
from aragora.debate.model import AgentRequest, Ask, AskKind, Brief, Candidate, Usage
from aragora.resilience.backoff import Backoff, RetryBudget

GOOD_PROPOSAL = json.dumps({"answer": "Yes. It is simple.", "evidence": ["a test"], "confidence": 0.8})


class ScriptedProvider:
    """Plays its script: a text is an answer, an error is raised, a number is seconds of silence. While it is silent, a
    call has cost `spent`."""

    spent: Usage | None = None

    def __init__(self, name: str, script: list[str | ProviderError | Exception | float | Completion]) -> None:
        self.name = name
        self.renders_itself = False
        self.calls: list[ModelCall] = []
        self.closed = False
        self._script = list(script)

    async def complete(self, call: ModelCall) -> Completion:
        self.calls.append(call)
        act = self._script.pop(0)
        call.meter.runs(lambda: self.spent)
        if isinstance(act, Completion):
            return act
        if isinstance(act, float):
            await asyncio.sleep(act)
            act = GOOD_PROPOSAL
        if isinstance(act, Exception):
            raise act
        return Completion(act, Usage(self.name, f"{self.name}-model", 10, 20, 0.25))

    async def aclose(self) -> None:
        self.closed = True


@dataclass
class RecordingGate:
    """A gate that writes down what it is told; `refusals` permits are refused first."""

    refusals: int = 0
    told: list[str] = field(default_factory=list)

    async def permit(self) -> None:
        if self.refusals:
            self.refusals -= 1
            self.told.append("refused")
            raise BreakerOpen("the circuit breaker is open")
        self.told.append("permit")

    async def succeeded(self) -> None:
        self.told.append("succeeded")

    async def failed(self, error: ProviderError) -> None:
        self.told.append(error.code)


SPEC = AgentSpec("anthropic-api", "anthropic", "claude", fallback_model="anthropic/claude")


@pytest.fixture
def gate() -> RecordingGate:
    return RecordingGate()


@pytest.fixture
def answering(gate: RecordingGate) -> Callable[..., Answering]:
    def build(
        provider: ScriptedProvider,
        fallback: ScriptedProvider | None = None,
        *,
        spec: AgentSpec = SPEC,
        budget: RetryBudget | None = None,
        through: Gate | None = None,
    ) -> Answering:
        return Answering(
            spec,
            provider,
            fallback,
            through or gate,
            LoopClock(),
            backoff=Backoff(base_s=0.0, attempts=3),
            budget=budget,
            draw=lambda: 0.0,
        )

    return build


@pytest.fixture
def ask() -> Callable[..., AgentRequest]:
    def build(kind: AskKind = AskKind.PROPOSE, timeout_s: float = 30.0, labels: str = "") -> AgentRequest:
        candidates = tuple(Candidate(label, f"the answer of {label}") for label in labels)
        return AgentRequest(
            Ask(f"deb_1/1/{kind}/anthropic-api", "deb_1", "anthropic-api", kind, 1),
            Brief("Is it simple?", candidates=candidates),
            timeout_s,
        )

    return build
