"""The journal writer: everything submitted while one transaction is on its way to the disk is the next one.

Nothing waits for a timer: a lone unit goes at once, groups grow only as the disk falls behind. A unit that is
fenced, conflicts or breaks a constraint fails alone. When the store is away, every unit of the group gets
Unavailable, nothing of it is written, and the next group tries afresh. One writer serves one event loop;
several processes may write to the same store.
"""

from __future__ import annotations

import asyncio
from collections import deque
from collections.abc import Sequence
from typing import Any, Final, Protocol, cast

from aragora.debate.records import (
    Buried,
    Commit,
    Conclusion,
    Counted,
    Done,
    NewDebate,
    Opened,
    ReceiptRecord,
    Tenure,
)
from aragora.debate.store.write_group import Outcome, Unit, check, refusal
from aragora.errors import AragoraError, Fenced, Unavailable
from aragora.observability.samples import CounterDelta
from aragora.storage.database import Database
from aragora.storage.failures import RETRY_AFTER_S, is_refused
from aragora.supervision import begin

MAX_PENDING_UNITS: Final = 20_000
MAX_GROUP_UNITS: Final = 1_000


class JournalBackend(Protocol):
    """One store: `aragora.debate.store.journal_sqlite` or `journal_postgres`."""

    async def write(self, units: Sequence[Unit]) -> list[Outcome]:
        """One transaction. Raises Unavailable, or whatever error one of the units caused; then nothing is written."""
        ...

    async def aclose(self) -> None: ...


class JournalWriter:
    """Group commit for the units of many debates. With a `tenure`, every unit is Fenced once the shard has a newer
    owner: each transaction reads the epoch it is written under."""

    def __init__(
        self, database: Database, *, max_pending: int = MAX_PENDING_UNITS, tenure: Tenure | None = None
    ) -> None:
        self._backend = _backend(database, tenure)
        self._max_pending = max_pending
        self._pending: deque[tuple[Unit, asyncio.Future[Any]]] = deque()
        self._writing: asyncio.Task[None] | None = None
        self._closed = False

    async def open(self, new: NewDebate) -> Opened:
        """Write a new debate, or find the one that holds its idempotency key.

        Raises Conflict (key reused for another request), BudgetExhausted, Fenced (the shard has a newer owner),
        Unavailable, InvalidInput.
        """
        return cast("Opened", await self._submit(new))

    async def commit(self, commit: Commit) -> None:
        """Append to a debate's journal. Raises Fenced, NotFound, Unavailable, Conflict, InvalidInput."""
        await self._submit(commit)

    async def conclude(self, conclusion: Conclusion) -> ReceiptRecord:
        """Issue a receipt and write it with its commit. Raises as `commit`, and whatever `issue` raises."""
        return cast("ReceiptRecord", await self._submit(conclusion))

    async def done(self, outbox_ids: Sequence[str]) -> None:
        """Drop outbox rows that their consumer has applied, in the journal's own stream: a writer beside it would
        wait for SQLite's one lock and make the journal wait. Raises Fenced, Unavailable."""
        await self._submit(Done(tuple(outbox_ids)))

    async def bury(self, topic: str, outbox_ids: Sequence[str], counters: Sequence[CounterDelta]) -> None:
        """Put outbox rows that cannot be applied under a topic that nobody reads, and count it. Raises Fenced,
        Unavailable, InvalidInput."""
        await self._submit(Buried(topic, tuple(outbox_ids), tuple(counters)))

    async def count(self, counters: Sequence[CounterDelta]) -> None:
        """Add to the durable counters alone. Raises Fenced, Unavailable, InvalidInput."""
        await self._submit(Counted(tuple(counters)))

    async def aclose(self) -> None:
        """Write what was submitted, then close; later units get Unavailable."""
        self._closed = True
        if self._writing is not None:
            await self._writing
        await self._backend.aclose()

    def _submit(self, unit: Unit) -> asyncio.Future[Any]:
        check(unit)
        if self._closed:
            raise Unavailable("the journal is closed: the server is stopping", retry_after_s=RETRY_AFTER_S)
        if len(self._pending) >= self._max_pending:
            raise Unavailable(
                f"the journal has {len(self._pending)} units waiting for the disk, the most it holds: try again",
                retry_after_s=RETRY_AFTER_S,
            )
        future: asyncio.Future[Any] = asyncio.get_running_loop().create_future()
        self._pending.append((unit, future))
        if self._writing is None or self._writing.done():
            self._writing = begin(self._write_pending(), "journal writer")
        return future

    async def _write_pending(self) -> None:
        while self._pending:
            group = [self._pending.popleft() for _ in range(min(len(self._pending), MAX_GROUP_UNITS))]
            outcomes = await self._outcomes([unit for unit, _ in group])
            for (_, future), outcome in zip(group, outcomes, strict=True):
                if future.done():  # its caller no longer waits
                    continue
                if isinstance(outcome, Exception):
                    future.set_exception(outcome)
                else:
                    future.set_result(outcome)

    async def _outcomes(self, units: Sequence[Unit]) -> list[Outcome]:
        """Together if possible; one by one where a unit spoils the transaction, so that it fails alone."""
        try:
            return await self._backend.write(units)
        except (Unavailable, Fenced) as away:  # the store is away, or another coordinator owns the shard
            return [_copy(away) for _ in units]
        except Exception as refused:  # noqa: BLE001  handed to the unit's caller
            if len(units) == 1:
                return [refusal(units[0], refused) if is_refused(refused) else refused]
        return await self._one_by_one(units)

    async def _one_by_one(self, units: Sequence[Unit]) -> list[Outcome]:
        outcomes: list[Outcome] = []
        for index, unit in enumerate(units):
            outcomes += await self._outcomes([unit])
            away = outcomes[-1]
            if isinstance(away, Unavailable):  # to wait once for a store that is away is enough
                return [*outcomes, *(_copy(away) for _ in units[index + 1 :])]
        return outcomes


def _copy(error: AragoraError) -> AragoraError:
    """One exception per caller: a traceback is not shared between tasks."""
    copy = type(error)(error.message, code=error.code, retry_after_s=error.retry_after_s)
    copy.__cause__ = error.__cause__
    return copy


def _backend(database: Database, tenure: Tenure | None) -> JournalBackend:
    if database.is_sqlite:
        from aragora.debate.store.journal_sqlite import SqliteJournal  # noqa: PLC0415  only the driver that is used

        return SqliteJournal(database.location, tenure)
    from aragora.debate.store.journal_postgres import PostgresJournal  # noqa: PLC0415

    return PostgresJournal(database.location, tenure)
