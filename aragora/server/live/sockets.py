"""All that clients hold open in this process, WebSockets, event streams and downloads: their number, heartbeats,
figures and end."""

from __future__ import annotations

from collections.abc import Iterator
from contextlib import contextmanager
from typing import Final

import structlog

from aragora.background import Every
from aragora.clock import Clock
from aragora.errors import AragoraError, Unavailable
from aragora.resilience.backoff import Backoff
from aragora.server.authentication import Authenticator
from aragora.server.live.connection import Connection
from aragora.server.live.held import GOING_AWAY, POLICY, RESTART, TRY_LATER, Held
from aragora.server.live.slots import Slots
from aragora.server.ports import ConnectionBoard, Lifecycle, ServerConfig

_log = structlog.get_logger(__name__)

_TICK_S: Final = 1.0
_AFTER_ERROR: Final = Backoff(base_s=1.0, cap_s=5.0)
_QUIET_REPORT_S: Final = 10.0
_STALLED_HEARTBEATS: Final = 2.0
RECHECK_S: Final = 5.0
"""How soon a revoked login closes what it holds open while the stores answer; after a failure `_AFTER_ERROR` comes on
top."""
_TRY_AGAIN_S: Final = 5.0
_EXPIRED: Final = "credentials expired; connect again with fresh ones"


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
        self._held: set[Held] = set()
        self._slots = Slots(config.max_connections_per_user, config.max_connections_per_address)
        self._sent_before = 0
        self._dropped_before = 0
        self._reported: tuple[int, int, int] | None = None
        self._reported_at = 0.0
        self.closing_reason: str | None = None

    def figures(self) -> tuple[int, int, int]:
        """WebSocket connections, messages sent, messages dropped."""
        now = [one for one in self._held if isinstance(one, Connection)]
        sent = self._sent_before + sum(one.sent for one in now)
        dropped = self._dropped_before + sum(one.dropped for one in now)
        return len(now), sent, dropped

    def check(self) -> None:
        """Raises Unavailable where nothing more may be opened here: before anything is done to let a caller in."""
        if self.closing_reason is not None:
            raise Unavailable(self.closing_reason, retry_after_s=_TRY_AGAIN_S)
        if len(self._held) >= self._config.ws_max_connections:
            raise Unavailable("This server has all the connections it can hold.", retry_after_s=_TRY_AGAIN_S)

    @contextmanager
    def holding(self, one: Held) -> Iterator[None]:
        """Look after `one` for as long as the block runs. Raises Unavailable, and RateLimited where its caller holds
        all that it may."""
        self.check()
        self._slots.take(one.caller)
        self._held.add(one)
        try:
            yield
        finally:
            self._held.discard(one)
            self._slots.give_back(one.caller)
            if isinstance(one, Connection):
                self._sent_before += one.sent
                self._dropped_before += one.dropped

    async def run(self) -> None:
        """Once a second: look after everything, report the figures."""

        async def look_after_all() -> None:
            self.beat()
            await self.report()

        tick_s = min(_TICK_S, self._config.ws_heartbeat_s / 2)
        try:
            await Every("websockets", tick_s, look_after_all, after_error=_AFTER_ERROR).run()
        finally:
            self.close_all(GOING_AWAY, self.closing_reason or "the server stops; reconnect with after_seq")

    async def drain(self) -> None:
        """Wait until the server drains, then close everything with the reason."""
        reason = await self._lifecycle.closing()
        self.closing_reason = reason
        self.close_all(RESTART, reason)

    async def watch(self) -> None:
        """Every `RECHECK_S` seconds: close what is held by a login, key or account that has ended since."""
        await Every("revoked logins", RECHECK_S, self.end_revoked, after_error=_AFTER_ERROR).run()

    async def end_revoked(self) -> None:
        """Close what is held by a proof that no longer holds. Raises Unavailable where the stores do not answer."""
        held = tuple(self._held)
        ended = await self._authenticator.ended({one.caller.principal for one in held})
        for one in held:
            if one.caller.principal in ended:
                one.close(POLICY, _EXPIRED)

    def close_all(self, code: int, reason: str) -> None:
        for one in tuple(self._held):
            one.close(code, reason)

    def beat(self) -> None:
        """Look once after everything that is held: end what has expired or is stalled, keep alive what is idle."""
        now, wall = self._clock.monotonic(), self._clock.now()
        every_s = self._config.ws_heartbeat_s
        for one in tuple(self._held):
            expires_at = one.caller.principal.expires_at
            if expires_at is not None and expires_at <= wall:
                one.close(POLICY, _EXPIRED)
            elif one.sending_since is not None and now - one.sending_since > _STALLED_HEARTBEATS * every_s:
                one.close(TRY_LATER, "slow client: nothing was read for too long; reconnect with after_seq")
            elif now - one.last_sent_at >= every_s:
                one.beat()

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
