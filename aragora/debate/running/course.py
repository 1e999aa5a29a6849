"""The course of one debate: feeds replies to the machine, journals what follows, and only then acts on it.

States: running, writing (one commit in flight), ended, stopped (dropped from memory; the journal goes on).

Rules
- The machine's state in memory may run ahead of the journal, but nothing leaves the process before its rows are
  durable: no ask is sent, no client is told, no command is answered.
- At most one commit of a debate is in flight; what happens meanwhile joins the next one. Answers that do not
  complete their phase wait `LINGER_S` for others.
- A commit that finds the store unavailable is tried again with the same rows. One that is fenced stops the course:
  either another coordinator writes this debate now, or our own commit had succeeded without our learning it. In
  both cases the journal knows best, and the engine reads it again.
"""

from __future__ import annotations

import asyncio
import hashlib
from collections.abc import Callable, Sequence
from dataclasses import dataclass
from typing import Final

import structlog

from aragora.background import until_available
from aragora.clock import Clock
from aragora.debate import journal, machine
from aragora.debate.counted import counters_of
from aragora.debate.journal import JournalRow
from aragora.debate.model import ConsensusReached, DebateEnded, DebateStatus, Event, Reply, RoundStarted
from aragora.debate.ports import Asking, Closing, Journal, Publishing
from aragora.debate.records import ChainHead, Commit, Conclusion, DebateUpdate, Journaled, ReceiptRecord
from aragora.errors import AragoraError, Fenced, Unavailable
from aragora.observability.samples import CounterDelta
from aragora.storage.outbox import OutboxRow

log = structlog.get_logger("aragora.debate")

LINGER_S: Final = 0.005
"""How long an answer waits for others of its phase to share its commit. They tend to come together, and every commit
more is some wake-ups more before the phase goes on; nobody sees five milliseconds."""


@dataclass(frozen=True, slots=True)
class CoursePorts:
    """What every course of one engine shares. `pause_s` gives the seconds to wait before write attempt n (0, 1, ...);
    `left` is told when a course ends (True) or must be read anew from the journal (False)."""

    journal: Journal
    asking: Asking
    publishing: Publishing
    clock: Clock
    closing: Closing
    pause_s: Callable[[int], float]
    left: Callable[[Course, bool], None]


