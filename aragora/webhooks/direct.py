"""Deliveries of `deliver_webhook`: what its caller gave besides the payload rests sealed in the delivery's row, so that
whoever takes the delivery over can go on with it."""

from __future__ import annotations

import hashlib
from collections.abc import Sequence
from dataclasses import dataclass, field

from aragora.encoding import from_plain, to_plain
from aragora.secrets.encryption import EncryptionService
from aragora.webhooks.destinations import Destination
from aragora.webhooks.model import Delivery, Rules
from aragora.webhooks.store.direct_secrets import seal, unseal


@dataclass(frozen=True, slots=True)
class Direct:
    """What the caller gave."""

    url: str = field(repr=False)
    secret: str | None = field(repr=False)
    rules: Rules


def target_of(org_id: str, url: str) -> str:
    """The id of the target that a URL is for one organisation: they share no breaker. It does not tell the URL."""
    return f"url_{hashlib.sha256(f'{org_id} {url}'.encode()).hexdigest()[:32]}"


def sealed(crypto: EncryptionService, delivery_id: str, direct: Direct) -> str:
    """The text for `Delivery.direct`."""
    return seal(crypto, delivery_id, to_plain(direct))


def opened(crypto: EncryptionService, delivery: Delivery) -> Direct:
    """What the caller of a direct delivery gave. Raises DecryptionFailed, KeyNotFound."""
    return from_plain(unseal(crypto, delivery), Direct)


class DirectDestinations:
    """The destinations of direct deliveries."""

    def __init__(self, crypto: EncryptionService) -> None:
        self._crypto = crypto

    async def prepare(self, deliveries: Sequence[Delivery]) -> None:
        """Nothing is to be read: everything is in the deliveries."""

    async def of(self, delivery: Delivery) -> Destination:
        """Raises DecryptionFailed, KeyNotFound."""
        direct = opened(self._crypto, delivery)
        secrets = () if direct.secret is None else (direct.secret,)
        return Destination(direct.url, direct.rules, secrets)
