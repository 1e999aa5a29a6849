"""The writer of executions: group commit (`aragora.storage.group_commit`) for the units of many. A unit that is fenced
or conflicts fails alone."""

from __future__ import annotations

import asyncio
from collections.abc import Sequence
from typing import Any, Final, cast

from aragora.debate.records import Buried, Done
from aragora.observability.samples import CounterDelta
from aragora.storage.database import Database
from aragora.storage.group_commit import Bounds, GroupBackend, GroupCommit
from aragora.workflows.records import Commit, Dismissed, Message, NewExecution, Post, Started
from aragora.workflows.store.write_group import Unit, check, refusal, size_of

MAX_PENDING: Final = 20_000  # of `size_of`: 80 MB of payloads
MAX_GROUP: Final = 1_000


class WorkflowWriter:
    """Writes units, many in one transaction; each method returns when its unit is on disk, and raises Unavailable where
    the store is away.

    With a `tenure`, an epoch of `aragora.workflows.store.owner`, every unit except a post is Fenced once a later epoch
    was taken: each transaction reads it. Without one nothing is fenced by epochs: that is for processes that only post.
    """

    def __init__(self, database: Database, *, tenure: int | None = None, max_pending: int = MAX_PENDING) -> None:
        backend, bounds = _backend(database, tenure), Bounds(max_pending, MAX_GROUP)
        self._units = GroupCommit("the store of executions", backend, refusal, bounds, size=size_of)

    async def start(self, new: NewExecution) -> Started:
        """Write a new execution, or find the one that was started first. Raises Conflict (key used for another request,
        id of another execution), Fenced, InvalidInput."""
        return cast("Started", await self._submit(new))

    async def commit(self, commit: Commit) -> None:
        """Append to an execution's journal. Raises Fenced, NotFound, Conflict, InvalidInput, and what a projection
        raises."""
        await self._submit(commit)

    async def post(self, message: Message) -> None:
        """Put a message into the inbox. Raises RateLimited where too many wait for its execution, InvalidInput."""
        await self._submit(Post(message))

    async def dismiss(self, message_ids: Sequence[str]) -> None:
        """Drop messages of the inbox from which nothing follows. Raises Fenced."""
        await self._submit(Dismissed(tuple(message_ids)))

    async def done(self, outbox_ids: Sequence[str]) -> None:
        """Drop outbox rows that their consumer has applied. Raises Fenced."""
        await self._submit(Done(tuple(outbox_ids)))

    async def bury(self, topic: str, outbox_ids: Sequence[str], counters: Sequence[CounterDelta]) -> None:
        """Put outbox rows that cannot be applied under a topic that nobody reads, and count it. Raises Fenced,
        InvalidInput."""
        await self._submit(Buried(topic, tuple(outbox_ids), tuple(counters)))

    async def aclose(self) -> None:
        """Write what was submitted, then close; later units get Unavailable."""
        await self._units.aclose()

    def _submit(self, unit: Unit) -> asyncio.Future[Any]:
        check(unit)
        return self._units.submit(unit)


def _backend(database: Database, tenure: int | None) -> GroupBackend[Unit]:
    if database.is_sqlite:
        from aragora.workflows.store.writer_sqlite import SqliteExecutions  # noqa: PLC0415  only the driver that is used

        return SqliteExecutions(database.location, tenure)
    from aragora.workflows.store.writer_postgres import PostgresExecutions  # noqa: PLC0415

    return PostgresExecutions(database.location, tenure)
