"""What executions need of the world: the driver is given these, and knows no store, actor or feature behind them."""

from __future__ import annotations

from collections.abc import Sequence
from dataclasses import dataclass
from typing import Protocol

from aragora.workflows.definition import Definition
from aragora.workflows.journal import JournalRow
from aragora.workflows.model import Ask, ExecutionStarted, ReceiptIssued, Reply
from aragora.workflows.records import Commit, ExecutionRecord, Message, NewExecution, Started
from aragora.workflows.store.executions import Due


@dataclass(frozen=True, slots=True)
class Pinned:
    """A version of a definition, as an execution is pinned to it. `authors` wrote the versions up to it."""

    workflow_id: str
    version: int
    digest: str
    definition: Definition
    authors: tuple[str, ...] = ()


class Definitions(Protocol):
    """Reads definitions."""

    async def pinned(self, workflow_id: str, version: int) -> Pinned:
        """One version. Raises NotFound, Unavailable."""
        ...

    async def latest(self, org_id: str, workspace: str, workflow_id: str) -> Pinned:
        """The version that is executed now. Raises NotFound, also where it is another organisation's or workspace's."""
        ...


class Writing(Protocol):
    """Writes executions (`aragora.workflows.store.writer`)."""

    async def start(self, new: NewExecution) -> Started: ...

    async def commit(self, commit: Commit) -> None: ...

    async def dismiss(self, message_ids: Sequence[str]) -> None: ...


class Reading(Protocol):
    """Reads executions (`aragora.workflows.store.executions`)."""

    async def record(self, execution_id: str) -> ExecutionRecord | None: ...

    async def journal(self, execution_id: str, after: int = 0, limit: int = 500) -> list[str]: ...

    async def active_ids(self, after: str = "", limit: int = 500) -> list[str]: ...

    async def due(self, now: float, limit: int = 500) -> list[Due]: ...

    async def next_due(self) -> float | None: ...

    async def inbox(self, limit: int = 500, *, after: Message | None = None) -> list[Message]: ...


class Doing(Protocol):
    """Does what executions ask for."""

    async def do(self, ask: Ask, started: ExecutionStarted) -> Reply:
        """Do it, or begin it (`Accepted`; the answer then comes to the engine's `receive`). The same ask may come
        again: its id makes it one. Raises AragoraError: with Unavailable and RateLimited it may go better next time.
        """
        ...

    async def stop(self, kind: str, ref: str, started: ExecutionStarted) -> None:
        """What was begun is not wanted any more. Raises AragoraError; NotFound and Conflict: it is over already."""
        ...


class Proving(Protocol):
    """Issues receipts of executions (`aragora.workflows.proving`)."""

    async def prove(
        self, execution_id: str, definition: Definition, payloads: Sequence[str]
    ) -> tuple[ReceiptIssued, ...]:
        """The receipts that the whole journal of an execution owes, each issued or found, as events to journal.
        Raises Unavailable, Misconfigured."""
        ...


class Publishing(Protocol):
    """Tells those who follow."""

    def publish(self, execution_id: str, rows: Sequence[JournalRow]) -> None:
        """These rows of its journal, at least one, are durable now. Never raises."""
        ...


class Tasks(Protocol):
    """Tasks that served steps."""

    async def reply(self, task_id: str, ask_id: str) -> Reply | None:
        """What a task that has ended says to its ask; None where it goes on again. Raises NotFound, Unavailable."""
        ...


class Debates(Protocol):
    """Debates that served steps."""

    async def reply(self, debate_id: str, ask_id: str) -> Reply:
        """What a debate that has ended says to its ask. Raises NotFound, Unavailable."""
        ...
