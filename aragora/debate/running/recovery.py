"""Debates without a course: rebuilt from their journals, or ended as failed, or set aside. One never stops another.

Rules
- `recover` begins with a journal as it stands in the store, `regain` with a course that was fenced: it is read anew
  while the shard is still this engine's. One that has ended in its journal, by a commit whose answer was lost, is over
  as if the answer had come. Where reading anew brings no progress it pauses, and after `IN_VAIN_MAX` times the debate
  ends as failed.
- An opening that the store did not answer may be durable all the same: `look_for` reads, one debate after the other,
  as soon as the store answers again, and takes those that are there. None would wait for the next start unseen.
- A debate that cannot go on ends as failed in the background (`aragora.debate.running.failing`); its place is free at
  once. Where not even that can be written it is set aside until the next start: logged, counted, and told to who asks.
"""

from __future__ import annotations

import asyncio
from collections import deque
from collections.abc import Awaitable, Callable, Sequence
from dataclasses import dataclass
from typing import Final, TypeVar

import structlog

from aragora.background import until_available
from aragora.debate import journal
from aragora.debate.journal import JournalRow, Unreadable
from aragora.debate.ports import Asking, Publishing
from aragora.debate.running.course import Course
from aragora.debate.running.failing import Broken, FailingPorts, fail, reason_of
from aragora.errors import AragoraError, Conflict, Fenced, Unavailable
from aragora.observability.samples import CounterDelta
from aragora.supervision import begin

T = TypeVar("T")

log = structlog.get_logger("aragora.debate")

IN_VAIN_MAX: Final = 5
"""How often a debate is read anew without one more row in its journal."""

SET_ASIDE: Final = CounterDelta("aragora_debates_set_aside_total", (), 1.0)


class NoFooting(AragoraError):
    """The journal of a debate takes nothing more, however often it is read anew."""

    default_code = "journal_refuses"


@dataclass(frozen=True, slots=True)
class RecoveryPorts:
    """What bringing debates back needs of the engine and of the world.

    `rebuilt` makes the course of a debate from its payloads, and raises where they make none; `take` takes it into the
    engine, and `ended` is told of one that was over already. `running` tells whether a debate has a course, `owned`
    whether the shard is still this engine's, `step_down` gives it up, and `leaving` tells that the engine takes nothing
    back any more.
    """

    failing: FailingPorts
    asking: Asking
    publishing: Publishing
    rebuilt: Callable[[str, list[str]], Course]
    take: Callable[[Course], None]
    ended: Callable[[Course], None]
    running: Callable[[str], bool]
    owned: Callable[[], Awaitable[bool]]
    step_down: Callable[[], None]
    leaving: Callable[[], bool]


@dataclass(frozen=True, slots=True)
class _Loss:
    """How long the journal was when a course was lost last, and how often it was not longer than the time before."""

    rows: int
    in_vain: int = 0

    def again(self, rows: int) -> _Loss:
        return _Loss(rows, 0 if rows > self.rows else self.in_vain + 1)


@dataclass(frozen=True, slots=True)
class _Opening:
    """An opening that had no answer, and whom to tell once it is known. An opening that was sent twice is two."""

    debate_id: str
    looked: Callable[[], None]


