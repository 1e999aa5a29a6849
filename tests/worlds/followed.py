"""One execution that is followed: its rows in memory, the side of whoever writes them, and a reader that comes back.

The line between the two is the one of `actors.gateways.event_lines`, without a socket: it takes time, is lost with the
process at its other end, and with news that its queue did not hold.
"""

from __future__ import annotations

import asyncio
from collections.abc import AsyncIterator, Sequence
from contextlib import asynccontextmanager
from typing import Any, Final

from actors.channels.watchers import Watcher, Watchers
from actors.gateways.event_feed import JournalFeed
from actors.gateways.event_lines import Listener
from aragora.errors import NotFound, Unavailable
from aragora.scope import EVERYTHING, Scope
from aragora.server.live.fanout import Fanout
from aragora.server.live.journals import ExecutionJournals
from aragora.workflows.journal import JournalRow, rows_of
from aragora.workflows.model import (
    Event,
    ExecutionEnded,
    ExecutionRetried,
    ExecutionStatus,
    LateAnswer,
    ReceiptIssued,
    SignalReceived,
)
from aragora.workflows.records import ExecutionRecord

EXECUTION: Final = f"exe_{7:032x}"
HAPPENED: Final = SignalReceived("something", {}, "signal_1", "ann")
END: Final = ExecutionEnded(ExecutionStatus.COMPLETED)
RECEIPT: Final = ReceiptIssued("rcp_1", 1, "0" * 64)
RETRY: Final = ExecutionRetried("ann", "/ask")
LATE: Final = LateAnswer("/ask", "ask_1", 5)

READ_S: Final = 0.002  # of the store
LINE_S: Final = 0.01
BUFFER: Final = 6  # rows on their way to a replica


class LoopTime:
    """The clock of the running event loop, on the wall too."""

    def now(self) -> float:
        return asyncio.get_running_loop().time()

    def monotonic(self) -> float:
        return asyncio.get_running_loop().time()


class Store:
    """Its rows, and its record as the runner writes it in the same transaction. `away`: nobody can read."""

    def __init__(self) -> None:
        self.rows: list[JournalRow] = []
        self.status = ExecutionStatus.RUNNING
        self.active = True
        self.ended_at: float | None = None
        self.away = False
        self.reads = 0

    def takes(self, event: Event) -> bool:
        """Whether the runner would write it now."""
        if isinstance(event, ReceiptIssued):
            return self.status.ended and self.active
        return self.status.ended == isinstance(event, ExecutionRetried | LateAnswer)

    def write(self, *events: Event) -> tuple[JournalRow, ...]:
        now = LoopTime().now()
        for event in events:
            if isinstance(event, ExecutionEnded):
                self.status, self.ended_at = event.status, now
            elif isinstance(event, ReceiptIssued):
                self.active = False
            elif isinstance(event, ExecutionRetried):
                self.status, self.active, self.ended_at = ExecutionStatus.RUNNING, True, None
        rows = rows_of(EXECUTION, len(self.rows) + 1, now, events)
        self.rows += rows
        return rows

    async def get(self, execution_id: str, scope: Scope) -> ExecutionRecord:
        await self._read()
        if execution_id != EXECUTION or not scope.holds("acme", "default"):
            raise NotFound("There is no such execution.")
        return ExecutionRecord(
            execution_id,
            "acme",
            "wf_1",
            1,
            "One",
            self.status,
            "ann",
            0.0,
            0.0,
            last_seq=len(self.rows),
            ended_at=self.ended_at,
            active=self.active,
        )

    async def events(self, execution_id: str, after: int = 0, limit: int = 500) -> list[str]:
        await self._read()
        return [row.payload for row in self.rows[after : after + limit]]

    async def _read(self) -> None:
        self.reads += 1
        await asyncio.sleep(READ_S)
        if self.away:
            raise Unavailable("The database is away.")


