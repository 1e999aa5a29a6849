"""What is debated again, as people see it: the rows, with the words of each decision's item as it stands, and dropping
one that waits."""

from __future__ import annotations

from collections.abc import Sequence
from dataclasses import dataclass, replace
from typing import Final

from aragora.clock import Clock
from aragora.errors import Conflict, NotFound
from aragora.knowledge.bounded import Items
from aragora.knowledge.model import Item, Status
from aragora.knowledge.precedents import ids_of, standing
from aragora.knowledge.revalidation import DROPPED_S, Revalidation, State
from aragora.knowledge.store.parts import parts
from aragora.knowledge.store.revalidations import RevalidationStore
from aragora.scope import Scope

POSITION_CHARS: Final = 400
QUESTION_CHARS: Final = 400
BY_HAND: Final = "somebody dropped it"


@dataclass(frozen=True, slots=True)
class DebatedAgain:
    """A row, with its question and what that was settled on, each in a line; empty where its item is not there, or
    forgotten."""

    row: Revalidation
    question: str
    position: str


class Revalidations:
    """Over the stores of one process. Every method raises Unavailable where they are away."""

    def __init__(self, store: RevalidationStore, items: Items, clock: Clock) -> None:
        self._store = store
        self._items = items
        self._clock = clock

    async def of(self, scope: Scope, limit: int) -> list[DebatedAgain]:
        """Up to `limit` that the caller may see: what waits first, in its turn, then the newest changes."""
        return await self._told(scope, await self._store.of(scope, limit))

    async def drop(self, scope: Scope, revalidation_id: str) -> DebatedAgain:
        """Drop one that waits: its decision is not debated again for `DROPPED_S` seconds. Raises NotFound, and Conflict
        where it does not wait."""
        found = await self._store.get(scope, revalidation_id)
        if found is None:
            raise unknown_revalidation(revalidation_id)
        now = self._clock.now()
        dropped = replace(found, state=State.DROPPED, why=BY_HAND, not_before=now + DROPPED_S, changed_at=now)
        waits = found.state is State.PLANNED
        if not waits or not await self._store.close(
            found, dropped.state, dropped.why, now, not_before=dropped.not_before
        ):
            now_is = (await self._store.get(scope, revalidation_id)) or found
            raise Conflict(
                f"{revalidation_id} does not wait, it is {now_is.state}: only what waits can be dropped",
                code="not_waiting",
            )
        return (await self._told(scope, [dropped]))[0]

    async def _told(self, scope: Scope, rows: Sequence[Revalidation]) -> list[DebatedAgain]:
        named = [item_id for one in rows for item_id in ids_of(one.item_id)]
        items: dict[str, Item] = {}
        for part in parts(named):
            items |= {item.item_id: item for item in await self._items.some(scope, part)}
        return [_told(one, [items[item_id] for item_id in ids_of(one.item_id) if item_id in items]) for one in rows]


def unknown_revalidation(revalidation_id: str) -> NotFound:
    """The error for one that there is not, or that is out of reach."""
    return NotFound(f"there is no revalidation {revalidation_id}: GET /api/knowledge/revalidations lists them")


def _told(row: Revalidation, items: Sequence[Item]) -> DebatedAgain:
    item = standing(row.home, row.question, row.item_id, items)
    if item is None or item.status is Status.FORGOTTEN:
        return DebatedAgain(row, "", "")
    question, _, said = item.statement.content.partition("\n")
    return DebatedAgain(row, _line(question, QUESTION_CHARS), _line(item.statement.value or said, POSITION_CHARS))


def _line(text: str, most: int) -> str:
    return " ".join(text[:most].split())
