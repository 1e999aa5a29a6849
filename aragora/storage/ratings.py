"""Ratings of agents, overall and by domain; a debate's outbox row changes them once, however often it comes."""

from __future__ import annotations

from collections.abc import Callable, Iterable, Mapping, Sequence
from dataclasses import asdict, dataclass
from typing import Any, Final

from sqlalchemy import Row, select, tuple_
from sqlalchemy.ext.asyncio import AsyncConnection

from aragora.ranking.elo import START
from aragora.storage.database import Database
from aragora.storage.tables import ratings, ratings_applied
from aragora.storage.upserts import insert_into

OVERALL: Final = ""
RatingKey = tuple[str, str]  # agent, domain
_CHANGING: Final = ("elo", "debates", "wins", "forecasts", "squared_error")


@dataclass(frozen=True, slots=True)
class StoredRating:
    """One row of `ratings`. `squared_error` is the sum over `forecasts` (see `aragora.ranking.calibration`)."""

    agent: str
    domain: str = OVERALL
    elo: float = START
    debates: int = 0
    wins: float = 0.0
    forecasts: int = 0
    squared_error: float = 0.0

    @property
    def calibration(self) -> float | None:
        """1 minus the Brier score; None before the first forecast."""
        return 1.0 - self.squared_error / self.forecasts if self.forecasts else None


Rate = Callable[[Mapping[RatingKey, StoredRating]], Iterable[StoredRating]]


class RatingStore:
    """Over the database of context `agent_elo`. Every method raises Unavailable where that fails."""

    def __init__(self, database: Database) -> None:
        self._database = database

    async def load(self, agents: Sequence[str], domain: str = OVERALL) -> dict[str, StoredRating]:
        """Ratings by agent; agents that were never rated there are missing."""
        query = select(ratings).where(ratings.c.agent.in_(agents), ratings.c.domain == domain, ratings.c.debates > 0)
        return {row.agent: _rating_of(row) for row in await self._database.rows(query, "reading ratings")}

    async def rankings(self, domain: str = OVERALL, limit: int = 100) -> list[StoredRating]:
        """The best of a domain, best first."""
        query = select(ratings).where(ratings.c.domain == domain, ratings.c.debates > 0)
        query = query.order_by(ratings.c.elo.desc(), ratings.c.agent).limit(limit)
        return [_rating_of(row) for row in await self._database.rows(query, "reading the leaderboard")]

    async def change(self, outbox_id: str, keys: Iterable[RatingKey], rate: Rate) -> bool:
        """Replace the ratings of `keys` by what `rate` makes of them, unless `outbox_id` has done so before.

        Args:
            outbox_id: the outbox row that demands it; remembered in the same transaction.
            keys: agents and domains that `rate` gets to see; those never rated come with the starting values.
            rate: returns the ratings that change. Called inside the transaction, so it must not wait for anything.

        Returns:
            Whether the ratings changed now; False where the row came before.
        """
        wanted = sorted(set(keys))
        applied = insert_into(self._database, ratings_applied).values(outbox_id=outbox_id).on_conflict_do_nothing()
        async with self._database.writing("changing ratings") as connection:
            if (await connection.execute(applied)).rowcount == 0:
                return False
            changed = list(rate(await self._locked(connection, wanted)))
            if changed:
                insert = insert_into(self._database, ratings).values([asdict(rating) for rating in changed])
                replacing = insert.on_conflict_do_update(
                    index_elements=["agent", "domain"], set_={name: insert.excluded[name] for name in _CHANGING}
                )
                await connection.execute(replacing)
        return True

    async def _locked(self, connection: AsyncConnection, wanted: Sequence[RatingKey]) -> dict[RatingKey, StoredRating]:
        """The ratings with their rows locked: two processes must not both start from the same values."""
        if not wanted:
            return {}
        fresh = [asdict(StoredRating(agent, domain)) for agent, domain in wanted]
        await connection.execute(insert_into(self._database, ratings).values(fresh).on_conflict_do_nothing())
        query = select(ratings).where(tuple_(ratings.c.agent, ratings.c.domain).in_(wanted))
        rows = (await connection.execute(query.order_by(ratings.c.agent, ratings.c.domain).with_for_update())).all()
        return {(row.agent, row.domain): _rating_of(row) for row in rows}


def _rating_of(row: Row[Any]) -> StoredRating:
    return StoredRating(row.agent, row.domain, row.elo, row.debates, row.wins, row.forecasts, row.squared_error)
