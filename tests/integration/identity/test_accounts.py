"""Accounts and logins under attack: each test is something that is tried, and refused."""

from __future__ import annotations

import asyncio
from typing import Any

import pyotp
import pytest

from aragora.errors import (
    AragoraError,
    Conflict,
    Forbidden,
    InvalidInput,
    NotFound,
    RateLimited,
    Unauthenticated,
    Unavailable,
)
from aragora.identity.audit import verify_chain
from aragora.identity.logins import Challenge, TokenPair
from aragora.identity.parts import Visit
from aragora.identity.people import OPERATOR
from aragora.identity.principal import LOCAL_OPERATOR, Method, Principal
from aragora.identity.tokens import Purpose

pytestmark = pytest.mark.slow

VISIT = Visit("203.0.113.9", "req_1")
PASSWORD = "correct horse battery"


async def registered(identity: Any, email: str = "jane@example.com", **more: Any) -> Any:
    return await identity.accounts.register(email, PASSWORD, "Jane", VISIT, by=more.pop("by", None), **more)


async def logged_in(identity: Any, email: str = "jane@example.com") -> TokenPair:
    pair = await identity.accounts.login(email, PASSWORD, VISIT)
    assert isinstance(pair, TokenPair)
    return pair


async def enrolled(identity: Any, pair: TokenPair) -> tuple[pyotp.TOTP, tuple[str, ...]]:
    principal = await identity.who(pair.access_token)
    assert principal.login == "password"
    totp = pyotp.TOTP((await identity.second_factor.enrol(principal, VISIT)).secret)
    codes = await identity.second_factor.confirm(principal, totp.at(int(identity.parts.clock.at)), VISIT)
    identity.parts.clock.at += 60
    return totp, codes


async def refused(awaitable: Any, kind: type[AragoraError] = Unauthenticated) -> str:
    with pytest.raises(kind) as caught:
        await awaitable
    return caught.value.code


async def actions(identity: Any) -> list[str]:
    return [f"{entry.event.action} {entry.event.outcome}" for entry in reversed(await identity.parts.audit.page())]


async def test_a_stranger_owns_an_organisation_of_its_own_and_runs_nothing_else(identity: Any) -> None:
    user = await registered(identity)
    principal = await identity.who((await logged_in(identity)).access_token)
    assert (principal.user_id, principal.org_id, principal.roles) == (user.user_id, user.org_id, ("owner",))
    assert "system.admin" not in principal.permissions
    assert principal.method is Method.SESSION
    other = await registered(identity, "joe@example.com")
    assert other.org_id != user.org_id


async def test_only_who_may_gives_roles_and_only_those_held(identity: Any) -> None:
    await registered(identity)
    owner = await identity.who((await logged_in(identity)).access_token)
    member = await registered(identity, "m@example.com", by=owner, roles=["member"])
    assert (member.org_id, member.roles) == (owner.org_id, ("member",))
    await refused(registered(identity, "x@example.com", by=owner, roles=["admin"]), Forbidden)
    await refused(registered(identity, "x@example.com", roles=["admin"]), Forbidden)
    admin = await registered(identity, "root@example.com", by=LOCAL_OPERATOR, roles=["admin", "owner"])
    assert admin.org_id == "local"
    await refused(registered(identity), Conflict)
    await refused(identity.accounts.register("y@example.com", "password123", "Y", VISIT, by=None), InvalidInput)


async def test_a_wrong_password_and_an_unknown_address_read_the_same(identity: Any) -> None:
    await registered(identity)
    texts = set()
    for email in ("jane@example.com", "nobody@example.com"):
        with pytest.raises(Unauthenticated) as caught:
            await identity.accounts.login(email, "wrong password", VISIT)
        texts.add((caught.value.code, caught.value.message))
    assert len(texts) == 1
    assert await actions(identity) == ["auth.register success", "auth.login denied", "auth.login denied"]


async def test_guessing_is_slowed_for_the_guesser_alone(identity: Any) -> None:
    await registered(identity)
    for _ in range(5):
        await refused(identity.accounts.login("jane@example.com", "guess", VISIT))
    assert await refused(identity.accounts.login("JANE@example.com", PASSWORD, VISIT), RateLimited) == "rate_limited"
    assert isinstance(await identity.accounts.login("jane@example.com", PASSWORD, Visit("198.51.100.1")), TokenPair)


async def test_a_disabled_user_is_out_at_once(identity: Any) -> None:
    user = await registered(identity)
    pair = await logged_in(identity)
    await identity.people.disable(OPERATOR, user.user_id, VISIT)
    assert await refused(identity.logins.refresh(pair.refresh_token, VISIT)) == "invalid_token"
    assert await refused(identity.who(pair.access_token)) == "token_revoked"
    assert await refused(identity.accounts.login("jane@example.com", PASSWORD, VISIT)) == "invalid_credentials"


