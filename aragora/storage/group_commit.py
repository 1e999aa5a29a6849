"""Group commit: everything submitted while one transaction is on its way to the disk is the next one.

Nothing waits for a timer: a lone unit goes at once, groups grow only as the disk falls behind. A unit that breaks a
constraint or cannot be stored fails alone. When the store is away, every unit of the group gets Unavailable, nothing of
it is written, and the next group tries afresh. One group commit serves one event loop; several processes may write to
the same store.
"""

from __future__ import annotations

import asyncio
from collections import deque
from collections.abc import Callable, Sequence
from dataclasses import dataclass
from typing import Any, Generic, Protocol, TypeVar

from aragora.errors import AragoraError, Fenced, Unavailable
from aragora.storage.failures import RETRY_AFTER_S, is_refused
from aragora.supervision import begin

U = TypeVar("U")
U_contra = TypeVar("U_contra", contravariant=True)


class GroupBackend(Protocol[U_contra]):
    """One store that writes units."""

    async def write(self, units: Sequence[U_contra]) -> Sequence[Any]:
        """One transaction; the outcome of each unit, an exception where it failed alone. Raises Unavailable or Fenced
        for all of them, or whatever error one of the units caused; then nothing is written."""
        ...

    async def aclose(self) -> None: ...


@dataclass(frozen=True, slots=True)
class Bounds:
    """How much may wait for the disk, and how much one transaction holds, in what `GroupCommit`'s `size` counts. A unit
    larger than a group is a group of its own."""

    pending: int
    group: int


def one(_: object) -> int:
    """The size of a unit where units alone are counted."""
    return 1


def unheard(_: object) -> None:
    """For group commits of which nobody else has to hear."""


class GroupCommit(Generic[U]):
    """Writes units of one kind in groups.

    Args:
        name: for people, of what is written: "the journal".
        refused: the error for a unit whose rows the database itself refused, from the unit and the driver's error.
        size: what a unit counts for against the bounds.
        written: hears of the units of each transaction once it is on disk, those that failed alone among them.
    """

    def __init__(
        self,
        name: str,
        backend: GroupBackend[U],
        refused: Callable[[U, Exception], AragoraError],
        bounds: Bounds,
        *,
        size: Callable[[U], int] = one,
        written: Callable[[Sequence[U]], None] = unheard,
    ) -> None:
        self._name = name
        self._backend = backend
        self._refused = refused
        self._bounds = bounds
        self._size = size
        self._written = written
        self._pending: deque[tuple[U, int, asyncio.Future[Any]]] = deque()
        self._waiting = 0  # the size of what is pending
        self._writing: asyncio.Task[None] | None = None
        self._closed = False

    def submit(self, unit: U) -> asyncio.Future[Any]:
        """Take a unit; the future has its outcome once that is on disk. Raises Unavailable after `aclose`, and where
        too much waits for the disk."""
        if self._closed:
            raise Unavailable(f"{self._name} is closed: the server is stopping", retry_after_s=RETRY_AFTER_S)
        if self._waiting >= self._bounds.pending:
            raise Unavailable(
                f"{self._name} has {len(self._pending)} units waiting for the disk, the most it holds: try again",
                retry_after_s=RETRY_AFTER_S,
            )
        future: asyncio.Future[Any] = asyncio.get_running_loop().create_future()
        size = self._size(unit)
        self._pending.append((unit, size, future))
        self._waiting += size
        if self._writing is None or self._writing.done():
            self._writing = begin(self._write_pending(), f"{self._name.removeprefix('the ')} writer")
        return future

    async def aclose(self) -> None:
        """Write what was submitted, then close; later units get Unavailable."""
        self._closed = True
        if self._writing is not None:
            await self._writing
        await self._backend.aclose()

    async def _write_pending(self) -> None:
        while self._pending:
            group = self._next_group()
            outcomes = await self._outcomes([unit for unit, _ in group])
            for (_, future), outcome in zip(group, outcomes, strict=True):
                if future.done():  # its caller no longer waits
                    continue
                if isinstance(outcome, Exception):
                    future.set_exception(outcome)
                else:
                    future.set_result(outcome)

    def _next_group(self) -> list[tuple[U, asyncio.Future[Any]]]:
        group: list[tuple[U, asyncio.Future[Any]]] = []
        pending, room = self._pending, self._bounds.group
        while pending and (pending[0][1] <= room or not group):
            unit, size, future = pending.popleft()
            group.append((unit, future))
            room -= size
        self._waiting -= self._bounds.group - room
        return group

    async def _outcomes(self, units: Sequence[U]) -> Sequence[Any]:
        """Together if possible; one by one where a unit spoils the transaction, so that it fails alone."""
        try:
            outcomes = await self._backend.write(units)
        except (Unavailable, Fenced) as away:  # the store is away, or another writer is the owner by now
            return [_copy(away) for _ in units]
        except Exception as refused:  # noqa: BLE001  handed to the unit's caller
            if len(units) == 1:
                return [self._refused(units[0], refused) if is_refused(refused) else refused]
            return await self._one_by_one(units)
        self._written(units)
        return outcomes

    async def _one_by_one(self, units: Sequence[U]) -> Sequence[Any]:
        outcomes: list[Any] = []
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
