"""The dispatcher of webhooks and the processes of hot endpoints, as they reach each other."""

from __future__ import annotations

from collections.abc import Awaitable, Callable
from typing import TYPE_CHECKING, Final, TypeVar

from actors.kinds import DISPATCHER, DISPATCHER_KEY, ENDPOINT
from actors.runtime import ONCE, Runtime

if TYPE_CHECKING:
    from actors.webhook_endpoint import WebhookEndpointActor
    from aragora.webhooks.hot_endpoint import Made, Warmth
    from aragora.webhooks.machine import Notice, Settled

T = TypeVar("T")

START_S: Final = 30.0
TELL_S: Final = 10.0
REPORT_S: Final = 20.0


class EndpointActors:
    """Fulfils `aragora.webhooks.hot_line.EndpointProcesses`. A message is sent once: who sends it has its own way to
    try again."""

    def __init__(self, runtime: Runtime) -> None:
        self._runtime = runtime

    async def activate(self, endpoint_id: str) -> None:
        await self._ask(endpoint_id, lambda it: it.activate(), START_S)

    async def begin(self, endpoint_id: str, epoch: int) -> None:
        await self._ask(endpoint_id, lambda it: it.begin(epoch), START_S)

    async def take(self, endpoint_id: str, epoch: int, made: tuple[Made, ...]) -> None:
        await self._ask(endpoint_id, lambda it: it.take(epoch, made))

    async def work(self, endpoint_id: str, epoch: int) -> None:
        await self._ask(endpoint_id, lambda it: it.work(epoch))

    async def changed(self, endpoint_id: str, epoch: int) -> None:
        await self._ask(endpoint_id, lambda it: it.changed(epoch))

    async def cancelled(self, endpoint_id: str, epoch: int, delivery_id: str) -> None:
        await self._ask(endpoint_id, lambda it: it.cancelled(epoch, delivery_id))

    async def warmth(self, endpoint_id: str, epoch: int) -> Warmth:
        return await self._ask(endpoint_id, lambda it: it.warmth(epoch))

    async def release(self, endpoint_id: str, epoch: int, limit_s: float) -> int:
        return await self._ask(endpoint_id, lambda it: it.release(epoch, limit_s), limit_s + TELL_S)

    async def _ask(
        self, endpoint_id: str, message: Callable[[WebhookEndpointActor], Awaitable[T]], timeout_s: float = TELL_S
    ) -> T:
        return await self._runtime.at(ENDPOINT, endpoint_id).ask(message, timeout_s=timeout_s, backoff=ONCE)


class DispatcherAuthority:
    """Fulfils `aragora.webhooks.following.Authority`."""

    def __init__(self, runtime: Runtime) -> None:
        self._dispatcher = runtime.at(DISPATCHER, DISPATCHER_KEY)

    async def disable(self, org_id: str, endpoint_id: str, reason: str) -> None:
        await self._dispatcher.ask(lambda it: it.disable(org_id, endpoint_id, reason), timeout_s=REPORT_S)

    async def tell(self, notice: Notice, settled: Settled) -> None:
        await self._dispatcher.ask(lambda it: it.tell(notice, settled), timeout_s=REPORT_S)

    async def park(self, endpoint_id: str) -> None:
        await self._dispatcher.ask(lambda it: it.park(endpoint_id), timeout_s=REPORT_S)
