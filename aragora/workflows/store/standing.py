"""Reading how all executions of the installation fare: what an operator watches."""

from __future__ import annotations

from dataclasses import dataclass
from typing import Any, Final

from sqlalchemy import ColumnElement, func, select

from aragora.storage.database import Database
from aragora.workflows.store.approval_tables import PENDING, approvals

_OF: Final = approvals.c


@dataclass(frozen=True, slots=True)
class Pending:
    """How many approvals wait for people, and when the oldest of them was opened (seconds since the epoch; None: none
    waits)."""

    count: int
    oldest_at: float | None


class ApprovalStanding:
    """Kept in the context `workflows`, wherever people read their inbox."""

    def __init__(self, database: Database) -> None:
        self._database = database

    async def pending(self) -> Pending:
        """What waits in all organisations; an index of these alone gives it. Raises Unavailable."""
        figures: list[ColumnElement[Any]] = [func.count(_OF.opened_at), func.min(_OF.opened_at)]
        rows = await self._database.rows(select(*figures).where(PENDING), "counting approvals that wait")
        count, oldest_at = rows[0]
        return Pending(count, oldest_at)
