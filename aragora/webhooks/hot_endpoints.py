"""Which endpoints have a process of their own: the dispatcher gives one to those that are sent most, and takes back
those that have grown cold, or whose process is in trouble.

An endpoint has one owner at any time. It changes hands like this: the one that has it sends nothing more, and lets
requests end; the dispatcher raises the endpoint's epoch; the next one reads what waits.
The dispatcher sends until the new process is there, so no delivery waits for a process to start.
"""

from __future__ import annotations

import asyncio
from collections.abc import Sequence
from typing import Final

import structlog

from aragora.background import Every
from aragora.clock import Clock
from aragora.errors import AragoraError, Fenced, Unavailable
from aragora.webhooks.heat import COLD_RATE, Heat
from aragora.webhooks.hot_endpoint import Made, key_of
from aragora.webhooks.hot_line import EndpointProcesses, Line
from aragora.webhooks.model import Delivery, EventRecord
from aragora.webhooks.owner import Owner
from aragora.webhooks.store.units import Tenure

LOOK_S: Final = 5.0
COLD_LOOKS: Final = 6
"""So many looks in a row find an endpoint cold before it is taken back."""
HAND_OVER_S: Final = 2.0
"""How long an endpoint is sent nothing so that its requests end. Where they take longer it stays where it is."""
NOT_AGAIN_S: Final = 60.0
RELEASE_S: Final = 5.0
TROUBLED_S: Final = 20.0
PREFIX: Final = key_of("")
IN_PROCESS: Final = "process"
IN_DISPATCHER: Final = "dispatcher"

log = structlog.get_logger("aragora.webhooks")


