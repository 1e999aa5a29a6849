"""Ratings of agents, overall and by domain. A debate's outbox row changes them once, however often it comes.

Rows are applied many at a time, because a transaction costs more than what a row changes in it.

Everybody's debates move the ratings that the leaderboard shows. The standings that weigh votes are an organisation's
own (`scope_of`): nobody outside it can move them.
"""

from __future__ import annotations

from collections.abc import Callable, Iterable, Mapping, Sequence
from dataclasses import asdict, dataclass
from typing import Any, Final

from sqlalchemy import Column, Double, Index, Integer, Row, Table, Text, select, tuple_
from sqlalchemy.ext.asyncio import AsyncConnection

from aragora.debate.model import START_ELO
from aragora.ids import LOCAL_ORG
from aragora.storage.applied import applied_table, newly_applied
from aragora.storage.contexts import Context
from aragora.storage.database import Database
from aragora.storage.tables import METADATA, insert_into

ratings = Table(
    "ratings",
    METADATA[Context.ELO],
    Column("agent", Text, primary_key=True),
    Column("domain", Text, primary_key=True),  # empty: overall
    Column("elo", Double, nullable=False),
    Column("debates", Integer, nullable=False),
    Column("wins", Double, nullable=False),
    Column("forecasts", Integer, nullable=False),
    Column("squared_error", Double, nullable=False),
    Index("ratings_best", "domain", "elo"),
)

ratings_applied = applied_table("ratings", Context.ELO)

OVERALL: Final = ""
_OF: Final = "\x1f"  # between an organisation and a domain: no domain holds a control character
RatingKey = tuple[str, str]  # agent, domain
KEYS_PER_QUERY: Final = 250  # SQLite bounds the parameters of a statement
_CHANGING: Final = ("elo", "debates", "wins", "forecasts", "squared_error")


@dataclass(frozen=True, slots=True)
class StoredRating:
    """One row of `ratings`. `squared_error` is the sum over `forecasts` (see `aragora.ranking.calibration`), which
    follow from `aragora.ranking.forecasts`."""

    agent: str
    domain: str = OVERALL
    elo: float = START_ELO
    debates: int = 0
    wins: float = 0.0
    forecasts: int = 0
    squared_error: float = 0.0

    @property
    def calibration(self) -> float | None:
        """1 minus the Brier score; None before the first forecast."""
        return 1.0 - self.squared_error / self.forecasts if self.forecasts else None


Rate = Callable[[Mapping[RatingKey, StoredRating]], Iterable[StoredRating]]


@dataclass(frozen=True, slots=True)
class RatingChange:
    """What one outbox row changes. `rate` gets the ratings of `keys` (agent and domain; one that was never rated has
    the starting values) and returns those that change. It is called inside the transaction, so it must not wait for
    anything."""

    outbox_id: str
    keys: Sequence[RatingKey]
    rate: Rate


def scope_of(org_id: str, domain: str) -> str:
    """The domain under which the standings of an organisation are kept. A server without organisations needs none of
    its own: everybody's are its own."""
    return domain if org_id == LOCAL_ORG else f"{org_id}{_OF}{domain}"


class RatingStore:
    """Over the database of context `agent_elo`. Every method raises Unavailable where that fails."""

    def __init__(self, database: Database) -> None:
        self._database = database

    async def load(self, agents: Sequence[str], domain: str = OVERALL) -> dict[str, StoredRating]:
        """Ratings by agent; agents that were never rated there, and of whose votes no outcome is known, are missing."""
        known = (ratings.c.debates > 0) | (ratings.c.forecasts > 0)
        query = select(ratings).where(ratings.c.agent.in_(agents), ratings.c.domain == domain, known)
        return {row.agent: _rating_of(row) for row in await self._database.rows(query, "reading ratings")}

    async def rankings(self, domain: str = OVERALL, limit: int = 100) -> list[StoredRating]:
        """The best of a domain, best first; nothing of what is an organisation's own."""
        if _OF in domain:
            return []
        query = select(ratings).where(ratings.c.domain == domain, ratings.c.debates > 0)
        query = query.order_by(ratings.c.elo.desc(), ratings.c.agent).limit(limit)
        return [_rating_of(row) for row in await self._database.rows(query, "reading the leaderboard")]

    async def change(self, changes: Sequence[RatingChange]) -> int:
        """Make the changes in their order, in one transaction. Those whose outbox row came before are left out; returns
        how many were made now."""
        if not changes:
            return 0
        async with self._database.writing("changing ratings") as connection:
            demanded = {one.outbox_id: one for one in changes}
            new = await newly_applied(self._database, connection, ratings_applied, demanded)
            due = [demanded[outbox_id] for outbox_id in new]
            known = await locked(self._database, connection, sorted({key for one in due for key in one.keys}))
            changed: dict[RatingKey, StoredRating] = {}
            for one in due:
                for rating in one.rate({key: known[key] for key in one.keys}):
                    key = (rating.agent, rating.domain)
                    known[key] = changed[key] = rating
            if changed:
                insert = insert_into(self._database, ratings)
                replacing = insert.on_conflict_do_update(
                    index_elements=["agent", "domain"], set_={name: insert.excluded[name] for name in _CHANGING}
                )
                await connection.execute(replacing, [asdict(changed[key]) for key in sorted(changed)])
        return len(due)


async def locked(
    database: Database, connection: AsyncConnection, wanted: Sequence[RatingKey]
) -> dict[RatingKey, StoredRating]:
    """The ratings with their rows locked: two processes must not both start from the same values. Those that there are
    not yet are made, with the starting values."""
    if not wanted:
        return {}
    fresh = [asdict(StoredRating(agent, domain)) for agent, domain in wanted]
    await connection.execute(insert_into(database, ratings).on_conflict_do_nothing(), fresh)
    found: dict[RatingKey, StoredRating] = {}
    for start in range(0, len(wanted), KEYS_PER_QUERY):
        some = wanted[start : start + KEYS_PER_QUERY]
        query = select(ratings).where(tuple_(ratings.c.agent, ratings.c.domain).in_(some))
        rows = (await connection.execute(query.order_by(ratings.c.agent, ratings.c.domain).with_for_update())).all()
        found.update({(row.agent, row.domain): _rating_of(row) for row in rows})
    return found


def _rating_of(row: Row[Any]) -> StoredRating:
    return StoredRating(row.agent, row.domain, row.elo, row.debates, row.wins, row.forecasts, row.squared_error)
