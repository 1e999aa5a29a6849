"""Two who change an account at the same moment, and a change that fails half way: one of the two holds, whole."""

from __future__ import annotations

import asyncio
from collections.abc import Awaitable, Callable
from dataclasses import replace
from typing import Any

import pyotp
import pytest
from sqlalchemy import update

from aragora.errors import AragoraError, Conflict, Forbidden, InvalidInput, RateLimited, Unauthenticated, Unavailable
from aragora.identity import second_factor
from aragora.identity.logins import Challenge, TokenPair
from aragora.identity.own_keys import MAX_KEYS
from aragora.identity.parts import Visit
from aragora.identity.people import OPERATOR
from aragora.identity.principal import Method, Principal
from aragora.identity.store.tables import users
from aragora.storage.database import Database

pytestmark = pytest.mark.slow

VISIT, MACHINE = Visit("203.0.113.9", "req_1"), Visit("127.0.0.1", "req_2")
EMAIL, PASSWORD, NEW = "jane@example.com", "correct horse battery", "another fine one"
TOKEN = Principal("api-token", "local", ("owner", "admin"), Method.API_TOKEN)


async def jane(identity: Any) -> tuple[Any, Any]:
    """The account and a login of it."""
    user = await identity.accounts.register(EMAIL, PASSWORD, "Jane", VISIT, by=None)
    return user, await identity.who((await identity.accounts.login(EMAIL, PASSWORD, VISIT)).access_token)


SECRET = "JBSWY3DPEHPK3PXP" * 2


def code(identity: Any) -> str:
    return pyotp.TOTP(SECRET).at(int(identity.parts.clock.at))


async def shown(identity: Any, who: Principal) -> Principal:
    """The login with a second factor in force, of `SECRET`."""
    with pytest.MonkeyPatch.context() as patched:
        patched.setattr(second_factor, "new_secret", lambda: SECRET)
        await identity.second_factor.enrol(who, VISIT)
    await identity.second_factor.confirm(who, code(identity), VISIT)
    return replace(who, mfa=True, roles=("owner", "admin"))


async def refused(awaitable: Awaitable[Any], kind: type[AragoraError] = Unauthenticated) -> str:
    with pytest.raises(kind) as caught:
        await awaitable
    return caught.value.code


def first(monkeypatch: pytest.MonkeyPatch, target: Any, name: str, deed: Callable[[], Awaitable[Any]]) -> None:
    """Once, just before the method goes on, do the deed."""
    method = getattr(target, name)

    async def later(*args: Any, **more: Any) -> Any:
        monkeypatch.undo()
        await deed()
        return await method(*args, **more)

    monkeypatch.setattr(target, name, later)


async def audited(identity: Any, action: str) -> int:
    return len(await identity.parts.audit.page(action=action))


@pytest.mark.parametrize("change", ["password", "disabled", "factor"])
async def test_a_login_under_way_does_not_outlive_the_change_of_its_account(
    change: str, identity: Any, monkeypatch: pytest.MonkeyPatch
) -> None:
    user, who = await jane(identity)
    totp = pyotp.TOTP((await identity.second_factor.enrol(who, VISIT)).secret)
    deeds: dict[str, Callable[[], Awaitable[Any]]] = {
        "password": lambda: identity.accounts.change_password(who, PASSWORD, NEW, VISIT),
        "disabled": lambda: identity.people.disable(OPERATOR, user.user_id, VISIT),
        "factor": lambda: identity.second_factor.confirm(who, totp.at(int(identity.parts.clock.at)), VISIT),
    }
    first(monkeypatch, identity.logins, "open", deeds[change])
    logins = await audited(identity, "auth.login")
    await refused(identity.accounts.login(EMAIL, PASSWORD, VISIT))
    assert await audited(identity, "auth.login") == logins, "a login that never was is in no log"


