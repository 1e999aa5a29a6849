"""An execution's state as its journal tells it: page by page, so that a long journal is never in memory as a whole, and
in a thread where a page takes a while.

`Looking` is for those who look again and again. A journal only grows: a state that was folded up to a row goes on from
there, and is the state of the whole. What is kept is a cache and nothing else; another process needs no word of it.
"""

from __future__ import annotations

import asyncio
from collections import OrderedDict
from collections.abc import Callable, Sequence
from dataclasses import dataclass
from typing import Final, Protocol, TypeVar
from weakref import WeakValueDictionary

from aragora.errors import Conflict
from aragora.workflows import journal, machine
from aragora.workflows.machine.state import ExecutionState
from aragora.workflows.ports import Definitions
from aragora.workflows.records import ExecutionRecord

PAGE: Final = 1_000
AT_ONCE: Final = 200  # rows, or
AT_ONCE_CHARS: Final = 131_072  # of them: they are folded in the event loop, more in a thread
KEPT: Final = 32  # states, and
KEPT_CHARS: Final = 134_217_728  # of all the rows that they were made of

T = TypeVar("T")


class Journals(Protocol):
    """Reads journals (`aragora.workflows.store.executions`)."""

    async def journal(self, execution_id: str, after: int = 0, limit: int = 500) -> list[str]: ...


@dataclass(slots=True)
class Folded:
    """A state, how many rows it was made of, the last of them, and how many characters all have."""

    state: ExecutionState
    seq: int = 0
    last: str = ""
    chars: int = 0


async def replayed(record: ExecutionRecord, journals: Journals, definitions: Definitions) -> tuple[ExecutionState, int]:
    """The state, and its last seq. Raises NotFound (its definition is gone), Unreadable, ValueError, Unavailable."""
    folded = await _begun(record, definitions)
    await _go_on(folded, record.execution_id, journals)
    return folded.state, folded.seq


class Looking:
    """Shows executions as they are, and keeps the last few states. One event loop."""

    def __init__(self, journals: Journals, definitions: Definitions) -> None:
        self._journals = journals
        self._definitions = definitions
        self._kept: OrderedDict[str, Folded] = OrderedDict()
        self._turns: WeakValueDictionary[str, asyncio.Lock] = WeakValueDictionary()

    async def look(self, record: ExecutionRecord, see: Callable[[ExecutionState], T]) -> T:
        """What `see` makes of the state as of now, in a thread; it changes nothing. Raises as `replayed`."""
        execution_id = record.execution_id
        turn = self._turns.setdefault(execution_id, asyncio.Lock())
        async with turn:
            folded = self._kept.pop(execution_id, None)
            if folded is None or not await self._fits(execution_id, folded):
                folded = await _begun(record, self._definitions)
            await _go_on(folded, execution_id, self._journals)
            seen = await asyncio.to_thread(see, folded.state)
            self._keep(execution_id, folded)
            return seen

    async def _fits(self, execution_id: str, folded: Folded) -> bool:
        """Whether the journal is the one that was folded: a store may be put back to an earlier time."""
        return await self._journals.journal(execution_id, folded.seq - 1, 1) == [folded.last]

    def _keep(self, execution_id: str, folded: Folded) -> None:
        if folded.seq <= AT_ONCE:  # read again as soon as found
            return
        self._kept[execution_id] = folded
        while len(self._kept) > KEPT or sum(one.chars for one in self._kept.values()) > KEPT_CHARS:
            self._kept.popitem(last=False)


async def _begun(record: ExecutionRecord, definitions: Definitions) -> Folded:
    pinned = await definitions.pinned(record.workflow_id, record.version)
    return Folded(ExecutionState(pinned.definition))


async def _go_on(folded: Folded, execution_id: str, journals: Journals) -> None:
    """Fold what the journal has behind the state's last row."""
    while page := await journals.journal(execution_id, folded.seq, PAGE):
        chars = sum(map(len, page))
        if len(page) <= AT_ONCE and chars <= AT_ONCE_CHARS:
            _fold(folded.state, page, folded.seq)
        else:
            await asyncio.to_thread(_fold, folded.state, page, folded.seq)
        folded.seq += len(page)
        folded.last = page[-1]
        folded.chars += chars
    if folded.seq == 0:
        _fold(folded.state, (), 0)


def _fold(state: ExecutionState, payloads: Sequence[str], after: int) -> None:
    machine.fold(state, journal.told_of(payloads, after + 1))


def damaged() -> Conflict:
    """The error for an execution that cannot be read."""
    return Conflict("The execution cannot be read any more: its journal is damaged.", code="execution_unreadable")
