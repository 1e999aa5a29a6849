"""Steps that are done outside: each by its own, and only as long as whoever started the execution may do it."""

from __future__ import annotations

from collections.abc import Collection
from dataclasses import dataclass, field

import pytest

from aragora.composition.steps.outside import Outside
from aragora.errors import BudgetExhausted, Forbidden
from aragora.identity.acting import Acting
from aragora.identity.proofs import IdentityRules
from aragora.identity.store.users import Standing
from aragora.workflows.model import Ask, Done, ExecutionStarted, Reply

STARTED = ExecutionStarted("exe_1", "wf_1", 1, "digest", "One", {}, "usr_1", "org_1")
PRODUCTION = IdentityRules(production=True, local_operator=False)


@dataclass
class Accounts:
    """One account, whose roles are changed meanwhile."""

    roles: tuple[str, ...] = ("member",)
    disabled: bool = False

    async def standings_among(self, user_ids: Collection[str]) -> dict[str, Standing]:
        return {user_id: Standing("org_1", self.roles, self.disabled) for user_id in user_ids}


@dataclass
class Steps:
    """Does what it is asked. Its budget may be used up."""

    spent: bool = False
    asked: list[str] = field(default_factory=list)

    async def do(self, ask: Ask, started: ExecutionStarted) -> Reply:
        if self.spent:
            raise BudgetExhausted("the month's budget is used up")
        self.asked.append(ask.kind)
        return Done(ask.ask_id, {})

    async def stop(self, ref: str, started: ExecutionStarted) -> None:
        self.asked.append(f"stop {ref}")


def ask_of(kind: str) -> Ask:
    return Ask("ask_1", "a", "a", kind, {})


@pytest.mark.parametrize("kind", ["debate", "task", "notify", "workflow", "knowledge_search"])
async def test_an_account_that_was_disabled_or_lost_its_role_meanwhile_begins_no_step(kind: str) -> None:
    accounts, steps = Accounts(), Steps()
    outside = Outside({kind: steps}, Acting(accounts, PRODUCTION))
    await outside.do(ask_of(kind), STARTED)
    accounts.roles = ("viewer",)
    with pytest.raises(Forbidden, match=r"usr_1, in whose name this goes on, .* lacks .*workflows\.execute"):
        await outside.do(ask_of(kind), STARTED)
    accounts.roles, accounts.disabled = ("owner",), True
    with pytest.raises(Forbidden, match="the account is disabled"):
        await outside.do(ask_of(kind), STARTED)
    assert steps.asked == [kind]
    await outside.stop(kind, "deb_1", STARTED)
    assert steps.asked == [kind, "stop deb_1"], "what runs is stopped whoever had begun it"


async def test_a_budget_that_is_used_up_refuses_the_step_in_its_own_words() -> None:
    outside = Outside({"debate": Steps(spent=True)}, Acting(Accounts(), PRODUCTION))
    with pytest.raises(BudgetExhausted, match="the month's budget is used up"):
        await outside.do(ask_of("debate"), STARTED)
