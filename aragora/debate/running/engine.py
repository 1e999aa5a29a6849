"""All debates of one coordinator: admission, the table of running courses, recovery and drain.

Rules
- At most `max_active` debates run at once and up to `max_queued` more wait, fair among organisations
  (`aragora.debate.running.places`); beyond that, and while draining, opening one is Unavailable with a hint when to
  try again.
- A course that lost its footing (fenced) is read anew from the journal, unless the shard has a newer owner: then this
  engine steps down and writes nothing any more. One that cannot go on ends as failed and gives its place free
  (`aragora.debate.running.recovery`).
"""

from __future__ import annotations

import asyncio
from collections.abc import AsyncIterator, Awaitable, Callable, Iterable
from contextlib import asynccontextmanager
from dataclasses import dataclass, replace
from datetime import UTC, datetime

import structlog

from aragora.clock import Clock
from aragora.debate import journal, machine
from aragora.debate.budget import UNLIMITED, MonthlyLimits, Reservation, micros_of
from aragora.debate.counted import counters_of
from aragora.debate.machine.gate import Signer, Word
from aragora.debate.model import DebateSpec, DebateStatus, Reply
from aragora.debate.ports import Asking, Closing, Journal, JournalReader, Publishing
from aragora.debate.proposition import Idempotency
from aragora.debate.records import DebateRecord, NewDebate, Opened
from aragora.debate.running.course import Course, CoursePorts
from aragora.debate.running.debate_log import DebateLog
from aragora.debate.running.failing import FailingPorts
from aragora.debate.running.looks import Looks
from aragora.debate.running.places import Places
from aragora.debate.running.recovery import Recovery, RecoveryPorts
from aragora.encoding import encode_text
from aragora.errors import Conflict, Fenced, Unavailable

log = structlog.get_logger("aragora.debate")

RETRY_AFTER_DRAIN_S = 10.0


@dataclass(frozen=True, slots=True)
class EnginePorts:
    """`owned` tells whether this coordinator still owns its shard; `pause_s` gives seconds before write attempt n.
    Without `knowledge` no debate looks for any, and its journal says nothing of it."""

    journal: Journal
    reader: JournalReader
    asking: Asking
    publishing: Publishing
    clock: Clock
    closing: Closing
    pause_s: Callable[[int], float]
    owned: Callable[[], Awaitable[bool]]
    knowledge: Looks | None = None


@dataclass(frozen=True, slots=True)
class Limits:
    """Debates that run and wait at most, the share of these places that one organisation may hold alone (0..1), and
    what the debates of a month may cost. A debate that costs something holds `least_hold_usd` of that at least."""

    max_active: int
    max_queued: int
    share: float = 1.0
    budgets: MonthlyLimits = UNLIMITED
    least_hold_usd: float = 0.0


@dataclass(frozen=True, slots=True)
class Load:
    """How busy the engine is, for health and admission. `set_aside` debates cannot go on, and not even end."""

    active: int
    queued: int
    draining: bool
    stepped_down: bool
    set_aside: int = 0


