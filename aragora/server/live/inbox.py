"""The commands of one WebSocket that wait to be done: taken at a bounded pace, done one after the other.

A command counts as a request does, twice over: against the pace of this socket, and against the one count of all that
its caller asks on any transport. What is over is refused with an error; a client that goes on regardless is cut off.
"""

from __future__ import annotations

import asyncio
from collections import deque

import structlog

from aragora import limits
from aragora.clock import Clock
from aragora.errors import AragoraError, RateLimited
from aragora.resilience.token_bucket import TokenBucket
from aragora.server.authentication import Authenticator
from aragora.server.live.commands import Commands
from aragora.server.live.connection import Connection
from aragora.server.live.envelopes import ClientMessage, about
from aragora.server.live.held import POLICY
from aragora.server.live.subjects import LOOP

_log = structlog.get_logger(__name__)


class Inbox:
    """Of one connection. `aclose` ends the work."""

    def __init__(self, connection: Connection, commands: Commands, authenticator: Authenticator, clock: Clock) -> None:
        self._connection = connection
        self._commands = commands
        self._authenticator = authenticator
        self._clock = clock
        now = clock.monotonic()
        self._pace = TokenBucket(limits.COMMANDS_PER_S, limits.COMMANDS_AT_ONCE, now)
        self._patience = TokenBucket(1.0, limits.COMMANDS_REFUSED_MAX, now)
        self._waiting: deque[ClientMessage] = deque()
        self._working: asyncio.Task[None] | None = None

    def may_take(self) -> bool:
        """Whether one more message may be read now; if not, the client is told, or cut off."""
        wait_s = self._pace.take(self._clock.monotonic())
        if wait_s > 0.0:
            self._refuse(RateLimited("Too many commands on this connection; wait and try again.", retry_after_s=wait_s))
        elif len(self._waiting) >= limits.COMMANDS_AT_ONCE:
            self._refuse(RateLimited("Too many commands of this connection wait to be done.", retry_after_s=1.0))
        else:
            return True
        return False

    def put(self, command: ClientMessage) -> None:
        """Have it done after those before it."""
        self._waiting.append(command)
        if self._working is None or self._working.done():
            self._working = asyncio.create_task(self._work())

    async def aclose(self) -> None:
        self._waiting.clear()
        if self._working is not None:
            self._working.cancel()
            await asyncio.gather(self._working, return_exceptions=True)

    async def _work(self) -> None:
        while self._waiting:
            await self._do(self._waiting.popleft())

    async def _do(self, command: ClientMessage) -> None:
        connection = self._connection
        subject, named = about(command)
        try:
            await self._authenticator.count(connection.caller.principal)
            await self._commands.do(connection, command)
        except RateLimited as error:
            self._refuse(error, subject, named)
        except AragoraError as error:
            connection.tell_error(error, subject, named=named)
        except Exception as error:  # noqa: BLE001  # one bad command must not end the connection
            _log.exception("WebSocket error", error=type(error).__name__, command=type(command).__name__)
            connection.tell_fault(subject, named=named)

    def _refuse(self, error: RateLimited, subject: str = "", named: str = LOOP) -> None:
        if self._patience.take(self._clock.monotonic()) > 0.0:
            self._connection.close(POLICY, "too many commands, and none of the refusals was heeded")
        else:
            self._connection.tell_error(error, subject, named=named)
