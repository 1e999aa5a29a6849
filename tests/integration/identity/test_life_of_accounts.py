"""The life cycle of accounts: what is taken away is away at once, nobody reaches above themselves, all is audited."""

from __future__ import annotations

import asyncio
from dataclasses import replace
from typing import Any

import pytest
from worlds.backends import written

from aragora.errors import AragoraError, Conflict, Forbidden, InvalidInput, NotFound, RateLimited, Unauthenticated
from aragora.identity.invitations import LIFETIME_S
from aragora.identity.logins import TokenPair
from aragora.identity.oauth import Arrival
from aragora.identity.parts import Visit
from aragora.identity.people import OPERATOR
from aragora.identity.principal import Method, Principal
from aragora.identity.registration import Registration, RegistrationRules
from aragora.identity.store.users import STANDING_S
from aragora.storage.database import Database

pytestmark = pytest.mark.slow

VISIT = Visit("203.0.113.9", "req_1")
PASSWORD = "correct horse battery"


class Account:
    """A person with a login and a key."""

    def __init__(self, identity: Any, user: Any, pair: TokenPair, principal: Principal, key: str) -> None:
        self.identity, self.user, self.pair, self.principal, self.key = identity, user, pair, principal, key
        self.user_id = user.user_id

    async def holds(self) -> dict[str, bool]:
        """Which of the person's credentials and open connections still hold."""
        services = self.identity
        tried = {
            "access token": services.who(self.pair.access_token),
            "api key": services.who(self.key),
            "refresh token": services.logins.refresh(self.pair.refresh_token, VISIT),
        }
        found = {name: not isinstance(await settled(one), AragoraError) for name, one in tried.items()}
        by_key = replace(self.principal, session_id=None, method=Method.API_KEY, key_id=self.key.split("_")[1])
        return {
            **found,
            "socket of the login": await services.authentication.still_valid(self.principal),
            "socket of the key": await services.authentication.still_valid(by_key),
        }


async def settled(awaitable: Any) -> Any:
    try:
        return await awaitable
    except AragoraError as refused:
        return refused


async def refused(awaitable: Any, kind: type[AragoraError]) -> str:
    with pytest.raises(kind) as caught:
        await awaitable
    return caught.value.code


async def account(identity: Any, name: str, roles: tuple[str, ...] = (), by: Principal | None = None) -> Account:
    email = f"{name}@example.com"
    user = await identity.accounts.register(email, PASSWORD, name, VISIT, by=by, roles=roles)
    pair = await identity.accounts.login(email, PASSWORD, VISIT)
    principal = await identity.who(pair.access_token)
    _, key = await identity.keys.create(principal, "ci", VISIT, lifetime_s=None)
    return Account(identity, user, pair, principal, key)


async def pair_of(identity: Any) -> tuple[Account, Account]:
    """An owner and a member of one organisation."""
    owner = await account(identity, "olga")
    return owner, await account(identity, "mike", ("member",), owner.principal)


async def actions(identity: Any) -> list[str]:
    return [entry.event.action for entry in reversed(await identity.parts.audit.page())]


async def test_a_disabled_account_holds_nothing_any_more(identity: Any) -> None:
    owner, member = await pair_of(identity)
    assert set((await member.holds()).values()) == {True}
    pair = await identity.accounts.login("mike@example.com", PASSWORD, VISIT)
    member = Account(identity, member.user, pair, await identity.who(pair.access_token), member.key)
    assert (await identity.people.disable(owner.principal, member.user_id, VISIT)).disabled
    assert set((await member.holds()).values()) == {False}
    await refused(identity.accounts.login("mike@example.com", PASSWORD, VISIT), Unauthenticated)
    await identity.people.enable(owner.principal, member.user_id, VISIT)
    held = await member.holds()
    assert [name for name, valid in held.items() if valid] == ["api key", "socket of the key"]
    assert [one for one in await actions(identity) if one.startswith("user.")] == ["user.disable", "user.enable"]


async def test_a_disabled_account_is_out_even_where_its_sessions_were_left(identity: Any) -> None:
    """As where the server died between the two, or another process wrote the column."""
    _, member = await pair_of(identity)
    users = identity.parts.users
    async with users._database.writing() as connection:
        await users.put_disabled(connection, member.user_id, True, 0.0)
    identity.parts.clock.at += STANDING_S
    assert set((await member.holds()).values()) == {False}


