"""What clients may say on a WebSocket, and what the server does about it, one command a method."""

from __future__ import annotations

import asyncio
from collections.abc import Awaitable, Callable
from typing import Any, Final

import structlog

from aragora.debate.model import DebateStatus
from aragora.errors import AragoraError
from aragora.identity import workspaces
from aragora.identity.parts import Visit
from aragora.identity.principal import Principal
from aragora.identity.rbac import DEBATES_CREATE
from aragora.server import views
from aragora.server.authentication import Authenticator
from aragora.server.live.connection import Connection, Subscription
from aragora.server.live.envelopes import (
    ClientMessage,
    Following,
    GetLoops,
    Ping,
    Subscribe,
    Unsubscribe,
    UserSuggestion,
    UserVote,
)
from aragora.server.live.held import POLICY
from aragora.server.live.subjects import Subject
from aragora.server.ports import DebateCommands, DebateReader

_log = structlog.get_logger(__name__)

PATH: Final = "/ws"
_LISTED_LOOPS: Final = 200


class Commands:
    """`debates` and `executions` are what clients may follow; `max_subscriptions` is for one connection."""

    def __init__(
        self,
        commands: DebateCommands,
        reader: DebateReader,
        authenticator: Authenticator,
        *,
        debates: Subject,
        executions: Subject,
        max_subscriptions: int,
    ) -> None:
        self._commands = commands
        self._reader = reader
        self._debates = debates
        self._executions = executions
        self._authenticator = authenticator
        self._max_subscriptions = max_subscriptions
        self._handlers: dict[type, Callable[[Connection, Any], Awaitable[None]]] = {
            Subscribe: self._subscribe,
            Unsubscribe: self._unsubscribe,
            GetLoops: self._loops,
            UserVote: self._vote,
            UserSuggestion: self._suggest,
            Ping: self._pong,
        }

    async def do(self, connection: Connection, command: ClientMessage) -> None:
        """Raises AragoraError."""
        await self._handlers[type(command)](connection, command)

    def leave_all(self, connection: Connection) -> None:
        for journal_id in tuple(connection.subscriptions):
            self._drop_subscription(connection, journal_id)

    async def _subscribe(self, connection: Connection, command: Subscribe) -> None:
        journal_id, subject = command.journal_id, self._subject(command)
        self._drop_subscription(connection, journal_id)
        if len(connection.subscriptions) >= self._max_subscriptions:
            connection.close(POLICY, "too many subscriptions on one connection")
            return
        joining = asyncio.create_task(self._join(connection, command, subject))
        connection.subscriptions[journal_id] = Subscription(subject, joining)

    async def _join(self, connection: Connection, command: Subscribe, subject: Subject) -> None:
        journal_id, principal = command.journal_id, connection.caller.principal
        try:
            if subject is not self._debates:  # which the handshake has checked
                self._authenticator.authorize(principal, subject.needs, PATH)
            await subject.fanout.join(journal_id, command.after_seq, connection, subject.reach(principal))
            if command.deltas and subject is self._debates:
                subject.fanout.watch(journal_id, connection)
        except AragoraError as error:
            connection.subscriptions.pop(journal_id, None)
            connection.tell_error(error, journal_id, named=subject.named)
        except Exception as error:  # noqa: BLE001  # one bad command must not end the connection
            connection.subscriptions.pop(journal_id, None)
            _log.exception("WebSocket error", error=type(error).__name__, journal_id=journal_id)
            connection.tell_fault(journal_id, named=subject.named)

    async def _unsubscribe(self, connection: Connection, command: Unsubscribe) -> None:
        self._drop_subscription(connection, command.journal_id)

    def _subject(self, command: Following) -> Subject:
        return self._debates if command.execution_id is None else self._executions

    def _drop_subscription(self, connection: Connection, journal_id: str) -> None:
        left = connection.subscriptions.pop(journal_id, None)
        if left is not None:
            left.joining.cancel()
            left.subject.fanout.leave(journal_id, connection)

    async def _loops(self, connection: Connection, command: GetLoops) -> None:
        scope = workspaces.of(connection.caller.principal, command.workspace)
        async with connection.turn():  # a list may be of megabytes: a client that does not read gets no second one
            page = await self._reader.page(scope, status=DebateStatus.ACTIVE, limit=_LISTED_LOOPS)
            loops = [{"loop_id": one.debate_id, **views.summary(one)} for one in page.items]
            connection.tell("loops", {"loops": loops})

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
        principal, visit = connection.caller.principal, Visit(connection.caller.came_from, connection.connection_id)
        self._authenticator.authorize(principal, DEBATES_CREATE, PATH)
        await self._reader.get(debate_id, workspaces.reach_of(principal))
        await self._authenticator.witness(principal, deed, debate_id, visit)
        return principal

    async def _pong(self, connection: Connection, _command: Ping) -> None:
        connection.tell("pong", {})
