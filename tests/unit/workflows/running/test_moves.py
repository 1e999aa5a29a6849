"""A move of an execution from which much follows: several commits, none of them large, none of them long."""

from __future__ import annotations

import asyncio
from dataclasses import dataclass, field

import pytest
from worlds.workflowing import BEGAN, ask, chain, definition

from aragora.errors import Fenced
from aragora.workflows import journal, machine
from aragora.workflows.definition import Definition
from aragora.workflows.inbox import Beside
from aragora.workflows.machine.state import ExecutionState
from aragora.workflows.model import Event, ExecutionStarted, ExecutionStatus
from aragora.workflows.records import Commit
from aragora.workflows.running import course as running
from aragora.workflows.running.course import Course, Lost, NotOurs, follow

ITEMS = 300


def deciding(rounds: int = 4) -> Definition:
    """Once somebody says `go`, many decisions follow, and a question."""
    return definition(
        *chain(
            {"type": "wait", "id": "wait", "event": "go"},
            {"type": "loop", "id": "again", "block": "each", "rounds_max": rounds},
            ask("last"),
        ),
        {"type": "map", "id": "each", "over": "inputs.all", "block": "which", "items_max": 1_000, "at_once": 50},
        {"type": "decide", "id": "which", "branches": [{"when": "item > 1000 * round", "next": "never"}]},
        ask("never"),
        inputs={"all": {"type": "list"}},
        entry="wait",
    )


@dataclass
class Store:
    """Takes commits of one execution, of which the first rows are there. `fails`: the error of a commit, by number."""

    shape: Definition = field(default_factory=deciding)
    fails: dict[int, Exception] = field(default_factory=dict)
    commits: list[Commit] = field(default_factory=list)
    halts: bool = False
    leaves: bool = False
    fenced: int = 0

    def __post_init__(self) -> None:
        self.state = ExecutionState(self.shape)
        inputs = {"all": list(range(ITEMS))}
        started = ExecutionStarted("exe_1", "wf_1", 1, "d", "n", inputs, "ann", "org", ends_at=BEGAN + 9e6)
        first = follow(self.state, started, BEGAN).events
        self.payloads = [row.payload for row in journal.rows_of("exe_1", 1, BEGAN, first)]
        self.course = Course(
            self.state,
            len(first),
            now=lambda: BEGAN,
            write=self.write,
            beside=lambda *_: Beside(),
            owes=lambda _: False,
            pause_s=lambda _: 0.0,
            leaving=lambda: self.leaves,
            moved=lambda _, __: None,
            fenced=self.was_fenced,
        )

    def was_fenced(self, _: Course) -> None:
        self.fenced += 1

    async def write(self, commit: Commit) -> None:
        await asyncio.sleep(0)
        if (error := self.fails.get(len(self.commits))) is not None:
            raise error
        self.commits.append(commit)
        self.payloads += [row.payload for row in commit.rows]
        self.leaves = self.halts

    async def go(self) -> bool:
        return await self.course.move(go, ("msg_1",))


def go(state: ExecutionState, _: float) -> Event | None:
    return machine.signal(state, "go", {}, "s1", "ann")


def ended_well(state: ExecutionState) -> bool:
    return [one.step for one in machine.asks(state)] == ["last"]


async def test_what_follows_is_written_in_bounded_commits_and_until_the_last_one_the_row_says_that_it_goes_on() -> None:
    store = Store()
    assert await store.go()
    assert len(store.commits) > 2
    assert all(len(commit.rows) <= running.EVENTS_MAX for commit in store.commits)
    assert [row.seq for commit in store.commits for row in commit.rows] == list(range(3, len(store.payloads) + 1))
    assert all(commit.update.active for commit in store.commits)
    assert [commit.taken for commit in store.commits] == [("msg_1",), *[()] * (len(store.commits) - 1)]
    assert ended_well(store.state)
    assert machine.replay(store.shape, journal.told_of(store.payloads)) == store.state


