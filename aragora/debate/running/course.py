"""The course of one debate: feeds replies to the machine, journals what follows, and only then acts on it.

States
    waiting    for a place: takes commands and journals them, and asks nobody.
    running    takes replies and commands.
    writing    running, with a commit in flight (`CommitLine.state`); the machine goes on meanwhile.
    ended      the last row is durable.
    stopped    dropped from memory before its end; the journal goes on without it, or tells of its failure.

Rules
- The machine's state in memory may run ahead of the journal, but nothing leaves the process before its rows are
  durable: no ask is sent, no client is told, no command is answered.
- At most one commit of a debate is in flight; what happens meanwhile joins the next one. An answer that does not
  complete its phase waits a moment for others (`aragora.debate.running.commit_line`).
- A commit that is fenced stops the course: either another coordinator writes this debate now, or our own commit had
  succeeded without our learning of it. In both cases the journal knows best, and the engine reads it again.
- Any other error of a write, or of a turn, stops the course for good: nothing says that it would not come again. The
  engine then ends the debate as failed (`aragora.debate.running.failing`), and who waits gets an error.
- An event enters the state only if its row would give it back (`journal.check`). A reply that could not be kept is a
  failure of its agent; a person's words that could not be kept are refused.
- Knowledge is looked for once the debate runs and before its first ask (`aragora.debate.running.looks`); what was found
  is journaled with the first round. Who is dropped or cancelled meanwhile drops the look.

It is one long file because turns, commits and asks share one state, and the order between them is the rule.
"""

from __future__ import annotations

import asyncio
from collections.abc import Callable, Sequence
from dataclasses import dataclass, replace
from enum import Enum, auto
from typing import Final

import structlog

from aragora.clock import Clock
from aragora.debate import journal, machine
from aragora.debate.counted import counters_of
from aragora.debate.journal import JournalRow
from aragora.debate.knowledge import NotOffered, Offer
from aragora.debate.model import (
    MALFORMED_ANSWER,
    AgentFailure,
    ConsensusReached,
    DebateEnded,
    DebateStatus,
    DecisionSigned,
    Event,
    KnowledgeOffered,
    PersonSuggested,
    PersonVoted,
    Reply,
    RoundStarted,
)
from aragora.debate.ports import Asking, Closing, Journal, Publishing
from aragora.debate.records import ChainHead, Commit, Conclusion, DebateUpdate, Journaled, ReceiptRecord
from aragora.debate.running.commit_line import Batch, CommitLine
from aragora.debate.running.looks import Looks
from aragora.debate.running.phase_clock import PhaseClock
from aragora.errors import AragoraError, Conflict, Fenced, Unavailable
from aragora.observability.samples import CounterDelta
from aragora.storage.outbox import OutboxRow
from aragora.supervision import begin

log = structlog.get_logger("aragora.debate")

AFTER_DEADLINE_S: Final = 0.001
"""How long after a deadline the timer fires: one that fires a little early would find nothing to close."""

SHORTEST_ASK_S: Final = 0.05
"""What an agent is given at least, even for an ask whose phase is about to close."""


@dataclass(frozen=True, slots=True)
class CoursePorts:
    """What every course of one engine shares. `pause_s` gives the seconds to wait before write attempt n (0, 1, ...).
    `ended` is told of a debate that is over, `lost` of one that must be read again from the journal, `broken` of one
    that cannot go on, with the error that says why, `resting` of one that waits for people and needs no memory
    meanwhile. None of them may raise."""

    journal: Journal
    asking: Asking
    publishing: Publishing
    clock: Clock
    closing: Closing
    pause_s: Callable[[int], float]
    ended: Callable[[Course], None]
    lost: Callable[[Course], None]
    broken: Callable[[Course, Exception], None]
    resting: Callable[[Course], None]
    knowledge: Looks | None = None  # None: there is none to look for


class CourseState(Enum):
    """See the head of this file; a course that is writing is RUNNING, or WAITING for its place."""

    WAITING = auto()
    RUNNING = auto()
    ENDED = auto()
    STOPPED = auto()


