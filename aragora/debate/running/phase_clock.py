"""The time of one debate: when its open phase began, when its quorum was met, when the agents that are still to answer
gave their last signs of life, and when it must be looked at again.

Reads a clock and the machine, and sets no timer: the driver of the debate asks `left_s` and arranges to be called.
"""

from __future__ import annotations

from aragora.clock import Clock
from aragora.debate import machine


class PhaseClock:
    """Call `observe` whenever the state has changed; the other methods speak of the phase that was observed last."""

    __slots__ = ("_alive_at", "_clock", "_opened_at", "_phase", "_quorum_at")

    def __init__(self, clock: Clock) -> None:
        self._clock = clock
        self._phase: tuple[int, str, int] | None = None
        self._opened_at = 0.0
        self._quorum_at: float | None = None
        self._alive_at: dict[str, float] = {}  # by ask id

    def observe(self, state: machine.DebateState) -> bool:
        """Note when a phase begins and when its quorum is met; whether a phase has begun since the last call."""
        now = self._clock.monotonic()
        phase = machine.phase_key(state)
        begun = phase != self._phase
        if begun:
            self._phase = phase
            self._opened_at = now
            self._quorum_at = None
            self._alive_at.clear()
        if self._quorum_at is None and machine.quorum_met(state):
            self._quorum_at = now
        return begun

    def alive(self, ask_id: str) -> None:
        """The agent of this ask, which is open, works on it."""
        self._alive_at[ask_id] = self._clock.monotonic()

    def timing(self, state: machine.DebateState) -> machine.Timing:
        """How long the phase has been open, for how long its quorum has been met, and since when nothing was heard of
        the agents that are still to answer. Seconds."""
        now = self._clock.monotonic()
        since_quorum_s = None if self._quorum_at is None else now - self._quorum_at
        if not self._alive_at:
            return machine.Timing(now - self._opened_at, since_quorum_s)
        last = max((at for ask_id, at in self._alive_at.items() if ask_id in state.open), default=None)
        return machine.Timing(now - self._opened_at, since_quorum_s, None if last is None else now - last)

    def left_s(self, state: machine.DebateState) -> float | None:
        """Seconds until the phase closes without the answers that are missing, never below 0; None where no phase
        waits for agents."""
        timing = self.timing(state)
        deadline = machine.next_deadline_s(state, timing)
        return None if deadline is None else max(0.0, deadline - timing.elapsed_s)