class HotEndpoints:
    """Belongs to the dispatcher's event loop. `begin` comes first.

    Args:
        owner: the dispatcher's.
        processes: None where there are none, and the dispatcher has all endpoints.
        most: how many endpoints may have a process.
    """

    def __init__(self, owner: Owner, processes: EndpointProcesses | None, *, clock: Clock, most: int) -> None:
        self._owner = owner
        self._processes = processes
        self._clock = clock
        self._most = most if processes is not None else 0
        self._heat = Heat()
        self._lines: dict[str, Line] = {}
        self._not_before: dict[str, float] = {}
        self._tenure: Tenure | None = None
        self._moving = asyncio.Lock()  # one endpoint changes hands at a time
        self._looking = Every("look at hot webhooks", LOOK_S, self.look)

    async def begin(self, tenure: Tenure) -> None:
        """Leave endpoints to the processes that have them from the last dispatcher. Raises Unavailable."""
        self._tenure = tenure
        if self._processes is None:
            return
        for key, epoch in (await self._owner.owners.epochs_of(PREFIX, IN_PROCESS)).items():
            endpoint_id = key.removeprefix(PREFIX)
            self._lines[endpoint_id] = self._line(endpoint_id, epoch)
        self._looking.start()

    def __contains__(self, endpoint_id: str) -> bool:
        return endpoint_id in self._lines

    def __len__(self) -> int:
        return len(self._lines)

    def note(self, endpoint_id: str) -> None:
        """The dispatcher has sent something to an endpoint."""
        if self._most:
            self._heat.note(endpoint_id, self._clock.monotonic())

    def take(self, event: EventRecord, deliveries: Sequence[Delivery]) -> list[Delivery]:
        """Hand over those that were stored for hot endpoints just now; returns the others."""
        if not self._lines:
            return list(deliveries)
        others: list[Delivery] = []
        for one in deliveries:
            line = self._lines.get(one.target_id)
            if line is None:
                others.append(one)
            else:
                line.put(Made(event, one))
        return others

    def work(self, endpoint_id: str) -> None:
        """Something waits in the store for a hot endpoint."""
        self._lines[endpoint_id].look()

    async def changed(self, endpoint_id: str) -> None:
        """A hot endpoint is another one now: its process goes by it when this returns, or has it no more. Raises
        Unavailable, Fenced."""
        line = self._lines[endpoint_id]
        while (epoch := line.epoch) is not None:
            try:
                return await line.processes.changed(endpoint_id, epoch)
            except (Unavailable, Fenced) as lost:
                if line.epoch == epoch:  # else it was granted anew meanwhile, and may have begun before the change
                    log.warning("a webhook that was changed is taken back", webhook_id=endpoint_id, error=lost.message)
                    break
        return await self.take_back(endpoint_id, 0.0)

    async def cancelled(self, endpoint_id: str, delivery_id: str) -> None:
        """A delivery of a hot endpoint was cancelled in the store. Where its process does not hear of that, it may send
        it, and stores nothing of it."""
        line = self._lines[endpoint_id]
        epoch = line.epoch
        if epoch is None:
            return
        try:
            await line.processes.cancelled(endpoint_id, epoch, delivery_id)
        except Fenced:
            line.lost(epoch)
        except Unavailable as away:
            log.warning("a process was not told of a cancellation", webhook_id=endpoint_id, error=away.message)

    async def look(self) -> None:
        """Take back what has grown cold or is in trouble, and give a process to what is hot. Raises Unavailable,
        Fenced."""
        await asyncio.gather(*map(self._look_at, [*self._lines.values()]))
        for line in [*self._lines.values()]:
            if line.in_trouble_for_s() >= TROUBLED_S:
                await self.take_back(line.endpoint_id, 0.0)
            elif line.cold_looks >= COLD_LOOKS or len(self._lines) > self._most:
                await self.take_back(line.endpoint_id, RELEASE_S)
        now = self._clock.monotonic()
        for endpoint_id in self._heat.hot(now):
            if len(self._lines) >= self._most:
                break
            if endpoint_id not in self._owner.queues:
                continue  # it is deleted, or nothing waits for it: a process would have nothing to do
            if endpoint_id not in self._lines and self._not_before.get(endpoint_id, now) <= now:
                await self.promote(endpoint_id)

    async def promote(self, endpoint_id: str) -> bool:
        """Give an endpoint a process; False where that cannot be now. Raises Fenced, Unavailable."""
        assert self._processes is not None, "without processes nothing is promoted"
        try:
            await self._processes.activate(endpoint_id)
        except AragoraError as error:
            log.warning("a webhook gets no process of its own", webhook_id=endpoint_id, error=error.message)
            self._later(endpoint_id)
            return False
        async with self._moving:
            queues = self._owner.queues
            if endpoint_id in self._lines or endpoint_id not in queues:
                return endpoint_id in self._lines
            if not await self._owner.quiesce(endpoint_id, HAND_OVER_S):
                self._later(endpoint_id)
                return False
            # No await in between: from here on everything that is made goes to the line.
            self._lines[endpoint_id] = self._line(endpoint_id, None)
            if endpoint_id in queues:
                queues.close(endpoint_id)
        log.info("a webhook has a process of its own", webhook_id=endpoint_id)
        return True

    async def take_back(self, endpoint_id: str, limit_s: float) -> None:
        """Deliver in the dispatcher again. The process has `limit_s` seconds to let requests end; what it does not tell
        within that is sent again. Raises Unavailable, Fenced."""
        async with self._moving:
            line = self._lines.get(endpoint_id)
            if line is None:
                return
            await line.aclose()
            try:
                if limit_s and line.epoch is not None:
                    await line.processes.release(endpoint_id, line.epoch, limit_s)
            except (Unavailable, Fenced) as lost:
                log.warning("a webhook was taken from its process", webhook_id=endpoint_id, error=lost.message)
            try:
                await self._advance(endpoint_id, IN_DISPATCHER)
            except BaseException:  # nobody else may have it yet
                self._lines[endpoint_id] = self._line(endpoint_id, line.epoch)
                raise
            del self._lines[endpoint_id]
            self._later(endpoint_id)
            log.info("a webhook is delivered by the dispatcher again", webhook_id=endpoint_id)
            await self._owner.take_up_target(endpoint_id)

    async def drain(self, limit_s: float) -> int:
        """Take every endpoint back, and let its requests end within `limit_s` seconds; returns how many were cut off.
        What cannot be taken back is left to the next dispatcher."""
        async with self._moving:  # a statement that is cut off leaves its connection to the garbage collector
            await self._looking.aclose()
        return sum(await asyncio.gather(*(self._end(line, limit_s) for line in [*self._lines.values()])))

    async def _end(self, line: Line, limit_s: float) -> int:
        await line.aclose()
        cut = 0
        try:
            if line.epoch is not None:
                cut = await line.processes.release(line.endpoint_id, line.epoch, limit_s)
            await self._advance(line.endpoint_id, IN_DISPATCHER)
        except AragoraError as error:
            log.warning("the process of a webhook was not drained", webhook_id=line.endpoint_id, error=error.message)
        self._lines.pop(line.endpoint_id, None)
        return cut

    async def _look_at(self, line: Line) -> None:
        epoch = line.epoch
        if epoch is None:
            return
        try:
            warmth = await line.processes.warmth(line.endpoint_id, epoch)
        except Fenced:
            line.lost(epoch)
        except Unavailable:
            line.look()  # it finds out whether the process is in trouble
        else:
            line.cold_looks = line.cold_looks + 1 if warmth.rate_per_s < COLD_RATE else 0

    def _later(self, endpoint_id: str) -> None:
        now = self._clock.monotonic()
        self._not_before = {one: at for one, at in self._not_before.items() if at > now}
        self._not_before[endpoint_id] = now + NOT_AGAIN_S

    def _line(self, endpoint_id: str, epoch: int | None) -> Line:
        assert self._processes is not None, "without processes there is no line"
        return Line(endpoint_id, self._processes, lambda: self._advance(endpoint_id, IN_PROCESS), self._clock, epoch)

    async def _advance(self, endpoint_id: str, owner: str) -> int:
        assert self._tenure is not None, "begin comes first"
        return await self._owner.owners.advance(key_of(endpoint_id), owner, under=self._tenure)
