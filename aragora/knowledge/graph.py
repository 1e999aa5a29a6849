"""What hangs together with an item: the items that its links lead to, both ways, some steps far, each once."""

from __future__ import annotations

from collections.abc import Collection, Sequence
from dataclasses import dataclass
from typing import Final, Protocol

from aragora.knowledge.counting import Operation, counted
from aragora.knowledge.model import Item, Link, Status
from aragora.scope import Scope

DEPTH_MAX: Final = 3
ITEMS_MAX: Final = 200


class Linked(Protocol):
    """The store (`aragora.knowledge.store.reading.KnowledgeReader`)."""

    async def get(self, scope: Scope, item_id: str) -> Item: ...

    async def some(self, scope: Scope, item_ids: Sequence[str]) -> list[Item]: ...


class Linking(Protocol):
    """The store (`aragora.knowledge.store.neighbours.Neighbours`)."""

    async def linking(self, scope: Scope, item_ids: Collection[str], limit: int) -> list[Item]: ...


@dataclass(frozen=True, slots=True)
class Edge:
    """A link and the item that holds it."""

    item_id: str
    link: Link


@dataclass(frozen=True, slots=True)
class Graph:
    """The first item and those around it, the nearest first, with the links among them; `more`, whether some were left
    out because they are too many."""

    items: tuple[Item, ...]
    edges: tuple[Edge, ...]
    more: bool


@counted(Operation.GRAPH)
async def around(
    reader: Linked, neighbours: Linking, scope: Scope, item_id: str, *, depth: int = 1, limit: int = ITEMS_MAX
) -> Graph:
    """What hangs together with an item within `depth` steps, of what the caller may know of, `limit` items at most. A
    circle is walked once. Raises NotFound, Unavailable."""
    first = await reader.get(scope, item_id)
    found = {first.item_id: first}
    ahead, more = [first], False
    for _ in range(depth):
        there = {link.item_id for item in ahead for link in item.links} - found.keys()
        led_to = await reader.some(scope, sorted(there)[: limit + 1]) if there else []
        held_by = await neighbours.linking(scope, [item.item_id for item in ahead], limit + 1)
        new = {item.item_id: item for item in (*led_to, *held_by) if item.item_id not in found}
        new = {name: item for name, item in new.items() if item.status is not Status.FORGOTTEN}
        room = limit - len(found)
        more = more or len(new) > room
        ahead = list(new.values())[:room]
        found.update((item.item_id, item) for item in ahead)
        if not ahead:
            break
    edges = [Edge(item.item_id, link) for item in found.values() for link in item.links if link.item_id in found]
    return Graph(tuple(found.values()), tuple(edges), more)
