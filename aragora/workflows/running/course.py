"""One execution in memory: takes what happens, journals what follows, and only then acts on it.

Rules
- One move at a time: what happens is applied, then what follows by itself, and that is one commit. Where much follows
  it is several: none holds the event loop for long or is large, and others have their turn in between. Until the last
  one the row is active: whoever comes next goes on. Nothing leaves the process before it is durable.
- Where the store is away the same rows are written again until it is back, or the runner leaves: the state is ahead of
  the journal meanwhile, and nobody sees it.
- A commit that is fenced loses the course: another process owns the executions now, or our own commit had succeeded
  without our learning of it. The journal knows best, and is read again.
- Any other error breaks the course: nothing says that it would not come again. The engine ends the execution.
- A move goes on to its end although whoever asked for it does not wait any more.
"""

from __future__ import annotations

import asyncio
import time
from collections.abc import Awaitable, Callable, Sequence
from dataclasses import dataclass, replace
from typing import Final

import structlog

from aragora.background import until_available
from aragora.errors import Fenced, Unavailable
from aragora.observability.samples import CounterDelta
from aragora.supervision import begin
from aragora.workflows import journal, machine
from aragora.workflows.counted import counters_of, counters_of_lateness
from aragora.workflows.inbox import Beside
from aragora.workflows.machine.state import ExecutionState
from aragora.workflows.model import (
    ApprovalAnswered,
    ApprovalClosed,
    ApprovalEscalated,
    ApprovalOpened,
    ApprovalReminded,
    Event,
)
from aragora.workflows.records import Commit
from aragora.workflows.running.rows import update_of

Said = Callable[[ExecutionState, float], Event | None]
"""What somebody says, or what came, as an event over the state at a moment; None where it changes nothing. It raises
what refuses it, and then nothing has happened."""

EVENTS_MAX: Final = 1_000  # of one commit
BYTES_MAX: Final = 4_194_304
SLICE_S: Final = 0.02  # of work in the event loop
MOVE_MAX: Final = 200_000  # events: a machine that went on for ever would stop here

log = structlog.get_logger("aragora.workflows")


class Lost(Unavailable):
    """Raised where the execution must be read again from its journal: try again."""


class NotOurs(RuntimeError):
    """The machine made an event that no journal could give back, or never comes to rest: a defect, which ends its
    execution."""


@dataclass(frozen=True, slots=True)
class Followed:
    """Events that were applied, in order, the one that comes next where these were enough for a commit, and what they
    count."""

    events: list[Event]
    then: Event | None
    counted: tuple[CounterDelta, ...] = ()