class DebateEngine:
    """The debates of one coordinator shard, in one event loop."""

    def __init__(self, ports: EnginePorts, limits: Limits) -> None:
        self._ports = ports
        self._limits = limits
        self._courses: dict[str, Course] = {}
        self._places: Places[Course] = Places(limits.max_active, limits.max_queued, limits.share)
        self._draining = False
        self._stepped_down = False
        self._debate_log = DebateLog(ports.clock)
        self._idle = asyncio.Event()
        self._idle.set()
        self._course_ports = CoursePorts(
            journal=ports.journal,
            asking=ports.asking,
            publishing=ports.publishing,
            clock=ports.clock,
            closing=ports.closing,
            pause_s=ports.pause_s,
            ended=self._ended,
            lost=self._lost,
            broken=self._broken,
            resting=self._rest,
            knowledge=ports.knowledge,
        )
        self._recovery = self._recovering()

    # --- commands ---------------------------------------------------------------------------------------------

    async def open(self, spec: DebateSpec, idempotency: Idempotency | None = None) -> Opened:
        """Write the debate and its first event, then start or queue it. Returns once that is durable.

        Raises Unavailable (full, draining, store away), Conflict (idempotency key reused for another request) and
        BudgetExhausted (the month's budget of the organisation or the installation does not allow it).
        """
        if self._ports.knowledge is None:
            spec = replace(spec, knowledge=False)
        self._admit(spec.org_id)
        in_doubt = False
        try:
            new = self._new_debate(spec, idempotency)
            opened = await self._ports.journal.open(new)
        except Fenced as succeeded:
            if not await self._ports.owned():
                self._step_down()
            raise Unavailable(
                "this coordinator gave its debates to another: try again", retry_after_s=1.0
            ) from succeeded
        except Unavailable:  # it may be durable all the same; its place stays taken until that is known
            in_doubt = True
            self._recovery.look_for(spec.debate_id, lambda: self._places.release(spec.org_id))
            raise
        finally:
            if not in_doubt:
                self._places.release(spec.org_id)
        if spec.debate_id in self._courses:
            return opened
        if opened.created:
            self._debate_log.opened(spec)
            self._take(Course.recovered(spec.debate_id, [row.payload for row in new.rows], self._course_ports))
        elif opened.record.debate_id == spec.debate_id:  # written by an attempt whose answer was lost
            await self._recovery.recover(spec.debate_id)
        return opened

    async def cancel(self, debate_id: str, by: str) -> DebateStatus:
        """Raises NotFound, and Conflict where the debate has ended."""
        async with self._moved(debate_id) as course:
            await course.submit(machine.cancel(course.state, f"cancelled by {by}"))
            return course.status

    async def vote(self, debate_id: str, person: str, choice: str, intensity: int, vote_id: str) -> int:
        """Journal a person's vote; returns its seq, that of the earlier one where it changes nothing.

        Raises NotFound, Conflict, InvalidInput."""
        async with self._moved(debate_id) as course:
            return await course.hear(machine.vote(course.state, person, choice, intensity, vote_id))

    async def correct(
        self, debate_id: str, person: str, groups: tuple[tuple[str, ...], ...], correction_id: str
    ) -> int:
        """Journal what a person says about which answers are one position; returns its seq. Raises as `vote`."""
        async with self._moved(debate_id) as course:
            return await course.submit([machine.correct(course.state, person, groups, correction_id)])

    async def sign(self, debate_id: str, signer: Signer, word: Word, signature_id: str) -> int:
        """Journal what a person says to the proposed decision; returns its seq, that of the earlier signature where the
        person says the same again: also where the debate has ended, for the signature that closed the gate may be sent
        anew by who did not hear of it.

        Raises NotFound, Conflict, Forbidden, InvalidInput."""
        ended = await self._ended_course(debate_id)
        if ended is not None:
            return await ended.hear(machine.sign(ended.state, signer, word, signature_id))
        async with self._moved(debate_id) as course:
            return await course.hear(machine.sign(course.state, signer, word, signature_id))

    async def suggest(self, debate_id: str, person: str, text: str, suggestion_id: str) -> int:
        """Journal a person's suggestion; returns its seq, that of the earlier one where the person repeats it.

        Raises NotFound, Conflict, InvalidInput."""
        async with self._moved(debate_id) as course:
            return await course.hear(machine.suggest(course.state, person, text, suggestion_id))

    def receive(self, debate_id: str, replies: Iterable[Reply]) -> None:
        """Replies of agents to the asks of one debate; those of a debate that is not here any more are dropped."""
        course = self._courses.get(debate_id)
        if course is not None:
            course.receive(list(replies))

    def alive(self, debate_id: str, ask_id: str) -> bool:
        """An agent works on an ask of this debate; whether its answer is still awaited. It is not journaled."""
        course = self._courses.get(debate_id)
        return course is not None and course.alive(ask_id)

    # --- life -------------------------------------------------------------------------------------------------

    async def recover(self, mine: Callable[[str], bool]) -> int:
        """Rebuild every unfinished debate for which `mine(debate_id)` holds; returns how many there were. One that
        cannot be rebuilt ends as failed, and the others go on. Raises Unavailable."""
        ids = [debate_id for debate_id in await self._ports.reader.unfinished() if mine(debate_id)]
        for debate_id in ids:
            if debate_id not in self._courses:
                await self._recovery.recover(debate_id)
        return len(ids)

    async def drain(self, limit_s: float) -> int:
        """Admit nothing more, let the running debates end for up to `limit_s` seconds, drop the rest from memory.

        Returns how many were dropped; they go on from their journal at the next start.
        """
        self._draining = True
        waiting = self._places.in_line()
        for course in waiting:
            course.stop()
            self._drop(course)
        try:
            async with asyncio.timeout(limit_s):
                await self._idle.wait()
                await self._recovery.settled()
        except TimeoutError:
            log.info("drain limit reached", active=len(self._courses), limit_s=limit_s)
        left = list(self._courses.values())
        for course in left:
            course.stop()
        for course in (*waiting, *left):
            await course.settled()
            self._drop(course)
        self._recovery.cancel()
        return len(left)

    def load(self) -> Load:
        return Load(
            self._places.running,
            self._places.waiting,
            self._draining,
            self._stepped_down,
            self._recovery.set_aside,
        )

    # --- admission --------------------------------------------------------------------------------------------

    def _admit(self, org_id: str) -> None:
        """Claim a place, which the caller releases. Raises Unavailable."""
        if self._stepped_down:
            raise Unavailable("this coordinator gave its debates to another: try again", retry_after_s=1.0)
        if self._draining:
            raise Unavailable(
                "the server is draining and takes no new debates: try again after its restart",
                code="draining",
                retry_after_s=RETRY_AFTER_DRAIN_S,
            )
        self._places.claim(org_id)

    def _new_debate(self, spec: DebateSpec, idempotency: Idempotency | None) -> NewDebate:
        event = machine.first_event(spec)
        journal.check(event)
        now = self._ports.clock.now()
        row = journal.row_of(spec.debate_id, 1, now, event)
        record = DebateRecord(
            debate_id=spec.debate_id,
            question=spec.question,
            status=DebateStatus.QUEUED,
            spec=encode_text(spec),
            created_at=now,
            updated_at=now,
            created_by=spec.created_by,
            org_id=spec.org_id,
            workspace=spec.workspace,
            last_seq=1,
        )
        reservation = reservation_of(spec.budget_usd, now, self._limits.budgets, self._limits.least_hold_usd)
        return NewDebate(record, (row,), idempotency, counters_of(event), reservation)

    def _take(self, course: Course) -> None:
        if self._leaving():  # it was on its way from the disk; the next start, or the next owner, takes it
            return
        self._courses[course.debate_id] = course
        self._idle.clear()
        self._places.line_up(course.state.spec.org_id, course)
        self._start_queued()

    def _start_queued(self) -> None:
        while (course := self._places.start()) is not None:
            course.start()

    # --- what becomes of courses ------------------------------------------------------------------------------

    def _recovering(self) -> Recovery:
        ports = self._ports
        return Recovery(
            RecoveryPorts(
                failing=FailingPorts(
                    ports.journal, ports.reader, ports.clock, ports.closing, ports.pause_s, given_up=self._leaving
                ),
                asking=ports.asking,
                publishing=ports.publishing,
                rebuilt=lambda debate_id, payloads: Course.recovered(debate_id, payloads, self._course_ports),
                take=self._take,
                ended=self._ended,
                running=lambda debate_id: debate_id in self._courses,
                owned=ports.owned,
                step_down=self._step_down,
                leaving=self._leaving,
            )
        )

    def _leaving(self) -> bool:
        return self._draining or self._stepped_down

    def _ended(self, course: Course) -> None:
        self._debate_log.ended(course.state, course.opened_at)
        self._recovery.forget(course.debate_id)
        self._drop(course)
        self._start_queued()

    def _lost(self, course: Course) -> None:
        self._drop(course)
        if not self._draining:
            self._recovery.regain(course)
        self._start_queued()

    def _broken(self, course: Course, error: Exception) -> None:
        self._drop(course)
        self._recovery.end(course, error)
        self._start_queued()

    def _rest(self, course: Course) -> None:
        """Forget a debate that waits for people, be it for days: its journal knows it, and is read when one of them
        acts."""
        course.stop()
        self._drop(course)
        self._start_queued()

    @asynccontextmanager
    async def _moved(self, debate_id: str) -> AsyncIterator[Course]:
        """The course of a debate for the length of a person's command."""
        course = await self._course(debate_id)
        try:
            yield course
        finally:
            if self._courses.get(debate_id) is course and course.rests:
                self._rest(course)

    def _drop(self, course: Course) -> None:
        if self._courses.pop(course.debate_id, None) is not None:
            self._places.leave(course.state.spec.org_id, course)
        if not self._courses:
            self._idle.set()

    def _step_down(self) -> None:
        if not self._stepped_down:
            self._stepped_down = True
            log.warning("another coordinator owns this shard now: stepping down", courses=len(self._courses))
        for course in list(self._courses.values()):
            course.stop()
            self._drop(course)

    async def _ended_course(self, debate_id: str) -> Course | None:
        """What the journal tells of a debate that has ended, to look something up in; None where it goes on. Raises as
        `_course`, and where the journal cannot be read."""
        if debate_id in self._courses:
            return None
        self._recovery.check_absent(debate_id)
        if not (await self._ports.reader.status(debate_id)).ended:
            return None
        try:
            return Course.recovered(debate_id, await self._ports.reader.journal(debate_id), self._course_ports)
        except journal.Unreadable as damaged:
            raise _over() from damaged

    async def _course(self, debate_id: str) -> Course:
        """The course of a debate; one that has none though it has not ended is read from its journal. Raises NotFound,
        Conflict where it has ended, Unavailable."""
        course = self._courses.get(debate_id)
        if course is not None:
            return course
        self._recovery.check_absent(debate_id)
        if (await self._ports.reader.status(debate_id)).ended:
            raise _over()
        if not self._leaving():
            await self._recovery.recover(debate_id)
        course = self._courses.get(debate_id)
        if course is None:
            raise Unavailable("the debate is being read again from its journal: try again", retry_after_s=1.0)
        return course


def _over() -> Conflict:
    return Conflict("the debate has ended: nothing can be added to it any more", code="debate_ended")


def reservation_of(budget_usd: float | None, at: float, limits: MonthlyLimits, least_usd: float = 0.0) -> Reservation:
    """What a debate that opens `at` (seconds since the epoch) holds in the accounts of its month (UTC): its budget, and
    `least_usd` at least; nothing where it has none, because its agents cost nothing."""
    holds = 0 if budget_usd is None else micros_of(max(budget_usd, least_usd))
    return Reservation(f"{datetime.fromtimestamp(at, UTC):%Y-%m}", holds, limits)
