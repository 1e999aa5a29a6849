"""Who owns the deliveries of a key: a dispatcher's shard, a target with an actor of its own, a process without a server.

Whoever takes a key gets the next epoch, and what the one before it still wants to write is Fenced. With a lease a key
is left alone until the lease has run out; without one it is taken over at once, as a dispatcher that starts again does.
"""

from __future__ import annotations

from dataclasses import dataclass

from aragora.clock import Clock
from aragora.storage.database import Database


@dataclass(frozen=True, slots=True)
class Ownership:
    """Who took a key last. `until` is the end of its lease, None where none runs."""

    epoch: int
    owner: str
    until: float | None


class Owners:
    """Kept in the context `webhooks`. Every method raises Unavailable where the database is away."""

    def __init__(self, database: Database, clock: Clock) -> None:
        raise NotImplementedError

    async def advance(self, key: str, owner: str) -> int:
        """Take the key whoever has it; returns the new epoch, higher than any before it. No lease runs then."""
        raise NotImplementedError

    async def take(self, key: str, owner: str, lease_s: float) -> int | None:
        """Take the key for `lease_s` seconds; the new epoch, or None while another one's lease runs."""
        raise NotImplementedError

    async def renew(self, key: str, epoch: int, lease_s: float) -> bool:
        """Make the lease end `lease_s` seconds from now. False where the key has a newer epoch: stop."""
        raise NotImplementedError

    async def release(self, key: str, epoch: int) -> bool:
        """End the lease of this epoch, so that the next one need not wait. False where it has a successor."""
        raise NotImplementedError

    async def current(self, key: str) -> Ownership | None:
        """Who took the key last; None before the first."""
        raise NotImplementedError