async def test_a_role_taken_away_is_away_for_open_logins_keys_and_sockets(identity: Any) -> None:
    owner, member = await pair_of(identity)
    await identity.people.give_roles(owner.principal, member.user_id, ["viewer"], VISIT)
    for proof in (member.pair.access_token, member.key):
        assert (await identity.who(proof)).roles == ("viewer",)
    assert not await identity.authentication.still_valid(member.principal)
    await identity.people.give_roles(owner.principal, member.user_id, ["owner"], VISIT)
    assert await identity.authentication.still_valid(member.principal), "more rights close nothing"
    entry = (await identity.parts.audit.page(action="user.roles"))[1].event
    assert (entry.actor, entry.target, entry.details) == (
        owner.user_id, member.user_id, {"before": "member", "roles": "viewer"},
    )  # fmt: skip


async def test_a_workspace_taken_away_is_away_for_open_logins_keys_and_sockets(identity: Any) -> None:
    owner, member = await pair_of(identity)
    give = identity.people.give_workspaces
    await give(owner.principal, member.user_id, ["default", "team_a"], VISIT)
    assert await identity.authentication.still_valid(member.principal), "more workspaces close nothing"
    at_work = await identity.who(member.pair.access_token)
    assert at_work.workspaces == {"default", "team_a"}
    await give(owner.principal, member.user_id, ["team_a"], VISIT)
    for proof in (member.pair.access_token, member.key):
        assert (await identity.who(proof)).workspaces == {"team_a"}
    assert not await identity.authentication.still_valid(at_work)
    assert await identity.parts.workspaces.names(owner.user.org_id) == ["team_a"]
    entry = (await identity.parts.audit.page(action="user.workspaces"))[0].event
    assert (entry.actor, entry.target, entry.details) == (
        owner.user_id, member.user_id, {"workspaces_before": "default,team_a", "workspaces": "team_a"},
    )  # fmt: skip
    assert await refused(give(owner.principal, member.user_id, ["a b"], VISIT), InvalidInput) == "invalid_workspace"
    assert await refused(give(owner.principal, member.user_id, [], VISIT), InvalidInput)


async def test_a_key_that_is_held_to_a_workspace_goes_with_its_owners_right_to_it(identity: Any) -> None:
    owner, member = await pair_of(identity)
    keys, give = identity.keys, identity.people.give_workspaces
    forbidden = keys.create(member.principal, "ci", VISIT, lifetime_s=None, workspace="team_a")
    assert await refused(forbidden, Forbidden) == "foreign_workspace"
    await give(owner.principal, member.user_id, ["team_a", "team_b"], VISIT)
    who = await identity.who(member.pair.access_token)
    key, text = await keys.create(who, "ci", VISIT, lifetime_s=None, workspace="team_a")
    held = await identity.who(text)
    assert (key.workspace, held.workspaces) == ("team_a", {"team_a"})
    await give(owner.principal, member.user_id, ["team_b"], VISIT)
    assert (await identity.who(text)).workspaces == frozenset()
    assert not await identity.authentication.still_valid(held)


async def test_who_is_invited_to_a_workspace_has_that_one(identity: Any) -> None:
    owner = await account(identity, "olga")
    invite, accept = identity.invitations.invite, identity.invitations.accept
    invitation, token = await invite(owner.principal, "new@example.com", ["member"], VISIT, workspaces=["team_a"])
    assert invitation.workspaces == ("team_a",)
    user = await accept(token, PASSWORD, "New", VISIT)
    assert (user.workspaces, (await identity.parts.users.by_id(user.user_id)).workspaces) == (("team_a",), ("team_a",))
    assert await identity.parts.workspaces.names(owner.user.org_id) == ["team_a"]


async def test_an_organisation_has_a_bounded_number_of_workspaces(
    identity: Any, monkeypatch: pytest.MonkeyPatch
) -> None:
    monkeypatch.setattr("aragora.limits.WORKSPACES_MAX", 2)
    owner, member = await pair_of(identity)
    give = identity.people.give_workspaces
    await give(owner.principal, member.user_id, ["a", "b", "default"], VISIT)
    assert await refused(give(owner.principal, member.user_id, ["c"], VISIT), Conflict)
    assert (await identity.parts.users.by_id(member.user_id)).workspaces == ("a", "b", "default")


