"""Users, sessions, keys and the audit log, on real SQLite and PostgreSQL, with and without Redis."""

from __future__ import annotations

import asyncio
import dataclasses
from typing import Any

import pytest
from sqlalchemy import insert, text, update
from worlds.backends import SetClock, written
from worlds.memory_stores import MemoryEphemeral

from aragora.errors import Conflict, NotFound, Unavailable
from aragora.identity.api_keys import ApiKey, ApiKeyStore
from aragora.identity.audit import AuditEvent, Outcome, verify_chain
from aragora.identity.store import dead_keys
from aragora.identity.store.audit_log import AuditLog
from aragora.identity.store.invitations import KEPT_S, Invitation, InvitationStore, forgetting_invitations
from aragora.identity.store.sessions import KEPT_S as SESSION_KEPT_S
from aragora.identity.store.sessions import Session, SessionStore, forgetting_sessions
from aragora.identity.store.tables import audit_log, sessions, users
from aragora.identity.store.users import STANDING_S, Standing, User, UserStore
from aragora.storage.database import Database
from aragora.storage.ephemeral import SqlEphemeral
from aragora.storage.ephemeral_redis import FallbackEphemeral, RedisEphemeral, connect

pytestmark = pytest.mark.slow

NOW = 1_700_000_000.0
JANE = User("usr_1", "Jane@Example.com", "Jane", "org_1", ("member",), NOW, password_hash="$argon2id$x")
LOGIN = Session("ses_1", "usr_1", "org_1", NOW, NOW + 1000.0)


async def test_a_user_is_found_by_address_in_any_case_and_only_once(users_database: Database) -> None:
    store = UserStore(users_database)
    await written(users_database, store.add, JANE)
    assert await store.by_email(" JANE@example.COM ") == dataclasses.replace(JANE, email="jane@example.com")
    with pytest.raises(Conflict):
        await written(users_database, store.add, dataclasses.replace(JANE, user_id="usr_2", email="jane@EXAMPLE.com"))
    with pytest.raises(NotFound):
        await store.by_id("usr_2")
    assert [user.user_id for user in await store.page(10, org_id="org_1")] == ["usr_1"]
    assert await store.page(10, org_id="org_2") == []
    assert await store.page(10, "usr_1") == []


async def test_an_address_is_found_by_all_its_spellings_and_an_old_one_by_its_own(users_database: Database) -> None:
    store = UserStore(users_database)
    composed, decomposed = "jos\u00e9@example.com", "jose\u0301@example.com"
    await written(users_database, store.add, dataclasses.replace(JANE, email=decomposed))
    for typed in (composed, decomposed, "\uff2aOSE\u0301@example.com"):
        assert (await store.by_email(typed) or JANE).email == composed
    with pytest.raises(Conflict):
        await written(users_database, store.add, dataclasses.replace(JANE, user_id="usr_2", email=composed))
    # From before addresses had one form: a second account that looks the same.
    async with users_database.writing() as connection:
        await store.add(connection, dataclasses.replace(JANE, user_id="usr_2", email="other@example.com"))
        await connection.execute(update(users).where(users.c.user_id == "usr_2").values(email=decomposed))
    assert (await store.by_email(decomposed) or JANE).user_id == "usr_2"
    assert (await store.by_email(composed) or JANE).user_id == "usr_1"


EVENT = AuditEvent("auth.register", "usr_1", "org_1", Outcome.SUCCESS)


async def test_a_change_and_its_entry_are_both_there_or_neither(users_database: Database, clock: Any) -> None:
    log, store = AuditLog(users_database, clock), UserStore(users_database)
    await log.record(EVENT, lambda connection: store.add(connection, JANE))
    with pytest.raises(Conflict):
        await log.record(EVENT, lambda connection: store.add(connection, JANE))
    assert len(await log.page()) == 1
    async with users_database.writing() as connection:
        await connection.execute(text("ALTER TABLE audit_log RENAME TO gone"))
    with pytest.raises(Unavailable):
        await log.record(EVENT, lambda connection: store.add(connection, dataclasses.replace(JANE, user_id="usr_2")))
    with pytest.raises(NotFound):
        await store.by_id("usr_2")


async def test_recorded_changes_of_several_processes_see_each_other(users_database: Database, clock: Any) -> None:
    """Each reads whether somebody was there first and then adds a user: exactly one finds nobody."""
    logs = [AuditLog(users_database, clock) for _ in range(4)]
    store = UserStore(users_database)

    async def first_only(number: int) -> bool:
        async def add(connection: Any) -> bool:
            free = not await store.has_other_owner("org_1", "nobody", connection)
            if free:
                user = dataclasses.replace(JANE, user_id=f"usr_{number}", email=f"{number}@x.org", roles=("owner",))
                await store.add(connection, user)
            return free

        return await logs[number].record(EVENT, add)

    assert (await asyncio.gather(*(first_only(number) for number in range(4)))).count(True) == 1
    assert (await verify_chain(logs[0].walk())).entries == 4


