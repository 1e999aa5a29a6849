"""What a delivery of `deliver_webhook` must not lose and nobody may read: the secret, the URL. It rests in the
delivery's row, as an envelope that is bound to this store and the delivery's id."""

from __future__ import annotations

from typing import Any

from aragora.secrets.encryption import EncryptionService
from aragora.webhooks.model import Delivery


class DeliverySecrets:
    """Seals and opens `Delivery.secret`."""

    def __init__(self, crypto: EncryptionService) -> None:
        raise NotImplementedError

    def seal(self, delivery_id: str, value: object) -> str:
        """Any JSON value as the text for `Delivery.secret`."""
        raise NotImplementedError

    def open(self, delivery: Delivery) -> Any:
        """What was sealed; None where the delivery has no secret. Raises DecryptionFailed, KeyNotFound."""
        raise NotImplementedError
