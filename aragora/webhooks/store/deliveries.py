"""Reading deliveries: one with its event and attempts, pages of lists, what is due, and figures."""

from __future__ import annotations

from collections.abc import Collection, Sequence
from dataclasses import dataclass

from aragora.storage.cursors import Page
from aragora.storage.database import Database
from aragora.webhooks.model import Attempt, Delivery, DeliveryStatus, EventRecord


@dataclass(frozen=True, slots=True)
class Account:
    """A delivery, what it brings and what was tried."""

    delivery: Delivery
    event: EventRecord
    attempts: tuple[Attempt, ...]


@dataclass(frozen=True, slots=True)
class Work:
    """A target for which deliveries wait. `due_at` is that of the first of them."""

    target_id: str
    org_id: str
    webhook_id: str
    registered: bool
    due_at: float


@dataclass(frozen=True, slots=True)
class After:
    """Where a list in due order goes on: behind this delivery."""

    due_at: float
    delivery_id: str


@dataclass(frozen=True, slots=True)
class Wanted:
    """Which deliveries a list shows; times are those of their making, for dead letters those of their end. `since` is
    included, `until` not."""

    status: DeliveryStatus | None = None
    event_type: str | None = None
    since: float | None = None
    until: float | None = None


@dataclass(frozen=True, slots=True)
class Stats:
    """What was tried in a window. Quantiles are seconds, of the last `sample` attempts at most; None without any."""

    attempts: int
    delivered: int
    p50_s: float | None
    p95_s: float | None
    p99_s: float | None

    @property
    def success_share(self) -> float | None:
        """0 to 1; None without attempts."""
        return self.delivered / self.attempts if self.attempts else None


class DeliveryStore:
    """Kept in the context `webhooks`. Every method raises Unavailable where the database is away."""

    def __init__(self, database: Database) -> None:
        raise NotImplementedError

    async def get(self, org_id: str, delivery_id: str) -> Delivery:
        """Raises NotFound, with one text, where there is none or it is another organisation's."""
        raise NotImplementedError

    async def account(self, org_id: str, delivery_id: str) -> Account:
        """As `get`, with event and attempts, the first one first."""
        raise NotImplementedError

    async def page(
        self, org_id: str, webhook_id: str, wanted: Wanted, *, cursor: str | None = None, limit: int = 50
    ) -> Page[Delivery]:
        """Deliveries of one target, newest first. Raises InvalidInput for a bad cursor."""
        raise NotImplementedError

    async def dead_letters(
        self, org_id: str, wanted: Wanted, *, webhook_id: str | None = None, cursor: str | None = None, limit: int = 50
    ) -> Page[Delivery]:
        """Dead letters of an organisation, those that died last first. Raises InvalidInput for a bad cursor."""
        raise NotImplementedError

    async def due(self, before: float, limit: int, *, after: After | None = None) -> list[Delivery]:
        """What waits and is due at `before`, of all targets, in order of due time and id."""
        raise NotImplementedError

    async def due_of(self, target_ids: Collection[str], before: float, limit: int) -> list[Delivery]:
        """What is due of these targets, at most `limit` of each, in order of target, due time and id."""
        raise NotImplementedError

    async def waiting_of(self, target_id: str, limit: int, *, after: After | None = None) -> list[Delivery]:
        """What waits for a target, due or not, in order of due time and id."""
        raise NotImplementedError

    async def targets_with_work(self, after: str, limit: int) -> list[Work]:
        """The next targets after the id `after` ("" for the first) for which something waits, in order of their ids."""
        raise NotImplementedError

    async def events(self, event_ids: Collection[str]) -> dict[str, EventRecord]:
        """These events by id, without those that are not there."""
        raise NotImplementedError

    async def attempts(self, delivery_ids: Sequence[str]) -> dict[str, list[Attempt]]:
        """The attempts of these deliveries, the first one first."""
        raise NotImplementedError

    async def counts(self, org_id: str, webhook_id: str) -> dict[DeliveryStatus, int]:
        """How many deliveries of a target are in each status."""
        raise NotImplementedError

    async def waiting(self) -> dict[DeliveryStatus, int]:
        """How many deliveries wait in all, by status."""
        raise NotImplementedError

    async def oldest_due(self, target_id: str | None = None) -> float | None:
        """When what waits longest was or is due: of one target or of all; None where nothing waits."""
        raise NotImplementedError

    async def stats(self, target_id: str, since: float, until: float) -> Stats:
        """What was tried for a target from `since` until before `until`."""
        raise NotImplementedError