async def test_a_change_of_another_process_is_seen_within_the_stated_time(users_database: Database) -> None:
    here, elsewhere = UserStore(users_database), UserStore(users_database)
    await written(users_database, here.add, JANE)
    assert await here.standing("usr_1", 0.0) == Standing("org_1", ("member",), False)
    async with users_database.writing() as connection:
        await elsewhere.put_disabled(connection, "usr_1", True, NOW)
        await elsewhere.put_roles(connection, "usr_1", ("viewer",), NOW)
    assert await here.standing("usr_1", STANDING_S) == Standing("org_1", ("viewer",), True)
    assert await here.standing("usr_none", 0.0) is None
    async with users_database.writing() as connection:
        await here.put_disabled(connection, "usr_1", False, NOW)
    here.forget("usr_1")
    assert await here.standing("usr_1", STANDING_S) == Standing("org_1", ("viewer",), False)


async def test_of_many_at_once_one_spends_an_invitation(users_database: Database) -> None:
    store = InvitationStore(users_database)
    made = Invitation("inv_1", "joe@x.org", "org_1", ("member",), "usr_1", NOW, NOW + 10, "d1")
    async with users_database.writing() as connection:
        await store.replace(connection, made)
        await store.replace(connection, dataclasses.replace(made, invitation_id="inv_2", digest="d2"))

    async def spend(invitation_id: str, now: float) -> bool:
        async with users_database.writing() as connection:
            return await store.spend(connection, invitation_id, now)

    assert [one.invitation_id for one in await store.open_of("org_1", NOW)] == ["inv_2"]
    assert not await spend("inv_1", NOW), "a later invitation of the address ends the earlier one"
    assert not await spend("inv_2", NOW + 10)
    assert (await asyncio.gather(*(spend("inv_2", NOW) for _ in range(5)))).count(True) == 1
    assert await store.open_of("org_1", NOW) == []
    assert await forgetting_invitations(users_database, SetClock(NOW + 10 + KEPT_S)).run() == "forgot 0 old invitations"
    assert await forgetting_invitations(users_database, SetClock(NOW + 11 + KEPT_S)).run() == "forgot 2 old invitations"
    assert await store.by_digest("d2") is None


async def test_of_many_at_once_one_spends_a_totp_step(users_database: Database) -> None:
    store = UserStore(users_database)
    await written(users_database, store.add, JANE)
    spent = await asyncio.gather(*(store.spend_step("usr_1", 100) for _ in range(10)))
    assert spent.count(True) == 1
    assert not await store.spend_step("usr_1", 99)
    assert await store.spend_step("usr_1", 101)


async def test_a_second_factor_comes_into_force_with_its_codes_and_each_code_works_once(
    users_database: Database,
) -> None:
    store = UserStore(users_database)
    await written(users_database, store.add, JANE)
    assert await written(users_database, store.offer_mfa, "usr_1", "sealed", NOW)
    assert not await written(users_database, store.enable_mfa, "usr_1", "another", 5, ["d1"], now=NOW)
    assert await written(users_database, store.enable_mfa, "usr_1", "sealed", 5, ["d1", "d2"], now=NOW)
    assert not await written(users_database, store.offer_mfa, "usr_1", "replaced by a thief", NOW)
    spent = await asyncio.gather(*(store.spend_backup_code("usr_1", "d1", NOW) for _ in range(5)))
    assert spent.count(True) == 1
    assert not await store.spend_backup_code("usr_1", "unknown", NOW)
    assert not await store.spend_backup_code("usr_2", "d2", NOW)
    await written(users_database, store.clear_mfa, "usr_1", NOW)
    assert not (await store.by_id("usr_1")).mfa_enabled
    assert not await store.spend_backup_code("usr_1", "d2", NOW)


async def test_a_refresh_is_spent_once_and_revocation_is_seen_at_once(users_database: Database, clock: Any) -> None:
    store = SessionStore(users_database, MemoryEphemeral(clock))
    await written(users_database, store.add, LOGIN)
    assert (await asyncio.gather(*(store.advance("ses_1", 0, NOW) for _ in range(8)))).count(True) == 1
    assert await store.get("ses_1") is not None
    await store.tell(await written(users_database, store.revoke, "ses_1", "logout", NOW + 1))
    seen = await store.get("ses_1")
    assert seen is not None
    assert not seen.live(NOW + 1)
    assert not await store.advance("ses_1", 1, NOW + 2)
    assert not await written(users_database, store.revoke, "ses_1", "logout", NOW + 2)