async def test_sessions_keys_and_factor_go_one_by_one(identity: Any, sqlite_users: Database) -> None:
    owner, member = await pair_of(identity)
    detail = await identity.people.get(owner.principal, member.user_id)
    assert (detail.sessions, detail.api_keys, detail.last_owner) == (1, 1, False)
    assert await identity.people.end_sessions(owner.principal, member.user_id, VISIT) == 1
    held = await member.holds()
    assert (held["access token"], held["refresh token"], held["api key"]) == (False, False, True)
    assert await identity.people.revoke_keys(owner.principal, member.user_id, VISIT) == 1
    assert set((await member.holds()).values()) == {False}
    users = identity.parts.users
    await written(sqlite_users, users.offer_mfa, member.user_id, "sealed", 0.0)
    await written(sqlite_users, users.enable_mfa, member.user_id, "sealed", 1, ["d"], now=0.0)
    assert await identity.people.reset_factor(owner.principal, member.user_id, VISIT)
    assert not await identity.people.reset_factor(owner.principal, member.user_id, VISIT)
    assert isinstance(await identity.accounts.login("mike@example.com", PASSWORD, VISIT), TokenPair)


async def test_who_acts_as_another_stops_when_the_administrator_does(identity: Any) -> None:
    user = await account(identity, "jane")
    root = await account(identity, "root", ("owner", "admin"), OPERATOR)
    acting = [
        (await identity.accounts.impersonate(root.principal, user.user_id, "case", VISIT)).access_token
        for _ in range(2)
    ]
    principals = [await identity.who(token) for token in acting]
    await identity.people.give_roles(OPERATOR, root.user_id, ["owner"], VISIT)
    assert await refused(identity.who(acting[0]), Unauthenticated) == "token_revoked"
    assert not await identity.authentication.still_valid(principals[0])
    await identity.people.give_roles(OPERATOR, root.user_id, ["owner", "admin"], VISIT)
    assert await identity.who(acting[0])
    await identity.people.end_sessions(OPERATOR, root.user_id, VISIT)
    assert await refused(identity.who(acting[1]), Unauthenticated) == "token_revoked"


async def test_what_is_done_as_another_is_audited_with_who_really_did_it(identity: Any) -> None:
    user = await account(identity, "jane")
    pair = await identity.accounts.impersonate(OPERATOR, user.user_id, "case", VISIT)
    acting = await identity.who(pair.access_token)
    await identity.authentication.witness(acting, "user_vote", "deb_1", VISIT)
    await identity.authentication.witness(user.principal, "user_vote", "deb_1", VISIT)
    (entry,) = await identity.parts.audit.page(action="impersonation.deed")
    assert (entry.event.actor, entry.event.subject, entry.event.target, entry.event.details) == (
        "operator", user.user_id, "deb_1", {"deed": "user_vote"},
    )  # fmt: skip


async def test_the_last_owner_stays_one_and_only_the_operator_can_lock_it_out(identity: Any) -> None:
    owner, member = await pair_of(identity)
    people = identity.people
    assert (await people.get(owner.principal, owner.user_id)).last_owner
    assert await refused(people.disable(owner.principal, owner.user_id, VISIT), Conflict) == "last_owner"
    await refused(people.give_roles(owner.principal, owner.user_id, ["member"], VISIT), Conflict)
    assert "user.disable" not in await actions(identity), "what is refused is not written as done"
    await people.give_roles(owner.principal, member.user_id, ["owner"], VISIT)
    second = await identity.who(member.pair.access_token)
    both = await asyncio.gather(
        settled(people.give_roles(owner.principal, second.user_id, ["member"], VISIT)),
        settled(people.give_roles(second, owner.user_id, ["member"], VISIT)),
    )
    assert sum(isinstance(one, Conflict) for one in both) == 1
    left = owner.user_id if isinstance(both[1], Conflict) else second.user_id
    assert (await people.disable(OPERATOR, left, VISIT)).disabled


async def test_of_two_owners_who_disable_each_other_at_once_one_stays(identity: Any) -> None:
    owner, member = await pair_of(identity)
    await identity.people.give_roles(owner.principal, member.user_id, ["owner"], VISIT)
    second = await identity.who(member.pair.access_token)
    both = await asyncio.gather(
        settled(identity.people.disable(owner.principal, second.user_id, VISIT)),
        settled(identity.people.disable(second, owner.user_id, VISIT)),
    )
    (refusal,) = (one for one in both if isinstance(one, AragoraError))
    assert refusal.code == "token_revoked", "the other one's login has ended first"


