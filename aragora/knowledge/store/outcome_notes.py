"""What people noted of the outcomes of debates, as far as a request to forget takes it: the words go, and what held and
what it counts for stays."""

from __future__ import annotations

from typing import Final

from sqlalchemy import ColumnElement, func, select, update
from sqlalchemy.ext.asyncio import AsyncConnection

from aragora.knowledge.forgetting import By, Forgetting
from aragora.knowledge.store.outcomes import debate_outcomes

PLACE: Final = "outcome_notes"
"""How a certificate calls them."""


async def count_notes(connection: AsyncConnection, forgetting: Forgetting) -> int:
    """How many notes the request takes: those of its debates, or those that its person wrote."""
    condition = _taken(forgetting)
    if condition is None:
        return 0
    counting = select(func.count()).select_from(debate_outcomes).where(condition)
    return int((await connection.execute(counting)).scalar_one())


async def remove_notes(connection: AsyncConnection, forgetting: Forgetting) -> int:
    """Take their words out; how many that were. Done again, none are left."""
    condition = _taken(forgetting)
    if condition is None:
        return 0
    removed = await connection.execute(update(debate_outcomes).where(condition).values(note=""))
    return removed.rowcount


def _taken(forgetting: Forgetting) -> ColumnElement[bool] | None:
    of, asked = debate_outcomes.c, forgetting.asked
    if asked.by is By.DEBATE:
        said = of.debate_id.in_(asked.named)
    elif asked.by is By.PERSON:
        said = of.by.in_(asked.named)
    else:
        return None
    return said & (of.org_id == forgetting.org_id) & (of.workspace == forgetting.workspace) & (of.note != "")