async def test_a_stolen_refresh_token_ends_the_whole_login(identity: Any) -> None:
    await registered(identity)
    first = await logged_in(identity)
    second = await identity.logins.refresh(first.refresh_token, VISIT)
    assert await identity.who(second.access_token)
    assert await refused(identity.logins.refresh(first.refresh_token, VISIT)) == "token_reused"
    assert await refused(identity.who(second.access_token)) == "token_revoked"
    assert await refused(identity.logins.refresh(second.refresh_token, VISIT)) == "invalid_token"
    assert (await actions(identity))[-1] == "auth.refresh_reused denied"


async def test_of_two_refreshes_at_once_at_most_one_lives(identity: Any) -> None:
    await registered(identity)
    pair = await logged_in(identity)
    answers = await asyncio.gather(
        *(identity.logins.refresh(pair.refresh_token, VISIT) for _ in range(4)), return_exceptions=True
    )
    assert sum(isinstance(answer, TokenPair) for answer in answers) <= 1


async def test_tokens_are_not_taken_for_one_another(identity: Any) -> None:
    await registered(identity)
    pair = await logged_in(identity)
    assert await refused(identity.who(pair.refresh_token)) == "invalid_token"
    assert await refused(identity.logins.refresh(pair.access_token, VISIT)) == "invalid_token"


async def test_an_access_token_ends_with_its_time_and_with_logout(identity: Any) -> None:
    await registered(identity)
    one, two = await logged_in(identity), await logged_in(identity)
    principal = await identity.who(one.access_token)
    await identity.logins.end(principal, VISIT)
    assert await refused(identity.who(one.access_token)) == "token_revoked"
    assert await identity.who(two.access_token)
    identity.parts.clock.at += 3600
    assert await refused(identity.who(two.access_token)) == "token_expired"
    fresh = await identity.logins.refresh(two.refresh_token, VISIT)
    principal = await identity.who(fresh.access_token)
    await identity.confirmation.by_password(principal, PASSWORD, VISIT)
    await identity.logins.end(await identity.who(fresh.access_token), VISIT, everywhere=True)
    assert await refused(identity.who(fresh.access_token)) == "token_revoked"


async def test_a_genuine_token_of_no_session_is_refused(identity: Any) -> None:
    from aragora.identity.tokens import claims_for

    claims = claims_for(subject="usr_x", session_id="ses_x", now=identity.parts.clock.now(), lifetime_s=60.0)
    assert await refused(identity.who(identity.parts.signer.sign(Purpose.ACCESS, claims))) == "token_revoked"


async def test_a_new_password_ends_the_other_sessions(identity: Any) -> None:
    await registered(identity)
    here, there = await logged_in(identity), await logged_in(identity)
    principal = await identity.who(here.access_token)
    await refused(identity.accounts.change_password(principal, "wrong", "another fine one", VISIT))
    await identity.accounts.change_password(principal, PASSWORD, "another fine one", VISIT)
    assert await identity.who(here.access_token)
    assert await refused(identity.who(there.access_token)) == "token_revoked"


async def test_a_login_with_a_second_factor_needs_it_and_takes_each_code_once(identity: Any) -> None:
    await registered(identity)
    totp, codes = await enrolled(identity, await logged_in(identity))
    assert len(codes) == 10
    challenge = await identity.accounts.login("jane@example.com", PASSWORD, VISIT)
    assert isinstance(challenge, Challenge)
    assert await refused(identity.who(challenge.challenge)) == "invalid_token"
    code = totp.at(int(identity.parts.clock.at))
    pair = await identity.second_factor.complete(challenge.challenge, code, VISIT)
    assert (await identity.who(pair.access_token)).mfa
    again = await identity.accounts.login("jane@example.com", PASSWORD, VISIT)
    assert await refused(identity.second_factor.complete(again.challenge, code, VISIT)) == "invalid_code"
    assert "auth.mfa_failed denied" in await actions(identity)


async def test_a_challenge_is_good_for_one_login(identity: Any) -> None:
    await registered(identity)
    totp, _ = await enrolled(identity, await logged_in(identity))
    challenge = (await identity.accounts.login("jane@example.com", PASSWORD, VISIT)).challenge
    await identity.second_factor.complete(challenge, totp.at(int(identity.parts.clock.at)), VISIT)
    identity.parts.clock.at += 60
    late = totp.at(int(identity.parts.clock.at))
    assert await refused(identity.second_factor.complete(challenge, late, VISIT)) == "invalid_token"
    identity.parts.clock.at += 400
    assert await refused(identity.second_factor.complete(challenge, late, VISIT)) == "token_expired"


