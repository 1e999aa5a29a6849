"""The runner of executions is killed at every commit of a definition that has every kind of step, and goes on: nothing
is asked twice, nobody's answer is lost, and the journal is that of an execution of which nobody died.

W1, W2, W7, W15, W21: what is kept is journal and rows; the processes are without Ray, so that each commit can be
struck.
"""

from __future__ import annotations

import asyncio
from collections import Counter
from collections.abc import Iterator
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
    SignalReceived,
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


@pytest.fixture(params=["sqlite", "postgresql"])
def place(request: pytest.FixtureRequest, migrated: Path, tmp_path: Path) -> Place:
    """A store that holds nothing."""
    if request.param == "sqlite":
        return Directory(migrated, tmp_path).copied("start")
    server = request.getfixturevalue("postgres").get_uri()
    return PostgresDatabase(request.getfixturevalue("migrated_url"), server).copied("start")


async def _journals(place: Place) -> dict[str, list[str]]:
    """What happened to each execution: the names of the events, those of a run with it."""
    database = Database.open(settings_of(place.word), Context.WORKFLOWS)
    store, found = ExecutionStore(database), {}
    for record in (await store.page(EVERYTHING, Wanted(), limit=50)).items:
        payloads = await store.journal(record.execution_id, 0, 1_000)
        events = journal.events_of(payloads)
        assert record.last_seq == len(events)
        assert record.status is ExecutionStatus.COMPLETED, record
        assert len([one for one in events if isinstance(one, ExecutionEnded)]) == 1
        asked = Counter(one.ask_id for one in events if isinstance(one, StepStarted))
        assert set(asked.values()) <= {1}, "nothing is asked twice"
        said = Counter(one.approval_id for one in events if isinstance(one, ApprovalAnswered))
        assert set(said.values()) <= {1}, "each word counts once"
        assert len([one for one in events if isinstance(one, SignalReceived)]) <= 1
        told = [one for one in events if not isinstance(one, StepAccepted)]  # an answer may come before it
        found[record.workflow_id] = sorted(f"{type(one).__name__} {getattr(one, 'run', '')}" for one in told)
    await database.aclose()
    return found


@pytest.mark.parametrize("when", ["before", "after"])
def test_a_runner_that_is_killed_at_every_commit_loses_and_doubles_nothing(
    deaths: Lives, place: Place, tmp_path: Path, tally: Tally, when: str
) -> None:
    never, never_outside = place.copied("never"), tmp_path / "never_outside"
    never_outside.mkdir()
    assert deaths.order("run", never.word, never_outside, 0, when) == ["done"]
    expected = asyncio.run(_journals(never))
    assert expected.keys() == {"wf_parent", "wf_child"}
    outside = tmp_path / "outside"
    outside.mkdir()
    step, lives = (2 if when == "before" else 1), 0
    while (how := deaths.order("run", place.word, outside, step, when)) == ["killed"]:
        lives += 1
        assert lives < LIVES_MAX, "each life gets on by a commit"
    assert how == ["done"]
    assert asyncio.run(_journals(place)) == expected
    assert sorted(one.name for one in outside.iterdir()) == sorted(one.name for one in never_outside.iterdir())
    assert lives > 20
    tally.struck(*(["runner of executions killed at a commit"] * lives))
