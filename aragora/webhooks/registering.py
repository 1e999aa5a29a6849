"""Registering endpoints, changing them, and rotating their secrets: what must hold before anything is stored.

Everything has two steps. The first checks and stores nothing, and raises InvalidInput with the field and its mend. The
second stores. Between them its caller writes to the audit log, which then names nothing that could not be done.
"""

from __future__ import annotations

import secrets
from collections.abc import Awaitable, Callable, Mapping
from dataclasses import dataclass, field
from typing import Any, Final, TypeAlias

from aragora import texts
from aragora.clock import Clock
from aragora.errors import InvalidInput
from aragora.ids import new_id
from aragora.webhooks import rotation, tls, verification, wishes
from aragora.webhooks.certificates import CertificateFacts, check_certificate, facts_of
from aragora.webhooks.counting import ONE_CANCELLED
from aragora.webhooks.endpoint import ClientCertificate, Endpoint
from aragora.webhooks.model import TargetRow, TargetStatus
from aragora.webhooks.schedule import SCHEDULES
from aragora.webhooks.signing import SignatureKind, check_secret, kind_of, new_private_key, new_secret
from aragora.webhooks.store.endpoints import EndpointStore
from aragora.webhooks.store.units import CANCELLED_AT_ONCE, CancelWaiting, KeepTarget
from aragora.webhooks.store.writer import DeliveryWriter
from aragora.webhooks.wishes import Wish

SECRET_BYTES: Final = 32
REASON_MAX_CHARS: Final = 200
CANCELLED_MAX: Final = 20 * CANCELLED_AT_ONCE
"""Deliveries that are cancelled while somebody waits for a deletion; more are left to the dispatcher."""

CheckUrl: TypeAlias = Callable[[str], Awaitable[None]]
"""Whether a webhook may be sent to a URL: its form, and where it leads now. Raises InvalidInput
(`aragora.webhooks.resolver.Resolver.check`)."""
Change: TypeAlias = Callable[[Endpoint], Endpoint]


@dataclass(frozen=True, slots=True)
class Rotation:
    """A change to another secret, which is shown this once, unless it is a private key."""

    secret: str = field(repr=False)
    change: Change


