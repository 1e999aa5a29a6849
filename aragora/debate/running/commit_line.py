"""The way of one debate's events into its journal: numbered rows, one commit in flight, the next one filling meanwhile.

States
    idle       nothing is on its way; events that were added wait for `write` or `linger`.
    lingering  a write begins within `LINGER_S`, or at once when `write` is called.
    writing    one commit is in flight; what is added meanwhile joins the next one.
    closed     nothing more begins; a commit in flight still reports what became of it.

Rules
- A batch of events is numbered and stamped once: a commit that finds the store unavailable is tried again with the
  same rows.
- After any other error, of whatever kind, the owner closes the line, and the callers that wait get the error it was
  closed with. No error ends the line's task unseen.
"""

from __future__ import annotations

import asyncio
import hashlib
from collections.abc import Callable, Sequence
from dataclasses import dataclass
from enum import Enum, auto
from typing import Final, Protocol

import structlog

from aragora.background import until_available
from aragora.debate import journal
from aragora.debate.journal import JournalRow
from aragora.debate.model import Event
from aragora.errors import AragoraError
from aragora.supervision import begin

log = structlog.get_logger("aragora.debate")

LINGER_S: Final = 0.005
"""How long an answer waits for others of its phase to share its commit. They tend to come together, and every further
commit costs some wake-ups before the phase goes on; five milliseconds are not noticed."""


@dataclass(frozen=True, slots=True)
class Batch:
    """Events that are written together, and the rows they are. `at` is seconds since the epoch."""

    events: Sequence[Event]
    rows: tuple[JournalRow, ...]
    at: float


class LineOwner(Protocol):
    """Whose events they are. A line is given its owner with every call that may begin a commit and keeps it only while
    one is due: two objects that held each other would stay in memory until the garbage collector came by."""

    async def commit(self, batch: Batch) -> tuple[JournalRow, ...]:
        """Write the rows of `batch`, and what must follow them; returns all that is durable then. Raises Unavailable
        where trying the same again makes sense."""
        ...

    def committed(self, rows: tuple[JournalRow, ...]) -> None:
        """These rows are durable now."""
        ...

    def refused(self, error: Exception) -> None:
        """A commit failed for good, or `committed` did: the line is of no more use. Never raises."""
        ...


class LineState(Enum):
    """See the head of this file."""

    IDLE = auto()
    LINGERING = auto()
    WRITING = auto()
    CLOSED = auto()


class CommitLine:
    """The journal of the debate `name` from the row after the last one that was accounted for.

    `now` gives seconds since the epoch, `pause_s` the seconds to wait before write attempt n (0, 1, ...).
    """

    __slots__ = (
        "_buffer",
        "_closed_with",
        "_digest",
        "_lingering",
        "_now",
        "_pause_s",
        "_waiting",
        "_writing",
        "name",
        "seq",
        "state",
    )

    def __init__(self, name: str, now: Callable[[], float], pause_s: Callable[[int], float]) -> None:
        self.name = name
        self.state = LineState.IDLE
        self.seq = 0  # of the last row that was handed to the journal
        self._now = now
        self._pause_s = pause_s
        self._digest = hashlib.sha256()
        self._buffer: list[Event] = []
        self._waiting: list[asyncio.Future[int]] = []
        self._lingering: asyncio.TimerHandle | None = None
        self._writing: asyncio.Task[None] | None = None
        self._closed_with: AragoraError | None = None

    @property
    def in_flight(self) -> bool:
        """Whether a commit is in flight."""
        return self._writing is not None

    @property
    def waited_for(self) -> bool:
        """Whether a caller waits for events that are not on their way yet."""
        return bool(self._waiting)

    @property
    def digest(self) -> str:
        """The hex SHA-256 over all rows up to `seq` (`aragora.receipts.canonical.journal_digest`)."""
        return self._digest.hexdigest()

    def account(self, payload: str) -> None:
        """Count a row that is durable already: the journal goes on after it."""
        self.seq += 1
        self._digest.update(payload.encode())
        self._digest.update(b"\n")

    def add(self, event: Event) -> None:
        """Put an event at the end of the next batch."""
        self._buffer.append(event)

    def durable(self) -> asyncio.Future[int]:
        """The seq of the last row of the batch that is filling, once it is durable; the error with which the line is
        closed where that comes first."""
        durable: asyncio.Future[int] = asyncio.get_running_loop().create_future()
        self._waiting.append(durable)
        return durable

    def write(self, owner: LineOwner) -> bool:
        """Begin a commit of what was added, unless one is in flight: its owner calls again when that one is done.
        Returns whether a commit is in flight now."""
        if self.state is LineState.LINGERING:
            self._stop_lingering(LineState.IDLE)
        if self.state is LineState.IDLE and self._buffer:
            self.state = LineState.WRITING
            self._writing = begin(self._write(owner), "journal commit")
        return self._writing is not None

    def linger(self, owner: LineOwner) -> None:
        """Write what was added after `LINGER_S`, together with what comes until then."""
        if self.state is LineState.IDLE and self._buffer:
            self.state = LineState.LINGERING
            self._lingering = asyncio.get_running_loop().call_later(LINGER_S, self.write, owner)

    def close(self, error: AragoraError) -> None:
        """Begin nothing more, and refuse with `error` the callers that wait for events that are not on their way.
        Those of a commit in flight get the same error where it fails."""
        self._stop_lingering(LineState.CLOSED)
        self._closed_with = error
        self._refuse_waiting()

    async def settled(self) -> None:
        """Return once no commit is in flight."""
        if self._writing is not None:
            await asyncio.wait({self._writing})

    def _stop_lingering(self, then: LineState) -> None:
        self.state = then
        if self._lingering is not None:
            self._lingering.cancel()
            self._lingering = None

    async def _write(self, owner: LineOwner) -> None:
        events, self._buffer = self._buffer, []
        waiting, self._waiting = self._waiting, []
        try:
            rows = await self._durably(self._batch(events), owner)
        except Exception as error:  # noqa: BLE001  whatever it is, the owner must learn of it: nobody awaits this task
            self._waiting = waiting + self._waiting
            self._refuse_waiting()
            owner.refused(error)
            return
        finally:
            self._writing = None
            if self.state is LineState.WRITING:
                self.state = LineState.IDLE
        last = rows[len(events) - 1].seq
        for durable in waiting:
            if not durable.done():  # its caller no longer waits
                durable.set_result(last)
        try:
            owner.committed(rows)
        except Exception as error:  # noqa: BLE001  as above
            owner.refused(error)

    def _refuse_waiting(self) -> None:
        """Nobody would ever tell the callers of a line that is closed."""
        if self._closed_with is None:
            return
        for durable in self._waiting:
            if not durable.done():
                durable.set_exception(self._closed_with)
        self._waiting.clear()

    def _batch(self, events: Sequence[Event]) -> Batch:
        at = self._now()
        rows = journal.rows_of(self.name, self.seq + 1, at, events)
        for row in rows:
            self.account(row.payload)
        return Batch(events, rows, at)

    async def _durably(self, batch: Batch, owner: LineOwner) -> tuple[JournalRow, ...]:
        """Write until it is written. Raises what trying again does not mend; once closed, Unavailable as well."""
        return await until_available(
            lambda: owner.commit(batch),
            self._pause_s,
            what="journal unavailable",
            log=log,
            given_up=lambda: self.state is LineState.CLOSED,
            debate_id=self.name,
        )