async def test_nobody_reaches_above_themselves_or_into_another_organisation(identity: Any) -> None:
    owner, member = await pair_of(identity)
    stranger = await account(identity, "sven")
    root = await account(identity, "root", ("owner", "admin"), replace(OPERATOR, org_id=owner.user.org_id))
    people = identity.people
    for attempt in (
        lambda who, whom: people.disable(who, whom, VISIT),
        lambda who, whom: people.enable(who, whom, VISIT),
        lambda who, whom: people.give_roles(who, whom, ["viewer"], VISIT),
        lambda who, whom: people.end_sessions(who, whom, VISIT),
        lambda who, whom: people.revoke_keys(who, whom, VISIT),
        lambda who, whom: people.reset_factor(who, whom, VISIT),
    ):
        await refused(attempt(owner.principal, root.user_id), Forbidden)
        await refused(attempt(member.principal, owner.user_id), Forbidden)
        await refused(attempt(stranger.principal, owner.user_id), NotFound)
        await refused(attempt(await identity.who(owner.key), member.user_id), Forbidden)
        await refused(attempt(replace(owner.principal, method=Method.SERVICE), member.user_id), Forbidden)
        await refused(attempt(replace(owner.principal, impersonator="usr_x"), member.user_id), Forbidden)
    await refused(people.give_roles(owner.principal, member.user_id, ["admin"], VISIT), Forbidden)
    await refused(people.give_roles(owner.principal, member.user_id, ["king"], VISIT), InvalidInput)
    assert {user.user_id for user in await people.page(stranger.principal, limit=9)} == {stranger.user_id}
    assert len(await people.page(OPERATOR, limit=9)) == 4
    assert [entry for entry in await actions(identity) if entry.startswith("user.")] == []
    await people.end_sessions(root.principal, stranger.user_id, VISIT)
    assert await refused(identity.who(stranger.pair.access_token), Unauthenticated) == "token_revoked"


async def test_an_api_key_makes_no_accounts(identity: Any) -> None:
    owner = await account(identity, "olga")
    by_key = await identity.who(owner.key)
    email = "new@example.com"
    await refused(identity.accounts.register(email, PASSWORD, "N", VISIT, by=by_key, roles=["owner"]), Forbidden)
    await refused(identity.invitations.invite(by_key, email, ["owner"], VISIT), Forbidden)


async def test_an_invitation_lets_one_address_in_once(identity: Any) -> None:
    owner = await account(identity, "olga")
    invite, accept = identity.invitations.invite, identity.invitations.accept
    invitation, token = await invite(owner.principal, "New@Example.com", ["member"], VISIT)
    assert token not in repr(invitation)
    assert token not in str(await identity.parts.audit.page())
    assert [one.email for one in await identity.invitations.open_ones(owner.principal)] == ["new@example.com"]
    await refused(accept(token, "password", "New", VISIT), InvalidInput)
    user = await accept(token, PASSWORD, "New", VISIT)
    assert (user.email, user.org_id, user.roles) == ("new@example.com", owner.user.org_id, ("member",))
    assert await refused(accept(token, PASSWORD, "New", VISIT), Unauthenticated) == "invalid_invitation"
    assert isinstance(await identity.accounts.login("new@example.com", PASSWORD, VISIT), TokenPair)
    assert await refused(invite(owner.principal, "new@example.com", ["member"], VISIT), Conflict) == "exists"
    assert [one for one in await actions(identity) if "invitation" in one] == ["invitation.create", "invitation.accept"]


async def test_of_many_who_accept_at_once_one_gets_in(identity: Any) -> None:
    owner = await account(identity, "olga")
    _, token = await identity.invitations.invite(owner.principal, "new@example.com", ["member"], VISIT)
    answers = await asyncio.gather(
        *(settled(identity.invitations.accept(token, PASSWORD, "New", VISIT)) for _ in range(4))
    )
    assert sum(not isinstance(answer, AragoraError) for answer in answers) == 1
    assert (await actions(identity)).count("invitation.accept") == 1


