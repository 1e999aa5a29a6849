"""A long answer in pieces, under the rules of everything that a client holds open: it ends with the caller's login, and
a client that does not read loses it."""

from __future__ import annotations

import asyncio
from collections.abc import AsyncIterator, Mapping

from starlette.responses import Response
from starlette.types import Message, Receive, Scope, Send

from aragora.clock import Clock
from aragora.server.authentication import Caller
from aragora.server.live.held import Held, gone
from aragora.server.live.sockets import SocketRegistry


class Download(Response):
    """Sends the pieces. What is cut off lacks its end, so no client takes it for whole."""

    def __init__(
        self,
        sockets: SocketRegistry,
        caller: Caller,
        clock: Clock,
        pieces: AsyncIterator[bytes],
        *,
        media_type: str,
        headers: Mapping[str, str],
    ) -> None:
        super().__init__(None, 200, headers, media_type)
        del self.headers["content-length"]
        self._sockets = sockets
        self._caller = caller
        self._clock = clock
        self._pieces = pieces

    async def __call__(self, scope: Scope, receive: Receive, send: Send) -> None:  # noqa: ARG002  # ASGI's shape
        """Raises Unavailable and RateLimited before anything is sent, where there is no place for it; then what the
        pieces raise, the first of them before anything is sent too."""
        head = {"type": "http.response.start", "status": self.status_code, "headers": self.raw_headers}
        transfer = _Transfer(self._caller, self._clock, head, self._pieces, send)
        with self._sockets.holding(transfer):
            await transfer.live(asyncio.create_task(gone(receive)))
        if transfer.failure is not None:
            raise transfer.failure


class _Transfer(Held):
    def __init__(self, caller: Caller, clock: Clock, head: Message, pieces: AsyncIterator[bytes], send: Send) -> None:
        super().__init__(caller, clock)
        self._head = head
        self.failure: Exception | None = None
        self._pieces = pieces
        self._send = send

    def beat(self) -> None:
        """A file has no room for signs of life."""

    async def _write(self) -> None:
        try:
            piece = await anext(self._pieces, None)  # before the head: what fails at once is answered as a failure
            await self._pass_on(self._head)
            while piece is not None:
                await self._pass_on({"type": "http.response.body", "body": piece, "more_body": True})
                self.sent += 1
                piece = await anext(self._pieces, None)
            await self._pass_on({"type": "http.response.body", "body": b"", "more_body": False})
        except OSError:
            self.dropped += 1  # the client has gone
        except Exception as error:  # noqa: BLE001  # raised again where the request ends
            self.failure = error

    async def _pass_on(self, message: Message) -> None:
        self.last_sent_at = self.sending_since = self._clock.monotonic()
        await self._send(message)
        self.sending_since = None
