"""The runner of workflows as an actor: one process for all executions that do something. What it does is in
`aragora.workflows.running`.

It owns the executions by an epoch in the store: the newest process has the highest, and one that was cut off and comes
back writes nothing any more; with the next message it begins anew, where its cluster serves the database. It stays
while an execution is open, though one that waits is rows: no person's answer is to wait for a process; and while one is
watched. The scheduler begins it again where there is none.
"""

from __future__ import annotations

from collections.abc import Mapping, Sequence
from contextlib import AsyncExitStack
from typing import Any, Final

import structlog

from actors.channels.event_outlets import EventPolls, EventSocket
from actors.channels.sockets import Endpoint, endpoint_at
from actors.channels.watchers import Watchers
from actors.kinds import RUNNER
from actors.served_here import refuse_unless_served_here
from actors.starting import Starting
from actors.virtual import VirtualActor, collect_seldom
from aragora.background import pauses
from aragora.config.settings import Settings
from aragora.control_plane.serving import ServedTask
from aragora.debate.proposition import Idempotency
from aragora.encoding import decode_as
from aragora.receipts.closing import ServedDue
from aragora.resilience.backoff import Backoff
from aragora.storage.contexts import Context
from aragora.storage.database import Database
from aragora.storage.outbox import OutboxRow
from aragora.workflows.approvals import ApprovalRecord
from aragora.workflows.approving import Answerer, Word
from aragora.workflows.journal import JournalRow
from aragora.workflows.model import ExecutionStarted
from aragora.workflows.records import Started
from aragora.workflows.running.engine import Standing
from aragora.workflows.running.runner import RunnerPorts, WorkflowParts, WorkflowRunner, begun

READY_TIMEOUT_S: Final = 20.0
START_AGAIN: Final = pauses(Backoff(base_s=0.05, cap_s=5.0))

log = structlog.get_logger("aragora.workflows")


