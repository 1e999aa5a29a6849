"""The WebSocket at /ws: connection_info first, then subscriptions, votes and suggestions, as the contract says.

A raw ASGI endpoint: events go from the fan-out to the network as the texts they already are.
"""

from __future__ import annotations

import asyncio
from collections.abc import Awaitable, Callable
from dataclasses import replace
from typing import Any, Final
from urllib.parse import parse_qs

import msgspec
import structlog
from starlette.types import Message, Receive, Scope, Send

from aragora.clock import Clock
from aragora.debate.model import DebateStatus
from aragora.errors import AragoraError, Unavailable
from aragora.identity.parts import Visit
from aragora.identity.principal import Principal
from aragora.identity.rbac import DEBATES_CREATE, DEBATES_READ
from aragora.ids import new_id
from aragora.server import views
from aragora.server.authentication import Authenticator, CallerFacts, facts_of
from aragora.server.failures import of_error, refuse
from aragora.server.live import envelopes
from aragora.server.live.connection import POLICY, TOO_BIG, UNSUPPORTED, Connection
from aragora.server.live.envelopes import GetLoops, Ping, Subscribe, Unsubscribe, UserSuggestion, UserVote
from aragora.server.live.fanout import Fanout
from aragora.server.live.sockets import SocketRegistry
from aragora.server.ports import DebateCommands, DebateReader, ServerConfig

_log = structlog.get_logger(__name__)

PATH: Final = "/ws"
_LISTED_LOOPS: Final = 200