async def test_a_stronger_hash_of_the_old_password_does_not_put_it_back(
    identity: Any, monkeypatch: pytest.MonkeyPatch
) -> None:
    _, who = await jane(identity)
    monkeypatch.setattr(identity.parts.passwords, "needs_rehash", lambda _hash: True)
    first(
        monkeypatch,
        identity.parts.users,
        "rehash",
        lambda: identity.accounts.change_password(who, PASSWORD, NEW, VISIT),
    )
    await refused(identity.accounts.login(EMAIL, PASSWORD, VISIT))
    await refused(identity.accounts.login(EMAIL, PASSWORD, VISIT))
    assert isinstance(await identity.accounts.login(EMAIL, NEW, VISIT), TokenPair)


async def test_a_password_changes_with_its_logins_and_keys_or_not_at_all(
    identity: Any, monkeypatch: pytest.MonkeyPatch
) -> None:
    _, who = await jane(identity)
    other = await identity.accounts.login(EMAIL, PASSWORD, VISIT)
    _, key = await identity.keys.create(who, "ci", VISIT, lifetime_s=None)

    async def away(*_: Any) -> int:
        raise Unavailable("The database is away.")

    with monkeypatch.context() as patched:
        patched.setattr(identity.parts.keys, "revoke", away)
        await refused(identity.accounts.change_password(who, PASSWORD, NEW, VISIT, revoke_keys=True), Unavailable)
    assert await identity.who(other.access_token)
    assert await audited(identity, "auth.password_changed") == 0
    await identity.accounts.change_password(who, PASSWORD, NEW, VISIT, revoke_keys=True)
    for proof in (key, other.access_token):
        await refused(identity.who(proof))


async def test_of_two_who_change_the_password_at_once_one_does(identity: Any) -> None:
    _, who = await jane(identity)
    tried = await asyncio.gather(
        *(identity.accounts.change_password(who, PASSWORD, f"{NEW} {n}", VISIT) for n in range(2)),
        return_exceptions=True,
    )
    assert sorted(type(one).__name__ for one in tried) == ["NoneType", "Unauthenticated"]


async def test_what_is_refused_is_in_no_log_as_done(identity: Any) -> None:
    _, who = await jane(identity)
    await refused(identity.second_factor.renew_backup_codes(who, VISIT), Conflict)
    await refused(identity.second_factor.disable(who, VISIT), Conflict)
    totp = pyotp.TOTP((await identity.second_factor.enrol(who, VISIT)).secret)
    await identity.second_factor.confirm(who, totp.at(int(identity.parts.clock.at)), VISIT)
    shown = replace(who, mfa=True)
    await refused(identity.second_factor.enrol(shown, VISIT), Conflict)
    actions = ("auth.mfa_enrolled", "auth.mfa_enabled", "auth.backup_codes_renewed", "auth.mfa_disabled")
    assert [await audited(identity, action) for action in actions] == [1, 1, 0, 0]


async def test_many_who_make_keys_at_once_stay_within_the_limit(identity: Any) -> None:
    _, who = await jane(identity)
    tried = await asyncio.gather(
        *(identity.keys.create(who, f"k{n}", VISIT, lifetime_s=None) for n in range(MAX_KEYS + 5)),
        return_exceptions=True,
    )
    assert sum(isinstance(one, Conflict) for one in tried) == 5
    assert len(await identity.keys.live(who)) == MAX_KEYS == await audited(identity, "api_key.create")


async def test_an_account_that_gets_more_rights_meanwhile_is_out_of_reach(
    identity: Any, monkeypatch: pytest.MonkeyPatch
) -> None:
    _, who = await jane(identity)
    mike = await identity.accounts.register("mike@example.com", PASSWORD, "M", VISIT, by=who, roles=["member"])
    deeds: tuple[Callable[[], Awaitable[Any]], ...] = (
        lambda: identity.people.disable(who, mike.user_id, VISIT),
        lambda: identity.people.reset_factor(who, mike.user_id, VISIT),
        lambda: identity.people.end_sessions(who, mike.user_id, VISIT),
    )
    for deed in deeds:
        await identity.people.give_roles(OPERATOR, mike.user_id, ["member"], VISIT)
        first(
            monkeypatch, identity.parts.audit, "record",
            lambda: identity.people.give_roles(OPERATOR, mike.user_id, ["admin"], VISIT),
        )  # fmt: skip
        await refused(deed(), Forbidden)
    assert not (await identity.parts.users.by_id(mike.user_id)).disabled