class WorkflowRunnerActor(VirtualActor):
    """The actor; `key` is always `main`."""

    def __init__(self, key: str, settings: Settings) -> None:
        super().__init__(key, settings)
        collect_seldom()
        self._watchers = Watchers(settings.event_buffer_size)
        self._polls = EventPolls(self._watchers)
        self._socket = EventSocket(self._watchers)
        self._runner: WorkflowRunner | None = None
        self._parts: WorkflowParts | None = None
        self._closing = AsyncExitStack()  # gives back what the start had begun
        self._starting = Starting(  # each start takes the next epoch
            self._start,
            what="runner of workflows",
            pause_s=START_AGAIN,
            limit_s=READY_TIMEOUT_S,
            told="the runner of workflows does not reach its store",
            log=log,
        )

    async def ready(self) -> None:
        """Returns once executions go on, those too of which this process has lost track. Raises Unavailable,
        Misconfigured."""
        await (await self._started()).engine.recover()

    async def start(self, started: ExecutionStarted, idempotency: Idempotency | None) -> Started:
        """See `ExecutionEngine.start`. Raises NotFound too: there is no such version of the workflow."""
        runner = await self._started()
        assert self._parts is not None, "it has started"
        pinned = await self._parts.definitions.pinned(started.workflow_id, started.version)
        return await runner.engine.start(started, pinned, idempotency)

    async def pause(self, execution_id: str, by: str) -> Standing:
        """See `ExecutionEngine.pause`."""
        return await (await self._started()).engine.pause(execution_id, by)

    async def resume(self, execution_id: str, by: str) -> Standing:
        """See `ExecutionEngine.resume`."""
        return await (await self._started()).engine.resume(execution_id, by)

    async def cancel(self, execution_id: str, by: str, reason: str) -> Standing:
        """See `ExecutionEngine.cancel`."""
        return await (await self._started()).engine.cancel(execution_id, by, reason)

    async def retry(self, execution_id: str, by: str, run: str, what: Mapping[str, Any], request_id: str) -> Standing:
        """See `ExecutionEngine.retry`."""
        return await (await self._started()).engine.retry(execution_id, by, run, what, request_id)

    async def signal(
        self, execution_id: str, name: str, payload: Mapping[str, Any], signal_id: str, by: str
    ) -> Standing:
        """See `ExecutionEngine.signal`."""
        return await (await self._started()).engine.signal(execution_id, name, payload, signal_id, by)

    async def answer(
        self, execution_id: str, approval_id: str, answerer: Answerer, word: Word, answer_id: str
    ) -> ApprovalRecord:
        """See `ExecutionEngine.answer`."""
        return await (await self._started()).engine.answer(execution_id, approval_id, answerer, word, answer_id)

    async def debates_ended(self, rows: tuple[OutboxRow, ...]) -> None:
        """The outbox tells of debates that served steps; returns once executions have their answers. Raises
        Unavailable."""
        runner = await self._started()
        parts = self._parts
        assert parts is not None, "it has started"
        for row in rows:
            due = decode_as(row.payload, ServedDue)
            reply = await parts.debates.reply(due.debate_id, due.ask_id)
            await runner.engine.receive(due.execution_id, reply)

    async def tasks_ended(self, rows: tuple[OutboxRow, ...]) -> None:
        """As `debates_ended`, of tasks."""
        runner = await self._started()
        parts = self._parts
        assert parts is not None, "it has started"
        for row in rows:
            due = decode_as(row.payload, ServedTask)
            reply = await parts.tasks.reply(due.task_id, due.ask_id)
            if reply is not None:
                await runner.engine.receive(due.execution_id, reply)

    async def watch(
        self, watcher: str, follow: tuple[str, ...], leave: tuple[str, ...], show: tuple[str, ...] = ()
    ) -> bytes:
        """See `EventPolls.poll`."""
        self._used()
        return await self._polls.poll(watcher, follow, leave, show)

    async def endpoint(self) -> Endpoint:
        """Where replicas of the same node may connect to follow executions (`actors.channels.event_outlets`)."""
        self._used()
        return await endpoint_at(self._socket.listen)

    async def drain(self) -> int:
        """Take nothing more; returns how many asks are left for the next start. The process ends soon."""
        left = await self._give_up()
        await self._close()
        log.info("drained", left=left)
        return left

    def _busy(self) -> bool:
        runner = self._runner
        if runner is None:
            return True  # it is starting
        self._polls.forget_silent()
        if runner.engine.stepped_down:
            return False
        if self._watchers.watched:
            return True
        return runner.waits_until is not None or runner.engine.busy  # each open execution has an end that is due

    async def _close(self) -> None:
        self._starting.cancel()
        self._socket.close()
        await self._give_up()
        await super()._close()

    async def _give_up(self) -> int:
        """Give back what the last start had begun; returns how many asks are left for the next one."""
        runner, closing = self._runner, self._closing
        self._runner, self._parts, self._closing = None, None, AsyncExitStack()
        left = 0 if runner is None else await runner.drain()
        await closing.aclose()
        return left

    async def _started(self) -> WorkflowRunner:
        self._used()
        runner = await self._starting.done()
        if runner.engine.stepped_down:  # whether the executions are this process's again, the next start finds out
            self._starting.anew(runner)
            runner = await self._starting.done()
        return runner

    async def _start(self) -> WorkflowRunner:
        await self._give_up()
        async with AsyncExitStack() as undo:
            self._runner, self._parts = await self._begin(undo)
            self._closing = undo.pop_all()
        return self._runner

    async def _begin(self, undo: AsyncExitStack) -> tuple[WorkflowRunner, WorkflowParts]:
        """Start; `undo` gives back what was begun."""

        def opened(context: Context) -> Database:
            database = self._open(context)
            undo.push_async_callback(self._give_back, database)
            return database

        database = opened(Context.WORKFLOWS)
        await refuse_unless_served_here(database)
        parts: WorkflowParts = RUNNER.bring(
            lambda context: database if context is Context.WORKFLOWS else opened(context), self._settings
        )
        for close in reversed(parts.closers):
            undo.push_async_callback(close)
        ports = RunnerPorts(
            definitions=parts.definitions,
            doing=parts.doing,
            publishing=_News(self._watchers),
            inbox=parts.inbox,
            consumers=parts.consumers,
            clock=self._clock,
            pause_s=START_AGAIN,
            proving=parts.proving,
        )
        return await begun(database, ports), parts


class _News:
    """Fulfils `aragora.workflows.ports.Publishing`."""

    def __init__(self, watchers: Watchers) -> None:
        self._watchers = watchers

    def publish(self, execution_id: str, rows: Sequence[JournalRow]) -> None:
        """See the port."""
        self._watchers.put(execution_id, rows)
