"""What is kept how long: purging in steps of at most 1,000 rows, each a transaction of its own that counts what it
takes away, so that deliveries hardly wait for it."""

from __future__ import annotations

from typing import Final

from aragora.storage.database import Database

STEP: Final = 1_000


class DeliveryPurge:
    """One step a call: returns how many rows went, at most `STEP`; 0 where nothing is left. Every method raises
    Unavailable where the database is away."""

    def __init__(self, database: Database) -> None:
        raise NotImplementedError

    async def delivered(self, before: float) -> int:
        """Deliveries that arrived or were cancelled before this time, with their attempts, and events that no
        delivery is left of."""
        raise NotImplementedError

    async def texts(self, before: float) -> int:
        """The answer texts of attempts before this time; the attempts stay."""
        raise NotImplementedError

    async def dead_letters(self, before: float) -> int:
        """Dead letters that ended before this time, as `delivered`."""
        raise NotImplementedError

    async def surplus(self, org_id: str, most: int) -> int:
        """The oldest dead letters of an organisation over `most`."""
        raise NotImplementedError

    async def orgs_over(self, most: int) -> list[str]:
        """The organisations with more than `most` dead letters."""
        raise NotImplementedError

    async def dead_letter(self, org_id: str, delivery_id: str) -> bool:
        """One dead letter, with its attempts; False where there is none, or it is another organisation's."""
        raise NotImplementedError

    async def events(self, before: float) -> int:
        """Events older than this that no delivery was ever made of, or none is left of."""
        raise NotImplementedError
