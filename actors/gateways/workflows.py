"""The runner of workflows, as the routes, the outbox of debates and the scheduler reach it."""

from __future__ import annotations

from collections.abc import Mapping, Sequence
from functools import partial
from hashlib import blake2b
from typing import Any, Final

from actors.kinds import RUNNER, RUNNER_KEY
from actors.runtime import Runtime
from aragora.background import Job
from aragora.debate.proposition import Idempotency
from aragora.ids import new_id
from aragora.scope import EVERYTHING
from aragora.storage.database import Database
from aragora.storage.outbox import OutboxRow
from aragora.storage.outbox_store import OutboxStore
from aragora.workflows.approvals import ApprovalRecord, ApprovalRequestStore
from aragora.workflows.approving import Answerer, Word
from aragora.workflows.inbox import TOPIC as APPROVALS
from aragora.workflows.model import ExecutionStarted
from aragora.workflows.records import Started
from aragora.workflows.running.engine import Standing
from aragora.workflows.store.executions import ExecutionStore
from aragora.workflows.telling import TOPIC as EVENTS

COMMAND_S: Final = 30.0
TOLD_S: Final = 60.0
LOOK_S: Final = 60.0


class RunnerCommands:
    """Fulfils `aragora.server.chapters.workflow_executions.ExecutionCommands`. Each method returns once the journal has
    it."""

    def __init__(self, runtime: Runtime) -> None:
        self._runner = runtime.at(RUNNER, RUNNER_KEY)

    async def start(self, started: ExecutionStarted, idempotency: Idempotency | None) -> Started:
        return await self._runner.ask(lambda it: it.start(started, idempotency), timeout_s=COMMAND_S)

    async def pause(self, execution_id: str, by: str) -> Standing:
        return await self._runner.ask(lambda it: it.pause(execution_id, by), timeout_s=COMMAND_S)

    async def resume(self, execution_id: str, by: str) -> Standing:
        return await self._runner.ask(lambda it: it.resume(execution_id, by), timeout_s=COMMAND_S)

    async def cancel(self, execution_id: str, by: str, reason: str) -> Standing:
        return await self._runner.ask(lambda it: it.cancel(execution_id, by, reason), timeout_s=COMMAND_S)

    async def retry(self, execution_id: str, by: str, run: str, what: Mapping[str, Any], request_id: str) -> Standing:
        return await self._runner.ask(lambda it: it.retry(execution_id, by, run, what, request_id), timeout_s=COMMAND_S)

    async def signal(
        self, execution_id: str, name: str, payload: Mapping[str, Any], signal_id: str, by: str
    ) -> Standing:
        return await self._runner.ask(
            lambda it: it.signal(execution_id, name, payload, signal_id, by), timeout_s=COMMAND_S
        )


class RunnerAnswers:
    """Fulfils `aragora.server.chapters.workflow_approvals.ApprovalCommands`."""

    def __init__(self, runtime: Runtime, inbox: ApprovalRequestStore) -> None:
        self._runner = runtime.at(RUNNER, RUNNER_KEY)
        self._inbox = inbox

    async def answer(self, approval_id: str, answerer: Answerer, word: Word, idempotency: str | None) -> ApprovalRecord:
        record = await self._inbox.get(EVERYTHING, approval_id)
        execution_id, answer_id = record.state.execution_id, _answer_id(approval_id, answerer.person, idempotency)
        return await self._runner.ask(
            lambda it: it.answer(execution_id, approval_id, answerer, word, answer_id), timeout_s=COMMAND_S
        )


class ServedConsumer:
    """Brings the ends of debates that served steps to their executions."""

    def __init__(self, runtime: Runtime) -> None:
        self._runner = runtime.at(RUNNER, RUNNER_KEY)

    async def apply(self, rows: Sequence[OutboxRow]) -> None:
        """Returns once the executions have their answers. Raises Unavailable."""
        told = tuple(rows)
        await self._runner.ask(lambda it: it.debates_ended(told), timeout_s=TOLD_S)


class ServedTaskConsumer:
    """Brings the ends of tasks that served steps to their executions."""

    def __init__(self, runtime: Runtime) -> None:
        self._runner = runtime.at(RUNNER, RUNNER_KEY)

    async def apply(self, rows: Sequence[OutboxRow]) -> None:
        """Returns once the executions have their answers. Raises Unavailable."""
        told = tuple(rows)
        await self._runner.ask(lambda it: it.tasks_ended(told), timeout_s=TOLD_S)


def waking_workflows(runtime: Runtime, database: Database) -> Job:
    """The job that gives executions a runner: where one is open, or something is asked, or was told."""
    return Job("runner of workflows", LOOK_S, partial(wake_where_due, runtime, database))


async def wake_where_due(runtime: Runtime, database: Database) -> str:
    """Give the runner a process where executions need one; returns what was found. Raises Unavailable."""
    store = ExecutionStore(database)
    opened = await store.next_due() is not None  # each open execution has an end that is due
    told = await OutboxStore(database).pending((EVENTS, APPROVALS), 1)
    if not (opened or told or await store.active_ids(limit=1) or await store.inbox(1)):
        return "no execution needs a runner"
    await runtime.at(RUNNER, RUNNER_KEY).ask(lambda it: it.ready(), timeout_s=COMMAND_S)
    return "executions go on"


def _answer_id(approval_id: str, person: str, idempotency: str | None) -> str:
    if idempotency is None:
        return new_id("answer")
    return f"answer_{blake2b(f'{approval_id} {person} {idempotency}'.encode(), digest_size=16).hexdigest()}"
