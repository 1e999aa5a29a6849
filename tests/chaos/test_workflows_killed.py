"""The runner of executions is killed at every commit of a definition that has every kind of step, and goes on: nothing
is asked twice, nobody's answer is lost, and the journal is that of an execution of which nobody died.

Steps fail for good, at their first attempt, and by taking too long; an approval is escalated and expires; what was done
is undone; and a failed execution goes on from a step. W1, W2, W7, W8, W15, W21, W29: what is kept is journal and rows;
the processes are without Ray, so that each commit can be struck.
"""

from __future__ import annotations

import asyncio
from collections import Counter
from collections.abc import Iterator, Sequence
from pathlib import Path

import pytest
from chaos.conftest import Tally
from worlds import workflow_lives
from worlds.forking import Lives
from worlds.knowledge_places import Directory, Place, PostgresDatabase, settings_of

from aragora.scope import EVERYTHING
from aragora.storage.contexts import Context
from aragora.storage.database import Database
from aragora.workflows import journal
from aragora.workflows.model import (
    ApprovalAnswered,
    ExecutionEnded,
    ExecutionStatus,
    LateAnswer,
    StepAccepted,
    StepStarted,
)
from aragora.workflows.store.executions import ExecutionStore, Wanted

pytestmark = [pytest.mark.slow, pytest.mark.chaos, pytest.mark.timeout(300)]

LIVES_MAX = 200


@pytest.fixture(scope="module")
def deaths() -> Iterator[Lives]:
    """The program of which those that die are forked."""
    program = Lives(workflow_lives.PROGRAM)
    yield program
    program.close()


@pytest.fixture
def place(request: pytest.FixtureRequest, backend: str, migrated: Path, tmp_path: Path) -> Place:
    """A store that holds nothing."""
    if backend == "sqlite":
        return Directory(migrated, tmp_path).copied("start")
    server = request.getfixturevalue("postgres").get_uri()
    return PostgresDatabase(request.getfixturevalue("migrated_url"), server).copied("start")


WHAT_HAPPENS = {
    *("StepFailed", "ApprovalEscalated", "ApprovalClosed", "ExecutionStopping", "ExecutionRetried", "SignalReceived"),
    *("BlockStarted", "StepCompleted", "ApprovalAnswered"),
}
STATUS = {"wf_parent": ExecutionStatus.COMPLETED, "wf_child": ExecutionStatus.FAILED}
ENDS = {"wf_parent": 2, "wf_child": 1}  # the parent failed first
MAY_DIFFER = (StepAccepted, LateAnswer)
"""An answer may come before its acceptance; what takes too long may be over before it is asked."""


async def _journals(place: Place, outside: Path) -> dict[str, list[str]]:
    """What happened to each execution: the names of the events, those of a run with it, and what it cost."""
    database = Database.open(settings_of(place.word), Context.WORKFLOWS)
    store, found = ExecutionStore(database), {}
    slow = len([one for one in workflow_lives.bills(outside) if one.step == "slow"])
    for record in (await store.page(EVERYTHING, Wanted(), limit=50)).items:
        payloads = await store.journal(record.execution_id, 0, 1_000)
        events = journal.events_of(payloads)
        assert record.last_seq == len(events)
        assert record.status is STATUS[record.workflow_id], record
        assert not record.active, "nothing is left to be done, or to be stopped"
        assert len(_of(events, ExecutionEnded)) == ENDS[record.workflow_id]
        asked = Counter(one.ask_id for one in events if isinstance(one, StepStarted))
        assert set(asked.values()) <= {1}, "nothing is asked twice"
        said = Counter(one.approval_id for one in events if isinstance(one, ApprovalAnswered))
        assert set(said.values()) <= {1}, "each word counts once"
        late = len(_of(events, LateAnswer))
        assert late == (slow if record.workflow_id == "wf_parent" else 0), "what comes late counts once, for its cost"
        told = [one for one in events if not isinstance(one, MAY_DIFFER)]
        found[record.workflow_id] = sorted(f"{type(one).__name__} {getattr(one, 'run', '')}" for one in told)
        cost = record.cost_micros - late * workflow_lives.LATE_COST
        found[record.workflow_id] += [f"{cost} micros", str((await store.record(record.execution_id)).outputs)]  # type: ignore[union-attr]
    await database.aclose()
    return found


def _of(events: Sequence[object], kind: type) -> list[object]:
    return [one for one in events if isinstance(one, kind)]


# PostgreSQL: each life gets on by two commits, and the moments that it is killed at are half of them.
@pytest.mark.parametrize(
    ("backend", "when", "step"), [("sqlite", "before", 2), ("sqlite", "after", 1), ("postgresql", "before", 3)]
)
def test_a_runner_that_is_killed_at_every_commit_loses_and_doubles_nothing(
    deaths: Lives, place: Place, tmp_path: Path, tally: Tally, *, when: str, step: int
) -> None:
    never, never_outside = place.copied("never"), tmp_path / "never_outside"
    never_outside.mkdir()
    assert deaths.order("run", never.word, never_outside, 0, when) == ["done"]
    expected = asyncio.run(_journals(never, never_outside))
    assert expected.keys() == STATUS.keys()
    assert expected["wf_parent"][-1] == '{"said":1,"flaky":1,"child":"workflow_failed"}'
    assert {event.split()[0] for events in expected.values() for event in events} >= WHAT_HAPPENS
    outside = tmp_path / "outside"
    outside.mkdir()
    lives = 0
    while (how := deaths.order("run", place.word, outside, step, when)) == ["killed"]:
        lives += 1
        assert lives < LIVES_MAX, "each life gets on by a commit"
    assert how == ["done"]
    assert asyncio.run(_journals(place, outside)) == expected
    assert _done(outside) == _done(never_outside)
    assert lives > (40 if step < 3 else 20)
    tally.struck(*(["runner of executions killed at a commit"] * lives))


def _done(outside: Path) -> list[str]:
    """What was done outside, but for what was over before it was asked."""
    return sorted(one.ask_id for one in workflow_lives.bills(outside) if one.step != "slow")
