"""What votes foretold of debates whose outcome is known: the calibration in the ratings follows from these rows.

Rules
- A debate's outcome brings the rows of its voters, overall, in its domain and in that of its organisation. Another
  version of the outcome takes the place of the rows of the one before.
- The calibration of a rating is summed up anew from its rows, in whole numbers: neither the order of outcomes nor their
  repetition changes a digit.
- How far outcomes were read stands in the same transaction. Of two readers that learn the same at once, one does.
"""

from __future__ import annotations

from collections.abc import Collection, Iterator, Sequence
from dataclasses import dataclass
from typing import Any, Final

from sqlalchemy import BigInteger, Column, Index, Integer, Table, Text, bindparam, func, select, tuple_, update
from sqlalchemy.ext.asyncio import AsyncConnection

from aragora.ranking.calibration import NANOS, Forecast
from aragora.ranking.store import KEYS_PER_QUERY, OVERALL, RatingKey, locked, ratings, scope_of
from aragora.storage.contexts import Context
from aragora.storage.database import Database
from aragora.storage.tables import METADATA, insert_into

agent_forecasts = Table(
    "agent_forecasts",
    METADATA[Context.ELO],
    Column("agent", Text, primary_key=True),
    Column("domain", Text, primary_key=True),  # as in `ratings`
    Column("debate_id", Text, primary_key=True),
    Column("squared_nanos", BigInteger, nullable=False),
    Index("ix_agent_forecasts_debate", "debate_id"),
)

outcomes_read = Table(  # one row: the seq of the last outcome that the rows know
    "outcomes_read",
    METADATA[Context.ELO],
    Column("one", Integer, primary_key=True, autoincrement=False),  # always 1
    Column("seq", BigInteger, nullable=False),
)

_WHAT: Final = "scoring forecasts"


@dataclass(frozen=True, slots=True)
class Scored:
    """What the votes of a debate foretold, by the newest known version of its outcome."""

    debate_id: str
    org_id: str
    domain: str
    forecasts: tuple[Forecast, ...]


class ForecastStore:
    """Over the database of context `agent_elo`. Every method raises Unavailable where that fails."""

    def __init__(self, database: Database) -> None:
        self._database = database

    async def known(self) -> int:
        """The seq of the last outcome that counts here; 0 before the first."""
        rows = await self._database.rows(select(outcomes_read.c.seq), _WHAT)
        return int(rows[0][0]) if rows else 0

    async def learn(self, scored: Sequence[Scored], *, after: int, upto: int) -> bool:
        """Count these outcomes, in the order of their seq: all that come after `after`, up to `upto`. False, and
        nothing is done, where somebody has read on since `known` told `after`."""
        newest = {one.debate_id: one for one in scored}
        async with self._database.writing(_WHAT) as connection:
            if await self._position(connection) != after:
                return False
            changed = await self._forgotten(connection, newest)
            rows = [row for one in newest.values() for row in _rows(one)]
            if rows:
                await connection.execute(agent_forecasts.insert(), rows)
            await self._sum_up(connection, sorted(changed | {(row["agent"], row["domain"]) for row in rows}))
            await connection.execute(update(outcomes_read).values(seq=upto))
        return True

    async def forget(self, *, after: int) -> bool:
        """Start again from the first outcome: what was read is not there any more. False as in `learn`."""
        async with self._database.writing(_WHAT) as connection:
            if await self._position(connection) != after:
                return False
            await connection.execute(agent_forecasts.delete())
            await connection.execute(update(ratings).values(forecasts=0, squared_error=0.0))
            await connection.execute(update(outcomes_read).values(seq=0))
        return True

    async def _position(self, connection: AsyncConnection) -> int:
        """The seq that was read last; whoever else asks waits for the end of this transaction."""
        insert = insert_into(self._database, outcomes_read).values(one=1, seq=0)
        locking = insert.on_conflict_do_update(index_elements=["one"], set_={"seq": outcomes_read.c.seq})
        return int((await connection.execute(locking.returning(outcomes_read.c.seq))).scalar_one())

    async def _forgotten(self, connection: AsyncConnection, debate_ids: Collection[str]) -> set[RatingKey]:
        """Take back what earlier versions brought; returns whose it was."""
        of_these = agent_forecasts.c.debate_id.in_(debate_ids)
        query = select(agent_forecasts.c.agent, agent_forecasts.c.domain).where(of_these).distinct()
        found = {(row.agent, row.domain) for row in await connection.execute(query)}
        await connection.execute(agent_forecasts.delete().where(of_these))
        return found

    async def _sum_up(self, connection: AsyncConnection, keys: Sequence[RatingKey]) -> None:
        """Set the calibration of these ratings to what their rows say."""
        await locked(self._database, connection, keys)
        table = agent_forecasts.c
        sums = dict.fromkeys(keys, (0, 0))
        for start in range(0, len(keys), KEYS_PER_QUERY):
            some = keys[start : start + KEYS_PER_QUERY]
            query = select(table.agent, table.domain, func.count(), func.sum(table.squared_nanos))
            query = query.where(tuple_(table.agent, table.domain).in_(some)).group_by(table.agent, table.domain)
            for agent, domain, count, nanos in await connection.execute(query):
                sums[agent, domain] = (int(count), int(nanos))
        change = update(ratings).where(
            ratings.c.agent == bindparam("of_agent"), ratings.c.domain == bindparam("in_domain")
        )
        values = [
            {"of_agent": agent, "in_domain": domain, "forecasts": count, "squared_error": nanos / NANOS}
            for (agent, domain), (count, nanos) in sums.items()
        ]
        if values:
            await connection.execute(change, values)


def _rows(scored: Scored) -> Iterator[dict[str, Any]]:
    for domain in dict.fromkeys((OVERALL, scored.domain, scope_of(scored.org_id, scored.domain))):
        for one in scored.forecasts:
            yield {
                "agent": one.agent,
                "domain": domain,
                "debate_id": scored.debate_id,
                "squared_nanos": one.squared_nanos,
            }
