"""What one answer cost so far: the usage of every call made for it, failed ones included, and the time since its start."""

from __future__ import annotations

from aragora.agents.model import AgentSpec
from aragora.clock import Clock
from aragora.debate.model import Usage


class Ledger:
    """Opened when the ask arrives. The last provider that was paid gives its name to the sum."""

    __slots__ = ("_clock", "_cost_usd", "_input", "_model", "_output", "_provider", "_started")

    def __init__(self, spec: AgentSpec, clock: Clock) -> None:
        self._clock = clock
        self._started = clock.monotonic()
        self._provider = spec.provider
        self._model = spec.model
        self._input = 0
        self._output = 0
        self._cost_usd = 0.0

    def elapsed_s(self) -> float:
        """Seconds since the ask arrived."""
        return self._clock.monotonic() - self._started

    def add(self, usage: Usage) -> None:
        """A call was paid."""
        self._provider = usage.provider
        self._model = usage.model
        self._input += usage.input_tokens
        self._output += usage.output_tokens
        self._cost_usd += usage.cost_usd

    def usage(self) -> Usage:
        """The sum, with the latency of the whole answer."""
        return Usage(self._provider, self._model, self._input, self._output, self._cost_usd, self.elapsed_s())

    def paid(self) -> Usage | None:
        """The sum, or None where nothing was paid."""
        return self.usage() if self._input or self._output or self._cost_usd else None
