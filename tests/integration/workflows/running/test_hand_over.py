"""Two processes of the runner overlap, as in a drain: actors without Ray, over one store, with commands all the while.

W3, W20: nothing is stranded, nothing is done twice, and what is refused is refused so that it may be sent again.
"""

from __future__ import annotations

import asyncio
from collections import Counter
from collections.abc import AsyncIterator, Awaitable, Callable
from typing import Any, TypeVar

import pytest
from ray.exceptions import ActorDiedError
from sqlalchemy import select
from worlds.actors_without_ray import Handle
from worlds.waiting import eventually
from worlds.workflowing import approval

from actors.gateways.workflows import RunnerAnswers, RunnerCommands
from actors.kinds import Kind
from actors.runtime import Runtime
from actors.workflow_runner import WorkflowRunnerActor
from aragora.clock import SystemClock
from aragora.config.settings import Settings
from aragora.debate.proposition import Idempotency
from aragora.errors import Unavailable
from aragora.ids import LOCAL_ORG, new_id
from aragora.scope import EVERYTHING
from aragora.storage.contexts import Context
from aragora.storage.database import Database
from aragora.storage.tables import METADATA
from aragora.supervision import begin
from aragora.workflows import journal
from aragora.workflows.approvals import Wanted
from aragora.workflows.approving import Answerer, Word
from aragora.workflows.model import ApprovalAnswered, ExecutionStatus, SignalReceived, StepStarted, Verdict
from aragora.workflows.reading import read
from aragora.workflows.starting import first_event
from aragora.workflows.store.approvals_sql import SqlApprovals
from aragora.workflows.store.definitions import DefinitionStore
from aragora.workflows.store.executions import ExecutionStore
from aragora.workflows.store.owner import WorkflowOwner
from aragora.workflows.store.pinning import StoredDefinitions

T = TypeVar("T")

EXECUTIONS = 10
HAND_OVERS = 4
STAGES = 2 * HAND_OVERS
ROUNDS = STAGES - 3
SHAPE: dict[str, Any] = {
    "name": "handed over",
    "entry": "race",
    "steps": [
        {"type": "parallel", "id": "race", "blocks": ["work", "skip"], "wait_for": "first", "next": "rounds"},
        {"type": "task", "id": "work", "task": "never done"},
        {"type": "wait", "id": "skip", "event": "go"},
        {"type": "loop", "id": "rounds", "block": "go", "rounds_max": ROUNDS, "next": "sign"},
        {"type": "wait", "id": "go", "event": "go", "next": "told"},
        {"type": "notify", "id": "told", "message": "a round"},
        approval("sign", quorum=2, next="tell"),
        {"type": "notify", "id": "tell", "message": "done"},
    ],
}


class Process:
    """One process of the runner; dead, it answers as Ray does for it."""

    def __init__(self, settings: Settings) -> None:
        self.actor = WorkflowRunnerActor("main", settings)
        self.dead = False

    def __getattr__(self, method: str) -> Callable[..., Awaitable[Any]]:
        def call(*given: Any) -> Awaitable[Any]:
            if self.dead:
                raise ActorDiedError
            answer: Awaitable[Any] = getattr(self.actor, method)(*given)
            return answer

        return call


class Cluster:
    """Whoever looks for the runner finds its newest process; who knows an older one asks that, until it is dead."""

    def __init__(self, settings: Settings) -> None:
        self._settings = settings
        self.processes = [Process(settings)]

    def runtime(self) -> Runtime:
        def create(kind: Kind[Any], key: str, _: Settings) -> Any:
            assert (kind.name, key) == ("workflows", "main")
            return Handle(self.processes[-1])

        return Runtime(self._settings, create)

    async def hand_over(self, stage: Callable[[], Awaitable[None]]) -> None:
        """A new process begins while the old one is at work, and commands come to both; then the old one is drained,
        and dies while it is asked."""
        old = self.processes[-1]
        self.processes.append(Process(self._settings))
        await self.processes[-1].actor.ready()
        await stage()
        asked = begin(stage(), "commands")
        await old.actor.drain()
        old.dead = True
        await asked


@pytest.fixture
async def cluster(stored: Settings, database: Database) -> AsyncIterator[Cluster]:
    del database  # it is empty now
    made = Cluster(stored)
    yield made
    for process in made.processes:
        await process.actor.drain()


