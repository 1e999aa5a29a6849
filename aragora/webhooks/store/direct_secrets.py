"""What the caller of `deliver_webhook` gave besides the payload (URL, secret, rules): it rests in the delivery's row,
in an envelope that is bound to this store and the delivery's id."""

from __future__ import annotations

from typing import Any, Final

from sqlalchemy import Select, func, select, update

from aragora.encoding import decode, encode_text
from aragora.secrets.encryption import DecryptionFailed, EncryptionService
from aragora.storage.database import Database
from aragora.storage.documents import PAGE, DocumentRow
from aragora.webhooks.model import Delivery
from aragora.webhooks.store.tables import webhook_deliveries

DELIVERY_STORE: Final = "webhook_delivery"
SECRET: Final = "secret"  # noqa: S105  a name
"""The one field of the document. Its name says that whatever it holds is secret (`aragora.secrets.policy`)."""


def seal(crypto: EncryptionService, delivery_id: str, given: object) -> str:
    """Any JSON value as the text for `Delivery.direct`."""
    return encode_text(crypto.encrypt_fields({SECRET: given}, store=DELIVERY_STORE, record_id=delivery_id))


def unseal(crypto: EncryptionService, delivery: Delivery) -> Any:
    """What was sealed in `Delivery.direct`. Raises DecryptionFailed (KeyNotFound where its key is missing), also where
    there is nothing."""
    try:
        document = decode(delivery.direct or "")
        return crypto.decrypt_fields(document, store=DELIVERY_STORE, record_id=delivery.delivery_id)[SECRET]
    except DecryptionFailed:
        raise
    except (ValueError, KeyError, TypeError, AttributeError) as error:
        raise DecryptionFailed(f"What was given with delivery {delivery.delivery_id} is not there.") from error


class DirectRecords:
    """These envelopes as records that a rotation of keys walks. They are swapped by their text: a fresh nonce makes
    every ciphertext unique."""

    def __init__(self, database: Database) -> None:
        self._database = database

    async def get(self, record_id: str) -> DocumentRow | None:
        rows = await self._database.rows(_records().where(webhook_deliveries.c.delivery_id == record_id))
        return _row(rows[0]) if rows else None

    async def page(self, after: str, limit: int = PAGE) -> list[DocumentRow]:
        key = webhook_deliveries.c.delivery_id
        rows = await self._database.rows(_records().where(key > after).order_by(key).limit(limit))
        return [_row(row) for row in rows]

    async def replace(self, row: DocumentRow, payload: str, now: float) -> bool:  # noqa: ARG002  the row has no such stamp
        table = webhook_deliveries
        change = update(table).where(table.c.delivery_id == row.record_id, table.c.direct == row.payload)
        async with self._database.writing() as connection:
            return bool((await connection.execute(change.values(direct=payload))).rowcount == 1)

    async def count(self) -> int:
        query = select(func.count()).select_from(webhook_deliveries).where(webhook_deliveries.c.direct.is_not(None))
        return int((await self._database.rows(query))[0][0])


def _records() -> Select[Any]:
    table = webhook_deliveries
    columns = (table.c.delivery_id, table.c.org_id, table.c.webhook_id, table.c.direct, table.c.created_at)
    return select(*columns).where(table.c.direct.is_not(None))


def _row(row: Any) -> DocumentRow:
    delivery_id, org_id, webhook_id, direct, created_at = row
    return DocumentRow(
        record_id=delivery_id,
        org_id=org_id,
        owner=webhook_id,
        kind="direct",
        payload=direct,
        version=0,
        created_at=created_at,
        updated_at=created_at,
    )
