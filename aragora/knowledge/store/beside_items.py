"""What a request to forget takes beside items, by the place that its certificate names: notes of outcomes, insights
that were shared, and what adapters noted of debates."""

from __future__ import annotations

from typing import Final

from sqlalchemy.ext.asyncio import AsyncConnection

from aragora.knowledge.forgetting import Forgetting
from aragora.knowledge.model import Home
from aragora.knowledge.store import observations, outcome_notes
from aragora.knowledge.store.insights import count_insights, remove_insights

INSIGHTS: Final = "knowledge_insights"


async def count_beside(connection: AsyncConnection, forgetting: Forgetting) -> dict[str, int]:
    """How many rows a removal would count, by place."""
    home = Home(forgetting.org_id, forgetting.workspace)
    return {
        outcome_notes.PLACE: await outcome_notes.count_notes(connection, forgetting),
        INSIGHTS: await count_insights(connection, home, forgetting.insights),
        observations.PLACE: await observations.count_observations(connection, forgetting),
    }


async def remove_beside(connection: AsyncConnection, forgetting: Forgetting) -> dict[str, int]:
    """Remove it; how many rows that were, by place. Done again, none are left. The caller holds the workspace."""
    home = Home(forgetting.org_id, forgetting.workspace)
    return {
        outcome_notes.PLACE: await outcome_notes.remove_notes(connection, forgetting),
        INSIGHTS: await remove_insights(connection, home, forgetting.insights, forgetting.at),
        observations.PLACE: await observations.remove_observations(connection, forgetting),
    }