async def test_replicas_with_a_shared_cache_agree_on_a_revocation(users_database: Database, clock: Any) -> None:
    shared = SqlEphemeral(users_database, clock)
    here, there = SessionStore(users_database, shared), SessionStore(users_database, shared)
    await written(users_database, here.add, LOGIN)
    assert await there.get("ses_1") == LOGIN
    await here.tell(await written(users_database, here.revoke_user, "usr_1", "password changed", NOW))
    seen = await there.get("ses_1")
    assert seen is not None
    assert seen.revoked_reason == "password changed"


async def test_ending_a_users_sessions_ends_those_it_impersonates_in_too(users_database: Database, clock: Any) -> None:
    store = SessionStore(users_database, MemoryEphemeral(clock))
    await written(users_database, store.add, LOGIN)
    await written(
        users_database, store.add, dataclasses.replace(LOGIN, session_id="ses_2", user_id="usr_9", impersonator="usr_1")
    )
    await written(users_database, store.add, dataclasses.replace(LOGIN, session_id="ses_3"))
    assert len(await written(users_database, store.revoke_user, "usr_1", "disabled", NOW, keep="ses_3")) == 2
    assert [session.session_id for session in await store.of_user("usr_1", NOW)] == ["ses_3"]


async def test_where_somebody_is_logged_in_is_read_once_for_each_address(users_database: Database) -> None:
    store = SessionStore(users_database)
    logins = [
        {"address": "203.0.113.9"}, {"address": "203.0.113.9"}, {"address": "2001:db8::1"},
        {"address": "198.51.100.1", "impersonator": "usr_9"}, {"address": "198.51.100.2", "user_id": "usr_2"},
        {"address": "198.51.100.3", "revoked_at": NOW}, {"address": "198.51.100.4", "expires_at": NOW},
    ]  # fmt: skip
    for number, changes in enumerate(logins):
        login = dataclasses.replace(LOGIN, session_id=f"ses_{number}", **changes)
        await written(users_database, store.add, login)
    assert await store.addresses_of("usr_1", NOW) == {"203.0.113.9", "2001:db8::1"}


async def test_a_revocation_stands_whatever_comes_at_the_same_time(users_database: Database, clock: Any) -> None:
    cache = MemoryEphemeral(clock)
    here, there = SessionStore(users_database, cache), SessionStore(users_database, cache)
    await written(users_database, here.add, LOGIN)
    confirmed = await written(users_database, here.note_proof, "ses_1", NOW)  # written, not yet told
    await there.tell(await written(users_database, there.revoke, "ses_1", "logout", NOW))
    await here.tell(confirmed)
    assert await written(users_database, here.note_mfa, "ses_1", NOW) == ()
    seen = await there.get("ses_1")
    assert seen is not None
    assert seen.revoked_reason == "logout"


async def test_sessions_that_ended_long_ago_are_forgotten_and_no_others(users_database: Database, clock: Any) -> None:
    store, border = SessionStore(users_database), clock.now() - SESSION_KEPT_S
    ended = [
        {**dataclasses.asdict(LOGIN), "session_id": f"ses_{number}", "expires_at": border - 1.0 - number}
        for number in range(2)
    ]
    async with users_database.writing() as connection:
        await connection.execute(insert(sessions), ended)
    await written(users_database, store.add, dataclasses.replace(LOGIN, session_id="ses_late", expires_at=border))
    assert await forgetting_sessions(users_database, clock).run() == "forgot 2 ended sessions"
    assert await store.read("ses_late") is not None


async def test_api_keys_are_revoked_one_or_all(users_database: Database) -> None:
    store = ApiKeyStore(users_database)
    for number in range(3):
        await written(users_database, store.add, ApiKey(f"k{number}", "usr_1", "org_1", "ci", NOW + number, digest="d"))
    assert await written(users_database, store.revoke, "usr_2", NOW, "k0") == 0
    assert await written(users_database, store.revoke, "usr_1", NOW, "k0") == 1
    assert [key.key_id for key in await store.of_user("usr_1")] == ["k2", "k1"]
    await store.touch("k1", NOW + 5)
    found = await store.get("k1")
    assert found is not None
    assert found.last_used_at == NOW + 5
    dead = ApiKey("k9", "usr_1", "org_1", "ci", NOW, digest="d", expires_at=NOW)
    await written(users_database, store.add, dead)
    assert await written(users_database, store.revoke, "usr_1", NOW) == 2, "an expired key is no longer there to revoke"
    assert await store.get("nothing") is None


