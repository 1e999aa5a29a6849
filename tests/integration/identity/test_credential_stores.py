"""What the stores keep of credentials, on real SQLite and PostgreSQL."""

from __future__ import annotations

from typing import Any, Final

import pytest
from sqlalchemy import update
from worlds.backends import written
from worlds.memory_stores import MemoryEphemeral

from aragora.identity.api_keys import ApiKey, ApiKeyStore
from aragora.identity.store.sessions import Session, SessionStore
from aragora.identity.store.tables import api_keys
from aragora.identity.store.users import User, UserStore
from aragora.storage.database import Database

pytestmark = pytest.mark.slow

NOW: Final = 1_700_000_000.0
JANE: Final = User("usr_1", "jane@example.com", "Jane", "org_1", ("member",), NOW, password_hash="$argon2id$x")
LOGIN: Final = Session("ses_1", "usr_1", "org_1", NOW, NOW + 1000.0)


async def test_a_key_keeps_its_scopes_and_an_old_one_has_the_usual(users_database: Database) -> None:
    store = ApiKeyStore(users_database)
    await written(
        users_database,
        store.add,
        ApiKey("k1", "usr_1", "org_1", "ci", NOW, digest="d", scopes=("read", "debates.create")),
    )
    found = await store.get("k1")
    assert found is not None
    assert found.scopes == ("read", "debates.create")
    async with users_database.writing() as connection:
        await connection.execute(update(api_keys).values(scopes=None))
    assert [key.scopes for key in await store.of_user("usr_1")] == [("standard",)]


async def test_a_proof_is_seen_at_once_and_a_refresh_leaves_it(users_database: Database, clock: Any) -> None:
    store = SessionStore(users_database, MemoryEphemeral(clock))
    await written(users_database, store.add, LOGIN)
    assert (await store.get("ses_1")) == LOGIN  # and it is cached
    await store.tell(await written(users_database, store.note_proof, "ses_1", NOW + 5))
    seen = await store.get("ses_1")
    assert seen is not None
    assert (seen.proved_at, seen.mfa) == (NOW + 5, False)
    assert await store.advance("ses_1", 0, NOW + 6)
    await store.tell(await written(users_database, store.note_mfa, "ses_1", NOW + 7))
    seen = await store.get("ses_1")
    assert seen is not None
    assert (seen.proved_at, seen.mfa, seen.generation) == (NOW + 7, True, 1)
    assert await written(users_database, store.note_proof, "ses_2", NOW) == ()  # a login that is gone is no error


async def test_renewed_backup_codes_stand_in_place_of_the_old(users_database: Database) -> None:
    store = UserStore(users_database)
    await written(users_database, store.add, JANE)
    assert not await written(users_database, store.renew_backup_codes, "usr_1", ["d1"], NOW)
    await written(users_database, store.offer_mfa, "usr_1", "sealed", NOW)
    await written(users_database, store.enable_mfa, "usr_1", "sealed", 5, ["d1", "d2"], now=NOW)
    assert await written(users_database, store.renew_backup_codes, "usr_1", ["d3", "d4"], NOW)
    spent = [await store.spend_backup_code("usr_1", digest, NOW) for digest in ("d1", "d2", "d3", "d3", "d4")]
    assert spent == [False, False, True, False, True]
