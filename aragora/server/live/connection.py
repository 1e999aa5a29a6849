"""One WebSocket client: what it is sent, the debates it watches, and its end."""

from __future__ import annotations

import asyncio
from collections import deque

from starlette.types import Send

from aragora.clock import Clock
from aragora.errors import AragoraError
from aragora.server.authentication import Caller
from aragora.server.live.envelopes import envelope
from aragora.server.live.held import CLOSE_GRACE_S, Outlet


class Connection(Outlet):
    """`subscriptions` holds the debates it watches, with the task of its joining."""

    def __init__(self, connection_id: str, caller: Caller, send: Send, clock: Clock, queue_bound: int) -> None:
        super().__init__(caller, clock, queue_bound)
        self.connection_id = connection_id
        self.subscriptions: dict[str, asyncio.Task[None]] = {}
        self._send = send

    def offer(self, seq: int, payload: str) -> None:  # noqa: ARG002  # the seq is in the payload already
        """Queue an event."""
        self.say(payload)

    def glimpse(self, payload: str) -> None:
        """Queue what an agent is writing, where there is room."""
        self.hint(payload)

    def tell(self, kind: str, data: object, loop_id: str = "") -> None:
        """Queue a message of the server's own."""
        self.say(envelope(kind, self._clock.now(), data, loop_id))

    def tell_error(self, error: AragoraError, loop_id: str = "") -> None:
        """Queue what went wrong with a command, and after how many seconds to try again where that is known."""
        told: dict[str, object] = {"code": error.code, "message": error.message}
        if error.retry_after_s is not None:
            told["retry_after_s"] = round(error.retry_after_s, 3)
        self.tell("error", told, loop_id)

    def tell_fault(self, loop_id: str = "") -> None:
        """Queue that a command failed for a reason that the log has."""
        self.tell("error", {"code": "internal", "message": "Something went wrong in the server."}, loop_id)

    def beat(self) -> None:
        self.tell("heartbeat", {})

    def ended(self, debate_id: str) -> None:
        self.subscriptions.pop(debate_id, None)

    def interrupted(self, debate_id: str, message: str) -> None:
        self.subscriptions.pop(debate_id, None)
        self.tell("error", {"code": "interrupted", "message": f"{message} Subscribe again with after_seq."}, debate_id)

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
