"""Confirming a login before its credentials change, and what a change of password or factor ends."""

from __future__ import annotations

from dataclasses import replace
from typing import Any, Final

import pyotp
import pytest
from sqlalchemy import update

from aragora.encoding import encode_text
from aragora.errors import AragoraError, Conflict, Forbidden, InvalidInput, RateLimited, Unauthenticated
from aragora.identity.authorization import CONFIRMED_S
from aragora.identity.parts import Visit
from aragora.identity.store.tables import api_keys, users
from aragora.identity.store.users import MFA_STORE, STANDING_S, MfaRecords
from aragora.storage.database import Database
from aragora.storage.reencryption import Reencryption

pytestmark = pytest.mark.slow

VISIT: Final = Visit("203.0.113.9", "req_1")
EMAIL, PASSWORD = "jane@example.com", "correct horse battery"
FORGED: Final = "JBSWY3DPEHPK3PXP" * 2


async def logged_in(identity: Any) -> Any:
    await identity.accounts.register(EMAIL, PASSWORD, "Jane", VISIT, by=None)
    return await identity.accounts.login(EMAIL, PASSWORD, VISIT)


async def enrolled(identity: Any, token: str) -> pyotp.TOTP:
    who = await identity.who(token)
    totp = pyotp.TOTP((await identity.second_factor.enrol(who, VISIT)).secret)
    await identity.second_factor.confirm(who, totp.at(int(identity.parts.clock.at)), VISIT)
    identity.parts.clock.at += 60
    return totp


async def refused(awaitable: Any, kind: type[AragoraError] = Forbidden) -> str:
    with pytest.raises(kind) as caught:
        await awaitable
    return caught.value.code


def new_key(identity: Any, who: Any) -> Any:
    return identity.keys.create(who, "ci", VISIT, lifetime_s=None)


async def test_an_old_login_changes_nothing_until_it_is_confirmed_and_a_refresh_confirms_nothing(identity: Any) -> None:
    pair = await logged_in(identity)
    identity.parts.clock.at += CONFIRMED_S
    pair = await identity.logins.refresh(pair.refresh_token, VISIT)
    who = await identity.who(pair.access_token)
    for attempt in (
        new_key(identity, who),
        identity.keys.revoke(who, VISIT),
        identity.second_factor.enrol(who, VISIT),
        identity.second_factor.confirm(who, "123456", VISIT),
        identity.second_factor.renew_backup_codes(who, VISIT),
        identity.second_factor.disable(who, VISIT),
        identity.accounts.change_password(who, PASSWORD, "another fine one", VISIT),
        identity.logins.end(who, VISIT, everywhere=True),
    ):
        assert await refused(attempt) == "confirmation_required"
    await refused(identity.confirmation.by_password(who, "wrong", VISIT), Unauthenticated)
    await identity.confirmation.by_password(who, PASSWORD, VISIT)
    assert await new_key(identity, await identity.who(pair.access_token))
    identity.parts.clock.at += CONFIRMED_S
    assert await refused(new_key(identity, await identity.who(pair.access_token))) == "confirmation_required"


async def test_an_account_with_a_factor_confirms_by_code_in_every_login(identity: Any) -> None:
    pair = await logged_in(identity)
    other = await identity.accounts.login(EMAIL, PASSWORD, VISIT)
    totp = await enrolled(identity, pair.access_token)
    who = await identity.who(other.access_token)  # logged in before there was a factor
    assert await refused(new_key(identity, who)) == "confirmation_required"
    await refused(identity.confirmation.by_password(who, PASSWORD, VISIT), InvalidInput)
    await refused(identity.second_factor.show(who, "000000", VISIT), Unauthenticated)
    await identity.second_factor.show(who, totp.at(int(identity.parts.clock.at)), VISIT)
    assert await new_key(identity, await identity.who(other.access_token))
    actions = [entry.event.action for entry in await identity.parts.audit.page()]
    assert {"auth.mfa_enrolled", "auth.mfa_enabled", "auth.confirm"} <= set(actions)


async def test_an_account_without_a_password_is_told_to_log_in_again(identity: Any) -> None:
    pair = await logged_in(identity)
    who = await identity.who(pair.access_token)
    async with identity.parts.users._database.writing() as connection:
        await connection.execute(update(users).values(password_hash=None))
    with pytest.raises(InvalidInput, match="log in again"):
        await identity.confirmation.by_password(who, PASSWORD, VISIT)
    with pytest.raises(InvalidInput, match="no second factor"):
        await identity.second_factor.show(who, "123456", VISIT)


async def test_confirming_is_no_way_to_guess_a_password(identity: Any) -> None:
    who = await identity.who((await logged_in(identity)).access_token)
    for _ in range(5):
        await refused(identity.confirmation.by_password(who, "guess", VISIT), Unauthenticated)
    await refused(identity.confirmation.by_password(who, PASSWORD, VISIT), RateLimited)
    await refused(identity.accounts.login(EMAIL, PASSWORD, VISIT), RateLimited)


