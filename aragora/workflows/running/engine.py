"""The executions of one runner: loaded when something happens to them, moved by the machine, forgotten when they rest.

An execution that waits is rows. It is in memory while something is done for it outside, and a little longer: the last
`KEPT` that moved stay, as a step seldom comes alone.

What comes from outside
    commands   of people: start, pause, resume, cancel, retry, signal, answer. Each returns once it is durable.
    answers    of what was asked: from `Doing`, or later by `receive`. Each is known by its ask, so it may come twice.
    messages   of the inbox: what another process, or another execution in its own transaction, left for one.
    moments    the rows say when the next is due; one loop waits for it (`Moments`).
    receipts   of executions that have ended (`Concluding`).

An ask that finds a store or an agent away waits until that is back, or nobody waits for it any more: that is no failure
of its step. Whatever dies, the next runner begins with the executions whose rows say that something is asked.
"""

from __future__ import annotations

import asyncio
from collections import OrderedDict
from collections.abc import Awaitable, Callable, Mapping, Sequence
from dataclasses import dataclass, replace
from functools import partial
from typing import Any, Final

import structlog

from aragora.background import until_available
from aragora.debate.proposition import Idempotency
from aragora.encoding import decode_as
from aragora.errors import AragoraError, Conflict, Fenced, NotFound, Unavailable
from aragora.supervision import begin
from aragora.workflows import approving, journal, machine
from aragora.workflows.approvals import ApprovalRecord
from aragora.workflows.approving import Answerer, Word
from aragora.workflows.inbox import Beside, KeptInbox
from aragora.workflows.inbox import record_of as record_of_approval
from aragora.workflows.machine.state import ExecutionState
from aragora.workflows.model import (
    Accepted,
    ApprovalAnswered,
    Done,
    Event,
    ExecutionEnded,
    ExecutionStarted,
    ExecutionStatus,
    Failed,
    Reply,
)
from aragora.workflows.ports import Definitions, Doing, Pinned, Proving, Publishing, Reading, Writing
from aragora.workflows.records import (
    Message,
    NewExecution,
    Started,
)
from aragora.workflows.replaying import replayed
from aragora.workflows.running.breaking import break_off
from aragora.workflows.running.children import ended_child
from aragora.workflows.running.concluding import Concluding
from aragora.workflows.running.course import Course, Said, approvals_in, follow
from aragora.workflows.running.deeds import Deeds
from aragora.workflows.running.regaining import Regaining
from aragora.workflows.running.rows import record_of
from aragora.workflows.running.steady_clock import SteadyClock

KEPT: Final = 500
PAGE: Final = 500

log = structlog.get_logger("aragora.workflows")


@dataclass(frozen=True, slots=True)
class EnginePorts:
    """What the engine is given. `pause_s` gives the seconds to wait before try n (0, 1, ...) at what is away; `owned`
    says whether the executions are still this process's, `due` is told of moments. Without `proving` executions have no
    receipts."""

    writing: Writing
    reading: Reading
    definitions: Definitions
    doing: Callable[[ExecutionEngine], Doing]
    publishing: Publishing
    inbox: KeptInbox
    clock: SteadyClock
    pause_s: Callable[[int], float]
    owned: Callable[[], Awaitable[bool]]
    due: Callable[[float], None]
    proving: Proving | None = None


@dataclass(frozen=True, slots=True)
class Standing:
    """Where an execution stands after a command."""

    execution_id: str
    status: ExecutionStatus
    seq: int


