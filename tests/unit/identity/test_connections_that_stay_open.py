"""What is asked of the database for ten thousand open connections: a few queries, in whatever state they are."""

from __future__ import annotations

from typing import Any

from aragora.identity.store.among import BATCH, found_among
from aragora.identity.store.tables import sessions


class Database:
    """Finds every id it is asked for, and counts."""

    def __init__(self) -> None:
        self.queries = 0

    async def rows(self, query: Any) -> list[tuple[str]]:
        self.queries += 1
        asked = query.compile().params["session_id_1"]
        assert len(asked) <= BATCH
        return [(one,) for one in asked]


async def test_ten_thousand_ids_take_ten_queries_and_none_takes_none() -> None:
    database: Any = Database()
    ids = {f"ses_{number}" for number in range(10_000)}
    alive = sessions.c.revoked_at.is_(None)
    assert await found_among(database, sessions.c.session_id, ids, alive) == ids
    assert database.queries == 10
    assert await found_among(database, sessions.c.session_id, (), alive) == frozenset()
    assert database.queries == 10