async def test_a_backup_code_works_once_and_codes_cannot_be_guessed(identity: Any) -> None:
    await registered(identity)
    _, codes = await enrolled(identity, await logged_in(identity))
    challenge = (await identity.accounts.login("jane@example.com", PASSWORD, VISIT)).challenge
    await identity.second_factor.complete(challenge, codes[0].lower(), VISIT)
    again = (await identity.accounts.login("jane@example.com", PASSWORD, VISIT)).challenge
    assert await refused(identity.second_factor.complete(again, codes[0], VISIT)) == "invalid_code"
    for _ in range(4):
        await refused(identity.second_factor.complete(again, "000000", VISIT))
    await refused(identity.second_factor.complete(again, codes[1], VISIT), RateLimited)


async def test_a_second_factor_in_force_is_not_replaced(identity: Any) -> None:
    await registered(identity)
    pair = await logged_in(identity)
    await enrolled(identity, pair)
    await refused(identity.second_factor.enrol(await identity.who(pair.access_token), VISIT), Conflict)


async def test_an_api_key_acts_for_its_owner_until_it_is_revoked(identity: Any) -> None:
    user = await registered(identity)
    principal = await identity.who((await logged_in(identity)).access_token)
    key, text = await identity.keys.create(principal, "ci", VISIT, lifetime_s=100.0)
    assert text not in repr(key)
    acting = await identity.who(text)
    assert (acting.user_id, acting.method, acting.mfa) == (user.user_id, Method.API_KEY, False)
    changed = text[:-1] + ("A" if text[-1] != "A" else "B")
    assert await refused(identity.who(changed)) == "invalid_api_key"
    assert await identity.keys.revoke(principal, VISIT, key.key_id) == 1
    assert await refused(identity.who(text)) == "invalid_api_key"
    _, second = await identity.keys.create(principal, "ci", VISIT, lifetime_s=100.0)
    identity.parts.clock.at += 100
    assert await refused(identity.who(second)) == "invalid_api_key"


async def test_a_key_works_where_its_use_cannot_be_noted(identity: Any, monkeypatch: pytest.MonkeyPatch) -> None:
    await registered(identity)
    who = await identity.who((await logged_in(identity)).access_token)
    _, text = await identity.keys.create(who, "ci", VISIT, lifetime_s=None)

    async def away(*_: Any) -> None:
        raise Unavailable("The database takes no writes now.")

    monkeypatch.setattr(identity.parts.keys, "touch", away)
    assert (await identity.who(text)).user_id == who.user_id


async def test_identity_headers_beside_a_persons_token_are_refused(identity: Any) -> None:
    await registered(identity)
    pair = await logged_in(identity)
    assert await refused(identity.who(pair.access_token, **{"x-user-roles": "admin"})) == "unproven_identity"


async def test_a_guess_at_the_current_password_is_audited(identity: Any) -> None:
    await registered(identity)
    who = await identity.who((await logged_in(identity)).access_token)
    changing = identity.accounts.change_password(who, "not the right one", "another fine one", VISIT)
    assert await refused(changing) == "invalid_credentials"
    assert (await actions(identity))[-1] == "auth.password_changed denied"


async def test_a_second_step_that_is_refused_is_counted(identity: Any) -> None:
    user = await registered(identity)
    totp, _ = await enrolled(identity, await logged_in(identity))
    step = await identity.accounts.login(user.email, PASSWORD, VISIT)
    complete = identity.second_factor.complete
    assert await complete(step.challenge, totp.at(int(identity.parts.clock.at)), VISIT)
    identity.parts.clock.at += 30
    assert await refused(complete(step.challenge, totp.at(int(identity.parts.clock.at)), VISIT)) == "invalid_token"
    step = await identity.accounts.login(user.email, PASSWORD, VISIT)
    await identity.people.disable(OPERATOR, user.user_id, VISIT)
    assert await refused(complete(step.challenge, "000000", VISIT)) == "invalid_token"
    counted = {delta.sample: delta.amount for delta in identity.parts.registry.drain()}
    assert counted["aragora_auth_failures_total"] == 2


async def test_who_has_no_login_logs_out_of_none_in_the_log(identity: Any) -> None:
    await registered(identity)
    who = await identity.who((await logged_in(identity)).access_token)
    _, text = await identity.keys.create(who, "ci", VISIT, lifetime_s=None)
    before = await actions(identity)
    await identity.logins.end(await identity.who(text), VISIT)
    assert await actions(identity) == before


