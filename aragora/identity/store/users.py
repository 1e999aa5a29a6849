"""People who can log in. Their one-time proofs (TOTP step, backup codes) are spent here, atomically."""

from __future__ import annotations

from collections.abc import Collection, Mapping, Sequence
from dataclasses import dataclass, field
from typing import Any, Final

from sqlalchemy import RowMapping, func, insert, select, update
from sqlalchemy.exc import IntegrityError
from sqlalchemy.ext.asyncio import AsyncConnection

from aragora.encoding import decode, encode_text
from aragora.errors import Conflict, NotFound
from aragora.identity.addresses import normal_email
from aragora.identity.store.among import BATCH
from aragora.identity.store.tables import backup_codes, users, workspaces_in
from aragora.resilience.cache import Cache
from aragora.scope import DEFAULT_WORKSPACE
from aragora.storage.database import Database
from aragora.storage.documents import PAGE, DocumentRow

MFA_STORE: Final = "mfa"
"""Under which name the TOTP secrets are sealed, and a rotation of keys finds them."""
STANDING_S: Final = 1.0
"""The longest that a disabled account or a role taken away may go unseen, where another process did it."""
_STANDINGS: Final = 10_000


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
    workspaces: tuple[str, ...] = (DEFAULT_WORKSPACE,)


@dataclass(frozen=True, slots=True)
class Standing:
    """What an account may do now, whatever its tokens say."""

    org_id: str
    roles: tuple[str, ...]
    disabled: bool
    workspaces: tuple[str, ...] = (DEFAULT_WORKSPACE,)


_COLUMNS: Final = tuple(users.c[name] for name in User.__slots__)
_STANDING: Final = tuple(users.c[name] for name in Standing.__slots__)