class Recovery:
    """Of one engine, in its event loop."""

    def __init__(self, ports: RecoveryPorts) -> None:
        self._ports = ports
        self._losses: dict[str, _Loss] = {}
        self._caring: dict[str, asyncio.Task[None]] = {}
        self._set_aside: dict[str, str] = {}  # why, by debate
        self._in_doubt: deque[_Opening] = deque()
        self._looking: asyncio.Task[None] | None = None

    @property
    def set_aside(self) -> int:
        """How many debates are set aside."""
        return len(self._set_aside)

    async def recover(self, debate_id: str) -> None:
        """Rebuild a debate, or begin to end it where that is impossible. Raises Unavailable."""
        if debate_id in self._caring or debate_id in self._set_aside:
            return
        broken = self._rebuild(debate_id, await self._ports.failing.reader.journal(debate_id))
        if broken is not None:
            self._care_for(debate_id, lambda: self._end(broken))

    def regain(self, course: Course) -> None:
        """Read the debate of a lost course anew, in the background."""
        self._care_for(course.debate_id, lambda: self._regain(course.debate_id))

    def look_for(self, debate_id: str, looked: Callable[[], None]) -> None:
        """Take a debate whose opening had no answer, where it was written, in the background; calls `looked` as soon as
        that is known. The caller bounds how many there are."""
        self._in_doubt.append(_Opening(debate_id, looked))
        if self._looking is None:
            self._looking = begin(self._look(), "bringing a debate back")

    def end(self, course: Course, error: Exception) -> None:
        """End the debate of a course that cannot go on, in the background."""
        self._care_for(course.debate_id, lambda: self._end_course(course, error))

    def forget(self, debate_id: str) -> None:
        """The debate has ended in its course."""
        self._losses.pop(debate_id, None)

    def check_absent(self, debate_id: str) -> None:
        """Tell a caller why a debate has no course now. Raises Unavailable where it is on its way back, Conflict where
        it is set aside."""
        if debate_id in self._caring:
            raise Unavailable("the debate is being read again from its journal: try again", retry_after_s=1.0)
        if debate_id in self._set_aside:
            raise Conflict(f"the debate is set aside: {self._set_aside[debate_id]}", code="debate_set_aside")

    async def settled(self) -> None:
        """Return once nothing is in the background."""
        while tasks := self._tasks():
            await asyncio.wait(tasks)

    def cancel(self) -> None:
        """Leave what is in the background to the next start."""
        for task in self._tasks():
            task.cancel()

    def _tasks(self) -> list[asyncio.Task[None]]:
        return [*self._caring.values(), *(() if self._looking is None else (self._looking,))]

    def _care_for(self, debate_id: str, care: Callable[[], Awaitable[None]]) -> None:
        async def cared() -> None:
            try:
                await care()  # made here: a task that is cancelled before it begins leaves none unawaited
            except Exception as error:  # noqa: BLE001  the one place that hears of it
                await self._put_aside(debate_id, error)
            finally:  # a course that was given back and broke at once is cared for anew
                if self._caring.get(debate_id) is asyncio.current_task():
                    del self._caring[debate_id]

        self._caring[debate_id] = begin(cared(), "bringing a debate back")

    async def _look(self) -> None:
        try:
            while self._in_doubt:
                opening = self._in_doubt.popleft()
                try:
                    await self._take_if_written(opening.debate_id)
                except Exception as error:  # noqa: BLE001  of whatever kind: the others are looked for as well
                    await self._put_aside(opening.debate_id, error)
                finally:
                    opening.looked()
        finally:
            self._looking = None

    async def _take_if_written(self, debate_id: str) -> None:
        payloads = await self._durably(lambda: self._ports.failing.reader.journal(debate_id), debate_id)
        if not payloads or self._ports.leaving():
            return
        log.info("a debate whose opening had no answer is there", debate_id=debate_id)
        broken = self._rebuild(debate_id, payloads)
        if broken is not None:
            self._care_for(debate_id, lambda: self._end(broken))

    async def _regain(self, debate_id: str) -> None:
        before = self._losses.get(debate_id)
        if before is not None and before.in_vain:
            await asyncio.sleep(self._ports.failing.pause_s(before.in_vain))
        if self._ports.leaving() or not await self._owned():
            return
        payloads = await self._durably(lambda: self._ports.failing.reader.journal(debate_id), debate_id)
        loss = self._losses[debate_id] = _Loss(len(payloads)) if before is None else before.again(len(payloads))
        if loss.in_vain < IN_VAIN_MAX:
            broken = self._rebuild(debate_id, payloads)
        else:
            refused = NoFooting(f"its journal took nothing more, though it was read anew {loss.in_vain} times")
            log.error("the debate cannot go on", debate_id=debate_id, error=refused.message)
            broken = Broken(debate_id, refused, journal.readable(payloads))
        if broken is not None:
            await self._end(broken)

    def _rebuild(self, debate_id: str, payloads: list[str]) -> Broken | None:
        """Give the debate a course; what is to be ended where its journal makes none."""
        if self._ports.running(debate_id):
            return None
        try:
            course = self._ports.rebuilt(debate_id, payloads)
        except Exception as error:
            cause = error.message if isinstance(error, Unreadable) else repr(error)
            what = "the debate cannot go on: its journal cannot be read"
            log.exception(what, debate_id=debate_id, rows=len(payloads), error=cause)
            return Broken(debate_id, error, journal.readable(payloads))
        if course.status.ended:  # its last commit had no answer
            self._over(debate_id, (journal.last_row(debate_id, payloads),))
            self._ports.ended(course)
        else:
            self._ports.take(course)
        return None

    async def _end_course(self, course: Course, error: Exception) -> None:
        await course.settled()
        await self._end(Broken(course.debate_id, error, course.events))

    async def _end(self, broken: Broken) -> None:
        """Write the end, and tell those who follow. Raises where that is impossible."""
        for _ in range(IN_VAIN_MAX):
            try:
                rows = await fail(broken, self._ports.failing)
            except Fenced:
                if not await self._owned():
                    return
            else:
                break
        else:
            raise NoFooting(f"its journal did not take the end either, {IN_VAIN_MAX} times")
        if rows:
            log.info("debate failed", debate_id=broken.debate_id, reason=reason_of(broken.error))
        self._over(broken.debate_id, rows)

    def _over(self, debate_id: str, rows: Sequence[JournalRow]) -> None:
        """The journal has the end of the debate: nobody is asked any more, and who follows hears of `rows`."""
        self.forget(debate_id)
        self._ports.asking.withdraw(debate_id)
        if rows:
            self._ports.publishing.publish(rows)

    async def _put_aside(self, debate_id: str, error: Exception) -> None:
        if self._ports.leaving():
            return  # the next start, or the next owner, meets it again
        self.forget(debate_id)
        self._set_aside[debate_id] = error.message if isinstance(error, AragoraError) else type(error).__name__
        log.error("a debate is set aside: not even its end can be written", debate_id=debate_id, exc_info=error)
        try:
            await self._durably(lambda: self._ports.failing.journal.count((SET_ASIDE,)), debate_id)
        except AragoraError as uncounted:
            log.warning("a debate that was set aside is not counted", debate_id=debate_id, error=uncounted.message)

    async def _owned(self) -> bool:
        """Whether the shard is still this engine's; steps down where it is not."""
        owned = await self._durably(self._ports.owned, "")
        if not owned:
            self._ports.step_down()
        return owned

    async def _durably(self, act: Callable[[], Awaitable[T]], debate_id: str) -> T:
        return await until_available(
            act,
            self._ports.failing.pause_s,
            what="cannot read the journal",
            log=log,
            given_up=self._ports.leaving,
            debate_id=debate_id,
        )
