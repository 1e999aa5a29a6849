"""The owner of executions over a real store, with definitions in memory and a world outside that a test scripts."""

from __future__ import annotations

import asyncio
from collections import Counter, defaultdict
from collections.abc import Callable, Mapping, Sequence
from dataclasses import dataclass, field
from typing import Any

from worlds.waiting import eventually
from worlds.workflowing import READ

from aragora.debate.proposition import Idempotency
from aragora.errors import NotFound, Unavailable
from aragora.ids import new_id
from aragora.scope import EVERYTHING
from aragora.storage.database import Database
from aragora.storage.outbox import Consumer
from aragora.workflows.approvals import ApprovalRecord, Wanted
from aragora.workflows.approving import Answerer, Word
from aragora.workflows.definition import Definition
from aragora.workflows.inbox import KeptInbox
from aragora.workflows.journal import JournalRow
from aragora.workflows.model import Accepted, Ask, Done, ExecutionStarted, Reply, Verdict
from aragora.workflows.ports import Pinned, Proving
from aragora.workflows.records import ExecutionRecord, Started
from aragora.workflows.running.children import CHILD, Children
from aragora.workflows.running.engine import ExecutionEngine
from aragora.workflows.running.runner import RunnerPorts, WorkflowRunner, begun
from aragora.workflows.store.approvals_sql import SqlApprovals
from aragora.workflows.store.executions import ExecutionStore
from aragora.workflows.store.executions import Wanted as Listed
from aragora.workflows.telling import TOPIC as EVENTS


@dataclass
class Definitions:
    """Versions in memory."""

    kept: dict[tuple[str, int], Pinned] = field(default_factory=dict)

    def add(self, workflow_id: str, definition: Definition, version: int = 1) -> Pinned:
        pinned = Pinned(workflow_id, version, "digest", definition, ("eve",))
        self.kept[workflow_id, version] = pinned
        return pinned

    async def latest(self, org_id: str, workspace: str, workflow_id: str) -> Pinned:
        return await self.pinned(workflow_id, max((v for w, v in self.kept if w == workflow_id), default=0))

    async def pinned(self, workflow_id: str, version: int) -> Pinned:
        try:
            return self.kept[workflow_id, version]
        except KeyError:
            raise NotFound("there is no such version") from None


@dataclass
class Outside:
    """Does what is asked as `gives` says: a reply, an error, or a wait for `let_go`. What was begun has a bill."""

    gives: Callable[[Ask], Reply | Exception | None] = lambda ask: Done(ask.ask_id, {})
    then: Callable[[Ask], Reply] = lambda ask: Done(ask.ask_id, {})  # once the gate is open
    asked: list[Ask] = field(default_factory=list)
    paid: Counter[str] = field(default_factory=Counter)  # by ask: what a provider would bill
    stopped: list[str] = field(default_factory=list)
    gate: asyncio.Event = field(default_factory=asyncio.Event)
    children: Children | None = None

    async def do(self, ask: Ask, started: ExecutionStarted) -> Reply:
        if ask.kind == CHILD and self.children is not None:
            return await self.children.do(ask, started)
        self.asked.append(ask)
        given = self.gives(ask)
        if given is None:
            await self.gate.wait()
            given = self.then(ask)
        if isinstance(given, Exception):
            raise given
        self.paid[ask.ask_id] += 1
        return given

    async def stop(self, kind: str, ref: str, started: ExecutionStarted) -> None:
        if kind == CHILD and self.children is not None:
            await self.children.stop(ref, started)
            return
        self.stopped.append(ref)


@dataclass
class Published:
    rows: defaultdict[str, list[JournalRow]] = field(default_factory=lambda: defaultdict(list))

    def publish(self, execution_id: str, rows: Sequence[JournalRow]) -> None:
        self.rows[execution_id] += rows


class Clock:
    """A clock that a test sets; the process's own runs on with it unless `wall` alone is moved."""

    def __init__(self, at: float = 1_000_000.0) -> None:
        self.wall = at
        self.mono = 0.0

    def now(self) -> float:
        return self.wall

    def monotonic(self) -> float:
        return self.mono

    def pass_(self, seconds: float) -> None:
        self.wall += seconds
        self.mono += seconds