async def test_roles_and_state_change_together_or_not_at_all(identity: Any) -> None:
    _, who = await jane(identity)
    mike = await identity.accounts.register("mike@example.com", PASSWORD, "M", VISIT, by=who, roles=["member"])
    change = identity.people.change
    await refused(change(who, who.user_id, VISIT, roles=["owner"], disabled=True), Conflict)
    await refused(change(who, who.user_id, VISIT, roles=["viewer"], disabled=False), Conflict)
    assert (await identity.parts.users.by_id(who.user_id)).roles == ("owner",)
    await refused(change(who, mike.user_id, VISIT), InvalidInput)
    changed = await change(who, mike.user_id, VISIT, roles=["viewer"], disabled=True)
    assert (changed.roles, changed.disabled) == (("viewer",), True)
    (entry,) = await identity.parts.audit.page(action="user.roles_and_disable")
    assert entry.event.details == {"before": "member", "roles": "viewer", "disabled": "true"}


async def test_the_operators_token_makes_and_invites_people_and_manages_none(identity: Any) -> None:
    made = await identity.accounts.register(EMAIL, PASSWORD, "Jane", VISIT, by=TOKEN, roles=["owner", "admin"])
    assert await identity.invitations.invite(TOKEN, "mike@example.com", ["member"], VISIT)
    people = identity.people
    for deed in (
        people.page(TOKEN, limit=9),
        people.get(TOKEN, made.user_id),
        people.change(TOKEN, made.user_id, VISIT, disabled=True),
        people.end_sessions(TOKEN, made.user_id, VISIT),
        people.revoke_keys(TOKEN, made.user_id, VISIT),
        people.reset_factor(TOKEN, made.user_id, VISIT),
        identity.invitations.open_ones(TOKEN),
    ):
        with pytest.raises(Forbidden, match="aragora users"):
            await deed


async def test_in_production_an_administrator_without_a_factor_manages_nobody(identity: Any) -> None:
    object.__setattr__(identity.parts, "production", True)
    await identity.accounts.register(EMAIL, PASSWORD, "Jane", VISIT, by=OPERATOR, roles=["owner", "admin"])
    root = await identity.who((await identity.accounts.login(EMAIL, PASSWORD, VISIT)).access_token)
    mike = await identity.accounts.register("mike@example.com", PASSWORD, "M", VISIT, by=OPERATOR, roles=["member"])
    deeds: tuple[Callable[[], Awaitable[Any]], ...] = (
        lambda: identity.accounts.register("x@example.com", PASSWORD, "X", VISIT, by=root, roles=["admin"]),
        lambda: identity.invitations.invite(root, "x@example.com", ["admin"], VISIT),
        lambda: identity.people.give_roles(root, mike.user_id, ["admin"], VISIT),
        lambda: identity.people.reset_factor(root, mike.user_id, VISIT),
    )
    for deed in deeds:
        assert await refused(deed(), Forbidden) == "mfa_required"
    totp = pyotp.TOTP((await identity.second_factor.enrol(root, VISIT)).secret)
    await identity.second_factor.confirm(root, totp.at(int(identity.parts.clock.at)), VISIT)
    await identity.people.give_roles(replace(root, mfa=True), mike.user_id, ["admin"], VISIT)


async def test_a_development_server_does_not_limit_its_own_machine_and_production_does(identity: Any) -> None:
    for number in range(12):
        await identity.accounts.register(f"u{number}@example.com", PASSWORD, "U", MACHINE, by=None)
    object.__setattr__(identity.parts, "production", True)
    for number in range(12, 22):
        await identity.accounts.register(f"u{number}@example.com", PASSWORD, "U", MACHINE, by=None)
    await refused(identity.accounts.register("u22@example.com", PASSWORD, "U", MACHINE, by=None), RateLimited)


