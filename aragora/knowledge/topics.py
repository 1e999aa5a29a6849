"""Which outbox rows an adapter learns from. Pure."""

from __future__ import annotations

from aragora.knowledge.mound.adapters import task_outcomes
from aragora.knowledge.syncs import TOPIC


def topic_of(adapter: str) -> str:
    """The topic of the outbox rows that an adapter applies."""
    return task_outcomes.TOPIC if adapter == task_outcomes.NAME else TOPIC
