"""A course on its own: nothing leaves before its rows are durable, and its owner learns how it went."""

from __future__ import annotations

import asyncio
import gc
from dataclasses import dataclass, field

import pytest
from worlds.memory_engine import MemoryJournal, Published, ScriptedAgents, spec
from worlds.waiting import eventually

from aragora.clock import SystemClock
from aragora.debate import machine
from aragora.debate.journal import END, row_of
from aragora.debate.model import DebateStatus, PersonSuggested
from aragora.debate.running.course import Course, CoursePorts
from aragora.errors import Unavailable
from aragora.receipts.closing import Closing
from aragora.receipts.signing import Signer


@dataclass
class Surroundings:
    """What a course needs, in memory; `ended`, `lost` and `broken` list what was told."""

    journal: MemoryJournal = field(default_factory=MemoryJournal)
    agents: ScriptedAgents = field(default_factory=lambda: ScriptedAgents(script=lambda _: None))
    published: Published = field(default_factory=Published)
    ended: list[str] = field(default_factory=list)
    lost: list[str] = field(default_factory=list)
    broken: list[tuple[str, Exception]] = field(default_factory=list)

    def course(self) -> Course:
        opening = row_of("deb_1", 1, 1.0, machine.first_event(spec()))
        self.journal.rows["deb_1"].append(opening)
        ports = CoursePorts(
            journal=self.journal,
            asking=self.agents,
            publishing=self.published,
            clock=SystemClock(),
            closing=Closing(Signer.from_seed(bytes(32))),
            pause_s=lambda _attempt: 0.0,
            ended=lambda course: self.ended.append(course.debate_id),
            lost=lambda course: self.lost.append(course.debate_id),
            broken=lambda course, error: self.broken.append((course.debate_id, error)),
            resting=lambda course: course.stop(),
        )
        return Course.recovered("deb_1", [opening.payload], ports)


@pytest.fixture
def around() -> Surroundings:
    return Surroundings()


async def asked(around: Surroundings) -> None:
    await eventually(lambda: around.agents.asked)


async def test_no_agent_is_asked_before_the_round_is_durable(around: Surroundings) -> None:
    course = around.course()
    course.start()
    assert (around.agents.asked, around.published.rows) == ({}, [])
    await asked(around)
    assert around.journal.types("deb_1") == ["debate_start", "round_start"]
    assert [row.type for row in around.published.rows] == ["round_start"]
    assert len(around.agents.asked) == 4


async def test_a_cancelled_course_tells_that_it_ended_and_not_that_it_was_lost(around: Surroundings) -> None:
    course = around.course()
    course.start()
    await asked(around)
    await course.submit(machine.cancel(course.state, "enough"))
    assert (around.ended, around.lost, around.agents.withdrawn) == (["deb_1"], [], ["deb_1"])
    assert around.journal.types("deb_1")[-1] == END
    assert course.status is DebateStatus.CANCELLED


async def test_a_fenced_course_tells_that_it_was_lost_and_refuses_those_who_wait(around: Surroundings) -> None:
    course = around.course()
    course.start()
    await asked(around)
    around.journal.rows["deb_1"].append(around.journal.rows["deb_1"][-1])  # another coordinator wrote
    with pytest.raises(Unavailable):
        await course.submit([PersonSuggested(1, "ann", "Think of the price.", "s1")])
    assert (around.ended, around.lost) == ([], ["deb_1"])


async def test_a_stopped_course_takes_nothing_and_tells_nobody(around: Surroundings) -> None:
    course = around.course()
    course.start()
    await asked(around)
    course.stop()
    before = len(course.events)
    course.receive([])
    with pytest.raises(Unavailable):
        await course.submit([PersonSuggested(1, "ann", "Think of the price.", "s1")])
    assert (len(course.events), around.ended, around.lost) == (before, [], [])


async def test_a_course_that_is_over_leaves_memory_without_the_garbage_collector(around: Surroundings) -> None:
    gc.collect()
    gc.disable()
    others = [one for one in gc.get_objects() if type(one) is Course]  # of tests before, whose failures hold them
    try:
        course = around.course()
        course.start()
        await asked(around)
        await course.submit(machine.cancel(course.state, "enough"))
        del course
        await asyncio.sleep(0)
        left = [one for one in gc.get_objects() if type(one) is Course]
        assert len(left) == len(others)
    finally:
        gc.enable()
