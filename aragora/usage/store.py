"""What answers cost: sums per day, organisation, person, agent and model; each outbox row counts once."""

from __future__ import annotations

from collections.abc import Mapping, Sequence
from dataclasses import asdict, dataclass
from datetime import UTC, datetime
from typing import Any, Final

from sqlalchemy import BigInteger, Column, ColumnElement, Double, Integer, Table, Text, func, select

from aragora.storage.applied import applied_table, newly_applied
from aragora.storage.contexts import Context
from aragora.storage.database import Database
from aragora.storage.tables import METADATA, insert_into

usage = Table(
    "usage",
    METADATA[Context.USAGE],
    Column("day", Text, primary_key=True),  # UTC, YYYY-MM-DD
    Column("org_id", Text, primary_key=True),
    Column("user_id", Text, primary_key=True),
    Column("agent", Text, primary_key=True),
    Column("provider", Text, primary_key=True),
    Column("model", Text, primary_key=True),
    Column("debates", Integer, nullable=False),
    Column("answers", Integer, nullable=False),
    Column("failures", Integer, nullable=False),
    Column("input_tokens", BigInteger, nullable=False),
    Column("output_tokens", BigInteger, nullable=False),
    Column("cost_usd", Double, nullable=False),
    Column("latency_s", Double, nullable=False),
)

usage_applied = applied_table("usage", Context.USAGE)

GROUPS: Final = ("day", "org_id", "user_id", "agent", "provider", "model")
SUMS: Final = ("debates", "answers", "failures", "input_tokens", "output_tokens", "cost_usd", "latency_s")


@dataclass(frozen=True, slots=True)
class UsageSum:
    """Sums of one group; a group column that was not asked for is empty. `day` is UTC, YYYY-MM-DD."""

    day: str = ""
    org_id: str = ""
    user_id: str = ""
    agent: str = ""
    provider: str = ""
    model: str = ""
    debates: int = 0
    answers: int = 0
    failures: int = 0
    input_tokens: int = 0
    output_tokens: int = 0
    cost_usd: float = 0.0
    latency_s: float = 0.0


def day_of(at: float) -> str:
    """The UTC day of a time in seconds since the epoch."""
    return datetime.fromtimestamp(at, UTC).date().isoformat()


class UsageStore:
    """Over the database of context `usage`. Every method raises Unavailable where that fails."""

    def __init__(self, database: Database) -> None:
        self._database = database

    async def add(self, charges: Mapping[str, Sequence[UsageSum]]) -> int:
        """Add what outbox rows charge (by `outbox_id`), in one transaction. Rows that came before are left out;
        returns how many were added now."""
        if not charges:
            return 0
        async with self._database.writing("adding usage") as connection:
            new = await newly_applied(self._database, connection, usage_applied, charges)
            totals: dict[tuple[str, ...], dict[str, Any]] = {}
            for outbox_id in new:
                for part in charges[outbox_id]:
                    _add_up(totals, asdict(part))
            if totals:
                insert = insert_into(self._database, usage)
                adding = insert.on_conflict_do_update(
                    index_elements=list(GROUPS), set_={name: usage.c[name] + insert.excluded[name] for name in SUMS}
                )
                await connection.execute(adding, [totals[group] for group in sorted(totals)])
        return len(new)

    async def sums(
        self,
        by: Sequence[str],
        *,
        org_id: str | None = None,
        first_day: str | None = None,
        last_day: str | None = None,
    ) -> list[UsageSum]:
        """Sums grouped by columns out of `GROUPS`, in their order; days are inclusive, None leaves an end open."""
        unknown = set(by) - set(GROUPS)
        if unknown:
            raise ValueError(f"usage is not grouped by {', '.join(sorted(unknown))}")
        groups: list[ColumnElement[str]] = [usage.c[name] for name in by]
        query = select(*groups, *(func.sum(usage.c[name]) for name in SUMS)).group_by(*groups).order_by(*groups)
        if org_id is not None:
            query = query.where(usage.c.org_id == org_id)
        if first_day is not None:
            query = query.where(usage.c.day >= first_day)
        if last_day is not None:
            query = query.where(usage.c.day <= last_day)
        async with self._database.reading("reading usage") as connection:
            rows = (await connection.execute(query)).all()
        return [UsageSum(**dict(zip((*by, *SUMS), row, strict=True))) for row in rows if row[-1] is not None]


def _add_up(totals: dict[tuple[str, ...], dict[str, Any]], part: dict[str, Any]) -> None:
    group = tuple(part[name] for name in GROUPS)
    total = totals.setdefault(group, part)
    if total is not part:
        for name in SUMS:
            total[name] += part[name]
