"""A circuit breaker as an actor: the machine of `aragora.resilience.circuit_breaker`, kept in the store.

It gets a process with the first failure of its agent; until then the closed breaker is only an absent row.
"""

from __future__ import annotations

import structlog

from actors.passivation import Passivation
from aragora.agents.breaker_store import BreakerStore
from aragora.clock import SystemClock
from aragora.config.settings import Settings
from aragora.observability.logging import configure_logging
from aragora.resilience import circuit_breaker as rules
from aragora.resilience.circuit_breaker import Breaker, BreakerPolicy, Permission, Report
from aragora.storage.contexts import Context
from aragora.storage.database import Database

log = structlog.get_logger("aragora.breaker")


class CircuitBreakerActor:
    """The breaker of the agent `key`."""

    def __init__(self, key: str, settings: Settings) -> None:
        configure_logging(settings)
        self._agent = key
        self._clock = SystemClock()
        self._policy = BreakerPolicy()
        self._database = Database.open(settings, Context.CORE)
        self._store = BreakerStore(self._database)
        self._passivation = Passivation(
            self._clock, settings.passivate_after_s, lambda: self._saving > 0, self._database.aclose
        )
        self._saving = 0
        self._breaker: Breaker | None = None

    async def permit(self) -> Permission:
        """Leave for a call, a trial, or a refusal."""
        before = await self._loaded()
        after, permission = rules.permit(before, self._clock.monotonic(), self._policy)
        await self._keep(before, after)
        return permission

    async def report(self, report: Report) -> Permission:
        """Record an outcome; returns what applies from now on."""
        before = await self._loaded()
        now = self._clock.monotonic()
        after = rules.record(before, report, now, self._policy)
        await self._keep(before, after)
        return rules.standing(after, now, self._policy)

    async def _loaded(self) -> Breaker:
        self._passivation.touch()
        if self._breaker is None:
            row = await self._store.load(self._agent)
            if self._breaker is None:
                now, wall = self._clock.monotonic(), self._clock.now()
                self._breaker = Breaker() if row is None else rules.from_row(row, now, wall, self._policy)
        return self._breaker

    async def _keep(self, before: Breaker, after: Breaker) -> None:
        """Hold the new state; store it where a restart must find it. Several reports may interleave at the await,
        so memory changes first and the row that is written is always the newest."""
        self._breaker = after
        change = rules.changed(before, after)
        if change is not None:
            log.warning(
                "circuit breaker changed",
                agent=self._agent,
                before=change.before.value,
                after=change.after.value,
                reason=change.reason,
            )
        now, wall = self._clock.monotonic(), self._clock.now()
        if change is not None or after.consecutive_failures != before.consecutive_failures:
            self._saving += 1
            try:
                await self._store.save(self._agent, rules.to_row(after, now, wall), wall)
            finally:
                self._saving -= 1
