"""All WebSocket connections and event streams of this process: their number, heartbeats, figures and end."""

from __future__ import annotations

from typing import Final, Protocol

import structlog

from aragora.background import Every
from aragora.clock import Clock
from aragora.errors import AragoraError
from aragora.resilience.backoff import Backoff
from aragora.server.authentication import Authenticator
from aragora.server.live.connection import GOING_AWAY, POLICY, RESTART, TRY_LATER, Connection
from aragora.server.live.envelopes import envelope
from aragora.server.ports import ConnectionBoard, Lifecycle, ServerConfig

_log = structlog.get_logger(__name__)

_TICK_S: Final = 1.0
_AFTER_ERROR: Final = Backoff(base_s=1.0, cap_s=5.0)
_QUIET_REPORT_S: Final = 10.0
_STALLED_HEARTBEATS: Final = 2.0
RECHECK_S: Final = 5.0
"""How soon a revoked login closes its open WebSockets while the stores answer; after a failure `_AFTER_ERROR` comes on
top."""
_EXPIRED: Final = "credentials expired; connect again with fresh ones"


class Closable(Protocol):
    def close(self, code: int, reason: str) -> None: ...


class SocketRegistry:
    """Counts, beats, reports, closes. `run`, `drain` and `watch` are tasks of the application's lifespan."""

    def __init__(
        self,
        config: ServerConfig,
        lifecycle: Lifecycle,
        board: ConnectionBoard,
        authenticator: Authenticator,
        clock: Clock,
    ) -> None:
        self._config = config
        self._lifecycle = lifecycle
        self._board = board
        self._authenticator = authenticator
        self._clock = clock
        self._connections: set[Connection] = set()
        self._streams: set[Closable] = set()
        self._sent_before = 0
        self._dropped_before = 0
        self._reported: tuple[int, int, int] | None = None
        self._reported_at = 0.0
        self.closing_reason: str | None = None

    @property
    def full(self) -> bool:
        return len(self._connections) + len(self._streams) >= self._config.ws_max_connections

    def figures(self) -> tuple[int, int, int]:
        """Connections, messages sent, messages dropped."""
        sent = self._sent_before + sum(one.sent for one in self._connections)
        dropped = self._dropped_before + sum(one.dropped for one in self._connections)
        return len(self._connections), sent, dropped

    def add(self, connection: Connection) -> None:
        self._connections.add(connection)

    def remove(self, connection: Connection) -> None:
        self._connections.discard(connection)
        self._sent_before += connection.sent
        self._dropped_before += connection.dropped

    def add_stream(self, stream: Closable) -> None:
        self._streams.add(stream)

    def remove_stream(self, stream: Closable) -> None:
        self._streams.discard(stream)

    async def run(self) -> None:
        """Once a second: send heartbeats to idle connections, close stalled and expired ones, report the figures."""

        async def look_after_all() -> None:
            self.beat()
            await self.report()

        tick_s = min(_TICK_S, self._config.ws_heartbeat_s / 2)
        try:
            await Every("websockets", tick_s, look_after_all, after_error=_AFTER_ERROR).run()
        finally:
            self.close_all(GOING_AWAY, self.closing_reason or "the server stops; reconnect with after_seq")

    async def drain(self) -> None:
        """Wait until the server drains, then close every socket with the reason."""
        reason = await self._lifecycle.closing()
        self.closing_reason = reason
        self.close_all(RESTART, reason)

    async def watch(self) -> None:
        """Every `RECHECK_S` seconds: close the connections whose login, key or account has ended since."""
        await Every("revoked logins", RECHECK_S, self.end_revoked, after_error=_AFTER_ERROR).run()

    async def end_revoked(self) -> None:
        """Close every connection whose proof no longer holds. Raises Unavailable where the stores do not answer."""
        for one in tuple(self._connections):
            if not await self._authenticator.still_valid(one.principal):
                one.close(POLICY, _EXPIRED)

    def close_all(self, code: int, reason: str) -> None:
        for one in (*self._connections, *self._streams):
            one.close(code, reason)

    def beat(self) -> None:
        """Look after every connection once."""
        now, wall = self._clock.monotonic(), self._clock.now()
        every_s = self._config.ws_heartbeat_s
        heartbeat = envelope("heartbeat", wall, {})
        for one in self._connections:
            if one.principal.expires_at is not None and one.principal.expires_at <= wall:
                one.close(POLICY, _EXPIRED)
            elif one.sending_since is not None and now - one.sending_since > _STALLED_HEARTBEATS * every_s:
                one.close(TRY_LATER, "slow client: nothing was read for too long; reconnect with after_seq")
            elif now - one.last_sent_at >= every_s:
                one.say(heartbeat)

    async def report(self) -> None:
        """Report to the board when a figure changed or the last report is old. A board that is away gets them later."""
        figures = self.figures()
        now = self._clock.monotonic()
        if figures == self._reported and now - self._reported_at < _QUIET_REPORT_S:
            return
        try:
            await self._board.report(self._config.replica_id, *figures)
        except AragoraError as error:
            _log.warning("connection figures not reported", error=error.code)
            return
        self._reported, self._reported_at = figures, now