class Client:
    """Who sends one execution its commands: one at each stage, until it is taken. An odd one stays with the process
    that it found; the others look for it with each command."""

    def __init__(self, cluster: Cluster, database: Database, number: int, execution_id: str) -> None:
        self._cluster = cluster
        self._inbox = SqlApprovals(database)
        self._runtime = cluster.runtime() if number % 2 else None
        self.execution_id = execution_id

    async def command(self, stage: int) -> None:
        if stage <= ROUNDS:
            signal_id = f"{self.execution_id} {stage}"
            await taken(lambda: RunnerCommands(self._at).signal(self.execution_id, "go", {}, signal_id, "ann"))
            return
        (record,) = await eventually(self._asked, "somebody is asked")
        word, person = Word(Verdict.APPROVE, digest=record.state.digest), Answerer(f"person {stage}", ("owner",))
        await taken(lambda: RunnerAnswers(self._at, self._inbox).answer(record.approval_id, person, word, "once"))

    @property
    def _at(self) -> Runtime:
        return self._runtime or self._cluster.runtime()

    async def _asked(self) -> Any:
        return (await self._inbox.page(EVERYTHING, Wanted(execution=self.execution_id))).items


async def taken(command: Callable[[], Awaitable[T]]) -> T:
    """Send a command until it is taken. It may be refused so that it is sent again, and in no other way."""

    async def once() -> tuple[T] | None:
        try:
            return (await command(),)
        except Unavailable:
            return None

    return (await eventually(once, "the command is taken"))[0]


async def started(cluster: Cluster, database: Database) -> list[str]:
    store = DefinitionStore(database, SystemClock())
    head = await store.create(LOCAL_ORG, "default", "eve", read(SHAPE))
    pinned = await StoredDefinitions(store).pinned(head.workflow_id, 1)
    commands, ids = RunnerCommands(cluster.runtime()), []
    for number in range(EXECUTIONS):
        event = first_event(
            pinned,
            {},
            execution_id=new_id("exe"),
            started_by="local",
            org_id=LOCAL_ORG,
            workspace="default",
            now=SystemClock().now(),
        )
        ids.append((await commands.start(event, Idempotency(f"key {number}", "h"))).record.execution_id)
    return ids


async def test_executions_go_on_through_hand_overs_and_every_command_counts_once(
    cluster: Cluster, stored: Settings, database: Database
) -> None:
    ids, store = await started(cluster, database), ExecutionStore(database)
    clients = [Client(cluster, database, number, one) for number, one in enumerate(ids)]
    stages = iter(range(STAGES))

    async def stage() -> None:
        now = next(stages)
        await asyncio.gather(*(client.command(now) for client in clients))

    for _ in range(HAND_OVERS):
        await cluster.hand_over(stage)

    async def over() -> bool:
        records = [await store.record(key) for key in ids]
        return all(one is not None and one.status.ended for one in records)

    await eventually(over, "all end")
    for execution_id in ids:
        record = await store.record(execution_id)
        assert record is not None
        assert record.status is ExecutionStatus.COMPLETED, record
        events = journal.events_of(await store.journal(execution_id))
        asks = Counter(one.ask_id for one in events if isinstance(one, StepStarted))
        assert set(asks.values()) == {1}
        assert len([one for one in events if isinstance(one, SignalReceived)]) == ROUNDS + 1
        assert len([one for one in events if isinstance(one, ApprovalAnswered)]) == 2
    tasks = METADATA[Context.DEBATES].tables["control_tasks"]
    debates = Database.open(stored, Context.DEBATES)

    async def let_go() -> bool:
        rows = await debates.rows(select(tasks.c.serves, tasks.c.state))
        mine = [row for row in rows if any(key in (row[0] or "") for key in ids)]
        return len(mine) == EXECUTIONS and {row[1] for row in mine} == {"cancelled"}

    await eventually(let_go, "each task was given once, and taken back")
    await debates.aclose()


async def test_a_process_that_was_succeeded_takes_the_executions_again_when_it_is_asked(
    cluster: Cluster, database: Database
) -> None:
    """Such as the one of a cluster that serves once more: its process has lived on all the while."""
    ids, old = await started(cluster, database), cluster.processes[0].actor
    cluster.processes.append(new := Process(old._settings))
    await new.actor.ready()
    await taken(lambda: new.actor.pause(ids[0], "ann"))
    await new.actor.drain()
    for execution_id in ids:
        standing = await taken(lambda: old.pause(execution_id, "ann"))  # noqa: B023
        assert standing.status is ExecutionStatus.PAUSED
    assert await WorkflowOwner(database).current() == 3
