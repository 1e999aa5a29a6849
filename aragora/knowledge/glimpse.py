"""What ranking needs of an item that a search has found, before any of it is shown. Pure data."""

from __future__ import annotations

from dataclasses import dataclass

from aragora.knowledge.model import ItemKind


@dataclass(frozen=True, slots=True)
class Glimpse:
    """Of one item. `changed_at` is in seconds since the epoch, `tokens` are those of its text as it is indexed."""

    kind: ItemKind
    confidence: float
    changed_at: float
    tokens: frozenset[str]
