"""What the dispatcher hands to the process of one hot endpoint: in order, in batches, and without waiting for it.

What does not arrive is in the store, and the process is told to look there. A process that began anew, because the old
one died, has no grant: it is given the next epoch, and reads everything.
"""

from __future__ import annotations

import asyncio
import math
from collections import deque
from collections.abc import Awaitable, Callable
from functools import partial
from typing import Final, Protocol

import structlog

from aragora.background import pauses
from aragora.clock import Clock
from aragora.errors import AragoraError, Fenced, Unavailable
from aragora.resilience.backoff import Backoff
from aragora.supervision import begin
from aragora.webhooks.hot_endpoint import Made, Warmth

PENDING_MAX: Final = 1_000  # events; beyond, the process reads the store
BATCH: Final = 200
AGAIN: Final = pauses(Backoff(base_s=0.1, cap_s=5.0))

log = structlog.get_logger("aragora.webhooks")


class EndpointProcesses(Protocol):
    """The processes of hot endpoints (`actors.webhook_endpoint`). Every method raises Unavailable where the process
    does not answer, and, but for the first two, Fenced where it does not have the endpoint by this epoch."""

    async def activate(self, endpoint_id: str) -> None:
        """Start the process, without giving it the endpoint."""
        ...

    async def begin(self, endpoint_id: str, epoch: int) -> None:
        """Give it the endpoint; returns once it has taken up what waits. Raises Fenced where there is a newer epoch."""
        ...

    async def take(self, endpoint_id: str, epoch: int, made: tuple[Made, ...]) -> None:
        """See `HotEndpoint.take`."""
        ...

    async def work(self, endpoint_id: str, epoch: int) -> None:
        """See `HotEndpoint.work`."""
        ...

    async def changed(self, endpoint_id: str, epoch: int) -> None:
        """See `HotEndpoint.changed`."""
        ...

    async def cancelled(self, endpoint_id: str, epoch: int, delivery_id: str) -> None:
        """See `HotEndpoint.cancelled`."""
        ...

    async def warmth(self, endpoint_id: str, epoch: int) -> Warmth:
        """See `HotEndpoint.warmth`."""
        ...

    async def release(self, endpoint_id: str, epoch: int, limit_s: float) -> int:
        """See `HotEndpoint.release`: the process has the endpoint no more."""
        ...


class Line:
    """Belongs to one event loop. `grant` takes the endpoint's next epoch; it raises Fenced where the dispatcher itself
    has a successor, which ends the line.

    Args:
        epoch: that of a process which has the endpoint already; None where one must be granted first.
    """

    def __init__(
        self,
        endpoint_id: str,
        processes: EndpointProcesses,
        grant: Callable[[], Awaitable[int]],
        clock: Clock,
        epoch: int | None = None,
    ) -> None:
        self.endpoint_id = endpoint_id
        self.epoch = epoch
        self.cold_looks = 0
        self._troubled_since: float | None = None  # None while the process answers
        self.processes = processes
        self._grant = grant
        self._clock = clock
        self._pending: deque[Made] = deque()
        self._behind = True
        self._again = asyncio.Event()
        self._again.set()
        self._failures = 0
        self._granting = asyncio.Lock()  # a statement that is cut off leaves its connection to the garbage collector
        self._task = begin(self._run(), "webhooks for a process of their own")

    def put(self, made: Made) -> None:
        """Hand over what was stored just now."""
        if not self._behind:
            if len(self._pending) < PENDING_MAX:
                self._pending.append(made)
            else:
                self._behind = True
        self._again.set()

    def look(self) -> None:
        """Have the process look into the store."""
        self._behind = True
        self._again.set()

    def lost(self, epoch: int) -> None:
        """The process does not have the endpoint by this epoch: grant it anew, unless that was done since. The answer
        may be late, and one more grant would cut off what is on its way."""
        if self.epoch == epoch:
            self.epoch = None
            self._again.set()

    def in_trouble_for_s(self) -> float:
        """Seconds for which the process has not answered; infinite where nothing is handed over any more."""
        if self._task.done():
            return math.inf
        return 0.0 if self._troubled_since is None else self._clock.monotonic() - self._troubled_since

    async def aclose(self) -> None:
        """Hand over nothing more."""
        async with self._granting:
            self._task.cancel()
        await asyncio.wait({self._task})

    async def _run(self) -> None:
        while True:
            await self._again.wait()
            self._again.clear()
            try:
                await self._hand_over()
            except Fenced:  # the dispatcher has a successor
                return
            except AragoraError as error:
                await self._troubled(error)
            else:
                self._failures = 0
                self._troubled_since = None

    async def _hand_over(self) -> None:
        """Until there is nothing more. Raises AragoraError; Fenced where there is nothing more to grant."""
        while self.epoch is None or self._behind or self._pending:
            if self.epoch is None:
                async with self._granting:
                    self.epoch = await self._grant()
                self._behind = True
                await self._told(self.processes.begin)
            elif self._behind:
                await self._told(self.processes.work)
            else:
                made = tuple(self._pending.popleft() for _ in range(min(BATCH, len(self._pending))))
                await self._told(partial(self.processes.take, made=made))

    async def _told(self, act: Callable[[str, int], Awaitable[None]]) -> None:
        """What comes while it reads the store is handed over after that: the store may have been read before it."""
        assert self.epoch is not None
        epoch, was_behind = self.epoch, self._behind
        if was_behind:
            self._pending.clear()
            self._behind = False
        try:
            await act(self.endpoint_id, epoch)
        except Fenced as lost:  # it began anew
            self._behind = True
            self.lost(epoch)
            raise Unavailable(lost.message) from None
        except BaseException:
            self._behind = True
            raise

    async def _troubled(self, error: AragoraError) -> None:
        if self._troubled_since is None:
            self._troubled_since = self._clock.monotonic()
        pause_s = AGAIN(self._failures)
        self._failures += 1
        log.warning("the process of a webhook is in trouble", webhook_id=self.endpoint_id, error=error.message)
        await asyncio.sleep(pause_s)
        self._again.set()
