"""Who may be named as one who must sign: nobody is waited for who can never come."""

from __future__ import annotations

from collections.abc import Collection

import pytest

from aragora.errors import InvalidInput
from aragora.identity.proofs import IdentityRules
from aragora.identity.store.users import Standing
from aragora.identity.writers import Writers

DEVELOPMENT = IdentityRules(production=False, local_operator=True)
PRODUCTION = IdentityRules(production=True, local_operator=False)
ACCOUNTS = {
    "usr_1": Standing("org_1", ("member",), disabled=False),
    "usr_reader": Standing("org_1", ("viewer",), disabled=False),
    "usr_gone": Standing("org_1", ("owner",), disabled=True),
    "usr_elsewhere": Standing("org_1", ("member",), disabled=False, workspaces=("team_a",)),
    "usr_2": Standing("org_2", ("owner",), disabled=False),
}


class Accounts:
    async def standings_among(self, user_ids: Collection[str]) -> dict[str, Standing]:
        return {user_id: ACCOUNTS[user_id] for user_id in user_ids if user_id in ACCOUNTS}


class Away:
    async def standings_among(self, user_ids: Collection[str]) -> dict[str, Standing]:
        raise AssertionError(f"nobody has to be looked up, and {user_ids} are")


@pytest.mark.parametrize("rules", [DEVELOPMENT, PRODUCTION], ids=["development", "production"])
async def test_an_account_of_the_organisation_that_may_write_can_be_named(rules: IdentityRules) -> None:
    assert await Writers(Accounts(), rules).check(["usr_1"], "org_1", "default") is None


@pytest.mark.parametrize(
    ("user_id", "told"),
    [
        ("usr_9", "user:usr_9 could never sign: your organisation has no account with this id"),
        ("usr_2", "user:usr_2 could never sign: your organisation has no account with this id"),
        ("usr_gone", "the account is disabled"),
        ("usr_reader", r"may not write \(viewer\)"),
        ("usr_elsewhere", "may not use the workspace default"),
        ("local", "no account with this id"),
        ("api-token", "no account with this id"),
    ],
)
async def test_who_could_never_sign_is_refused_with_the_reason(user_id: str, told: str) -> None:
    with pytest.raises(InvalidInput, match=told):
        await Writers(Accounts(), PRODUCTION).check(["usr_1", user_id], "org_1", "default")


async def test_the_local_operator_and_the_bearer_of_the_api_token_need_no_account() -> None:
    assert await Writers(Away(), DEVELOPMENT).check(["local"], "local", "default") is None
    tokened = IdentityRules(production=True, local_operator=False, api_token="secret")
    assert await Writers(Away(), tokened).check(["api-token"], "org_1", "default") is None
    with pytest.raises(InvalidInput, match="user:local, or a role"):
        await Writers(Accounts(), DEVELOPMENT).check(["ann"], "local", "default")


async def test_people_whom_a_service_may_name_need_no_account_and_those_that_have_one_must_be_able() -> None:
    named = Writers(Accounts(), IdentityRules(production=True, local_operator=False, service_token="secret"))
    assert await named.check(["ann@example.com"], "org_1", "default") is None
    with pytest.raises(InvalidInput, match="disabled"):
        await named.check(["usr_gone"], "org_1", "default")