async def test_whoever_comes_after_a_crash_between_two_commits_comes_to_the_same() -> None:
    whole = Store()
    await whole.go()
    for count in range(1, len(whole.commits)):
        rows = whole.payloads[: whole.commits[count - 1].rows[-1].seq]
        state = machine.replay(whole.shape, journal.told_of(rows))
        while (event := machine.advance(state, BEGAN)) is not None:
            machine.apply(state, event, BEGAN)
        assert state == whole.state


async def test_the_row_of_an_execution_that_rests_exactly_at_the_bound_does_not_say_that_it_goes_on(
    monkeypatch: pytest.MonkeyPatch,
) -> None:
    store = Store(definition({"type": "wait", "id": "wait", "event": "go"}))
    monkeypatch.setattr(running, "EVENTS_MAX", 3)  # received, completed, ended
    await store.go()
    assert [(len(one.rows), one.update.active, one.update.status) for one in store.commits] == [
        (3, False, ExecutionStatus.COMPLETED)
    ]


async def test_large_events_make_more_commits(monkeypatch: pytest.MonkeyPatch) -> None:
    few = Store()
    await few.go()
    monkeypatch.setattr(running, "BYTES_MAX", 20_000)
    many = Store()
    await many.go()
    assert len(many.commits) > len(few.commits)
    assert all(sum(len(row.payload) for row in one.rows[:-1]) < 50_000 for one in many.commits)
    assert many.state == few.state


async def test_others_have_their_turn_while_much_follows(monkeypatch: pytest.MonkeyPatch) -> None:
    monkeypatch.setattr(running, "SLICE_S", 0.0)  # one event a commit
    store = Store(deciding(rounds=1))
    turns = 0

    async def other() -> None:
        nonlocal turns
        while True:
            turns += 1
            await asyncio.sleep(0)

    beside = asyncio.create_task(other())
    await store.go()
    beside.cancel()
    assert turns >= len(store.commits) > ITEMS


async def test_who_leaves_leaves_the_rest_to_the_next_one() -> None:
    store = Store(halts=True)
    await store.go()
    assert len(store.commits) == 1
    assert store.commits[0].update.active
    assert not ended_well(store.state)


async def test_a_move_that_is_fenced_in_the_middle_is_lost() -> None:
    store = Store(fails={1: Fenced("somebody else has it")})
    with pytest.raises(Lost):
        await store.go()
    assert (store.course.lost, store.fenced, len(store.commits)) == (True, 1, 1)
    with pytest.raises(Lost):
        await store.course.move(lambda *_: None)


async def test_a_machine_that_never_rests_breaks_its_execution_and_no_other_move_goes_on_with_its_state(
    monkeypatch: pytest.MonkeyPatch,
) -> None:
    monkeypatch.setattr(running, "MOVE_MAX", 1_500)
    store = Store()
    with pytest.raises(NotOurs):
        await store.go()
    assert store.course.lost


async def test_an_event_that_no_journal_gives_back_loses_the_state(monkeypatch: pytest.MonkeyPatch) -> None:
    def unfit(event: object) -> int:
        raise journal.NotStorable("no")

    store = Store(definition({"type": "wait", "id": "wait", "event": "go"}))
    signal = machine.signal(store.state, "go", {}, "s1", "ann")
    monkeypatch.setattr(running.journal, "check", unfit)
    with pytest.raises(journal.NotStorable):  # what somebody says is refused, and nothing has happened
        await store.course.move(lambda *_: signal)
    assert not store.course.lost
    monkeypatch.undo()

    def after_the_first(event: object) -> int:
        return unfit(event) if type(event).__name__ == "StepCompleted" else 1

    monkeypatch.setattr(running.journal, "check", after_the_first)
    with pytest.raises(NotOurs):
        await store.go()
    assert store.course.lost
    assert store.commits == []