class Registering:
    """Over the stores of the context `webhooks`. What touches the store raises Unavailable where it is away.

    Args:
        limit: endpoints of one organisation.
        random_bytes: for secrets and challenges.
    """

    def __init__(
        self,
        store: EndpointStore,
        writer: DeliveryWriter,
        check_url: CheckUrl,
        clock: Clock,
        *,
        limit: int,
        random_bytes: Callable[[int], bytes] = secrets.token_bytes,
    ) -> None:
        self.store = store
        self._writer = writer
        self._check_url = check_url
        self._clock = clock
        self._limit = limit
        self._random_bytes = random_bytes

    async def draft(
        self, org_id: str, by: str, wish: Wish, secret: str | None = None, kind: SignatureKind | None = None
    ) -> Endpoint:
        """The new endpoint, not yet stored; without `secret` one of this kind is made, None: a shared one. Raises
        InvalidInput."""
        wishes.check(wish)
        if wish.schedule not in SCHEDULES:
            raise InvalidInput(f"schedule names none that there is: choose from {', '.join(SCHEDULES)}.")
        given = self._secret(secret, kind)
        await self._check_certificate(wish.certificate)
        await self._check_url(wish.url)
        bare = Endpoint(
            endpoint_id=new_id("wh"),
            org_id=org_id,
            url=wish.url,
            secret=given,
            events=wish.events,
            created_at=self._clock.now(),
            created_by=by,
        )
        return wishes.applied(wish, bare)

    async def add(self, draft: Endpoint) -> Endpoint:
        """Store it. Raises Conflict where the organisation has as many as it may have, or one with this URL and these
        events."""
        return await self.store.add(draft, limit=self._limit)

    async def changing(self, endpoint: Endpoint, changes: Mapping[str, Any]) -> Change:
        """The change of fields of a `Wish`. Raises InvalidInput. The URL and the certificate are looked at where they
        are among the changes: a URL that leads nowhere today, and a certificate that has expired, do not keep anybody
        from changing the description."""
        wishes.check(wishes.with_changes(wishes.of_endpoint(endpoint), changes))
        await self._check_certificate(changes.get("certificate"))
        if "url" in changes:
            await self._check_url(changes["url"])

        def change(current: Endpoint) -> Endpoint:
            return wishes.applied(wishes.with_changes(wishes.of_endpoint(current), changes), current)

        return change

    def rotation(
        self, endpoint: Endpoint, secret: str | None, overlap_s: float, kind: SignatureKind | None = None
    ) -> Rotation:
        """The change to `secret`, or to one of this kind that is made, None: of the kind that the endpoint has. Raises
        InvalidInput. To apply it raises InvalidInput where the endpoint has this secret, and Conflict where too many
        old ones are valid still."""
        rotation.check_overlap(overlap_s)
        given = self._secret(secret, kind or (kind_of(endpoint.secret) if secret is None else None))
        return Rotation(given, lambda current: rotation.rotated(current, given, overlap_s, self._clock.now()))

    def standing(self, status: TargetStatus, reason: str) -> Change:
        """The change of the status. `reason` is for people, and "" for one that is enabled. Raises InvalidInput. To
        apply it raises Conflict where the endpoint has to be verified first."""
        if len(reason) > REASON_MAX_CHARS:
            raise InvalidInput(f"reason has over {REASON_MAX_CHARS} characters: shorten it.")
        try:
            texts.line(reason)
        except ValueError as error:
            raise InvalidInput(f"reason: {error}.") from None
        return lambda current: verification.standing(current, status, reason)

    def challenge(self) -> str:
        """A new challenge for an endpoint that is to be verified."""
        return verification.new_challenge(self._random_bytes(verification.CHALLENGE_BYTES))

    async def verified(self, endpoint: Endpoint) -> Endpoint:
        """Store that the receiver of this endpoint, as it is, answered its challenge. Raises NotFound; Conflict where
        somebody changed the endpoint meanwhile."""
        at = self._clock.now()
        return await self.apply(endpoint, lambda it: verification.verified(it, at), version=endpoint.version)

    async def apply(self, endpoint: Endpoint, change: Change, *, version: int | None = None) -> Endpoint:
        """Store a change; returns the endpoint as kept. With `version` only where that is the current one. Raises
        NotFound, Conflict, and what the change raises."""
        return await self.store.change(endpoint.org_id, endpoint.endpoint_id, change, version=version)

    async def forget_failures(self, endpoint_id: str) -> None:
        """Begin anew with an endpoint that is enabled: no failure counts, no breaker refuses, nothing is paused."""
        await self._writer.keep(KeepTarget(TargetRow(endpoint_id)))

    async def delete(self, endpoint: Endpoint) -> int:
        """Delete it, and cancel what waits for it: up to `CANCELLED_MAX` deliveries at once, the rest when the
        dispatcher comes to them. Returns how many were cancelled. Raises NotFound."""
        await self.store.delete(endpoint.org_id, endpoint.endpoint_id)
        cancelled = 0
        while cancelled < CANCELLED_MAX:
            unit = CancelWaiting(endpoint.endpoint_id, self._clock.now(), counters=ONE_CANCELLED)
            if (step := await self._writer.cancel_waiting(unit)) == 0:
                break
            cancelled += step
        return cancelled

    def valid_until(self, endpoint: Endpoint) -> list[float]:
        """When the old secrets end that are valid still."""
        return [one.ends_at for one in rotation.valid(endpoint, self._clock.now())]

    def certificate_facts(self, endpoint: Endpoint) -> CertificateFacts | None:
        """What may be seen of its client certificate."""
        return None if endpoint.certificate is None else facts_of(endpoint.certificate, self._clock.now())

    async def _check_certificate(self, certificate: ClientCertificate | None) -> None:
        """Raises InvalidInput."""
        if certificate is not None:
            check_certificate(certificate, self._clock.now())
            await tls.check(certificate)

    def _secret(self, secret: str | None, kind: SignatureKind | None) -> str:
        if secret is None:
            make = new_private_key if kind is SignatureKind.ED25519 else new_secret
            return make(self._random_bytes(SECRET_BYTES))
        check_secret(secret)
        if kind not in (None, kind_of(secret)):
            raise InvalidInput(f"The secret is none for the signature {kind}: leave one of the two out.")
        return secret


finished: Final[Change] = rotation.finished
"""The change that ends an overlap."""
