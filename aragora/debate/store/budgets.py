"""The month's accounts as operators see them, and the limits that they set for single organisations."""

from __future__ import annotations

from dataclasses import dataclass

from sqlalchemy import delete, select

from aragora.debate.budget import Balance
from aragora.debate.store.tables import accounts, budget_limits
from aragora.storage.database import Database
from aragora.storage.tables import insert_into


@dataclass(frozen=True, slots=True)
class BudgetOverview:
    """The accounts of one month that have spent or hold something, and all limits of single organisations, in
    micro-dollars; None is no limit."""

    balances: dict[str, Balance]
    overrides: dict[str, int | None]


class BudgetStore:
    """Over the database of context `debates`. Every method raises Unavailable where that fails."""

    def __init__(self, database: Database) -> None:
        self._database = database

    async def overview(self, month: str) -> BudgetOverview:
        """What was spent and is held in a month (YYYY-MM)."""
        query = select(accounts).where(accounts.c.month == month).order_by(accounts.c.account)
        balances = await self._database.rows(query, "reading the accounts")
        limits = await self._database.rows(select(budget_limits), "reading the limits of organisations")
        return BudgetOverview(
            {row.account: Balance(row.spent, row.held) for row in balances}, {row.org_id: row.micros for row in limits}
        )

    async def limit(self, org_id: str, micros: int | None) -> None:
        """From now on an organisation's debates of a month may cost `micros`, whatever the settings say; None is no
        limit. Debates that run go on."""
        insert = insert_into(self._database, budget_limits).values(org_id=org_id, micros=micros)
        setting = insert.on_conflict_do_update(index_elements=["org_id"], set_={"micros": micros})
        async with self._database.writing("setting the limit of an organisation") as connection:
            await connection.execute(setting)

    async def follow_settings(self, org_id: str) -> None:
        """From now on the settings' limit holds for an organisation again."""
        async with self._database.writing("dropping the limit of an organisation") as connection:
            await connection.execute(delete(budget_limits).where(budget_limits.c.org_id == org_id))