class UserStore:
    """Users in the context `users`."""

    def __init__(self, database: Database) -> None:
        self._database = database
        self._standings: Cache[str, Standing] = Cache(_STANDINGS, STANDING_S)

    async def add(self, connection: AsyncConnection, user: User) -> None:
        """Add the user within a transaction. Raises Conflict where the address or the OAuth subject is taken."""
        row = {
            "user_id": user.user_id,
            "email": normal_email(user.email),
            "name": user.name,
            "org_id": user.org_id,
            "roles": encode_text(user.roles),
            "workspaces": encode_text(user.workspaces),
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
            await connection.execute(insert(users).values(row))
        except IntegrityError as error:
            raise Conflict("There is already an account for this address; log in instead.", code="exists") from error

    async def by_id(self, user_id: str) -> User:
        """Raises NotFound."""
        return _found(await self._one(users.c.user_id == user_id))

    async def within(self, connection: AsyncConnection, user_id: str) -> User:
        """The account as a transaction of the caller sees it. Raises NotFound."""
        row = (await connection.execute(select(*_COLUMNS).where(users.c.user_id == user_id))).mappings().first()
        return _found(None if row is None else _user(dict(row)))

    async def by_email(self, email: str) -> User | None:
        """The account of the address. Of two that were made before addresses had one form, the one typed exactly."""
        typed, normal = email.strip().lower(), normal_email(email)
        rows = await self._database.rows(select(*_COLUMNS).where(users.c.email.in_({typed, normal})))
        found = [_user(dict(zip(User.__slots__, row, strict=True))) for row in rows]
        return min(found, key=lambda user: user.email != typed, default=None)

    async def by_oauth_subject(self, subject: str) -> User | None:
        return await self._one(users.c.oauth_subject == subject)

    async def page(self, limit: int, after: str = "", org_id: str | None = None) -> list[User]:
        """Users with ids after `after`, in their order; `org_id` None sees every organisation."""
        query = select(users).where(users.c.user_id > after)
        if org_id is not None:
            query = query.where(users.c.org_id == org_id)
        async with self._database.reading() as connection:
            rows = (await connection.execute(query.order_by(users.c.user_id).limit(limit))).mappings()
            return [_user(dict(row)) for row in rows]

    async def standing(self, user_id: str, monotonic_s: float) -> Standing | None:
        """What the account may do now, None where there is none: what every request asks.

        A change made through this store is seen at once, one of another process after at most `STANDING_S` seconds.
        """
        known = self._standings.get(user_id, monotonic_s)
        if known is None:
            fill = self._standings.filling(user_id)
            query = select(*_STANDING).where(users.c.user_id == user_id)
            rows = await self._database.rows(query)
            if not rows:
                return None
            known = _standing(*rows[0])
            fill(known, monotonic_s)
        return known

    async def standings_among(self, user_ids: Collection[str]) -> dict[str, Standing]:
        """What each of these accounts may do now, as the database has it; without those that are not there."""
        wanted, found = list(user_ids), dict[str, Standing]()
        for start in range(0, len(wanted), BATCH):
            query = select(users.c.user_id, *_STANDING)
            rows = await self._database.rows(query.where(users.c.user_id.in_(wanted[start : start + BATCH])))
            found |= {row[0]: _standing(*row[1:]) for row in rows}
        return found

    def forget(self, user_id: str) -> None:
        """Read the standing of the user anew: after a change within a transaction of the caller."""
        self._standings.drop(user_id)

    async def has_other_owner(self, org_id: str, user_id: str, connection: AsyncConnection | None = None) -> bool:
        """Whether the organisation has an owner who can log in besides this user; within the caller's transaction where
        it gives its connection."""
        query = select(users.c.roles).where(
            users.c.org_id == org_id, users.c.user_id != user_id, users.c.disabled.is_(False)
        )
        if connection is None:
            rows = await self._database.rows(query)
        else:
            rows = (await connection.execute(query)).all()
        return any("owner" in decode(row[0]) for row in rows)

    async def put_roles(self, connection: AsyncConnection, user_id: str, roles: Sequence[str], now: float) -> None:
        """Within a transaction: `forget` the standing after it. Raises NotFound."""
        await self._put(connection, user_id, now, roles=encode_text(roles))

    async def put_workspaces(
        self, connection: AsyncConnection, user_id: str, workspaces: Sequence[str], now: float
    ) -> None:
        """Within a transaction: `forget` the standing after it. Raises NotFound."""
        await self._put(connection, user_id, now, workspaces=encode_text(workspaces))

    async def put_disabled(self, connection: AsyncConnection, user_id: str, disabled: bool, now: float) -> None:
        """Within a transaction: `forget` the standing after it. Raises NotFound."""
        await self._put(connection, user_id, now, disabled=disabled)

    async def put_password_hash(
        self, connection: AsyncConnection, user_id: str, password_hash: str, now: float
    ) -> None:
        """Within a transaction. Raises NotFound."""
        await self._put(connection, user_id, now, password_hash=password_hash)

    async def rehash(self, user_id: str, verified: str, password_hash: str, now: float) -> bool:
        """Put another hash of the same password in place of `verified`. False where that is no longer in force."""
        change = update(users).where(users.c.user_id == user_id, users.c.password_hash == verified)
        return await self._changed(change.values(password_hash=password_hash, updated_at=now))

    async def offer_mfa(self, connection: AsyncConnection, user_id: str, mfa_secret: str, now: float) -> bool:
        """Keep a secret that is not yet in force, within a transaction. False where one is in force already."""
        change = update(users).where(users.c.user_id == user_id, users.c.mfa_enabled.is_(False))
        values = change.values(mfa_secret=mfa_secret, totp_last_step=0, updated_at=now)
        return bool((await connection.execute(values)).rowcount == 1)

    async def enable_mfa(
        self,
        connection: AsyncConnection,
        user_id: str,
        mfa_secret: str,
        step: int,
        digests: Sequence[str],
        *,
        now: float,
    ) -> bool:
        """Put the offered secret in force with its backup codes, within a transaction. False where another was offered
        meanwhile."""
        change = update(users).where(
            users.c.user_id == user_id, users.c.mfa_enabled.is_(False), users.c.mfa_secret == mfa_secret
        )
        done = await connection.execute(change.values(mfa_enabled=True, totp_last_step=step, updated_at=now))
        if done.rowcount != 1:
            return False
        await _put_codes(connection, user_id, digests)
        return True

    async def clear_mfa(self, connection: AsyncConnection, user_id: str, now: float) -> bool:
        """Take away the second factor and its backup codes within a transaction. False where there is none in force;
        one that was only offered goes too."""
        mine = users.c.user_id == user_id
        in_force = (await connection.execute(select(users.c.mfa_enabled).where(mine))).scalar_one_or_none()
        await self._put(connection, user_id, now, mfa_enabled=False, mfa_secret=None)
        await connection.execute(backup_codes.delete().where(backup_codes.c.user_id == user_id))
        return bool(in_force)

    async def renew_backup_codes(
        self, connection: AsyncConnection, user_id: str, digests: Sequence[str], now: float
    ) -> bool:
        """Put these backup codes in place of all that are left, within a transaction. False where no second factor is
        in force."""
        change = update(users).where(users.c.user_id == user_id, users.c.mfa_enabled.is_(True))
        done = await connection.execute(change.values(updated_at=now))
        if done.rowcount != 1:
            return False
        await _put_codes(connection, user_id, digests)
        return True

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

    async def _put(self, connection: AsyncConnection, user_id: str, now: float, **values: Any) -> None:
        change = update(users).where(users.c.user_id == user_id).values(updated_at=now, **values)
        if (await connection.execute(change)).rowcount != 1:
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


async def _put_codes(connection: AsyncConnection, user_id: str, digests: Sequence[str]) -> None:
    await connection.execute(backup_codes.delete().where(backup_codes.c.user_id == user_id))
    await connection.execute(insert(backup_codes), [{"user_id": user_id, "digest": each} for each in digests])


def _found(user: User | None) -> User:
    if user is None:
        raise NotFound("There is no such user.")
    return user


def _user(row: Mapping[str, Any]) -> User:
    values = {name: row[name] for name in User.__slots__}
    return User(**{**values, "roles": tuple(decode(row["roles"])), "workspaces": workspaces_in(row["workspaces"])})


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


def _standing(org_id: str, roles: str, disabled: object, workspaces: str | None) -> Standing:
    return Standing(org_id, tuple(decode(roles)), bool(disabled), workspaces_in(workspaces))