class WebSocketEndpoint:
    """ASGI endpoint. Its policy is that of reading debates; votes and suggestions need that of creating them."""

    policy = DEBATES_READ

    def __init__(
        self,
        config: ServerConfig,
        *,
        commands: DebateCommands,
        reader: DebateReader,
        fanout: Fanout,
        sockets: SocketRegistry,
        authenticator: Authenticator,
        clock: Clock,
    ) -> None:
        """`fanout` and `sockets` are those of this process."""
        self._config = config
        self._commands = commands
        self._reader = reader
        self._fanout = fanout
        self._sockets = sockets
        self._authenticator = authenticator
        self._clock = clock
        self._handlers: dict[type, Callable[[Connection, Any], Awaitable[None]]] = {
            Subscribe: self._subscribe,
            Unsubscribe: self._unsubscribe,
            GetLoops: self._loops,
            UserVote: self._vote,
            UserSuggestion: self._suggest,
            Ping: self._pong,
        }

    async def __call__(self, scope: Scope, receive: Receive, send: Send) -> None:
        try:
            principal = await self._admit(scope)
        except AragoraError as error:
            await refuse(scope, receive, send, of_error(scope, error))
            return
        await receive()  # websocket.connect
        await send({"type": "websocket.accept"})
        connection = Connection(new_id("con"), principal, send, self._clock, self._config.ws_send_queue)
        self._sockets.add(connection)
        try:
            self._introduce(connection)
            await connection.live(asyncio.create_task(self._read(connection, receive)))
        finally:
            self._forget(connection)
        await connection.say_goodbye()

    async def _admit(self, scope: Scope) -> Principal:
        if self._sockets.closing_reason is not None:
            raise Unavailable(self._sockets.closing_reason, retry_after_s=5.0)
        if self._sockets.full:
            raise Unavailable("This server has all the connections it can hold.", retry_after_s=5.0)
        principal = await self._authenticator.authenticate(_facts_of(scope))
        self._authenticator.authorize(principal, self.policy, PATH)
        return principal

    def _introduce(self, connection: Connection) -> None:
        connection.tell(
            "connection_info",
            {
                "connection_id": connection.connection_id,
                "version": self._config.version,
                "user_id": connection.principal.user_id,
                "heartbeat_s": self._config.ws_heartbeat_s,
                "max_message_bytes": self._config.ws_max_message_bytes,
                "max_subscriptions": self._config.ws_max_subscriptions,
            },
        )

    def _forget(self, connection: Connection) -> None:
        for debate_id, joining in connection.subscriptions.items():
            joining.cancel()
            self._fanout.leave(debate_id, connection)
        self._sockets.remove(connection)

    async def _read(self, connection: Connection, receive: Receive) -> None:
        """Handle the client's messages one after the other until it leaves."""
        while True:
            message = await receive()
            if message["type"] == "websocket.disconnect":
                return
            text = self._text(connection, message)
            if text is None:
                return
            try:
                command = envelopes.read(text)
            except (msgspec.MsgspecError, RecursionError) as error:
                connection.tell("error", {"code": "invalid_input", "message": _printable(str(error))})
                continue
            await self._handle(connection, command)

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

    async def _handle(self, connection: Connection, command: envelopes.ClientMessage) -> None:
        try:
            await self._handlers[type(command)](connection, command)
        except AragoraError as error:
            _tell_error(connection, error, _subject(command))
        except Exception as error:  # noqa: BLE001  # one bad command must not end the connection
            _log.exception("WebSocket error", error=type(error).__name__, command=type(command).__name__)
            connection.tell("error", {"code": "internal", "message": "Something went wrong in the server."})

    # --- commands ----------------------------------------------------------------------------------------

    async def _subscribe(self, connection: Connection, command: Subscribe) -> None:
        self._drop_subscription(connection, command.debate_id)
        if len(connection.subscriptions) >= self._config.ws_max_subscriptions:
            connection.close(POLICY, "too many subscriptions on one connection")
            return
        connection.subscriptions[command.debate_id] = asyncio.create_task(self._join(connection, command))

    async def _join(self, connection: Connection, command: Subscribe) -> None:
        debate_id = command.debate_id
        try:
            await self._fanout.join(debate_id, command.after_seq, connection, connection.principal.org_scope)
        except AragoraError as error:
            connection.subscriptions.pop(debate_id, None)
            _tell_error(connection, error, debate_id)
        except Exception as error:  # noqa: BLE001  # one bad command must not end the connection
            connection.subscriptions.pop(debate_id, None)
            _log.exception("WebSocket error", error=type(error).__name__, debate_id=debate_id)
            connection.tell("error", {"code": "internal", "message": "Something went wrong in the server."}, debate_id)

    async def _unsubscribe(self, connection: Connection, command: Unsubscribe) -> None:
        self._drop_subscription(connection, command.debate_id)

    def _drop_subscription(self, connection: Connection, debate_id: str) -> None:
        joining = connection.subscriptions.pop(debate_id, None)
        if joining is not None:
            joining.cancel()
            self._fanout.leave(debate_id, connection)

    async def _loops(self, connection: Connection, _command: GetLoops) -> None:
        page = await self._reader.page(
            status=DebateStatus.ACTIVE, limit=_LISTED_LOOPS, org_id=connection.principal.org_scope
        )
        connection.tell("loops", {"loops": [{"loop_id": one.debate_id, **views.summary(one)} for one in page.items]})

    async def _vote(self, connection: Connection, command: UserVote) -> None:
        principal = await self._may_write(connection, "user_vote", command.loop_id)
        seq = await self._commands.vote(
            command.loop_id, principal.user_id, command.payload.choice, command.payload.intensity
        )
        connection.tell("ack", {"of": "user_vote", "journal_seq": seq}, command.loop_id)

    async def _suggest(self, connection: Connection, command: UserSuggestion) -> None:
        principal = await self._may_write(connection, "user_suggestion", command.loop_id)
        seq = await self._commands.suggest(command.loop_id, principal.user_id, command.payload.text)
        connection.tell("ack", {"of": "user_suggestion", "journal_seq": seq}, command.loop_id)

    async def _may_write(self, connection: Connection, deed: str, debate_id: str) -> Principal:
        principal = connection.principal
        self._authenticator.authorize(principal, DEBATES_CREATE, PATH)
        await self._reader.get(debate_id, principal.org_scope)
        await self._authenticator.witness(principal, deed, debate_id, Visit("", connection.connection_id))
        return principal

    async def _pong(self, connection: Connection, _command: Ping) -> None:
        connection.tell("pong", {})


def _tell_error(connection: Connection, error: AragoraError, debate_id: str) -> None:
    connection.tell("error", {"code": error.code, "message": error.message}, debate_id)


def _subject(command: envelopes.ClientMessage) -> str:
    return str(getattr(command, "debate_id", "") or getattr(command, "loop_id", ""))


def _printable(text: str) -> str:
    return text.encode("utf-8", "replace").decode()


def _facts_of(scope: Scope) -> CallerFacts:
    """A browser cannot send headers with a WebSocket: its handshake may carry a ticket or token in the query."""
    query = parse_qs(scope.get("query_string", b"").decode("latin-1"), max_num_fields=16)
    return replace(facts_of(scope), ticket=query.get("ticket", [None])[0], token=query.get("token", [None])[0])