async def test_a_stolen_login_that_guesses_codes_does_not_keep_the_owner_out(identity: Any) -> None:
    _, who = await jane(identity)
    totp = pyotp.TOTP((await identity.second_factor.enrol(who, VISIT)).secret)
    await identity.second_factor.confirm(who, totp.at(int(identity.parts.clock.at)), VISIT)
    for session in range(8):
        stolen = replace(who, session_id=f"ses_{session}")
        tried = [identity.second_factor.show(stolen, "000000", VISIT) for _ in range(5)]
        await asyncio.gather(*tried, return_exceptions=True)
    await refused(identity.second_factor.show(who, "000000", VISIT), RateLimited)
    for _ in range(7):  # a right code gives its place back
        identity.parts.clock.at += 30
        challenge = await identity.accounts.login(EMAIL, PASSWORD, VISIT)
        assert isinstance(challenge, Challenge)
        code = totp.at(int(identity.parts.clock.at))
        assert await identity.second_factor.complete(challenge.challenge, code, VISIT)


async def test_a_factor_that_cannot_be_read_says_what_to_do(identity: Any, sqlite_users: Database) -> None:
    _, who = await jane(identity)
    totp = pyotp.TOTP((await identity.second_factor.enrol(who, VISIT)).secret)
    await identity.second_factor.confirm(who, totp.at(int(identity.parts.clock.at)), VISIT)
    for stored in ("no JSON", "[" * 50_000):
        async with sqlite_users.writing() as connection:
            await connection.execute(update(users).values(mfa_secret=stored))
        with pytest.raises(Conflict, match="reset") as caught:
            await identity.second_factor.show(who, "123456", VISIT)
        assert caught.value.code == "factor_unreadable"


DEEDS: dict[str, Callable[[Any, Principal, str, str], Awaitable[Any]]] = {
    "key": lambda identity, who, _, __: identity.keys.create(who, "ci", VISIT, lifetime_s=None),
    "password": lambda identity, who, _, __: identity.accounts.change_password(who, PASSWORD, NEW, VISIT),
    "new codes": lambda identity, who, _, __: identity.second_factor.renew_backup_codes(who, VISIT),
    "no factor": lambda identity, who, _, __: identity.second_factor.disable(who, VISIT),
    "member": lambda identity, who, _, __: identity.accounts.register(
        "x@example.com", PASSWORD, "X", VISIT, by=who, roles=["member"]
    ),
    "invitation": lambda identity, who, _, __: identity.invitations.invite(who, "x@example.com", ["member"], VISIT),
    "disabled": lambda identity, who, mike, _: identity.people.disable(who, mike, VISIT),
    "impersonation": lambda identity, who, mike, _: identity.accounts.impersonate(who, mike, "support", VISIT),
    "confirmation": lambda identity, who, _, code: identity.second_factor.show(who, code, VISIT),
}


@pytest.mark.parametrize("deed", DEEDS)
async def test_a_login_that_ends_meanwhile_changes_nothing_more(
    deed: str, identity: Any, monkeypatch: pytest.MonkeyPatch
) -> None:
    user, who = await jane(identity)
    await identity.people.give_roles(OPERATOR, user.user_id, ["owner", "admin"], VISIT)
    who = await shown(identity, who)
    mike = await identity.accounts.register("mike@example.com", PASSWORD, "M", VISIT, by=OPERATOR, roles=["member"])
    identity.parts.clock.at += 30
    before = await identity.parts.audit.page()
    first(
        monkeypatch, identity.parts.audit, "record",
        lambda: identity.people.end_sessions(OPERATOR, user.user_id, VISIT),
    )  # fmt: skip
    assert await refused(DEEDS[deed](identity, who, mike.user_id, code(identity))) == "token_revoked"
    after = await identity.parts.audit.page()
    assert [entry.event.action for entry in after[: len(after) - len(before)]] == ["user.sessions_ended"]


