"""The TOTP secrets of users as records that a rotation of keys walks."""

from __future__ import annotations

from typing import Final

from sqlalchemy import RowMapping, func, select, update

from aragora.identity.store.tables import users
from aragora.storage.database import Database
from aragora.storage.documents import PAGE, DocumentRow

MFA_STORE: Final = "mfa"


class MfaRecords:
    """The TOTP secrets of users, swapped by their text: a fresh nonce makes every ciphertext unique."""

    def __init__(self, database: Database) -> None:
        self._database = database

    async def get(self, record_id: str) -> DocumentRow | None:
        query = select(users).where(users.c.user_id == record_id, users.c.mfa_secret.is_not(None))
        async with self._database.reading() as connection:
            row = (await connection.execute(query)).mappings().first()
        return None if row is None else _mfa_row(row)

    async def page(self, after: str, limit: int = PAGE) -> list[DocumentRow]:
        query = select(users).where(users.c.user_id > after, users.c.mfa_secret.is_not(None))
        async with self._database.reading() as connection:
            found = await connection.execute(query.order_by(users.c.user_id).limit(limit))
            return [_mfa_row(row) for row in found.mappings()]

    async def replace(self, row: DocumentRow, payload: str, now: float) -> bool:
        change = update(users).where(users.c.user_id == row.record_id, users.c.mfa_secret == row.payload)
        async with self._database.writing() as connection:
            return bool((await connection.execute(change.values(mfa_secret=payload, updated_at=now))).rowcount == 1)

    async def count(self) -> int:
        query = select(func.count()).select_from(users).where(users.c.mfa_secret.is_not(None))
        async with self._database.reading() as connection:
            return int((await connection.execute(query)).scalar_one())


def _mfa_row(row: RowMapping) -> DocumentRow:
    return DocumentRow(
        record_id=row["user_id"],
        org_id=row["org_id"],
        owner=row["user_id"],
        kind="totp",
        payload=row["mfa_secret"],
        version=0,
        created_at=row["created_at"],
        updated_at=row["updated_at"],
    )
