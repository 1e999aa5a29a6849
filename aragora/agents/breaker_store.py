"""Circuit breakers as stored: one row for each agent that has ever failed."""

from __future__ import annotations

from dataclasses import asdict, fields
from typing import Final

from sqlalchemy import Column, Double, Integer, Table, Text, select

from aragora.resilience.circuit_breaker import BreakerRow
from aragora.storage.contexts import Context
from aragora.storage.database import Database
from aragora.storage.tables import METADATA, insert_into

breakers = Table(
    "breakers",
    METADATA[Context.CORE],
    Column("agent", Text, primary_key=True),
    Column("state", Text, nullable=False),
    Column("consecutive_failures", Integer, nullable=False),
    Column("opened_at", Double),
    Column("retry_at", Double),
    Column("last_error", Text),
    Column("updated_at", Double, nullable=False),
)

_COLUMNS: Final = tuple(breakers.c[field.name] for field in fields(BreakerRow))


class BreakerStore:
    """Kept in the context `core`. Every method raises Unavailable where the database is away."""

    def __init__(self, database: Database) -> None:
        self._database = database

    async def load(self, agent: str) -> BreakerRow | None:
        """The breaker of an agent; None where the agent has never failed."""
        query = select(*_COLUMNS).where(breakers.c.agent == agent)
        found = await self._database.rows(query, "reading a circuit breaker")
        return BreakerRow(*found[0]) if found else None

    async def save(self, agent: str, row: BreakerRow, at: float) -> None:
        """Keep the breaker as it was at `at` (seconds since the epoch). A row with a later `at` is not overwritten."""
        values = asdict(row) | {"updated_at": at}
        saving = (
            insert_into(self._database, breakers)
            .values(agent=agent, **values)
            .on_conflict_do_update(index_elements=["agent"], set_=values, where=breakers.c.updated_at <= at)
        )
        async with self._database.writing("saving a circuit breaker") as connection:
            await connection.execute(saving)

    async def all(self) -> dict[str, tuple[BreakerRow, float]]:
        """The breaker of every agent that has ever failed, by agent, with the time at which it was saved."""
        query = select(breakers.c.agent, breakers.c.updated_at, *_COLUMNS).order_by(breakers.c.agent)
        found = await self._database.rows(query, "reading circuit breakers")
        return {agent: (BreakerRow(*columns), at) for agent, at, *columns in found}
