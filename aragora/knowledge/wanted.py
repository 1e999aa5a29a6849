"""Which items a search or a listing asks for, beside its words. Pure data."""

from __future__ import annotations

from dataclasses import dataclass

from aragora.knowledge.model import ItemKind, Status


@dataclass(frozen=True, slots=True)
class Wanted:
    """Empty fields ask for nothing. `as_of` is a time in seconds since the epoch: what held then, as far as it was not
    superseded at that time; None is now, and then superseded items are left out. `topics`: items with any of them.
    `within` is the id of a summary: of the items that it was made of."""

    kinds: tuple[ItemKind, ...] = ()
    topics: tuple[str, ...] = ()
    domain: str = ""
    min_confidence: float = 0.0
    as_of: float | None = None
    debate_id: str = ""
    status: Status | None = None
    within: str = ""

    @property
    def narrow(self) -> bool:
        """Whether it may leave out items that are live now."""
        return self != Wanted()