@pytest.mark.parametrize("deed", ["enrol", "confirm"])
async def test_a_login_that_ends_meanwhile_enrols_no_factor(
    deed: str, identity: Any, monkeypatch: pytest.MonkeyPatch
) -> None:
    user, who = await jane(identity)
    totp = pyotp.TOTP((await identity.second_factor.enrol(who, VISIT)).secret)
    first(
        monkeypatch, identity.parts.audit, "record",
        lambda: identity.people.end_sessions(OPERATOR, user.user_id, VISIT),
    )  # fmt: skip
    deeds: dict[str, Callable[[], Awaitable[Any]]] = {
        "enrol": lambda: identity.second_factor.enrol(who, VISIT),
        "confirm": lambda: identity.second_factor.confirm(who, totp.at(int(identity.parts.clock.at)), VISIT),
    }
    assert await refused(deeds[deed]()) == "token_revoked"
    assert not (await identity.parts.users.by_id(user.user_id)).mfa_enabled


@pytest.mark.parametrize("meanwhile", ["disabled", "admin"])
async def test_nobody_acts_as_who_becomes_out_of_reach_meanwhile(
    meanwhile: str, identity: Any, monkeypatch: pytest.MonkeyPatch
) -> None:
    mike = await identity.accounts.register(EMAIL, PASSWORD, "M", VISIT, by=None)
    deeds: dict[str, Callable[[], Awaitable[Any]]] = {
        "disabled": lambda: identity.people.disable(OPERATOR, mike.user_id, VISIT),
        "admin": lambda: identity.people.give_roles(OPERATOR, mike.user_id, ["admin"], VISIT),
    }
    first(monkeypatch, identity.parts.audit, "record", deeds[meanwhile])
    await refused(identity.accounts.impersonate(OPERATOR, mike.user_id, "support", VISIT), Forbidden)
    (entry,) = await identity.parts.audit.page(action="admin.impersonate")
    assert entry.event.outcome == "denied"
    assert not await identity.parts.sessions.of_user(mike.user_id, identity.parts.clock.at)


async def test_an_invitation_is_not_accepted_once_its_maker_is_locked_out(
    identity: Any, monkeypatch: pytest.MonkeyPatch
) -> None:
    user, who = await jane(identity)
    _, token = await identity.invitations.invite(who, "mike@example.com", ["owner"], VISIT)
    first(
        monkeypatch, identity.parts.audit, "record",
        lambda: identity.people.change(OPERATOR, user.user_id, VISIT, disabled=True),
    )  # fmt: skip
    assert await refused(identity.invitations.accept(token, PASSWORD, "M", VISIT)) == "invalid_invitation"
    assert await identity.parts.users.by_email("mike@example.com") is None


async def test_a_logout_during_a_refresh_is_no_theft(identity: Any, monkeypatch: pytest.MonkeyPatch) -> None:
    await jane(identity)
    pair = await identity.accounts.login(EMAIL, PASSWORD, VISIT)
    mine = await identity.who(pair.access_token)
    first(monkeypatch, identity.parts.sessions, "advance", lambda: identity.logins.end(mine, VISIT))
    assert await refused(identity.logins.refresh(pair.refresh_token, VISIT)) == "invalid_token"
    assert await audited(identity, "auth.refresh_reused") == 0


async def test_a_refresh_that_could_not_be_answered_is_done_again(
    identity: Any, monkeypatch: pytest.MonkeyPatch
) -> None:
    await jane(identity)
    pair = await identity.accounts.login(EMAIL, PASSWORD, VISIT)

    async def away(*_: Any) -> Any:
        raise Unavailable("The database is away.")

    with monkeypatch.context() as patched:
        patched.setattr(identity.parts.users, "by_id", away)
        await refused(identity.logins.refresh(pair.refresh_token, VISIT), Unavailable)
    assert await identity.logins.refresh(pair.refresh_token, VISIT)


@pytest.mark.parametrize("password", ["eight\x00chars", "eight\x1bchars", "eight chars\ud800"])
async def test_nobody_gets_a_password_or_name_that_no_route_takes(password: str, identity: Any) -> None:
    assert await refused(identity.accounts.register(EMAIL, password, "-", VISIT, by=None), InvalidInput)
    await refused(identity.accounts.register(EMAIL, PASSWORD, password, VISIT, by=None), InvalidInput)
