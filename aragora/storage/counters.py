"""Durable metrics: they outlive the process that counted. A sample's value is the sum over all its rows.

The journal counts debates in the transaction of what it counts (context `debates`), the deliveries of webhooks are
counted in theirs (context `webhooks`), and so are the steps of workflows (context `workflows`); everything else is
added to the counters of the context `core`. The whole is all four: read the stores and add them up.
"""

from __future__ import annotations

import secrets
from collections.abc import Iterable
from typing import Final

import msgspec
import structlog
from sqlalchemy import Table, func, select
from sqlalchemy.ext.asyncio import AsyncConnection

from aragora.encoding import decode_as
from aragora.observability.samples import CounterDelta, add_counters
from aragora.storage.contexts import Context
from aragora.storage.database import Database
from aragora.storage.tables import counters, insert_into, process_counters, webhook_counters, workflow_counters

_TABLES: Final[dict[Context, Table]] = {
    Context.DEBATES: counters,
    Context.CORE: process_counters,
    Context.WEBHOOKS: webhook_counters,
    Context.WORKFLOWS: workflow_counters,
}
_SHARDS: Final = 16  # writers of one database rarely meet on the row of a counter
_Labels = tuple[tuple[str, str], ...]

_log = structlog.get_logger("aragora.storage")


class CounterStore:
    """The counters of the context `debates`, `webhooks`, `workflows` or `core`. Every method raises Unavailable where
    the database is away."""

    def __init__(self, database: Database) -> None:
        """Raises KeyError for a context without counters."""
        self._database = database
        self._table = _TABLES[database.context]
        self._shard = secrets.randbelow(_SHARDS)

    async def all(self) -> list[CounterDelta]:
        """Every series with its value, sorted by sample and labels."""
        table = self._table
        query = select(table.c.sample, table.c.labels, func.sum(table.c.value))
        query = query.group_by(table.c.sample, table.c.labels)
        found = await self._database.rows(query, "reading counters")
        series = [_series(sample, labels, value) for sample, labels, value in found]
        return sorted((one for one in series if one is not None), key=lambda delta: (delta.sample, delta.labels))

    async def look(self) -> None:
        """Read one row, to see whether the database answers."""
        await self._database.rows(select(self._table.c.sample).limit(1), "looking at the store")

    async def add(self, deltas: Iterable[CounterDelta]) -> None:
        """Add to the values, all or none. After Unavailable the caller may try again; it counts twice only where
        the connection broke during the commit itself."""
        deltas = tuple(deltas)
        if not deltas:
            return
        async with self._database.writing("adding to counters") as connection:
            await self.add_within(connection, deltas)

    async def add_within(self, connection: AsyncConnection, deltas: Iterable[CounterDelta]) -> None:
        """Add to the values in a transaction of the same database, which writes what is counted."""
        totals: dict[tuple[str, str], float] = {}
        add_counters(totals, tuple(deltas))
        if not totals:
            return
        rows = [
            {"sample": sample, "labels": labels, "shard": self._shard, "value": by}
            for (sample, labels), by in sorted(totals.items())  # in one order everywhere: writers never deadlock
        ]
        insert = insert_into(self._database, self._table)
        adding = insert.on_conflict_do_update(
            index_elements=["sample", "labels", "shard"], set_={"value": self._table.c.value + insert.excluded.value}
        )
        await connection.execute(adding, rows)


def _series(sample: str, labels: str, value: float) -> CounterDelta | None:
    """A stored series; None where it is damaged: the metrics page must not fall for one row."""
    try:
        return CounterDelta(sample, decode_as(labels, _Labels), float(value))
    except (msgspec.DecodeError, ValueError, TypeError) as error:
        _log.warning("a stored counter cannot be read", sample=sample, error=str(error))
        return None
