"""How SQLite goes about what is asked most: by the ids that are named, whatever else an organisation knows."""

from __future__ import annotations

import re
import sqlite3
from collections.abc import Iterator
from contextlib import closing, contextmanager
from typing import Any

import pytest
from sqlalchemy import Engine, event
from worlds.backends import SetClock
from worlds.knowledge import HOME, SCOPE, about, addition, source
from worlds.searched import Searched

from aragora.knowledge.ledger import Supported
from aragora.knowledge.model import LinkKind
from aragora.knowledge.planning import Changing
from aragora.knowledge.wanted import Wanted
from aragora.storage.database import Database

pytestmark = pytest.mark.parametrize("settings", ["sqlite"], indirect=True)

WHOLE = re.compile(r"SCAN knowledge_items|knowledge_items USING .*\(org_id=\?( AND workspace=\?)?\)")
"""A plan that reads all items of an organisation, of a workspace, or all there are."""


@contextmanager
def asked() -> Iterator[list[tuple[str, Any]]]:
    """The statements that are executed meanwhile, with their parameters."""
    found: list[tuple[str, Any]] = []

    def note(_c: object, _cursor: object, statement: str, parameters: Any, _context: object, many: bool) -> None:
        if "knowledge_items" in statement and not many and statement.lstrip().startswith("SELECT"):
            found.append((statement, parameters))

    event.listen(Engine, "before_cursor_execute", note)
    try:
        yield found
    finally:
        event.remove(Engine, "before_cursor_execute", note)


async def test_nothing_that_names_items_reads_all_of_an_organisation(database: Database, clock: SetClock) -> None:
    world = Searched(database, clock)
    items = await world.write(*(f"the cache of region {number} is warm" for number in range(40)))
    ids, now = [item.item_id for item in items], clock.now()
    with asked() as statements:
        await world.searching.search(SCOPE, "which cache is warm", k=10)
        await world.reader.numbered(SCOPE, Wanted(), range(1, 31), now)
        await world.reader.some(SCOPE, ids)
        await world.reader.linking_to(SCOPE, ids, LinkKind.SUPPORTS, now)
        await world.writer.write(HOME, [addition(about("the limit", f"{number}")) for number in range(30)])
        await world.writer.write(HOME, [Changing(item_id, Supported(source(7))) for item_id in ids])
    await world.index.aclose()
    assert len(statements) > 6
    path = database.location.path
    with closing(sqlite3.connect(path)) as connection:
        plans = [
            (statement, [row[3] for row in connection.execute(f"EXPLAIN QUERY PLAN {statement}", parameters)])
            for statement, parameters in statements
        ]
    assert [(statement, plan) for statement, plan in plans if any(map(WHOLE.search, plan))] == []
