"""The owner of all executions: the engine with its writer, under an epoch, and the loops that wake it.

It begins by taking the next epoch: whoever owned the executions before writes nothing any more. Then it goes on with
what was asked when the last owner ended, and waits for the next moment and the next message.
"""

from __future__ import annotations

from collections.abc import Awaitable, Callable, Mapping
from dataclasses import dataclass
from typing import Final

import structlog

from aragora.background import Every
from aragora.clock import Clock
from aragora.storage.database import Database
from aragora.storage.outbox import Consumer, OutboxRelay
from aragora.storage.outbox_store import OutboxStore
from aragora.supervision import begin, kept
from aragora.workflows.inbox import KeptInbox
from aragora.workflows.ports import Debates, Definitions, Doing, Proving, Publishing, Tasks
from aragora.workflows.running.engine import EnginePorts, ExecutionEngine
from aragora.workflows.running.moments import Moments
from aragora.workflows.running.steady_clock import SteadyClock
from aragora.workflows.store.executions import ExecutionStore
from aragora.workflows.store.owner import WorkflowOwner
from aragora.workflows.store.writer import WorkflowWriter

MAIL_S: Final = 5.0
"""So often the inbox is looked at although nobody told of a message."""

log = structlog.get_logger("aragora.workflows")


@dataclass(frozen=True, slots=True)
class RunnerPorts:
    """What the runner is given besides its store. `doing` is made over the engine, as a step may start an execution;
    `consumers` are those of the outbox of executions, by topic; `pause_s` gives the seconds to wait before try n
    (0, 1, ...) at what is away; without `proving` executions have no receipts."""

    definitions: Definitions
    doing: Callable[[ExecutionEngine], Doing]
    publishing: Publishing
    inbox: KeptInbox
    consumers: Mapping[str, Consumer]
    clock: Clock
    pause_s: Callable[[int], float]
    proving: Proving | None = None


@dataclass(frozen=True, slots=True)
class WorkflowParts:
    """What the composition gives a runner: see `RunnerPorts`. `debates` and `tasks` say what those that served steps
    gave; `closers` are called at the end, in this order."""

    definitions: Definitions
    doing: Callable[[ExecutionEngine], Doing]
    debates: Debates
    tasks: Tasks
    inbox: KeptInbox
    consumers: Mapping[str, Consumer]
    proving: Proving
    closers: tuple[Callable[[], Awaitable[None]], ...]


class WorkflowRunner:
    """Made by `begun`; one at a time has the executions of a store."""

    def __init__(self, database: Database, ports: RunnerPorts, epoch: int) -> None:
        owner, clock = WorkflowOwner(database), SteadyClock(ports.clock)
        store = ExecutionStore(database)
        self._writer = WorkflowWriter(database, tenure=epoch)

        async def owned() -> bool:
            return await owner.current() == epoch

        self.engine = ExecutionEngine(
            EnginePorts(
                writing=self._writer,
                reading=store,
                definitions=ports.definitions,
                doing=ports.doing,
                publishing=ports.publishing,
                inbox=ports.inbox,
                clock=clock,
                pause_s=ports.pause_s,
                owned=owned,
                due=self._due,
                proving=ports.proving,
            )
        )
        self._moments = Moments(clock, self.engine.wake_due, store.next_due)
        self._mail = Every("mail of executions", MAIL_S, self.engine.take_mail, sleep=self.engine.await_mail)
        self._relay = OutboxRelay(OutboxStore(database), self._writer, ports.consumers) if ports.consumers else None
        self._waiting = begin(kept("moments of executions", self._moments.run), "moments of executions")
        self._mail.start()
        if self._relay is not None:
            self._relay.start()

    @property
    def waits_until(self) -> float | None:
        """The next moment at which something is due; None where none is known."""
        return self._moments.waits_until

    async def drain(self) -> int:
        """Take nothing more and end what is being written; returns how many asks and receipts are left."""
        self._waiting.cancel()
        await self._mail.aclose()
        left = await self.engine.drain()
        if self._relay is not None:
            await self._relay.aclose()
        await self._writer.aclose()
        return left

    def _due(self, at: float) -> None:
        self._moments.due(at)


async def begun(database: Database, ports: RunnerPorts) -> WorkflowRunner:
    """Take the executions over, and go on with them. Raises Unavailable."""
    epoch = await WorkflowOwner(database).advance()
    runner = WorkflowRunner(database, ports, epoch)
    try:
        recovered = await runner.engine.recover()
    except BaseException:
        await runner.drain()
        raise
    log.info("executions go on", epoch=epoch, recovered=recovered)
    return runner