class Course:
    """One debate in memory. Construct it with `Course.recovered`, then call `start`."""

    __slots__ = (
        "_clock",
        "_durable_seq",
        "_line",
        "_look",
        "_ports",
        "_said",
        "_sent",
        "_stage",
        "_timer",
        "_turn_due",
        "debate_id",
        "events",
        "opened_at",
        "state",
    )

    def __init__(self, debate_id: str, ports: CoursePorts) -> None:
        self.debate_id = debate_id
        self.state = machine.DebateState()
        self.events: list[Event] = []
        self._ports = ports
        self._stage = CourseState.WAITING
        self.opened_at = 0.0
        self._durable_seq = 0  # of the last row that is in the journal
        self._clock = PhaseClock(ports.clock)
        self._line = CommitLine(debate_id, ports.clock.now, ports.pause_s)
        self._said: dict[int, int] = {}  # the seq of what people said, by the identity of its event in `events`
        self._look: asyncio.Task[None] | None = None  # for knowledge, while it is under way
        self._sent: set[str] = set()  # the ids of asks
        self._timer: asyncio.TimerHandle | None = None  # fires when the open phase must close
        self._turn_due = False

    @classmethod
    def recovered(cls, debate_id: str, payloads: Sequence[str], ports: CoursePorts) -> Course:
        """The course as its journal tells it: payloads are the envelopes of seq 1, 2, ... without a gap.

        Raises `journal.Unreadable`, or whatever error events cause that belong to no debate.
        """
        course = cls(debate_id, ports)
        events = journal.events_of(payloads)
        course.opened_at = journal.stamp_of(payloads[0])
        for event, payload in zip(events, payloads, strict=True):
            course._apply(event)
            course._line.account(payload)
        course._durable_seq = len(payloads)
        return course

    @property
    def status(self) -> DebateStatus:
        return machine.status(self.state)

    @property
    def rests(self) -> bool:
        """Whether only people can move the debate, and all that was said of it is durable."""
        idle = not self._line.in_flight and not self._line.waited_for
        return idle and self.status is DebateStatus.WAITING

    def start(self) -> None:
        """Go on from wherever the journal ends: advance the machine, ask what is still wanted. Before this call
        nobody is asked, whatever people say and vote."""
        if self._stage is not CourseState.WAITING:
            return
        self._stage = CourseState.RUNNING
        self._turn()
        if self._stage is CourseState.RUNNING and not self._line.in_flight:
            self._guarded(self._act)

    def receive(self, replies: Sequence[Reply]) -> None:
        """Take answers and failures of agents. Late, unknown and repeated ones change nothing."""
        if not self._alive:
            return
        for reply in replies:
            self._guarded(lambda reply=reply: self._take(self._settled(reply)))  # type: ignore[misc]
        self._turn_soon()

    def alive(self, ask_id: str) -> bool:
        """The agent of this ask gave a sign of life; whether its answer is still awaited. The timer stays as it is:
        when it fires, it is set anew."""
        awaited = self._stage is CourseState.RUNNING and ask_id in self.state.open
        if awaited:
            self._clock.alive(ask_id)
        return awaited

    async def submit(self, events: Sequence[Event]) -> int:
        """Journal `events` (a cancellation, what a person said); returns the seq of the last row that holds them once
        it is durable. Raises NotStorable where they cannot be kept, Unavailable where the course stops first, Conflict
        where it breaks off."""
        if not self._alive:
            raise _moving()
        self._record(events)
        durable = self._line.durable()
        self._turn()
        return await durable

    async def hear(self, said: PersonVoted | PersonSuggested | DecisionSigned) -> int:
        """Journal what a person said, unless it stands in the journal already; returns its seq once it is durable.
        Raises as `submit`."""
        seq = self._said.get(id(said))
        if seq is None:
            seq = len(self.events) + 1
            await self.submit([said])
        while self._durable_seq < seq:  # its first sender's commit is in flight
            if not self._line.in_flight:
                raise _moving()
            await self._line.settled()
        return seq

    def stop(self) -> None:
        """Drop the debate from memory (drain, loss of the shard). What is journaled stays; the rest never happened."""
        self._leave(CourseState.STOPPED, _moving())

    async def settled(self) -> None:
        """Return once no commit is in flight."""
        await self._line.settled()

    # --- turns: the machine goes on, time passes ---------------------------------------------------------------

    @property
    def _alive(self) -> bool:
        return self._stage in (CourseState.WAITING, CourseState.RUNNING)

    def _apply(self, event: Event) -> None:
        machine.apply(self.state, event)
        self.events.append(event)
        if isinstance(event, PersonVoted | PersonSuggested | DecisionSigned):
            self._said[id(event)] = len(self.events)

    def _record(self, events: Sequence[Event]) -> None:
        """Raises NotStorable, and has recorded none of them then."""
        for event in events:
            journal.check(event)
        self._take(events)

    def _take(self, events: Sequence[Event]) -> None:
        for event in events:
            self._apply(event)
            self._line.add(event)

    def _settled(self, reply: Reply) -> tuple[Event, ...]:
        """The storable events that a reply causes: where it cannot be kept, its ask has failed."""
        try:
            return self._storable(reply)
        except Exception as error:  # noqa: BLE001  of whatever kind: the other answers of the debate shall not be lost
            cause = error.message if isinstance(error, AragoraError) else f"unexpected {type(error).__name__}"
            log.warning("an answer cannot be kept", debate_id=self.debate_id, ask_id=reply.ask_id, error=cause)
        failure = AgentFailure(reply.ask_id, reply.agent, MALFORMED_ANSWER, f"The answer cannot be kept. {cause}")
        try:
            return self._storable(replace(failure, usage=reply.usage))
        except Exception:  # noqa: BLE001  then the usage is what cannot be kept
            return self._storable(failure)

    def _storable(self, reply: Reply) -> tuple[Event, ...]:
        events = machine.settle(self.state, reply)
        for event in events:
            journal.check(event)
        return events

    def _guarded(self, step: Callable[[], None]) -> None:
        """Take a step of the machine; an error of it breaks the debate off: in a timer nobody would hear of it."""
        try:
            step()
        except Exception as error:  # noqa: BLE001  defects included
            self._break(error)

    def _turn_soon(self) -> None:
        """Take the turn once this loop iteration is over: answers of several agents often come in the same one."""
        if not self._turn_due:
            self._turn_due = True
            asyncio.get_running_loop().call_soon(self._take_turn)

    def _take_turn(self) -> None:
        self._turn_due = False
        if self._alive:
            self._turn()

    def _turn(self) -> None:
        """Let the machine go as far as it can without another answer, then write: at once where that opened a phase or
        a caller waits, a little later where it was one answer of several that are awaited."""
        self._guarded(self._advance)

    def _advance(self) -> None:
        if self._stage is CourseState.WAITING:
            self._line.write(self)
            return
        opened = self._clock.observe(self.state)
        while events := machine.advance(self.state, self._clock.timing(self.state)):
            self._record(events)
            opened |= self._clock.observe(self.state)
        if opened or self._line.waited_for:
            self._line.write(self)
        else:
            self._line.linger(self)

    def _set_timer(self, left_s: float | None) -> None:
        if self._timer is not None:
            self._timer.cancel()
            self._timer = None
        if left_s is not None:
            self._timer = asyncio.get_running_loop().call_later(left_s + AFTER_DEADLINE_S, self._deadline)

    def _deadline(self) -> None:
        self._turn()
        if self._stage is CourseState.RUNNING and not self._line.in_flight:
            self._set_timer(self._clock.left_s(self.state))

    # --- as the owner of its commit line ------------------------------------------------------------------------

    async def commit(self, batch: Batch) -> tuple[JournalRow, ...]:
        """See `LineOwner`."""
        if isinstance(batch.events[-1], ConsensusReached):
            return await self._conclude(batch)
        update: DebateUpdate = DebateUpdate()
        outbox: tuple[OutboxRow, ...] = ()
        if isinstance(batch.events[-1], DebateEnded):
            update, outbox = self._ports.closing.break_off(self.state, self.events, batch.at)
        elif self.state.spec.needs or any(isinstance(event, RoundStarted) for event in batch.events):
            update = DebateUpdate(status=machine.status(self.state), rounds=machine.rounds(self.state))
        counters = _counters(batch.events)
        commit = Commit(self.debate_id, batch.rows, update, counters, outbox, self.state.cut_off)
        await self._ports.journal.commit(commit)
        return batch.rows

    def committed(self, rows: tuple[JournalRow, ...]) -> None:
        """See `LineOwner`."""
        self._durable_seq = rows[-1].seq
        self._ports.publishing.publish(rows)
        if journal.is_last(rows[-1]):
            self._leave(CourseState.ENDED, _moving())
            self._ports.asking.withdraw(self.debate_id)
            self._ports.ended(self)
        elif self._alive and not self._line.write(self) and self._stage is CourseState.RUNNING:
            self._act()
            if self.rests:
                self._ports.resting(self)

    def refused(self, error: Exception) -> None:
        """See `LineOwner`."""
        if not self._alive:
            log.warning("a last commit of a debate was refused", debate_id=self.debate_id, error=repr(error))
        elif isinstance(error, Fenced | Conflict | Unavailable):
            log.warning("the journal refused a commit", debate_id=self.debate_id, error=error.message)
            self.stop()
            self._ports.lost(self)
        else:
            self._break(error)

    def _break(self, error: Exception) -> None:
        if self._alive:
            log.error("the debate cannot go on", debate_id=self.debate_id, error=repr(error), exc_info=error)
            self._leave(CourseState.STOPPED, _broken())
            self._ports.broken(self, error)

    async def _conclude(self, batch: Batch) -> tuple[JournalRow, ...]:
        length = batch.rows[-1].seq
        journaled = Journaled(self.state, self.events, self._line.digest, length, self.opened_at)
        written: list[JournalRow] = []

        def issue(head: ChainHead) -> tuple[ReceiptRecord, Commit]:
            closed = self._ports.closing.conclude(journaled, head, batch.at)
            written[:] = [*batch.rows, *journal.rows_of(self.debate_id, length + 1, batch.at, closed.endings)]
            counters = (*_counters([*batch.events, *closed.endings]), *closed.counters)
            return closed.receipt, Commit(self.debate_id, tuple(written), closed.update, counters, closed.outbox)

        await self._ports.journal.conclude(Conclusion(self.debate_id, issue))
        return tuple(written)

    # --- acting on what is durable -----------------------------------------------------------------------------

    def _act(self) -> None:
        """Send the asks of the open phase that were not sent yet, and be back when it must close. Before the first of
        them look for knowledge, where the debate takes it."""
        if machine.offer_due(self.state):
            self._look_for_knowledge()
            return
        left_s = self._clock.left_s(self.state)
        self._set_timer(left_s)
        if left_s is None:  # no phase waits for agents
            return
        timeout_s = max(SHORTEST_ASK_S, left_s)
        for ask in machine.asks(self.state):
            if ask.ask_id not in self._sent:
                self._sent.add(ask.ask_id)
                self._ports.asking.send(machine.request(self.state, ask, timeout_s))

    def _look_for_knowledge(self) -> None:
        """Begin the look; what it finds is journaled before the first ask. After a crash between the two it is made
        again: nobody was asked yet."""
        if self._ports.knowledge is None:  # there was some when the debate opened
            self._take_offer(Offer(why=NotOffered.OFF))
        elif self._look is None:
            self._look = begin(self._looked(self._ports.knowledge), "knowledge for a debate")

    async def _looked(self, looks: Looks) -> None:
        offer = await looks.offer(self.state.spec)
        self._look = None
        if self._stage is CourseState.RUNNING and machine.offer_due(self.state):
            self._take_offer(offer)

    def _take_offer(self, offer: Offer) -> None:
        self._guarded(lambda: self._record([_told(offer)]))
        self._take_turn()

    def _leave(self, stage: CourseState, error: AragoraError) -> None:
        if self._look is not None:
            self._look.cancel()
            self._look = None
        self._stage = stage
        self._set_timer(None)
        self._line.close(error)


def _told(offer: Offer) -> KnowledgeOffered:
    return KnowledgeOffered(offer.items, offer.why, offer.checklist, offer.priors, offer.cruxes)


def _moving() -> Unavailable:
    return Unavailable("the debate is moving to another coordinator: try again", retry_after_s=1.0)


def _broken() -> Conflict:
    return Conflict(
        "the debate cannot go on and ends as failed: read its reason with GET /api/debates/{id}", code="debate_ended"
    )


def _counters(events: Sequence[Event]) -> tuple[CounterDelta, ...]:
    return tuple(delta for event in events for delta in counters_of(event))