async def test_an_invitation_ends_by_time_revocation_a_later_one_and_with_its_inviters_rights(identity: Any) -> None:
    owner, member = await pair_of(identity)
    await identity.people.give_roles(owner.principal, member.user_id, ["owner"], VISIT)
    second = await identity.who(member.pair.access_token)
    invitations = identity.invitations

    async def made(who: Principal) -> tuple[str, str]:
        invitation, token = await invitations.invite(who, "new@example.com", ["owner"], VISIT)
        return invitation.invitation_id, token

    async def ended(token: str, *, by: str) -> None:
        code = await refused(invitations.accept(token, PASSWORD, "New", Visit(by)), Unauthenticated)
        assert code == "invalid_invitation"

    _, first = await made(owner.principal)
    revoked_id, revoked = await made(owner.principal)
    await ended(first, by="a later one")
    stranger = await account(identity, "sven")
    await refused(invitations.revoke(stranger.principal, revoked_id, VISIT), NotFound)
    await invitations.revoke(owner.principal, revoked_id, VISIT)
    await refused(invitations.revoke(owner.principal, revoked_id, VISIT), NotFound)
    await ended(revoked, by="revocation")
    _, late = await made(second)
    await identity.people.give_roles(owner.principal, member.user_id, ["member"], VISIT)
    await ended(late, by="demotion of who invited")
    await refused(
        invitations.invite(await identity.who(member.pair.access_token), "x@x.org", ["viewer"], VISIT), Forbidden
    )
    _, old = await made(owner.principal)
    identity.parts.clock.at += LIFETIME_S
    await ended(old, by="time")
    await ended("arinv_invented", by="invention")


async def test_invitations_are_bounded_and_guesses_limited(identity: Any, monkeypatch: pytest.MonkeyPatch) -> None:
    monkeypatch.setattr("aragora.limits.INVITATIONS_MAX", 2)
    owner = await account(identity, "olga")
    for name in ("a", "b", "b"):
        await identity.invitations.invite(owner.principal, f"{name}@example.com", ["viewer"], VISIT)
    await refused(identity.invitations.invite(owner.principal, "c@example.com", ["viewer"], VISIT), Conflict)
    for _ in range(10):
        await refused(identity.invitations.accept("x", PASSWORD, "N", Visit("198.51.100.9")), Unauthenticated)
    await refused(identity.invitations.accept("x", PASSWORD, "N", Visit("198.51.100.9")), RateLimited)


async def test_where_registration_is_closed_a_stranger_gets_no_account_by_any_way(identity: Any) -> None:
    owner = await account(identity, "olga")
    _, token = await identity.invitations.invite(owner.principal, "new@example.com", ["member"], VISIT)
    closed = replace(identity.parts, registration=RegistrationRules(Registration.CLOSED, frozenset({"example.org"})))
    shut = type(identity)(closed, identity.rules)
    texts = set()
    for email in ("stranger@example.com", "olga@example.com", "typed@example.org"):
        with pytest.raises(Forbidden) as caught:
            await shut.accounts.register(email, PASSWORD, "S", VISIT, by=None)
        texts.add((caught.value.code, caught.value.message))
    assert len(texts) == 1, "the answer does not depend on who has an account"
    await refused(shut.invitations.accept(token, PASSWORD, "New", VISIT), Forbidden)
    await refused(shut.invitations.invite(owner.principal, "x@example.com", ["member"], VISIT), Forbidden)
    await refused(shut.accounts.arrived(Arrival("google:1", "s@example.com", "S", None), VISIT), Forbidden)
    assert await shut.accounts.arrived(Arrival("google:2", "v@example.org", "V\x00\u202e", None), VISIT)
    assert await shut.accounts.register("m@example.com", PASSWORD, "M", VISIT, by=OPERATOR, roles=["member"])


async def test_what_cannot_be_audited_is_not_done(identity: Any, monkeypatch: pytest.MonkeyPatch) -> None:
    owner, member = await pair_of(identity)
    _, token = await identity.invitations.invite(owner.principal, "new@example.com", ["member"], VISIT)

    async def full(*_: object) -> None:
        raise OSError(28, "No space left on device")

    monkeypatch.setattr(identity.parts.audit, "_add", full)
    people = identity.people
    for attempt in (
        identity.accounts.register("x@example.com", PASSWORD, "X", VISIT, by=None),
        identity.accounts.arrived(Arrival("google:1", "x@example.com", "X", None), VISIT),
        identity.invitations.accept(token, PASSWORD, "New", VISIT),
        people.disable(owner.principal, member.user_id, VISIT),
        people.give_roles(owner.principal, member.user_id, ["viewer"], VISIT),
        people.end_sessions(owner.principal, member.user_id, VISIT),
        people.revoke_keys(owner.principal, member.user_id, VISIT),
        people.reset_factor(owner.principal, member.user_id, VISIT),
    ):
        assert await refused(attempt, AragoraError) == "storage_unavailable"
    assert {user.email for user in await identity.parts.users.page(9)} == {"olga@example.com", "mike@example.com"}
    assert set((await member.holds()).values()) == {True}
    assert (await identity.who(member.key)).roles == ("member",)