async def test_bad_credentials_are_limited_by_address(identity: Any) -> None:
    for _ in range(60):
        await refused(identity.who("a.b.c"))
    assert await refused(identity.who("a.b.c"), RateLimited) == "rate_limited"
    counted = {delta.sample: delta.amount for delta in identity.parts.registry.drain()}
    assert counted["aragora_auth_failures_total"] == 61


async def test_a_ticket_works_once_and_not_after_logout(identity: Any) -> None:
    await registered(identity)
    principal = await identity.who((await logged_in(identity)).access_token)
    ticket = await identity.tickets.issue(principal)
    redeem = identity.authentication.principal
    assert await redeem({}, address="203.0.113.9", ticket=ticket) == principal
    assert await refused(redeem({}, address="203.0.113.9", ticket=ticket)) == "invalid_ticket"
    late = await identity.tickets.issue(principal)
    identity.parts.clock.at += 31
    assert await refused(redeem({}, address="203.0.113.9", ticket=late)) == "invalid_ticket"
    last = await identity.tickets.issue(principal)
    assert await identity.authentication.still_valid(principal)
    await identity.logins.end(principal, VISIT)
    assert not await identity.authentication.still_valid(principal)
    assert await refused(redeem({}, address="203.0.113.9", ticket=last)) == "invalid_ticket"


async def test_a_disabled_account_ends_what_it_and_who_acts_for_it_hold_open(identity: Any) -> None:
    user = await registered(identity)
    own = await identity.who((await logged_in(identity)).access_token)
    admin = Principal("usr_admin", "local", ("admin",), Method.API_TOKEN, mfa=True)
    pair = await identity.accounts.impersonate(admin, user.user_id, "ticket 42", VISIT)
    acting = await identity.who(pair.access_token)
    machine = Principal("api-token", "local", ("admin",), Method.API_TOKEN)
    held = (own, acting, machine)
    assert await identity.authentication.ended(held) == frozenset()
    await identity.people.disable(OPERATOR, user.user_id, VISIT)
    assert await identity.authentication.ended(held) == {own, acting}


async def test_impersonation_is_short_audited_counted_and_touches_no_credentials(identity: Any) -> None:
    user = await registered(identity)
    admin = Principal("usr_admin", "local", ("admin",), Method.API_TOKEN, mfa=True)
    pair = await identity.accounts.impersonate(admin, user.user_id, "ticket 42", VISIT)
    assert (pair.refresh_token, pair.expires_in) == (None, 900)
    acting = await identity.who(pair.access_token)
    assert (acting.user_id, acting.actor, acting.mfa) == (user.user_id, "usr_admin", False)
    for attempt in (
        identity.keys.create(acting, "k", VISIT, lifetime_s=100.0),
        identity.accounts.change_password(acting, PASSWORD, "another fine one", VISIT),
        identity.keys.revoke(acting, VISIT),
        identity.second_factor.enrol(acting, VISIT),
        identity.second_factor.confirm(acting, "123456", VISIT),
        identity.accounts.impersonate(acting, user.user_id, "deeper", VISIT),
    ):
        await refused(attempt, Forbidden)
    entry = (await identity.parts.audit.page(action="admin.impersonate"))[0]
    assert (entry.event.actor, entry.event.target, entry.event.details["reason"]) == (
        "usr_admin", user.user_id, "ticket 42",
    )  # fmt: skip
    counted = {delta.sample: delta.amount for delta in identity.parts.registry.drain()}
    assert counted["aragora_admin_impersonate_total"] == 1
    identity.parts.clock.at += 900
    assert await refused(identity.who(pair.access_token)) == "token_expired"


async def test_nobody_acts_as_an_administrator(identity: Any) -> None:
    root = await registered(identity, "root@example.com", by=LOCAL_OPERATOR, roles=["admin"])
    await refused(identity.accounts.impersonate(LOCAL_OPERATOR, root.user_id, "x", VISIT), Forbidden)
    await refused(identity.accounts.impersonate(LOCAL_OPERATOR, "usr_none", "x", VISIT), NotFound)


async def test_no_secret_is_in_the_audit_log_and_the_chain_holds(identity: Any) -> None:
    await registered(identity)
    pair = await logged_in(identity)
    principal = await identity.who(pair.access_token)
    _, text = await identity.keys.create(principal, "ci", VISIT, lifetime_s=100.0)
    written = repr(await identity.parts.audit.page())
    for secret in (PASSWORD, pair.access_token, pair.refresh_token, text):
        assert secret not in written
    assert (await verify_chain(identity.parts.audit.walk())).intact
