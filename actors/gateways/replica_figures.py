"""The figures of all replicas, through the shared state: each reports its own every `REPORT_S` seconds and when it is
asked, and the sum is read there. While the shared state is away a replica tells its own alone."""

from __future__ import annotations

from typing import Final

from actors.kinds import SHARED, SHARED_KEY
from actors.reporting import TIMEOUT_S
from actors.runtime import ONCE, Runtime
from aragora.background import Every
from aragora.errors import AragoraError
from aragora.resilience.backoff import Backoff
from aragora.server.replica_figures import Failures, OwnFigures, Refusals

REPORT_S: Final = 2.0
AFTER_ERROR: Final = Backoff(base_s=1.0, cap_s=5.0)


class SharedFigures:
    """Fulfils `ReplicaFigures`. Reports once `task` is started."""

    def __init__(self, runtime: Runtime, node_id: str, own: OwnFigures) -> None:
        self._shared = runtime.at(SHARED, SHARED_KEY)
        self._node_id = node_id
        self._own = own
        self._heard = 0
        self.task = Every("report of a replica", REPORT_S, self.report, after_error=AFTER_ERROR)

    async def report(self) -> None:
        """Report now. Raises Unavailable where the shared state is away."""
        report = self._own.report(self._node_id, self._heard)
        self._heard = await self._shared.ask(lambda it: it.report_replica(report), timeout_s=TIMEOUT_S, backoff=ONCE)
        if self._heard < report.since:  # it began anew, and has lost what was told
            report = self._own.report(self._node_id, self._heard)
            self._heard = await self._shared.ask(
                lambda it: it.report_replica(report), timeout_s=TIMEOUT_S, backoff=ONCE
            )

    async def failures(self, limit: int) -> Failures:
        try:
            await self.report()
            notes = await self._shared.ask(lambda it: it.failures(limit), timeout_s=TIMEOUT_S, backoff=ONCE)
        except AragoraError:
            own = await self._own.failures(limit)
            return Failures(own.notes, whole=False)
        return Failures(notes)

    async def refusals(self) -> Refusals:
        try:
            await self.report()
            return await self._shared.ask(lambda it: it.refusals(), timeout_s=TIMEOUT_S, backoff=ONCE)
        except AragoraError:
            own = await self._own.refusals()
            return Refusals(own.refused, own.degraded, whole=False)
