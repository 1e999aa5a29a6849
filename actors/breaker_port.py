"""The way from an agent to its breaker: the row in the store while it is closed, the actor once there is trouble."""

from __future__ import annotations

from typing import Final

from actors.runtime import Runtime
from aragora.agents.breaker_store import BreakerStore
from aragora.config.settings import Settings
from aragora.errors import Unavailable
from aragora.resilience.circuit_breaker import BreakerPolicy, Lease, Permission, Report
from aragora.storage.contexts import Context
from aragora.storage.database import Database

ASK_TIMEOUT_S: Final = 5.0


class StoredBreaker:
    """Fulfils `aragora.agents.gate.BreakerPort`. A breaker that never saw a failure has no row and needs no process:
    its lease is granted here and renewed by looking for the row every `lease_s`."""

    def __init__(self, agent: str, runtime: Runtime, settings: Settings) -> None:
        self._agent = agent
        self._runtime = runtime
        self._store = BreakerStore(Database.open(settings, Context.CORE))
        self._policy = BreakerPolicy()

    async def permit(self) -> Permission:
        if await self._store.load(self._agent) is None:
            return Lease(epoch=0, valid_s=self._policy.lease_s, outstanding=False)
        return await self._ask("permit")

    async def report(self, report: Report) -> Permission:
        return await self._ask("report", report)

    async def _ask(self, method: str, *args: Report) -> Permission:
        try:
            permission: Permission = await self._runtime.ask(
                "breaker", self._agent, method, *args, timeout_s=ASK_TIMEOUT_S
            )
        except Unavailable as error:
            raise TimeoutError(error.message) from error
        return permission