@dataclass
class World:
    """One store; runners come and go."""

    database: Database
    definitions: Definitions = field(default_factory=Definitions)
    outside: Outside = field(default_factory=Outside)
    published: Published = field(default_factory=Published)
    clock: Clock = field(default_factory=Clock)
    consumers: dict[str, Consumer] = field(default_factory=dict)
    proving: Proving | None = None
    mirrored: bool = False
    runners: list[WorkflowRunner] = field(default_factory=list)

    def __post_init__(self) -> None:
        self.store = ExecutionStore(self.database)
        self.approvals = SqlApprovals(self.database)

    async def begin(self) -> WorkflowRunner:
        """The next owner."""
        ports = RunnerPorts(
            definitions=self.definitions,
            doing=self._outside,
            publishing=self.published,
            inbox=KeptInbox(mirrored=self.mirrored, told=EVENTS in self.consumers),
            consumers=self.consumers,
            clock=self.clock,
            pause_s=lambda _: 0.01,
            proving=self.proving,
        )
        runner = await begun(self.database, ports)
        self.runners.append(runner)
        return runner

    def _outside(self, engine: ExecutionEngine) -> Outside:
        self.outside.children = Children(engine, self.definitions, self.clock.now)
        return self.outside

    async def children(self) -> list[str]:
        """The executions that serve another one."""
        page = await self.store.page(EVERYTHING, Listed(), limit=200)
        return [one.execution_id for one in page.items if one.parent]

    @property
    def engine(self) -> ExecutionEngine:
        return self.runners[-1].engine

    async def start(
        self,
        definition: Mapping[str, Any] | Definition,
        inputs: Mapping[str, Any] | None = None,
        *,
        key: Idempotency | None = None,
        workflow_id: str = "wf_1",
        **started: Any,
    ) -> Started:
        read = definition if isinstance(definition, Definition) else READ.validate_python(definition)
        pinned = self.definitions.add(workflow_id, read)
        event = ExecutionStarted(
            execution_id=started.pop("execution_id", None) or new_id("exe"),
            workflow_id=workflow_id,
            version=1,
            digest=pinned.digest,
            name=read.name,
            inputs=inputs or {},
            started_by="ann",
            org_id="org",
            authors=pinned.authors,
            ends_at=self.clock.now() + read.timeout_s,
            **started,
        )
        return await self.engine.start(event, pinned, key)

    async def record(self, execution_id: str) -> ExecutionRecord:
        found = await self.store.record(execution_id)
        assert found is not None, f"{execution_id} is there"
        return found

    async def ended(self, execution_id: str) -> ExecutionRecord:
        async def over() -> ExecutionRecord | None:
            record = await self.record(execution_id)
            return record if record.status.ended else None

        return await eventually(over, f"{execution_id} ends")

    async def pending(self, execution_id: str) -> ApprovalRecord:
        """The one approval that an execution waits for."""

        async def opened() -> ApprovalRecord | None:
            page = await self.approvals.page(EVERYTHING, Wanted(execution=execution_id, status=None), limit=50)
            found = [one for one in page.items if one.pending]
            return found[0] if found else None

        return await eventually(opened, "somebody is asked")

    async def approve(
        self, execution_id: str, person: str = "bob", verdict: Verdict = Verdict.APPROVE, **word: Any
    ) -> ApprovalRecord:
        approval = (await self.pending(execution_id)).state
        said = Word(verdict, digest=approval.digest, **word)
        return await self.engine.answer(
            execution_id, approval.approval_id, Answerer(person, ("owner",)), said, new_id("answer")
        )

    async def close(self) -> None:
        for runner in self.runners:
            await runner.drain()


def accepted(ref: str) -> Callable[[Ask], Reply]:
    """Everything is begun, and its answer comes later."""
    return lambda ask: Accepted(ask.ask_id, f"{ref}_{ask.step}")


def away(times: int) -> Callable[[Ask], Reply | Exception]:
    """What is asked is away so often, then done."""
    left = [times]

    def give(ask: Ask) -> Reply | Exception:
        if left[0]:
            left[0] -= 1
            return Unavailable("the store is away")
        return Done(ask.ask_id, {"answer": "yes"})

    return give
