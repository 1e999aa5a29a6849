"""All debates of one coordinator: admission, the table of running courses, recovery and drain.

Rules
- At most `max_active` debates run at once; up to `max_queued` more wait, first come first served; beyond that, and
  while draining, opening one is Unavailable with a hint when to try again.
- A course that lost its footing (fenced, or refused by the store) is read anew from the journal, unless the shard
  has a newer owner: then this engine steps down and writes nothing any more.
"""

from __future__ import annotations

import asyncio
from collections import deque
from collections.abc import Awaitable, Callable, Iterable
from dataclasses import dataclass

import structlog

from aragora.background import until_available
from aragora.clock import Clock
from aragora.debate import journal, machine
from aragora.debate.counted import counters_of
from aragora.debate.model import DebateSpec, DebateStatus, Reply
from aragora.debate.ports import Asking, Closing, Journal, JournalReader, Publishing
from aragora.debate.proposition import Idempotency
from aragora.debate.records import DebateRecord, NewDebate, Opened
from aragora.debate.running.course import Course, CoursePorts
from aragora.encoding import encode_text
from aragora.errors import Conflict, Fenced, NotFound, Unavailable
from aragora.supervision import begin

log = structlog.get_logger("aragora.debate")

RETRY_AFTER_FULL_S = 5.0
RETRY_AFTER_DRAIN_S = 10.0


@dataclass(frozen=True, slots=True)
class EnginePorts:
    """`owned` tells whether this coordinator still owns its shard; `pause_s` gives seconds before write attempt n."""

    journal: Journal
    reader: JournalReader
    asking: Asking
    publishing: Publishing
    clock: Clock
    closing: Closing
    pause_s: Callable[[int], float]
    owned: Callable[[], Awaitable[bool]]


@dataclass(frozen=True, slots=True)
class Limits:
    max_active: int
    max_queued: int


@dataclass(frozen=True, slots=True)
class Load:
    """How busy the engine is, for health and admission."""

    active: int
    queued: int
    draining: bool
    stepped_down: bool


