"""The circuit breaker as an agent sees it: a gate before every call of its provider.

`LeasedGate` fulfils the gate over any `BreakerPort` (the breaker's actor, or `LocalBreaker` in this process)
with the lease rules of `aragora.resilience.lease`: on the healthy path it never leaves the process.
"""

from __future__ import annotations

import asyncio
from collections.abc import Awaitable
from contextvars import ContextVar
from dataclasses import dataclass
from typing import Final, Protocol

import structlog

from aragora.agents.model import BreakerOpen, LastingCause, ProviderError, error_of
from aragora.clock import Clock
from aragora.errors import AragoraError
from aragora.resilience import circuit_breaker as rules
from aragora.resilience.circuit_breaker import Breaker, BreakerPolicy, Lease, Permission, Refusal, Report, TrialPermit
from aragora.resilience.lease import LeaseHolder
from aragora.supervision import begin

BREAKER_S: Final = 5.0
"""How long a call waits for the breaker's permission, or a failed one for its report to be taken: its process may have
to start first."""
AWAY_S: Final = 5.0
"""How long a breaker that was not reached is neither asked nor told, and calls pass."""
UNTOLD_S: Final = BreakerPolicy().bar_s
"""How long a cause that stays, of which the breaker could not be told, refuses calls here: as long as there."""

_REPORT: Final = "report to a circuit breaker"

log = structlog.get_logger("aragora.agents")


class Gate(Protocol):
    """Every permit must be followed by `succeeded` or `failed`, from the task that got it. Nothing but a refusal is
    raised: a failure of our own says nothing about the provider, and must not cost an answer that was paid for."""

    async def permit(self) -> None:
        """Ask for permission to make one call. Raises BreakerOpen where it is refused, or the LastingCause that an
        earlier call met."""
        ...

    async def succeeded(self) -> None:
        """Tell of an answer, without waiting for the breaker: the answer is there, and its time may be almost over."""
        ...

    async def failed(self, error: ProviderError) -> None: ...


class BreakerPort(Protocol):
    """The breaker, in this process or another. Both methods may raise anything: the store behind it may be away."""

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
    """The gate of one agent. Where the breaker cannot be reached, calls pass: it is a guard, not a dependency. A cause
    that stays refuses them all the same: it is remembered here until the breaker is told.

    A task's permission is kept in its context, so that its outcome is reported under the same epoch or trial. A trial
    whose task ends without an outcome (it was withdrawn) is given back, or its agent would wait until the trial lapses.
    """

    def __init__(self, breaker: BreakerPort, clock: Clock) -> None:
        self._breaker = breaker
        self._clock = clock
        self._holder = LeaseHolder()
        self._untold: set[TrialPermit] = set()
        self._untold_cause: _UntoldCause | None = None
        self._away_until: float | None = None  # None while the breaker is reached

    async def permit(self) -> None:
        now = self._clock.monotonic()
        if self._holder.may_call(now):
            _permitted.set(self._holder.lease)
            return
        _permitted.set(None)
        await self._tell_cause()
        if self._untold_cause is not None:
            raise self._untold_cause.refusal(now)
        if self._away(now):
            return
        permission = await self._asked(self._breaker.permit())
        if permission is None:
            return
        self._accept(permission, now)
        if isinstance(permission, Refusal):
            raise _refused(permission)
        _permitted.set(permission)
        task = asyncio.current_task()
        if isinstance(permission, TrialPermit) and task is not None:
            self._untold.add(permission)
            task.add_done_callback(lambda _: self._give_back(permission))

    async def succeeded(self) -> None:
        permission = _permitted.get()
        if isinstance(permission, TrialPermit):
            self._untold.discard(permission)
            begin(self._report(rules.Succeeded(permission.epoch, permission.trial_id)), _REPORT)
        elif report := self._holder.succeeded(self._clock.monotonic()):
            begin(self._report(report), _REPORT)

    async def failed(self, error: ProviderError) -> None:
        lasting = isinstance(error, LastingCause)
        if not error.trips_breaker and not lasting:
            await self.succeeded()
            return
        permission = _permitted.get()
        trial_id = None
        if isinstance(permission, TrialPermit):
            self._untold.discard(permission)
            trial_id = permission.trial_id
        epoch = permission.epoch if permission else self._holder.epoch
        self._holder.drop()
        if lasting:
            barred = rules.Barred(epoch, rules.Cause(error.code, error.told), trial_id)
            if not await self._report(barred):
                self._untold_cause = _UntoldCause(barred, self._clock.monotonic() + UNTOLD_S)
                begin(self._tell_cause_later(self._untold_cause), _REPORT)
        else:
            await self._report(rules.Failed(epoch, f"{error.code}: {error.told}", trial_id, error.retry_after_s))

    def _give_back(self, trial: TrialPermit) -> None:
        if trial in self._untold:
            self._untold.discard(trial)
            begin(self._report(rules.Withdrawn(trial.epoch, trial.trial_id)), _REPORT)

    async def _tell_cause_later(self, cause: _UntoldCause) -> None:
        while self._untold_cause is cause:
            await asyncio.sleep(AWAY_S)
            await self._tell_cause()

    async def _tell_cause(self) -> None:
        """Tell the breaker of the cause that it does not know yet, if there is one. One that lapsed is forgotten: the
        next call tries whether it is gone."""
        cause = self._untold_cause
        if cause is None:
            return
        told = self._clock.monotonic() >= cause.until or await self._report(cause.report)
        if told and self._untold_cause is cause:
            self._untold_cause = None

    async def _report(self, report: Report) -> bool:
        """Whether the breaker was told."""
        now = self._clock.monotonic()
        permission = None if self._away(now) else await self._asked(self._breaker.report(report))
        if permission is None:
            self._holder.drop()
        else:
            self._accept(permission, now)
        return permission is not None

    def _away(self, now: float) -> bool:
        return self._away_until is not None and now < self._away_until

    async def _asked(self, answer: Awaitable[Permission]) -> Permission | None:
        """What the breaker answers; None where it cannot, whatever the reason: that is no fault of the provider."""
        try:
            async with asyncio.timeout(BREAKER_S):
                permission = await answer
        except Exception as error:  # noqa: BLE001  a guard that is broken must not become a dependency
            if self._away_until is None:
                log.warning("circuit breaker not reached: calls pass", error=_told(error))
            self._away_until = self._clock.monotonic() + AWAY_S
            return None
        if self._away_until is not None:
            log.info("circuit breaker reached")
            self._away_until = None
        return permission

    def _accept(self, permission: Permission, now: float) -> None:
        if isinstance(permission, Lease):
            self._holder.granted(permission, now)
        else:
            self._holder.drop()


@dataclass(frozen=True, slots=True)
class _UntoldCause:
    """A cause that stays, as the breaker is to be told of it; `until` is monotonic seconds."""

    report: rules.Barred
    until: float

    def refusal(self, now: float) -> ProviderError:
        return _refused(Refusal(max(0.0, self.until - now), barred_by=self.report.cause))


def _told(error: Exception) -> str:
    return error.message if isinstance(error, AragoraError) else type(error).__name__


def _refused(refusal: Refusal) -> ProviderError:
    if refusal.barred_by is not None:
        return error_of(refusal.barred_by.code)(refusal.barred_by.told, retry_after_s=refusal.retry_after_s)
    because = f" after {refusal.last_error}" if refusal.last_error else ""
    text = f"the circuit breaker is open{because}; it lets a trial call pass in {refusal.retry_after_s:.0f} s"
    return BreakerOpen(text, retry_after_s=refusal.retry_after_s)
