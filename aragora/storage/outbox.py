"""The outbox: what must follow from what was committed, at least once."""

from __future__ import annotations

from dataclasses import dataclass


@dataclass(frozen=True, slots=True)
class OutboxRow:
    """What must follow from a commit, at least once: consumers are idempotent by `outbox_id`."""

    outbox_id: str
    topic: str  # ratings, usage, webhook, knowledge
    debate_id: str
    payload: str
    created_at: float