class DebateEngine:
    """The debates of one coordinator shard, in one event loop."""

    def __init__(self, ports: EnginePorts, limits: Limits) -> None:
        self._ports = ports
        self._limits = limits
        self._courses: dict[str, Course] = {}
        self._queue: deque[Course] = deque()
        self._admitting = 0
        self._draining = False
        self._stepped_down = False
        self._idle = asyncio.Event()
        self._idle.set()
        self._reading: set[asyncio.Task[None]] = set()
        self._course_ports = CoursePorts(
            journal=ports.journal,
            asking=ports.asking,
            publishing=ports.publishing,
            clock=ports.clock,
            closing=ports.closing,
            pause_s=ports.pause_s,
            ended=self._ended,
            lost=self._lost,
        )

    # --- commands ---------------------------------------------------------------------------------------------

    async def open(self, spec: DebateSpec, idempotency: Idempotency | None = None) -> Opened:
        """Write the debate and its first event, then start or queue it. Returns once that is durable.

        Raises Unavailable (full, draining, store away) and Conflict (idempotency key reused for another request).
        """
        self._admit()
        new = self._new_debate(spec, idempotency)
        self._admitting += 1
        try:
            opened = await self._ports.journal.open(new)
        except Fenced as succeeded:
            if not await self._ports.owned():
                self._step_down()
            raise Unavailable(
                "this coordinator gave its debates to another: try again", retry_after_s=1.0
            ) from succeeded
        finally:
            self._admitting -= 1
        if opened.created:
            self._take(Course.recovered(spec.debate_id, [row.payload for row in new.rows], self._course_ports))
        return opened

    async def cancel(self, debate_id: str, by: str) -> DebateStatus:
        """Raises NotFound, and Conflict where the debate has ended."""
        course = await self._course(debate_id)
        await course.submit(machine.cancel(course.state, f"cancelled by {by}"))
        return course.status

    async def vote(self, debate_id: str, person: str, choice: str, intensity: int, vote_id: str) -> int:
        """Journal a person's vote; returns its seq. Raises NotFound, Conflict, InvalidInput."""
        course = await self._course(debate_id)
        return await course.submit([machine.vote(course.state, person, choice, intensity, vote_id)])

    async def suggest(self, debate_id: str, person: str, text: str, suggestion_id: str) -> int:
        """Journal a person's suggestion; returns its seq. Raises NotFound, Conflict, InvalidInput."""
        course = await self._course(debate_id)
        return await course.submit([machine.suggest(course.state, person, text, suggestion_id)])

    def receive(self, debate_id: str, replies: Iterable[Reply]) -> None:
        """Replies of agents to the asks of one debate; those of a debate that is not here any more are dropped."""
        course = self._courses.get(debate_id)
        if course is not None:
            course.receive(list(replies))

    # --- life -------------------------------------------------------------------------------------------------

    async def recover(self, mine: Callable[[str], bool]) -> int:
        """Rebuild every unfinished debate for which `mine(debate_id)` holds; returns how many there were."""
        ids = [debate_id for debate_id in await self._ports.reader.unfinished() if mine(debate_id)]
        for debate_id in ids:
            if debate_id not in self._courses:
                await self._read_anew(debate_id)
        return len(ids)

    async def drain(self, limit_s: float) -> int:
        """Admit nothing more, let the running debates end for up to `limit_s` seconds, drop the rest from memory.

        Returns how many were dropped; they go on from their journal at the next start.
        """
        self._draining = True
        while self._queue:
            self._drop(self._queue[0])
        try:
            async with asyncio.timeout(limit_s):
                await self._idle.wait()
        except TimeoutError:
            log.info("drain limit reached", active=len(self._courses), limit_s=limit_s)
        left = list(self._courses.values())
        for course in left:
            course.stop()
        for course in left:
            await course.settled()
        self._courses.clear()
        return len(left)

    def load(self) -> Load:
        queued = len(self._queue)
        return Load(len(self._courses) - queued, queued, self._draining, self._stepped_down)

    # --- admission --------------------------------------------------------------------------------------------

    def _admit(self) -> None:
        if self._stepped_down:
            raise Unavailable("this coordinator gave its debates to another: try again", retry_after_s=1.0)
        if self._draining:
            raise Unavailable(
                "the server is draining and takes no new debates: try again after its restart",
                code="draining",
                retry_after_s=RETRY_AFTER_DRAIN_S,
            )
        if len(self._courses) + self._admitting >= self._limits.max_active + self._limits.max_queued:
            raise Unavailable(
                f"{self._limits.max_active} debates run and {self._limits.max_queued} wait: try again later",
                code="full",
                retry_after_s=RETRY_AFTER_FULL_S,
            )

    def _new_debate(self, spec: DebateSpec, idempotency: Idempotency | None) -> NewDebate:
        event = machine.first_event(spec)
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
            last_seq=1,
        )
        return NewDebate(record, (row,), idempotency, counters_of(event))

    def _take(self, course: Course) -> None:
        self._courses[course.debate_id] = course
        self._idle.clear()
        self._queue.append(course)
        self._start_queued()

    def _start_queued(self) -> None:
        while self._queue and len(self._courses) - len(self._queue) < self._limits.max_active:
            self._queue.popleft().start()

    # --- what becomes of courses ------------------------------------------------------------------------------

    def _ended(self, course: Course) -> None:
        self._drop(course)
        self._start_queued()

    def _lost(self, course: Course) -> None:
        self._drop(course)
        if not self._draining:
            task = begin(self._regain(course.debate_id), "regaining a debate")
            self._reading.add(task)
            task.add_done_callback(self._reading.discard)
        self._start_queued()

    def _drop(self, course: Course) -> None:
        self._courses.pop(course.debate_id, None)
        if course in self._queue:
            self._queue.remove(course)
        if not self._courses:
            self._idle.set()

    async def _regain(self, debate_id: str) -> None:
        """Read a debate anew after its course was fenced; where the shard has another owner, step down instead."""

        async def regain() -> None:
            if self._draining:
                return
            if await self._ports.owned():
                await self._read_anew(debate_id)
            else:
                self._step_down()

        await until_available(regain, self._ports.pause_s, what="cannot read the journal", log=log, debate_id=debate_id)

    async def _read_anew(self, debate_id: str) -> None:
        payloads = await self._ports.reader.journal(debate_id)
        if not payloads or debate_id in self._courses:
            return
        course = Course.recovered(debate_id, payloads, self._course_ports)
        if not course.status.ended:
            self._take(course)

    def _step_down(self) -> None:
        if not self._stepped_down:
            self._stepped_down = True
            log.warning("another coordinator owns this shard now: stepping down", courses=len(self._courses))
        for course in list(self._courses.values()):
            course.stop()
            self._drop(course)

    async def _course(self, debate_id: str) -> Course:
        course = self._courses.get(debate_id)
        if course is not None:
            return course
        if await self._ports.reader.journal(debate_id):
            raise Conflict("the debate has ended: nothing can be added to it any more", code="debate_ended")
        raise NotFound(f"there is no debate {debate_id}: list the debates with GET /api/debates")