class Runner:
    """Whoever writes the rows tells replicas of them. `away`: nobody reaches it."""

    def __init__(self) -> None:
        self.away = False
        self.lines: list[Line] = []
        self.watchers = Watchers(BUFFER)

    async def open(self, _key: str, listener: Listener) -> Line:
        await asyncio.sleep(LINE_S)
        if self.away:
            raise Unavailable("restarting")
        line = Line(self, listener)
        self.lines.append(line)
        return line

    def publish(self, rows: Sequence[JournalRow]) -> None:
        self.watchers.put(EXECUTION, rows)

    def die(self) -> None:
        """Its process is killed, and the next one knows no watcher."""
        lines, self.lines, self.watchers = self.lines, [], Watchers(BUFFER)
        for line in lines:
            line.lose()


class Line:
    """One replica's."""

    def __init__(self, runner: Runner, listener: Listener) -> None:
        self._runner = runner
        self._watchers = runner.watchers
        self._listener = listener
        self._watcher = Watcher(self._wake)
        self._lost = False

    async def change(self, follow: Sequence[str], leave: Sequence[str], show: Sequence[str] = ()) -> None:
        await asyncio.sleep(LINE_S)
        if self._lost:
            raise Unavailable("the connection is closed")
        self._watchers.change(self._watcher, follow, leave, show)
        await asyncio.sleep(LINE_S)

    def close(self) -> None:
        self._lost = True
        self._watchers.dismiss(self._watcher)

    def lose(self) -> None:
        if not self._lost:
            self.close()
            self._listener.lost(Unavailable("the connection is closed"))

    def _wake(self) -> None:
        asyncio.get_running_loop().call_later(LINE_S / 2, self._bring)

    def _bring(self) -> None:
        if self._lost:
            return
        items, lost = self._watcher.take()
        if lost:
            self.lose()
        elif items:
            self._listener.heard(items)


class Replica:
    """What one replica has: the feed, and the fan-out to its clients."""

    def __init__(self, store: Store, runner: Runner) -> None:
        journals = ExecutionJournals(store, LoopTime())
        opened: Any = runner.open
        self.feed = JournalFeed(opened, journals, ("main",), "runner of workflows")
        self.store = store
        self.fanout = Fanout(self.feed, journals, lambda: 0.5)


class Reader:
    """A client that notes what it gets, and comes back with its last seq as often as it is `following` again."""

    window = 3

    def __init__(self, replica: Replica) -> None:
        self.replica = replica
        self.seqs: list[int] = []
        self.told_over = 0
        self.cut = 0
        self.misled: list[int] = []  # the seqs at which it was told of the end too early
        self._turn = asyncio.Lock()
        self._joining: asyncio.Task[None] | None = None
        self.follows = False

    @property
    def last(self) -> int:
        return self.seqs[-1] if self.seqs else 0

    def come(self) -> None:
        self.follows = True
        self._joining = asyncio.create_task(self._join())

    async def leave(self) -> None:
        self.follows = False
        if self._joining is not None:
            self._joining.cancel()
            await asyncio.gather(self._joining, return_exceptions=True)
        self.replica.fanout.leave(EXECUTION, self)

    async def _join(self) -> None:
        try:
            await self.replica.fanout.join(EXECUTION, self.last, self, EVERYTHING)
        except Unavailable as error:
            self.interrupted(EXECUTION, error.message)

    def offer(self, seq: int, payload: str) -> None:
        assert f'"seq":{seq},' in payload
        self.seqs.append(seq)

    def glimpse(self, payload: str) -> None:
        raise AssertionError(f"nobody writes between the events of an execution: {payload}")

    @asynccontextmanager
    async def turn(self) -> AsyncIterator[None]:
        async with self._turn:
            await asyncio.sleep(READ_S)
            yield

    def ended(self, journal_id: str) -> None:
        self.follows = False
        self.told_over += 1
        store = self.replica.store
        if self.last < len(store.rows) or not store.status.ended:
            self.misled.append(self.last)

    def interrupted(self, journal_id: str, message: str) -> None:
        self.follows = False
        self.cut += 1
