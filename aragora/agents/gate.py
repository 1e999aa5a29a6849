"""The circuit breaker as an agent sees it: a gate before every call of its provider.

`LeasedGate` fulfils the gate over any `BreakerPort` (the breaker's actor, or `LocalBreaker` in this process)
with the lease rules of `aragora.resilience.lease`: on the healthy path it never leaves the process.
"""

from __future__ import annotations

from contextvars import ContextVar
from typing import Protocol

from aragora.agents.model import BreakerOpen, ProviderError
from aragora.clock import Clock
from aragora.resilience import circuit_breaker as rules
from aragora.resilience.circuit_breaker import Breaker, BreakerPolicy, Lease, Permission, Refusal, Report, TrialPermit
from aragora.resilience.lease import LeaseHolder


class Gate(Protocol):
    """Every permit must be followed by `succeeded` or `failed`, from the task that got it."""

    async def permit(self) -> None:
        """Ask for permission to make one call. Raises BreakerOpen where it is refused."""
        ...

    async def succeeded(self) -> None: ...

    async def failed(self, error: ProviderError) -> None: ...


class BreakerPort(Protocol):
    """The breaker, in this process or another. Both methods are cheap and may raise OSError or TimeoutError."""

    async def permit(self) -> Permission: ...

    async def report(self, report: Report) -> Permission:
        """Record an outcome. Returns what applies now (never a trial: a report asks for none)."""
        ...


class LocalBreaker:
    """A breaker in this process: for commands without a server, and for tests."""

    def __init__(self, clock: Clock, policy: BreakerPolicy | None = None) -> None:
        self._clock = clock
        self._policy = policy or BreakerPolicy()
        self.breaker = Breaker()

    async def permit(self) -> Permission:
        self.breaker, permission = rules.permit(self.breaker, self._clock.monotonic(), self._policy)
        return permission

    async def report(self, report: Report) -> Permission:
        now = self._clock.monotonic()
        self.breaker = rules.record(self.breaker, report, now, self._policy)
        return rules.standing(self.breaker, now, self._policy)


_permitted: ContextVar[Lease | TrialPermit | None] = ContextVar("aragora_permitted", default=None)


class LeasedGate:
    """The gate of one agent. Where the breaker cannot be reached, calls pass: it is a guard, not a dependency.

    A task's permission is kept in its context, so that its outcome is reported under the same epoch or trial.
    """

    def __init__(self, breaker: BreakerPort, clock: Clock) -> None:
        self._breaker = breaker
        self._clock = clock
        self._holder = LeaseHolder()

    async def permit(self) -> None:
        now = self._clock.monotonic()
        if self._holder.may_call(now):
            _permitted.set(self._holder.lease)
            return
        _permitted.set(None)
        try:
            permission = await self._breaker.permit()
        except (OSError, TimeoutError):
            return
        self._accept(permission, now)
        if isinstance(permission, Refusal):
            raise BreakerOpen(_refusal_text(permission), retry_after_s=permission.retry_after_s)
        _permitted.set(permission)

    async def succeeded(self) -> None:
        permission = _permitted.get()
        if isinstance(permission, TrialPermit):
            await self._report(rules.Succeeded(permission.epoch, permission.trial_id))
        elif report := self._holder.succeeded(self._clock.monotonic()):
            await self._report(report)

    async def failed(self, error: ProviderError) -> None:
        if not error.trips_breaker:
            await self.succeeded()
            return
        permission = _permitted.get()
        trial_id = permission.trial_id if isinstance(permission, TrialPermit) else None
        epoch = permission.epoch if permission else self._holder.epoch
        self._holder.drop()
        text = f"{error.code}: {error.message}"
        await self._report(rules.Failed(epoch, text, trial_id, error.retry_after_s))

    async def _report(self, report: Report) -> None:
        now = self._clock.monotonic()
        try:
            self._accept(await self._breaker.report(report), now)
        except (OSError, TimeoutError):
            self._holder.drop()

    def _accept(self, permission: Permission, now: float) -> None:
        if isinstance(permission, Lease):
            self._holder.granted(permission, now)
        else:
            self._holder.drop()


def _refusal_text(refusal: Refusal) -> str:
    because = f" after {refusal.last_error}" if refusal.last_error else ""
    return f"the circuit breaker is open{because}; it lets a trial call pass in {refusal.retry_after_s:.0f} s"