class ExecutionEngine:
    """See the head of this file. One event loop."""

    def __init__(self, ports: EnginePorts) -> None:
        self._ports = ports
        self._deeds = Deeds(ports.doing(self), self._awaits, self._settled, ports.pause_s)
        self._concluding = Concluding(ports.proving, ports.reading, ports.definitions, self._course, ports.pause_s)
        self._courses: OrderedDict[str, Course] = OrderedDict()
        self._loading: dict[str, asyncio.Task[Course | Exception]] = {}
        self._regaining = Regaining(self._woken, self._is_leaving, ports.pause_s)
        self._leaving = False
        self.stepped_down = False  # another runner owned the executions after this one
        self._mail = asyncio.Event()

    # --- commands -----------------------------------------------------------------------------------------------------

    async def start(self, started: ExecutionStarted, pinned: Pinned, idempotency: Idempotency | None = None) -> Started:
        """Write an execution and what follows from its first event, and begin with it. Raises Conflict, Unavailable,
        InvalidInput."""
        self._check_here()
        now, state = self._ports.clock.now(), ExecutionState(pinned.definition)
        journal.check(started)
        followed = follow(state, started, now)
        rows = journal.rows_of(started.execution_id, 1, now, followed.events)
        beside = self._beside(state, followed.events, len(rows), now)
        record = record_of(state, now, len(rows), self._concluding.owed)
        if followed.then is not None:
            record = replace(record, active=True)
        new = NewExecution(
            record, rows, idempotency, outbox=beside.outbox, counters=followed.counted, extra=beside.projections
        )
        try:
            kept = await self._ports.writing.start(new)
        except Fenced as fenced:
            begin(self._after_fence(), "looking who owns executions")
            raise _gone() from fenced
        if kept.created:
            course = self._keep(self._course_of(state, len(rows)))
            self._moved(course, rows)
            if followed.then is not None:
                begin(self._wake(started.execution_id), "going on with an execution")
        elif kept.record.active:  # it may be that nobody heard of its start
            self._go_on(kept.record.execution_id)
        return kept

    async def pause(self, execution_id: str, by: str) -> Standing:
        """See `machine.people.pause`; raises NotFound and Unavailable besides, as all commands do."""
        return await self._command(execution_id, lambda state, _: machine.pause(state, by))

    async def resume(self, execution_id: str, by: str) -> Standing:
        """See `machine.people.resume`."""
        return await self._command(execution_id, lambda state, _: machine.resume(state, by))

    async def cancel(self, execution_id: str, by: str, reason: str = "") -> Standing:
        """See `machine.people.cancel`."""
        return await self._command(execution_id, lambda state, _: machine.cancel(state, by, reason))

    async def retry(
        self, execution_id: str, by: str, run: str, what: Mapping[str, Any], request_id: str = ""
    ) -> Standing:
        """See `machine.people.retry`."""
        return await self._command(
            execution_id, lambda state, now: machine.retry(state, by, run, what, now, request_id=request_id)
        )

    async def signal(
        self, execution_id: str, name: str, payload: Mapping[str, Any], signal_id: str, by: str
    ) -> Standing:
        """See `machine.people.signal`."""
        return await self._command(execution_id, lambda state, _: machine.signal(state, name, payload, signal_id, by))

    async def answer(
        self, execution_id: str, approval_id: str, answerer: Answerer, word: Word, answer_id: str
    ) -> ApprovalRecord:
        """A person's word about an approval; returns the approval as it stands then. See `approving.answer`."""

        def said(state: ExecutionState, now: float) -> ApprovalAnswered | None:
            approval = state.approvals.get(approval_id)
            if approval is None:
                raise NotFound("There is no such approval.")
            event = approving.answer(approval, answerer, word, now, answer_id)
            return None if event is approval.answers.get(answerer.person) else event

        course = await self._course(execution_id)
        await course.move(_nothing)  # what is due by now comes before an answer
        await self._guarded(course, course.move(said))
        assert course.state.started is not None, "it begins with its first event"
        return record_of_approval(course.state.started, course.state.approvals[approval_id], course.seq)

    async def receive(self, execution_id: str, reply: Reply, message_id: str = "") -> None:
        """An answer to an ask that was accepted; returns once it is durable. One for an execution that is not there, or
        that nobody awaits, changes nothing. Raises Unavailable."""
        try:
            happened = await self._settled(execution_id, reply, (message_id,) if message_id else ())
        except NotFound:
            happened = False
        if message_id and not happened:
            await self._ports.writing.dismiss((message_id,))

    # --- life ---------------------------------------------------------------------------------------------------------

    async def recover(self) -> int:
        """Go on with every execution of which something is asked and that is not in memory; returns of how many
        something is asked. One that cannot go on ends as failed, and the others go on. Raises Unavailable."""
        count, after = 0, ""
        while page := await self._ports.reading.active_ids(after, PAGE):
            for execution_id in page:
                self._go_on(execution_id)
            count, after = count + len(page), page[-1]
        return count

    async def wake_due(self) -> int:
        """Do a page of what is due by now, the earliest first; returns to how many executions something happened."""
        due = [] if self._leaving else await self._ports.reading.due(self._ports.clock.now(), PAGE)
        return sum(await asyncio.gather(*(self._wake(one.execution_id) for one in due)))

    async def take_mail(self) -> bool:
        """Give the messages of the inbox to their executions; returns whether there may be more."""
        messages = [] if self._leaving else await self._ports.reading.inbox(PAGE)
        for message in messages:
            await self.receive(message.execution_id, _reply_of(message), message.message_id)
        return len(messages) == PAGE

    async def await_mail(self, limit_s: float) -> None:
        """Returns once a message may be there, or after so many seconds."""
        try:
            async with asyncio.timeout(limit_s):
                await self._mail.wait()
        except TimeoutError:
            return
        finally:
            self._mail.clear()

    async def drain(self) -> int:
        """Begin nothing more, end the moves that are under way; returns how many asks, and receipts, are left for
        the next runner."""
        self._leaving = True
        left = await self._deeds.drain()
        for course in list(self._courses.values()):
            await course.settled()
        return left

    @property
    def busy(self) -> bool:
        """Whether something is done outside, or is being written."""
        return bool(len(self._deeds)) or any(course.busy for course in self._courses.values())

    @property
    def in_memory(self) -> int:
        """How many executions are in memory."""
        return len(self._courses)

    # --- courses ------------------------------------------------------------------------------------------------------

    async def _command(self, execution_id: str, said: Said) -> Standing:
        course = await self._course(execution_id)
        await self._guarded(course, course.move(said))
        return Standing(execution_id, machine.status(course.state), course.seq)

    async def _guarded(self, course: Course, move: Awaitable[bool]) -> bool:
        """The outcome of a move; one that breaks its execution ends it. Raises what the move raises."""
        try:
            happened = await move
        except AragoraError:
            raise
        except Exception as error:
            await self._break(course.execution_id, error)
            raise Conflict("The execution could not go on and has failed.", code="execution_failed") from error
        return happened

    async def _course(self, execution_id: str) -> Course:
        """The execution, from memory or its journal. Raises NotFound, Unavailable, Conflict where it is damaged."""
        self._check_here()
        course = self._courses.get(execution_id)
        if course is not None and not course.lost:
            self._courses.move_to_end(execution_id)
            return course
        loading = self._loading.get(execution_id)
        if loading is None:
            loading = self._loading[execution_id] = begin(self._loaded(execution_id), "reading an execution")
            loading.add_done_callback(lambda _: self._loading.pop(execution_id, None))
        outcome = await asyncio.shield(loading)
        if isinstance(outcome, Exception):
            raise outcome
        return outcome

    async def _loaded(self, execution_id: str) -> Course | Exception:
        """What keeps an execution from being read is its callers': it is no failure of work in the background."""
        try:
            return await self._load(execution_id)
        except Exception as refused:  # noqa: BLE001  handed to the callers
            return refused

    async def _load(self, execution_id: str) -> Course:
        record = await self._ports.reading.record(execution_id)
        if record is None:
            raise NotFound("There is no such execution. List them with GET /api/workflow-executions.")
        try:
            state, seq = await replayed(record, self._ports.reading, self._ports.definitions)
        except (journal.Unreadable, ValueError, KeyError, AssertionError) as damaged:
            await self._break(execution_id, damaged)
            raise Conflict("The execution cannot be read and has failed.", code="execution_failed") from damaged
        course = self._keep(self._course_of(state, seq))
        self._act(course)
        return course

    def _course_of(self, state: ExecutionState, seq: int) -> Course:
        return Course(
            state,
            seq,
            now=self._ports.clock.now,
            write=self._ports.writing.commit,
            beside=self._beside,
            owes=self._concluding.owed,
            pause_s=self._ports.pause_s,
            leaving=self._is_leaving,
            moved=self._moved,
            fenced=self._fenced,
        )

    def _keep(self, course: Course) -> Course:
        self._courses[course.execution_id] = course
        self._courses.move_to_end(course.execution_id)
        if len(self._courses) > KEPT:
            resting = next((key for key, one in self._courses.items() if one is not course and not one.busy), None)
            if resting is not None:
                del self._courses[resting]
        return course

    def _beside(self, state: ExecutionState, events: Sequence[Event], seq: int, now: float) -> Beside:
        started = state.started
        assert started is not None, "it begins with its first event"
        beside = self._ports.inbox.beside(started, [state.approvals[one] for one in approvals_in(events)], seq, now)
        outbox = (*beside.outbox, *self._ports.inbox.told(state, events, seq, now))
        ended = next((event for event in events if isinstance(event, ExecutionEnded)), None)
        if ended is None or not started.parent:
            return Beside(beside.projections, outbox)
        told = ended_child(started, ended, state.cost_micros, seq, now)
        return Beside((*beside.projections, told), outbox)

    def _fenced(self, course: Course) -> None:
        self._courses.pop(course.execution_id, None)
        begin(self._after_fence(course.execution_id), "looking who owns executions")

    async def _after_fence(self, execution_id: str = "") -> None:
        """Step down where another runner owns the executions. Else our own commit had succeeded without our learning of
        it: what follows from it is done now, for nobody else may ever come back to this execution."""
        owned = await until_available(
            self._ports.owned,
            self._ports.pause_s,
            what="who owns the executions is not known",
            log=log,
            given_up=self._is_leaving,
        )
        if owned:
            if execution_id:
                self._go_on(execution_id)
            return
        if not self._leaving:
            log.warning("another runner owns the executions now: stepping down", in_memory=len(self._courses))
            self._leaving = self.stepped_down = True
        self._deeds.leave()

    def _go_on(self, execution_id: str) -> None:
        """See that an execution goes on that nobody else comes back to; one in memory does."""
        course = self._courses.get(execution_id)
        if course is None or course.lost:
            self._regaining.begin(execution_id)

    def _is_leaving(self) -> bool:
        return self._leaving

    def _check_here(self) -> None:
        if self._leaving:
            raise _gone()

    # --- what follows a commit ----------------------------------------------------------------------------------------

    def _moved(self, course: Course, rows: Sequence[journal.JournalRow]) -> None:
        self._ports.publishing.publish(course.execution_id, rows)
        started = course.state.started
        assert started is not None, "it begins with its first event"
        if course.state.ended is not None and started.parent:
            self._mail.set()
        self._act(course)

    def _act(self, course: Course) -> None:
        """Have done what is asked, and stopped what is not wanted any more."""
        state, started = course.state, course.state.started
        assert started is not None, "it begins with its first event"
        if self._leaving:
            return
        at = machine.next_moment(state)
        if at is not None:
            self._ports.due(at)
        if state.ended is None:
            self._deeds.begin(course.execution_id, machine.asks(state), started)
        if self._concluding.owed(state):
            receipt = partial(self._concluding.conclude, course.execution_id)
            self._deeds.once(f"receipt of {course.execution_id}", receipt, "a receipt of an execution")
        for owed in machine.owed(state):
            if owed.ask_id not in course.stopped:
                course.stopped.add(owed.ask_id)
                self._deeds.stop(owed, started)

    def _awaits(self, execution_id: str, ask_id: str) -> bool:
        """Whether an ask is open, or its execution not in memory: then its journal is asked with the answer."""
        course = self._courses.get(execution_id)
        return course is None or machine.awaited(course.state, ask_id)

    async def _settled(self, execution_id: str, reply: Reply, taken: tuple[str, ...] = ()) -> bool:
        """Take a reply, by the journal's course of the moment; a store that is away is waited for. Returns whether
        anything happened. Raises NotFound, and Unavailable where the executions go to another process."""

        async def settle() -> bool:
            current = await self._course(execution_id)
            try:
                return await self._guarded(
                    current, current.move(lambda state, now: machine.settle(state, reply, now), taken)
                )
            except journal.NotStorable:
                cost = 0 if isinstance(reply, Accepted) else reply.cost_micros
                failed = Failed(reply.ask_id, "unreadable", "its answer cannot be kept", again=False, cost_micros=cost)
                return await self._guarded(
                    current, current.move(lambda state, now: machine.settle(state, failed, now), taken)
                )

        return await until_available(
            settle,
            self._ports.pause_s,
            what="an answer waits",
            log=log,
            given_up=self._is_leaving,
            execution=execution_id,
        )

    async def _wake(self, execution_id: str) -> bool:
        """Do what is due of an execution; whether anything happened."""
        try:
            return await self._woken(execution_id)
        except AragoraError as refused:
            log.warning("an execution was not woken", execution=execution_id, error=refused.message)
            return False

    async def _woken(self, execution_id: str) -> bool:
        """As `_wake`. Raises AragoraError where it cannot."""
        course = await self._course(execution_id)
        happened = await self._guarded(course, course.move(_nothing))
        if not course.moving:  # else it acts once that is durable
            self._act(course)
        return happened

    async def _break(self, execution_id: str, error: BaseException) -> None:
        """End an execution that cannot go on."""
        self._courses.pop(execution_id, None)
        ports = self._ports
        now = ports.clock.now()
        rows = await break_off(execution_id, error, reading=ports.reading, writing=ports.writing, now=now)
        if rows:
            self._mail.set()
            ports.publishing.publish(execution_id, rows)


def _gone() -> Unavailable:
    """The error of a runner that was succeeded, or ends."""
    return Unavailable("the executions go to another process: try again", retry_after_s=1.0)


def _nothing(_: ExecutionState, __: float) -> None:
    return None


def _reply_of(message: Message) -> Reply:
    return decode_as(message.payload, _REPLIES[message.kind])


_REPLIES: Final[Mapping[str, type[Done | Failed]]] = {"done": Done, "failed": Failed}
