"""People who can log in. Their one-time proofs (TOTP step, backup codes) are spent here, atomically."""

from __future__ import annotations

from collections.abc import Collection, Mapping, Sequence
from dataclasses import dataclass, field
from typing import Any, Final

from sqlalchemy import RowMapping, func, insert, select, update
from sqlalchemy.exc import IntegrityError

from aragora.encoding import decode, encode_text
from aragora.errors import Conflict, NotFound
from aragora.identity.store.among import found_among
from aragora.identity.store.tables import backup_codes, users
from aragora.storage.database import Database
from aragora.storage.documents import PAGE, DocumentRow

MFA_STORE: Final = "mfa"
"""Under which name the TOTP secrets are sealed, and a rotation of keys finds them."""


@dataclass(frozen=True, slots=True)
class User:
    """One row of `users`. Times are seconds since the epoch; `mfa_secret` is the JSON of an envelope."""

    user_id: str
    email: str
    name: str
    org_id: str
    roles: tuple[str, ...]
    created_at: float
    password_hash: str | None = field(default=None, repr=False)
    mfa_secret: str | None = field(default=None, repr=False)
    mfa_enabled: bool = False
    totp_last_step: int = 0
    oauth_subject: str | None = None
    disabled: bool = False


_COLUMNS: Final = tuple(users.c[name] for name in User.__slots__)


def normal_email(email: str) -> str:
    """The form in which addresses are compared."""
    return email.strip().lower()


class UserStore:
    """Users in the context `users`."""

    def __init__(self, database: Database) -> None:
        self._database = database

    async def create(self, user: User) -> None:
        """Raises Conflict where the address or the OAuth subject is taken."""
        row = {
            "user_id": user.user_id,
            "email": normal_email(user.email),
            "name": user.name,
            "org_id": user.org_id,
            "roles": encode_text(user.roles),
            "password_hash": user.password_hash,
            "mfa_secret": user.mfa_secret,
            "mfa_enabled": user.mfa_enabled,
            "totp_last_step": user.totp_last_step,
            "oauth_subject": user.oauth_subject,
            "disabled": user.disabled,
            "created_at": user.created_at,
            "updated_at": user.created_at,
        }
        try:
            async with self._database.writing() as connection:
                await connection.execute(insert(users).values(row))
        except IntegrityError as error:
            raise Conflict("There is already an account for this address; log in instead.", code="exists") from error

    async def by_id(self, user_id: str) -> User:
        """Raises NotFound."""
        return _found(await self._one(users.c.user_id == user_id))

    async def disabled_among(self, user_ids: Collection[str]) -> frozenset[str]:
        """Which of these users are disabled."""
        return await found_among(self._database, users.c.user_id, user_ids, users.c.disabled.is_(True))

    async def by_email(self, email: str) -> User | None:
        return await self._one(users.c.email == normal_email(email))

    async def by_oauth_subject(self, subject: str) -> User | None:
        return await self._one(users.c.oauth_subject == subject)

    async def of_org(self, org_id: str) -> list[User]:
        """The users of an organisation in order of their ids."""
        query = select(users).where(users.c.org_id == org_id).order_by(users.c.user_id)
        async with self._database.reading() as connection:
            return [_user(dict(row)) for row in (await connection.execute(query)).mappings()]

    async def set_password_hash(self, user_id: str, password_hash: str, now: float) -> None:
        await self._change(user_id, now, password_hash=password_hash)

    async def set_disabled(self, user_id: str, disabled: bool, now: float) -> None:
        await self._change(user_id, now, disabled=disabled)

    async def offer_mfa(self, user_id: str, mfa_secret: str, now: float) -> bool:
        """Keep a secret that is not yet in force. False where one is in force already."""
        change = update(users).where(users.c.user_id == user_id, users.c.mfa_enabled.is_(False))
        return await self._changed(change.values(mfa_secret=mfa_secret, totp_last_step=0, updated_at=now))

    async def enable_mfa(self, user_id: str, mfa_secret: str, step: int, digests: Sequence[str], now: float) -> bool:
        """Put the offered secret in force with its backup codes. False where another was offered meanwhile."""
        change = update(users).where(
            users.c.user_id == user_id, users.c.mfa_enabled.is_(False), users.c.mfa_secret == mfa_secret
        )
        async with self._database.writing() as connection:
            done = await connection.execute(change.values(mfa_enabled=True, totp_last_step=step, updated_at=now))
            if done.rowcount != 1:
                return False
            await connection.execute(backup_codes.delete().where(backup_codes.c.user_id == user_id))
            await connection.execute(insert(backup_codes), [{"user_id": user_id, "digest": each} for each in digests])
        return True

    async def disable_mfa(self, user_id: str, now: float) -> None:
        async with self._database.writing() as connection:
            values = {"mfa_enabled": False, "mfa_secret": None, "updated_at": now}
            await connection.execute(update(users).where(users.c.user_id == user_id).values(values))
            await connection.execute(backup_codes.delete().where(backup_codes.c.user_id == user_id))

    async def spend_step(self, user_id: str, step: int) -> bool:
        """Note that the TOTP code of this step was used. False where it, or a later one, was already: a replay."""
        change = update(users).where(users.c.user_id == user_id, users.c.totp_last_step < step)
        return await self._changed(change.values(totp_last_step=step))

    async def spend_backup_code(self, user_id: str, digest: str, now: float) -> bool:
        """Use up a backup code. False where it is unknown or was used."""
        return await self._changed(
            update(backup_codes)
            .where(backup_codes.c.user_id == user_id, backup_codes.c.digest == digest, backup_codes.c.used_at.is_(None))
            .values(used_at=now)
        )

    async def _one(self, condition: Any) -> User | None:
        rows = await self._database.rows(select(*_COLUMNS).where(condition))
        return _user(dict(zip(User.__slots__, rows[0], strict=True))) if rows else None

    async def _change(self, user_id: str, now: float, **values: Any) -> None:
        if not await self._changed(update(users).where(users.c.user_id == user_id).values(updated_at=now, **values)):
            raise NotFound("There is no such user.")

    async def _changed(self, statement: Any) -> bool:
        async with self._database.writing() as connection:
            done = await connection.execute(statement)
            return bool(done.rowcount == 1)


class MfaRecords:
    """The TOTP secrets of users as records that a rotation of keys walks. They are swapped by their text: a fresh nonce
    makes every ciphertext unique."""

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


def _found(user: User | None) -> User:
    if user is None:
        raise NotFound("There is no such user.")
    return user


def _user(row: Mapping[str, Any]) -> User:
    values = {name: row[name] for name in User.__slots__}
    return User(**{**values, "roles": tuple(decode(row["roles"]))})


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
