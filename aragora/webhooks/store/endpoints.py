"""The registered endpoints. What routes events can be read without a key; what is secret (URL, secrets, headers,
certificate) rests in one envelope, which is bound to this store and the endpoint's id."""

from __future__ import annotations

from collections.abc import Callable, Mapping
from dataclasses import dataclass

from aragora.clock import Clock
from aragora.secrets.encryption import EncryptionService
from aragora.storage.cursors import Page
from aragora.storage.database import Database
from aragora.webhooks.endpoint import Endpoint, PayloadKind
from aragora.webhooks.model import TargetStatus


@dataclass(frozen=True, slots=True)
class Route:
    """What fan-out needs to know of an endpoint."""

    endpoint_id: str
    org_id: str
    events: tuple[str, ...]
    matching: Mapping[str, tuple[str, ...]]
    payload: PayloadKind
    status: TargetStatus


class EndpointStore:
    """Kept in the context `webhooks`. Every method raises Unavailable where the database is away; what reads an
    endpoint raises DecryptionFailed (KeyNotFound where its key is missing) or Unreadable. Pages pass over such an
    endpoint, and the log names it."""

    def __init__(self, database: Database, clock: Clock, crypto: EncryptionService) -> None:
        raise NotImplementedError

    async def add(self, endpoint: Endpoint, *, limit: int) -> Endpoint:
        """Save a new endpoint, as version 1; returns it as kept.

        Raises Conflict where the organisation has `limit` endpoints, or one with this URL and these events.
        """
        raise NotImplementedError

    async def get(self, org_id: str, endpoint_id: str) -> Endpoint:
        """Raises NotFound, with one text, where there is none or it is another organisation's."""
        raise NotImplementedError

    async def load(self, endpoint_id: str) -> Endpoint:
        """An endpoint of whatever organisation: for whoever delivers to it, never for a request. Raises NotFound."""
        raise NotImplementedError

    async def page(
        self, org_id: str, *, status: TargetStatus | None = None, cursor: str | None = None, limit: int = 50
    ) -> Page[Endpoint]:
        """The organisation's endpoints in order of their ids, oldest first. Raises InvalidInput for a bad cursor."""
        raise NotImplementedError

    async def change(
        self, org_id: str, endpoint_id: str, change: Callable[[Endpoint], Endpoint], *, version: int | None = None
    ) -> Endpoint:
        """Apply `change` to the current endpoint; returns it as kept, its version one higher.

        Args:
            change: the new endpoint from the current one; called again where another change came first. It leaves
                ids and `created_at` as they are.
            version: the version that the caller has seen; None changes whatever is there.

        Raises NotFound; Conflict where the version is another by now, others keep changing the endpoint, or another
        endpoint has the new URL and events.
        """
        raise NotImplementedError

    async def set_status(self, org_id: str, endpoint_id: str, status: TargetStatus, reason: str) -> bool:
        """Set the status, whatever the version is, and leave the version as it is; works also where the envelope cannot
        be opened. True where the status was another. Raises NotFound."""
        raise NotImplementedError

    async def delete(self, org_id: str, endpoint_id: str) -> None:
        """Delete the endpoint. Raises NotFound. What waits for it is no longer sent, for nobody can load the endpoint;
        the caller then cancels it with `DeliveryWriter.cancel_waiting`, in steps, so that a long queue does not hold
        the lock. Whoever finds deliveries of an endpoint that is gone does the same."""
        raise NotImplementedError

    async def routes(self, org_id: str, after: str, limit: int) -> list[Route]:
        """The organisation's next endpoints after the id `after` ("" for the first), in order of their ids."""
        raise NotImplementedError

    async def count(self, org_id: str) -> int:
        """How many the organisation has."""
        raise NotImplementedError

    async def count_by_status(self) -> dict[TargetStatus, int]:
        """The endpoints of all organisations."""
        raise NotImplementedError