async def test_a_challenge_dies_with_the_password_that_was_shown_for_it(identity: Any) -> None:
    pair = await logged_in(identity)
    totp = await enrolled(identity, pair.access_token)
    challenge = (await identity.accounts.login(EMAIL, PASSWORD, VISIT)).challenge
    who = await identity.who(pair.access_token)
    await identity.accounts.change_password(who, PASSWORD, "another fine one", VISIT)
    code = totp.at(int(identity.parts.clock.at))
    assert await refused(identity.second_factor.complete(challenge, code, VISIT), Unauthenticated) == "invalid_token"
    fresh = (await identity.accounts.login(EMAIL, "another fine one", VISIT)).challenge
    assert await identity.second_factor.complete(fresh, code, VISIT)


async def test_a_challenge_survives_a_stronger_hash_of_the_same_password(identity: Any) -> None:
    totp = await enrolled(identity, (await logged_in(identity)).access_token)
    identity.parts.passwords.needs_rehash = lambda _hash: True
    challenge = (await identity.accounts.login(EMAIL, PASSWORD, VISIT)).challenge
    assert await identity.second_factor.complete(challenge, totp.at(int(identity.parts.clock.at)), VISIT)


@pytest.mark.parametrize("stored", [{"secret": FORGED}, {}, [], {"secret": {"_encrypted": FORGED}}])
async def test_a_second_factor_in_plaintext_is_refused_and_counted(
    stored: Any, identity: Any, sqlite_users: Database, caplog: pytest.LogCaptureFixture
) -> None:
    await enrolled(identity, (await logged_in(identity)).access_token)
    async with sqlite_users.writing() as connection:
        await connection.execute(update(users).values(mfa_secret=encode_text(stored)))
    challenge = (await identity.accounts.login(EMAIL, PASSWORD, VISIT)).challenge
    code = pyotp.TOTP(FORGED).at(int(identity.parts.clock.at))
    assert await refused(identity.second_factor.complete(challenge, code, VISIT), Conflict) == "factor_unreadable"
    counted = {(delta.sample, delta.labels): delta.amount for delta in identity.parts.registry.drain()}
    labels = (("error_type", "PlaintextRefused"), ("operation", "decrypt"))
    assert counted["aragora_encryption_errors_total", labels] == 1
    assert "is refused" in caplog.text
    assert FORGED not in caplog.text


async def test_a_plaintext_factor_of_the_installations_own_is_good_once_it_is_encrypted(
    identity: Any, sqlite_users: Database
) -> None:
    await enrolled(identity, (await logged_in(identity)).access_token)
    async with sqlite_users.writing() as connection:
        await connection.execute(update(users).values(mfa_secret=encode_text({"secret": FORGED})))
    parts = identity.parts
    command = Reencryption(parts.crypto, parts.clock, parts.registry, execute=True)
    summary = await command.run(MFA_STORE, MfaRecords(sqlite_users), lambda: None)
    assert str(summary) == "mfa: 1 migrated, 0 skipped, 0 failed"
    challenge = (await identity.accounts.login(EMAIL, PASSWORD, VISIT)).challenge
    code = pyotp.TOTP(FORGED).at(int(parts.clock.at))
    assert await identity.second_factor.complete(challenge, code, VISIT)


async def test_a_key_of_a_demoted_owner_is_demoted_too(identity: Any, sqlite_users: Database) -> None:
    who = await identity.who((await logged_in(identity)).access_token)
    _, text = await new_key(identity, who)
    assert "integrations.manage" in (await identity.who(text)).permissions
    async with sqlite_users.writing() as connection:
        await connection.execute(update(users).values(roles=encode_text(["viewer"])))
    identity.parts.clock.at += STANDING_S
    assert (await identity.who(text)).permissions == {"debates.read", "workflows.read", "knowledge.read", "tasks.read"}


async def test_a_key_from_before_there_were_scopes_works_with_the_usual_ones(
    identity: Any, sqlite_users: Database
) -> None:
    who = await identity.who((await logged_in(identity)).access_token)
    _, text = await new_key(identity, who)
    async with sqlite_users.writing() as connection:
        await connection.execute(update(api_keys).values(scopes=None))
    old = await identity.who(text)
    assert old.scopes == ("standard",)
    assert "debates.create" in old.permissions
    assert "users.manage" in who.permissions - old.permissions
    ticket = await identity.tickets.issue(old)
    assert await identity.authentication.principal({}, address="203.0.113.9", ticket=ticket) == old
    assert (await identity.keys.live(who))[0].scopes == ("standard",)
    assert await refused(identity.keys.live(replace(old, session_id="ses_1"))) == "login_required"