class Course:
    """One debate in memory. Construct it with `Course.recovered`, then call `start`."""

    __slots__ = (
        "_buffer",
        "_digest",
        "_lingering",
        "_opened_at",
        "_phase",
        "_phase_opened",
        "_ports",
        "_quorum_since",
        "_sent",
        "_seq",
        "_stopped",
        "_task",
        "_timer",
        "_turning",
        "_waiting",
        "debate_id",
        "events",
        "state",
    )

    def __init__(self, debate_id: str, ports: CoursePorts) -> None:
        self.debate_id = debate_id
        self.state = machine.DebateState()
        self.events: list[Event] = []
        self._ports = ports
        self._digest = hashlib.sha256()
        self._seq = 0
        self._opened_at = 0.0
        self._buffer: list[Event] = []
        self._sent: set[str] = set()
        self._task: asyncio.Task[None] | None = None
        self._timer: asyncio.TimerHandle | None = None
        self._lingering: asyncio.TimerHandle | None = None
        self._waiting: list[asyncio.Future[int]] = []
        self._phase: object = None
        self._phase_opened = ports.clock.monotonic()
        self._quorum_since: float | None = None
        self._stopped = False
        self._turning = False

    @classmethod
    def recovered(cls, debate_id: str, payloads: Sequence[str], ports: CoursePorts) -> Course:
        """The course as its journal tells it: payloads are the envelopes of seq 1, 2, ... without a gap."""
        course = cls(debate_id, ports)
        course._opened_at = journal.stamp_of(payloads[0])
        for payload in payloads:
            course._apply(journal.event_of(payload))
            course._account(payload)
        return course

    @property
    def status(self) -> DebateStatus:
        return machine.status(self.state)

    @property
    def seq(self) -> int:
        """The seq of the last row that was handed to the journal."""
        return self._seq

    def start(self) -> None:
        """Go on from wherever the journal ends: advance the machine, ask what is still wanted."""
        self._turn()
        if self._task is None and not self._stopped:
            self._act()

    def receive(self, replies: Sequence[Reply]) -> None:
        """Take answers and failures of agents. Late, unknown and repeated ones change nothing."""
        if self._stopped:
            return
        for reply in replies:
            self._record(machine.settle(self.state, reply))
        self._turn_soon()

    async def submit(self, events: Sequence[Event]) -> int:
        """Journal `events` (a person's vote or suggestion, a cancellation); returns the seq of the last row that holds
        them once it is durable. Raises Unavailable where the course stops first."""
        if self._stopped:
            raise Unavailable("the debate is moving to another coordinator: try again", retry_after_s=1.0)
        durable: asyncio.Future[int] = asyncio.get_running_loop().create_future()
        self._record(events)
        self._waiting.append(durable)
        self._turn()
        return await durable

    def stop(self) -> None:
        """Drop the debate from memory (drain, loss of the shard). What is journaled stays; the rest never happened."""
        self._stopped = True
        for handle in (self._timer, self._lingering):
            if handle is not None:
                handle.cancel()
        self._refuse(Unavailable("the debate is moving to another coordinator: try again", retry_after_s=1.0))

    async def settled(self) -> None:
        """Return once no commit is in flight."""
        if self._task is not None:
            await asyncio.wait({self._task})

    # --- from events to rows ----------------------------------------------------------------------------------

    def _apply(self, event: Event) -> None:
        machine.apply(self.state, event)
        self.events.append(event)

    def _record(self, events: Sequence[Event]) -> None:
        for event in events:
            self._apply(event)
            self._buffer.append(event)

    def _account(self, payload: str) -> None:
        self._seq += 1
        self._digest.update(payload.encode())
        self._digest.update(b"\n")

    def _rows(self, events: Sequence[Event], at: float) -> tuple[JournalRow, ...]:
        rows = journal.rows_of(self.debate_id, self._seq + 1, at, events)
        for row in rows:
            self._account(row.payload)
        return rows

    def _turn_soon(self) -> None:
        """Take the turn once this loop iteration is over: answers of several agents often come in the same one."""
        if not self._turning:
            self._turning = True
            asyncio.get_running_loop().call_soon(self._take_turn)

    def _take_turn(self) -> None:
        self._turning = False
        if not self._stopped:
            self._turn()

    def _turn(self) -> None:
        """Let the machine go as far as it can without another answer, then write: at once where that opened something
        new or somebody waits for it, a little later where it was one answer of several that are awaited."""
        opened = self._measure()
        while events := machine.advance(self.state, self._timing()):
            self._record(events)
            opened |= self._measure()
        if opened or self._waiting:
            self._write_soon()
        elif self._buffer and self._lingering is None:
            self._lingering = asyncio.get_running_loop().call_later(LINGER_S, self._write_soon)

    # --- time -------------------------------------------------------------------------------------------------

    def _measure(self) -> bool:
        """Note when phases and quorums began; whether a phase has just opened."""
        now = self._ports.clock.monotonic()
        phase = machine.phase_key(self.state)
        opened = phase != self._phase
        if opened:
            self._phase = phase
            self._phase_opened = now
            self._quorum_since = None
        if self._quorum_since is None and machine.quorum_met(self.state):
            self._quorum_since = now
        return opened

    def _timing(self) -> machine.Timing:
        now = self._ports.clock.monotonic()
        since_quorum = None if self._quorum_since is None else now - self._quorum_since
        return machine.Timing(now - self._phase_opened, since_quorum)

    def _arm(self) -> None:
        if self._timer is not None:
            self._timer.cancel()
            self._timer = None
        timing = self._timing()
        deadline = machine.next_deadline_s(self.state, timing)
        if deadline is not None:
            delay = max(0.0, deadline - timing.elapsed_s) + 0.001
            self._timer = asyncio.get_running_loop().call_later(delay, self._ring)

    def _ring(self) -> None:
        if not self._stopped:
            self._turn()
            if self._task is None:
                self._arm()

    # --- writing ----------------------------------------------------------------------------------------------

    def _write_soon(self) -> None:
        if self._lingering is not None:
            self._lingering.cancel()
            self._lingering = None
        if self._task is None and self._buffer and not self._stopped:
            self._task = asyncio.get_running_loop().create_task(self._write())

    async def _write(self) -> None:
        events, self._buffer = self._buffer, []
        waiting, self._waiting = self._waiting, []
        try:
            rows = await self._durably(events)
        except AragoraError as error:
            self._waiting = waiting + self._waiting
            self._give_up(error)
            return
        finally:
            self._task = None
        for durable in waiting:
            if not durable.done():
                durable.set_result(rows[len(events) - 1].seq)
        self._ports.publishing.publish(rows)
        if journal.is_last(rows[-1]):
            self._end()
        elif self._stopped:
            return
        elif self._buffer:
            self._write_soon()
        else:
            self._act()

    async def _durably(self, events: Sequence[Event]) -> tuple[JournalRow, ...]:
        """Write until it is written. Raises Fenced, or whatever else cannot be mended by trying again."""
        write = self._conclude if isinstance(events[-1], ConsensusReached) else self._commit
        at = self._ports.clock.now()
        rows = self._rows(events, at)
        return await until_available(
            lambda: write(events, rows, at),
            self._ports.pause_s,
            what="journal unavailable",
            log=log,
            given_up=lambda: self._stopped,
            debate_id=self.debate_id,
        )

    async def _commit(self, events: Sequence[Event], rows: tuple[JournalRow, ...], at: float) -> tuple[JournalRow, ...]:
        update: DebateUpdate = DebateUpdate()
        outbox: tuple[OutboxRow, ...] = ()
        if isinstance(events[-1], DebateEnded):
            update, outbox = self._ports.closing.break_off(self.state, self.events, at)
        elif any(isinstance(event, RoundStarted) for event in events):
            update = DebateUpdate(status=DebateStatus.ACTIVE, rounds=machine.rounds(self.state))
        await self._ports.journal.commit(Commit(self.debate_id, rows, update, _counters(events), outbox))
        return rows

    async def _conclude(
        self, events: Sequence[Event], rows: tuple[JournalRow, ...], at: float
    ) -> tuple[JournalRow, ...]:
        length = rows[-1].seq
        journaled = Journaled(self.state, self.events, self._digest.hexdigest(), length, self._opened_at)
        written: list[JournalRow] = []

        def issue(head: ChainHead) -> tuple[ReceiptRecord, Commit]:
            closed = self._ports.closing.conclude(journaled, head, at)
            written[:] = [*rows, *journal.rows_of(self.debate_id, length + 1, at, closed.endings)]
            counters = _counters([*events, *closed.endings])
            return closed.receipt, Commit(self.debate_id, tuple(written), closed.update, counters, closed.outbox)

        await self._ports.journal.conclude(Conclusion(self.debate_id, issue))
        return tuple(written)

    # --- acting on what is durable ----------------------------------------------------------------------------

    def _act(self) -> None:
        self._arm()
        remaining = machine.next_deadline_s(self.state, self._timing())
        elapsed = self._timing().elapsed_s
        for ask in machine.asks(self.state):
            if ask.ask_id not in self._sent:
                self._sent.add(ask.ask_id)
                timeout = 1.0 if remaining is None else max(0.05, remaining - elapsed)
                self._ports.asking.send(machine.request(self.state, ask, timeout))

    def _end(self) -> None:
        self.stop()
        self._ports.asking.withdraw(self.debate_id)
        self._ports.left(self, True)

    def _give_up(self, error: AragoraError) -> None:
        if isinstance(error, Fenced):
            log.warning("fenced: the journal is ahead of this coordinator", debate_id=self.debate_id)
        else:
            log.error("the journal refused a commit", debate_id=self.debate_id, error=error.message)
        self.stop()
        self._ports.left(self, False)

    def _refuse(self, error: AragoraError) -> None:
        for durable in self._waiting:
            if not durable.done():
                durable.set_exception(error)
        self._waiting.clear()


def _counters(events: Sequence[Event]) -> tuple[CounterDelta, ...]:
    return tuple(delta for event in events for delta in counters_of(event))
