"""One WebSocket client: what it is sent, what it watches, and its end."""

from __future__ import annotations

import asyncio
from collections import deque
from dataclasses import dataclass

from starlette.types import Send

from aragora.clock import Clock
from aragora.errors import AragoraError
from aragora.server.authentication import Caller
from aragora.server.live.envelopes import envelope
from aragora.server.live.held import CLOSE_GRACE_S, Outlet
from aragora.server.live.subjects import END_OF_EVENTS, LOOP, Subject


@dataclass(frozen=True, slots=True)
class Subscription:
    """A journal that a connection watches: of what sort, and the task of the joining."""

    subject: Subject
    joining: asyncio.Task[None]


class Connection(Outlet):
    """`subscriptions` holds what it watches, by id."""

    def __init__(self, connection_id: str, caller: Caller, send: Send, clock: Clock, queue_bound: int) -> None:
        super().__init__(caller, clock, queue_bound)
        self.connection_id = connection_id
        self.subscriptions: dict[str, Subscription] = {}
        self._send = send

    def offer(self, seq: int, payload: str) -> None:  # noqa: ARG002  # the seq is in the payload already
        """Queue an event."""
        self.say(payload)

    def glimpse(self, payload: str) -> None:
        """Queue what an agent is writing, where there is room."""
        self.hint(payload)

    def tell(self, kind: str, data: object, about: str = "", *, named: str = LOOP) -> None:
        """Queue a message of the server's own; `about` is the id that it has as its field `named`."""
        self.say(envelope(kind, self._clock.now(), data, about, named=named))

    def tell_error(self, error: AragoraError, about: str = "", *, named: str = LOOP) -> None:
        """Queue what went wrong with a command, and after how many seconds to try again where that is known."""
        told: dict[str, object] = {"code": error.code, "message": error.message}
        if error.retry_after_s is not None:
            told["retry_after_s"] = round(error.retry_after_s, 3)
        self.tell("error", told, about, named=named)

    def tell_fault(self, about: str = "", *, named: str = LOOP) -> None:
        """Queue that a command failed for a reason that the log has."""
        self.tell("error", {"code": "internal", "message": "Something went wrong in the server."}, about, named=named)

    def beat(self) -> None:
        self.tell("heartbeat", {})

    def ended(self, journal_id: str) -> None:
        over = self.subscriptions.pop(journal_id, None)
        if over is not None and over.subject.tells_end:
            self.tell(END_OF_EVENTS, {}, journal_id, named=over.subject.named)

    def interrupted(self, journal_id: str, message: str) -> None:
        cut = self.subscriptions.pop(journal_id, None)
        told = {"code": "interrupted", "message": f"{message} Subscribe again with after_seq."}
        self.tell("error", told, journal_id, named=LOOP if cut is None else cut.subject.named)

    async def say_goodbye(self) -> None:
        """Send the close frame if `close` was called; gives up on a client that does not read."""
        if self.closed is None:
            return
        code, reason = self.closed
        try:
            async with asyncio.timeout(CLOSE_GRACE_S):
                await self._send({"type": "websocket.close", "code": code, "reason": reason})
        except (TimeoutError, OSError, RuntimeError):
            self.dropped += 1

    async def _send_next(self, queue: deque[str]) -> None:
        await self._send({"type": "websocket.send", "text": queue.popleft()})
        self.sent += 1