class Course:
    """One execution. `write` commits, `beside` gives what is written besides its rows, `owes` says
    whether a receipt is to be issued, `leaving` whether the runner writes nothing any more, `moved` is told of the rows
    that are durable."""

    def __init__(
        self,
        state: ExecutionState,
        seq: int,
        *,
        now: Callable[[], float],
        write: Callable[[Commit], Awaitable[None]],
        beside: Callable[[ExecutionState, Sequence[Event], int, float], Beside],
        owes: Callable[[ExecutionState], bool],
        pause_s: Callable[[int], float],
        leaving: Callable[[], bool],
        moved: Callable[[Course, Sequence[journal.JournalRow]], None],
        fenced: Callable[[Course], None],
    ) -> None:
        assert state.started is not None, "it begins with its first event"
        self.execution_id = state.started.execution_id
        self.state = state
        self.seq = seq
        self.lost = False
        self.stopped: set[str] = set()  # asks whose deed was stopped, as far as this process knows
        self._now = now
        self._write = write
        self._beside = beside
        self._owes = owes
        self._pause_s = pause_s
        self._leaving = leaving
        self._moved = moved
        self._fenced = fenced
        self._lock = asyncio.Lock()

    @property
    def moving(self) -> bool:
        """Whether a move is under way: the state may be ahead of the journal."""
        return self._lock.locked()

    @property
    def busy(self) -> bool:
        """Whether a move is under way, or something is done outside."""
        return self._lock.locked() or (self.state.ended is None and bool(machine.asks(self.state)))

    async def move(self, said: Said, taken: tuple[str, ...] = ()) -> bool:
        """Apply what is said and what follows; returns once all is durable, and whether anything happened. `taken` are
        the messages of the inbox that said it; where nothing happened they stay.

        Raises what `said` raises, NotStorable, and Lost."""
        outcome = await asyncio.shield(begin(self._outcome(said, taken), "a move of an execution"))
        if isinstance(outcome, Exception):
            raise outcome
        return outcome

    async def settled(self) -> None:
        """Returns once no move is under way."""
        async with self._lock:
            return

    async def _outcome(self, said: Said, taken: tuple[str, ...]) -> bool | Exception:
        """What refuses a move is its caller's: it is no failure of work in the background."""
        try:
            return await self._move(said, taken)
        except Exception as refused:  # noqa: BLE001  handed to the caller
            return refused

    async def _move(self, said: Said, taken: tuple[str, ...]) -> bool:
        async with self._lock:
            if self.lost:
                raise _lost()
            now = self._now()
            event = said(self.state, now)
            if event is not None:
                journal.check(event)
            due = machine.next_moment(self.state) if event is None else None
            late = () if due is None or due > now else counters_of_lateness(now - due)
            count = 0
            while True:
                followed = self._follow(event, now)
                if followed.events:
                    await self._commit(followed, now, taken, late)
                event, taken, now, late = followed.then, (), self._now(), ()
                count += len(followed.events)
                if count > MOVE_MAX:
                    self.lost = True
                    raise NotOurs("the execution does not come to rest")
                if event is None or self._leaving():  # whoever comes next goes on
                    return count > 0

    def _follow(self, event: Event | None, now: float) -> Followed:
        try:
            return follow(self.state, event, now)
        except Exception:
            self.lost = True  # the state is ahead of the journal, which will never have the rest
            raise

    async def _commit(
        self, followed: Followed, now: float, taken: tuple[str, ...], late: tuple[CounterDelta, ...]
    ) -> None:
        events = followed.events
        rows = journal.rows_of(self.execution_id, self.seq + 1, now, events)
        last = self.seq + len(rows)
        beside = self._beside(self.state, events, last, now)
        update = update_of(self.state, self._owes)
        commit = Commit(
            self.execution_id,
            rows,
            update if followed.then is None else replace(update, active=True),
            taken=taken,
            outbox=beside.outbox,
            counters=(*followed.counted, *late),
            extra=beside.projections,
        )
        try:
            await until_available(
                lambda: self._write(commit),
                self._pause_s,
                what="execution not written",
                log=log,
                given_up=self._leaving,
                execution=self.execution_id,
            )
        except Fenced as fenced:
            self.lost = True
            self._fenced(self)
            raise _lost() from fenced
        except Exception:
            self.lost = True
            raise
        self.seq = last
        self._moved(self, rows)


def follow(state: ExecutionState, first: Event | None, now: float) -> Followed:
    """Apply an event and what follows from it at a moment, as much as one commit takes. Raises NotOurs where the
    machine made an event that no journal gives back: then the state is of no more use."""
    events: list[Event] = []
    counted: list[CounterDelta] = []
    size, since = 0, time.thread_time()
    event = machine.advance(state, now) if first is None else first
    while event is not None:
        if events and (len(events) >= EVENTS_MAX or size >= BYTES_MAX or time.thread_time() - since > SLICE_S):
            break
        size += _size_of(event)
        counted += counters_of(state, event, now)
        machine.apply(state, event, now)
        events.append(event)
        event = machine.advance(state, now)
    return Followed(events, event, tuple(counted))


def _size_of(event: Event) -> int:
    """Bytes. Raises NotOurs for an event that could not be read back: the journal must not have it."""
    try:
        return journal.check(event)
    except journal.NotStorable as wrong:
        raise NotOurs(f"{type(event).__name__} cannot be kept") from wrong


def approvals_in(events: Sequence[Event]) -> tuple[str, ...]:
    """The approvals that events are about, each once."""
    return tuple(dict.fromkeys(event.approval_id for event in events if isinstance(event, _OF_APPROVALS)))


_OF_APPROVALS: Final = (ApprovalOpened, ApprovalAnswered, ApprovalReminded, ApprovalEscalated, ApprovalClosed)


def _lost() -> Lost:
    return Lost("the execution is being read again from its journal: try again", retry_after_s=1.0)
