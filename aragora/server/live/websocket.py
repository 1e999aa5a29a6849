"""The WebSocket at /ws: connection_info first, then subscriptions, votes and suggestions, as the contract says.

A raw ASGI endpoint: events go from the fan-out to the network as the texts they already are.
"""

from __future__ import annotations

import asyncio
from contextlib import ExitStack
from dataclasses import replace
from typing import Final
from urllib.parse import parse_qs

import msgspec
import structlog
from starlette.types import Message, Receive, Scope, Send

from aragora.clock import Clock
from aragora.errors import AragoraError, InvalidInput
from aragora.identity.rbac import DEBATES_READ
from aragora.ids import new_id
from aragora.observability.line_budget import LineBudgets
from aragora.server.authentication import Authenticator, Caller, CallerFacts, facts_of
from aragora.server.failures import INTERNAL_MESSAGE, failure, of_error, refuse
from aragora.server.live import envelopes
from aragora.server.live.commands import PATH, Commands
from aragora.server.live.connection import Connection
from aragora.server.live.held import GOING_AWAY, RESTART, TOO_BIG, UNSUPPORTED
from aragora.server.live.inbox import Inbox
from aragora.server.live.sockets import SocketRegistry
from aragora.server.ports import ServerConfig

_GREATEST_QUERY_FIELDS: Final = 16
_PROBLEM_MAX_CHARS: Final = 300
"""Of what is wrong with a message: the decoder's text may repeat the whole message."""
_USUAL: Final = frozenset({GOING_AWAY, RESTART})
"""Codes with which the server closes what nobody did wrong."""
_log: Final[structlog.stdlib.BoundLogger] = structlog.get_logger("aragora.server")


class WebSocketEndpoint:
    """ASGI endpoint. Its policy is that of reading debates; votes and suggestions need that of creating them."""

    policy = DEBATES_READ

    def __init__(
        self,
        config: ServerConfig,
        *,
        commands: Commands,
        sockets: SocketRegistry,
        authenticator: Authenticator,
        clock: Clock,
    ) -> None:
        """`sockets` are those of this process."""
        self._config = config
        self._commands = commands
        self._sockets = sockets
        self._authenticator = authenticator
        self._clock = clock
        self._lines = LineBudgets()

    async def __call__(self, scope: Scope, receive: Receive, send: Send) -> None:
        with ExitStack() as held:
            try:
                caller = await self._admit(scope)
                connection = Connection(new_id("con"), caller, send, self._clock, self._config.ws_send_queue)
                held.enter_context(self._sockets.holding(connection))
            except AragoraError as error:
                self._tell("WebSocket refused with an error", code=error.code, error=error.message)
                await refuse(scope, receive, send, of_error(scope, error))
                return
            except Exception as error:  # noqa: BLE001  # the last net: a server's own takes a line of log for each
                self._tell("WebSocket refused with an error", code="internal", error=repr(error), exc_info=error)
                await refuse(scope, receive, send, failure(scope, 500, "internal", INTERNAL_MESSAGE))
                return
            await receive()  # websocket.connect
            await send({"type": "websocket.accept"})
            inbox = Inbox(connection, self._commands, self._authenticator, self._clock)
            try:
                self._introduce(connection)
                await connection.live(asyncio.create_task(self._read(connection, inbox, receive)))
            finally:
                await inbox.aclose()
                self._commands.leave_all(connection)
        if connection.closed is not None and connection.closed[0] not in _USUAL:
            code, reason = connection.closed
            user = connection.caller.principal.user_id
            self._tell("WebSocket closed with an error", code=code, error=reason, user=user)
        await connection.say_goodbye()

    def _tell(self, event: str, **fields: object) -> None:
        defect = "exc_info" in fields
        more = self._lines.take((event, defect), self._clock.monotonic())
        if more is not None:
            (_log.error if defect else _log.info)(event, **fields, **more)

    async def _admit(self, scope: Scope) -> Caller:
        self._sockets.check()
        facts = _facts_of(scope)
        principal = await self._authenticator.authenticate(facts)
        self._authenticator.authorize(principal, self.policy, PATH)
        return self._authenticator.caller(principal, facts)

    def _introduce(self, connection: Connection) -> None:
        connection.tell(
            "connection_info",
            {
                "connection_id": connection.connection_id,
                "version": self._config.version,
                "user_id": connection.caller.principal.user_id,
                "heartbeat_s": self._config.ws_heartbeat_s,
                "max_message_bytes": self._config.ws_max_message_bytes,
                "max_subscriptions": self._config.ws_max_subscriptions,
            },
        )

    async def _read(self, connection: Connection, inbox: Inbox, receive: Receive) -> None:
        """Take the client's messages as they come, until it leaves. Never waits for a command: what is not read piles
        up in the server that holds the socket, and the client's leaving with it."""
        while True:
            message = await receive()
            if message["type"] == "websocket.disconnect":
                return
            text = self._text(connection, message)
            if text is None:
                return
            if not inbox.may_take():
                await asyncio.sleep(0)  # a flood must not keep the loop from everybody else
                continue
            try:
                inbox.put(envelopes.read(text))
            except (msgspec.MsgspecError, RecursionError) as error:
                connection.tell(
                    "error", {"code": "invalid_input", "message": _printable(str(error)[:_PROBLEM_MAX_CHARS])}
                )

    def _text(self, connection: Connection, message: Message) -> str | None:
        """The message's text; None, with the connection closing, where it is too big or not a text."""
        text: str | None = message.get("text")
        if text is None:
            connection.close(UNSUPPORTED, "only text messages are understood")
            return None
        limit = self._config.ws_max_message_bytes
        if len(text) > limit or len(text.encode("utf-8", "replace")) > limit:
            connection.close(TOO_BIG, f"message over {limit} bytes")
            return None
        return text


def _printable(text: str) -> str:
    return text.encode("utf-8", "replace").decode()


def _facts_of(scope: Scope) -> CallerFacts:
    """A browser cannot send headers with a WebSocket: its handshake may carry a ticket or token in the query.
    Raises InvalidInput."""
    try:
        query = parse_qs(scope.get("query_string", b"").decode("latin-1"), max_num_fields=_GREATEST_QUERY_FIELDS)
    except ValueError:
        raise InvalidInput(f"The query of /ws takes ticket, and at most {_GREATEST_QUERY_FIELDS} fields.") from None
    return replace(facts_of(scope), ticket=query.get("ticket", [None])[0], token=query.get("token", [None])[0])