async def test_keys_that_died_long_ago_are_forgotten_and_no_others(users_database: Database, clock: Any) -> None:
    store = ApiKeyStore(users_database)
    long_ago, lately = clock.now() - dead_keys.KEPT_S - 1.0, clock.now() - dead_keys.KEPT_S + 1.0
    ends = {"never": (None, None), "lately": (lately, None), "expired": (None, long_ago), "revoked": (long_ago, None)}
    for key_id, (revoked_at, expires_at) in ends.items():
        await written(
            users_database,
            store.add,
            ApiKey(key_id, "u", "o", "ci", NOW, digest="d", revoked_at=revoked_at, expires_at=expires_at),
        )

    assert await dead_keys.forgetting_keys(users_database, clock).run() == "forgot 2 dead API keys"

    assert [key_id for key_id in ends if await store.get(key_id)] == ["never", "lately"]


async def test_the_states_of_many_logins_keys_and_users_are_read_at_once(users_database: Database) -> None:
    users, logins, keys = UserStore(users_database), SessionStore(users_database), ApiKeyStore(users_database)
    for user_id in ("usr_1", "usr_2"):
        await written(
            users_database, users.add, dataclasses.replace(JANE, user_id=user_id, email=f"{user_id}@example.com")
        )
    async with users_database.writing() as connection:
        await users.put_disabled(connection, "usr_2", True, NOW)
    for session_id, expires_at in (("ses_1", NOW + 9), ("ses_2", NOW + 9), ("ses_3", NOW)):
        await written(
            users_database, logins.add, dataclasses.replace(LOGIN, session_id=session_id, expires_at=expires_at)
        )
    await written(users_database, logins.revoke, "ses_2", "logout", NOW)
    for key_id, expires in (("key_1", None), ("key_2", NOW + 9), ("key_3", NOW), ("key_4", None)):
        await written(
            users_database, keys.add, ApiKey(key_id, "usr_1", "org_1", "ci", NOW, "digest-" + key_id, expires)
        )
    await written(users_database, keys.revoke, "usr_1", NOW, "key_4")
    many = {f"none_{number}" for number in range(2_500)}
    standings = await users.standings_among(many | {"usr_1", "usr_2"})
    assert {user_id: standing.disabled for user_id, standing in standings.items()} == {"usr_1": False, "usr_2": True}
    assert await logins.live_among(many | {"ses_1", "ses_2", "ses_3"}, NOW) == {"ses_1"}
    assert await keys.live_among(many | {"key_1", "key_2", "key_3", "key_4"}, NOW) == {"key_1", "key_2"}


async def test_the_audit_chain_holds_with_many_writers_at_once(users_database: Database, clock: Any) -> None:
    writers = [AuditLog(users_database, clock) for _ in range(3)]
    event = AuditEvent("auth.login", "usr_1", "org_1", Outcome.SUCCESS, address="203.0.113.9", details={"a": "b"})
    await asyncio.gather(*(writers[number % 3].append(event) for number in range(30)))
    finding = await verify_chain(writers[0].walk())
    assert (finding.entries, finding.problem) == (30, None)
    page = await writers[1].page(limit=10, before=21, org_id="org_1")
    assert [entry.seq for entry in page] == list(range(20, 10, -1))
    assert page[0].event == event
    assert await writers[1].page(org_id="org_2") == []


async def test_a_changed_audit_row_is_found(users_database: Database, clock: Any) -> None:
    log = AuditLog(users_database, clock)
    for number in range(5):
        await log.append(AuditEvent(f"a{number}", "usr_1", "org_1", Outcome.SUCCESS))
    async with users_database.writing() as connection:
        await connection.execute(update(audit_log).where(audit_log.c.seq == 3).values(actor="usr_2"))
    assert (await verify_chain(log.walk())).problem == "entry 3 was changed after it was written"


async def test_with_redis_gone_nothing_is_lost_and_nobody_locked_out(
    sqlite_users: Database, clock: Any, own_redis: Any
) -> None:
    client = connect(own_redis.url)
    shared = FallbackEphemeral(RedisEphemeral(client), SqlEphemeral(sqlite_users, clock), clock)
    store = SessionStore(sqlite_users, shared)
    await written(sqlite_users, store.add, LOGIN)
    assert await store.get("ses_1") == LOGIN
    assert not shared.health().degraded
    own_redis.stop()
    assert await store.get("ses_1") == LOGIN  # no lock-out
    assert shared.health().degraded
    await shared.put("state", "made while away", 60.0)
    await store.tell(await written(sqlite_users, store.revoke, "ses_1", "logout", NOW))
    seen = await store.get("ses_1")
    assert seen is not None
    assert not seen.live(NOW)
    own_redis.start()
    clock.at += 10.0
    assert await shared.get("other") is None
    assert not shared.health().degraded
    assert await shared.take("state") == "made while away"  # no loss
    await client.aclose()
