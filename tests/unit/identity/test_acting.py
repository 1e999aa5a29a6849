"""Whether somebody may still do what goes on in their name, long after they asked for it."""

from __future__ import annotations

from collections.abc import Collection

import pytest

from aragora.errors import Forbidden
from aragora.identity.acting import Acting
from aragora.identity.proofs import IdentityRules
from aragora.identity.store.users import Standing

DEVELOPMENT = IdentityRules(production=False, local_operator=True)
PRODUCTION = IdentityRules(production=True, local_operator=False)
SERVED = IdentityRules(production=True, local_operator=False, service_token="secret")
EXECUTE = frozenset({"workflows.execute", "debates.create"})
ACCOUNTS = {
    "usr_1": Standing("org_1", ("member",), disabled=False),
    "usr_reader": Standing("org_1", ("viewer",), disabled=False),
    "usr_off": Standing("org_1", ("owner",), disabled=True),
    "usr_elsewhere": Standing("org_1", ("member",), disabled=False, workspaces=("team_a",)),
    "usr_2": Standing("org_2", ("owner",), disabled=False),
}


class Accounts:
    async def standings_among(self, user_ids: Collection[str]) -> dict[str, Standing]:
        return {user_id: ACCOUNTS[user_id] for user_id in user_ids if user_id in ACCOUNTS}


@pytest.mark.parametrize(
    ("rules", "user_id"),
    [(PRODUCTION, "usr_1"), (DEVELOPMENT, "local"), (SERVED, "ann@example.com"), (SERVED, "usr_1")],
)
async def test_who_may_still_do_it_goes_on(rules: IdentityRules, user_id: str) -> None:
    await Acting(Accounts(), rules).check(user_id, "org_1", "default", EXECUTE)


@pytest.mark.parametrize(
    ("rules", "user_id", "told"),
    [
        (PRODUCTION, "usr_9", "no such account"),
        (PRODUCTION, "usr_2", "no such account"),
        (SERVED, "usr_2", "no such account"),
        (PRODUCTION, "usr_off", "the account is disabled"),
        (SERVED, "usr_off", "the account is disabled"),
        (PRODUCTION, "usr_reader", "the account lacks debates.create, workflows.execute"),
        (PRODUCTION, "usr_elsewhere", "may not use the workspace default"),
        (PRODUCTION, "local", "no such account"),
    ],
)
async def test_who_may_not_any_more_is_refused_with_the_reason(rules: IdentityRules, user_id: str, told: str) -> None:
    with pytest.raises(Forbidden, match=told):
        await Acting(Accounts(), rules).check(user_id, "org_1", "default", EXECUTE)


async def test_each_permission_counts_by_itself() -> None:
    with pytest.raises(Forbidden, match=r"lacks workflows.delete\."):
        await Acting(Accounts(), PRODUCTION).check("usr_1", "org_1", "default", {"debates.create", "workflows.delete"})
