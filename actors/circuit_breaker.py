"""A circuit breaker as an actor: the machine of `aragora.resilience.circuit_breaker`, kept in the store.

It gets a process with the first failure of its agent; until then the closed breaker is only an absent row.
"""

from __future__ import annotations

from collections.abc import Awaitable, Callable
from typing import Final

import structlog

from actors.kinds import BREAKER
from actors.runtime import Runtime
from actors.virtual import Kept, VirtualActor
from aragora.agents.breaker_store import BreakerStore
from aragora.config.settings import Settings
from aragora.resilience import circuit_breaker as rules
from aragora.resilience.circuit_breaker import Breaker, BreakerChanged, BreakerPolicy, Lease, Permission, Report
from aragora.storage.contexts import Context
from aragora.storage.database import Database

log = structlog.get_logger("aragora.breaker")

ASK_TIMEOUT_S: Final = 5.0


class CircuitBreakerActor(VirtualActor):
    """The breaker of the agent `key`."""

    def __init__(self, key: str, settings: Settings) -> None:
        super().__init__(key, settings)
        self._policy = BreakerPolicy()
        self._store = BreakerStore(self._open(Context.CORE))
        self._breaker = Kept(self._load, self._save, _must_save)

    async def permit(self) -> Permission:
        """Leave for a call, a trial, or a refusal."""
        return await self._apply(lambda breaker, now: rules.permit(breaker, now, self._policy))

    async def report(self, report: Report) -> Permission:
        """Record an outcome; returns what applies from now on."""

        def recorded(breaker: Breaker, now: float) -> tuple[Breaker, Permission]:
            after = rules.record(breaker, report, now, self._policy)
            return after, rules.standing(after, now, self._policy)

        return await self._apply(recorded)

    async def _apply(self, rule: Callable[[Breaker, float], tuple[Breaker, Permission]]) -> Permission:
        self._used()

        changes: list[BreakerChanged] = []

        def ruled(before: Breaker) -> tuple[Breaker, Permission]:
            after, permission = rule(before, self._clock.monotonic())  # after the load, which may take long
            change = rules.changed(before, after)
            if change is not None:
                changes.append(change)
            return after, permission

        try:
            return await self._breaker.apply(ruled)
        finally:  # a change that could not be saved holds in memory nevertheless
            for change in changes:
                log.warning(
                    "circuit breaker changed",
                    agent=self._key,
                    before=change.before.value,
                    after=change.after.value,
                    reason=change.reason,
                )

    async def _load(self) -> Breaker:
        row = await self._store.load(self._key)
        if row is None:
            return Breaker()
        breaker = rules.from_row(row, self._clock.monotonic(), self._clock.now(), self._policy)
        if rules.cause_of(row) is not None:  # else the bar that is lifted would be shown until something else changes
            await self._save(breaker)
        return breaker

    async def _save(self, breaker: Breaker) -> None:
        now, wall = self._clock.monotonic(), self._clock.now()
        await self._store.save(self._key, rules.to_row(breaker, now, wall), wall)

    def _busy(self) -> bool:
        return self._breaker.writing


class StoredBreaker:
    """Fulfils `aragora.agents.gate.BreakerPort` for one agent. A breaker that never saw a failure has no row and needs
    no process: its lease is granted here and renewed by looking for the row every `lease_s`. Raises Unavailable where
    the store or the actor is away: the gate then lets calls pass."""

    def __init__(self, agent: str, runtime: Runtime, settings: Settings) -> None:
        self._agent = agent
        self._actor = runtime.at(BREAKER, agent)
        self._store = BreakerStore(Database.open(settings, Context.CORE))
        self._policy = BreakerPolicy()

    async def permit(self) -> Permission:
        if await self._store.load(self._agent) is None:
            return Lease(epoch=0, valid_s=self._policy.lease_s, outstanding=False)
        return await self._asked(lambda it: it.permit())

    async def report(self, report: Report) -> Permission:
        return await self._asked(lambda it: it.report(report))

    async def _asked(self, message: Callable[[CircuitBreakerActor], Awaitable[Permission]]) -> Permission:
        return await self._actor.ask(message, timeout_s=ASK_TIMEOUT_S)


def _must_save(before: Breaker, after: Breaker) -> bool:
    """Whether a restart must find the difference."""
    return rules.changed(before, after) is not None or after.consecutive_failures != before.consecutive_failures
