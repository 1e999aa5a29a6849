"""The law of the accounts: what is spent and held stays within the limit, whatever comes in whatever order."""

from __future__ import annotations

from dataclasses import dataclass, field

import pytest
from hypothesis import given
from hypothesis import strategies as st

from aragora.debate.budget import (
    INSTALLATION,
    AccountKey,
    Accounts,
    Balance,
    Books,
    Held,
    MonthlyLimits,
    Reservation,
    micros_of,
)
from aragora.errors import BudgetExhausted

ORGS = ("acme", "birch")
MONTHS = ("2026-11", "2026-12")
LIMITS = MonthlyLimits(org=1_000, installation=1_500)


@dataclass
class Ledger:
    """A store of accounts. A transaction that is `lost` changes nothing: its process died before its commit."""

    balances: dict[AccountKey, Balance] = field(default_factory=dict)
    held: dict[str, Held] = field(default_factory=dict)
    overrun: dict[AccountKey, int] = field(default_factory=dict)

    def open(self, debate_id: str, org_id: str, reservation: Reservation, *, lost: bool) -> None:
        accounts = Accounts(Books(self.held, self.balances))
        try:
            accounts.open(debate_id, org_id, reservation)
        except BudgetExhausted:
            assert accounts.changes == {}
            return
        if not lost:
            self.held[debate_id] = Held(org_id, reservation.month, reservation.micros)
            self._take(accounts)

    def end(self, debate_id: str, micros: int, cut_off: int, *, lost: bool) -> None:
        accounts = Accounts(Books(self.held, self.balances))
        accounts.end(debate_id, micros / 1_000_000, cut_off)
        if not lost:
            held = self.held.pop(debate_id)
            for account in (held.org_id, INSTALLATION):
                key = (account, held.month)
                self.overrun[key] = self.overrun.get(key, 0) + max(0, micros - held.micros)
            self._take(accounts)

    def _take(self, accounts: Accounts) -> None:
        for key, change in accounts.changes.items():
            self.balances[key] = self.balances.get(key, Balance()).plus(change)


steps = st.tuples(
    st.sampled_from(ORGS),
    st.sampled_from(MONTHS),
    st.integers(0, 600),
    st.integers(0, 900),
    st.integers(0, 30),
    st.booleans(),
    st.booleans(),
)


@given(st.lists(steps, max_size=60))
def test_spent_and_held_stay_within_the_limit_and_what_debates_overran(
    them: list[tuple[str, str, int, int, int, bool, bool]],
) -> None:
    ledger = Ledger()
    for number, (org_id, month, budget, cost, cut_off, ends, lost) in enumerate(them):
        if ends and ledger.held:
            ledger.end(sorted(ledger.held)[number % len(ledger.held)], cost, cut_off, lost=lost)
        else:
            ledger.open(f"deb_{number}", org_id, Reservation(month, budget, LIMITS), lost=lost)
        for (account, in_month), now in ledger.balances.items():
            limit = LIMITS.installation if account == INSTALLATION else LIMITS.org
            assert limit is not None
            assert now.held == sum(
                one.micros
                for one in ledger.held.values()
                if one.month == in_month and account in (INSTALLATION, one.org_id)
            )
            assert 0 <= now.spent + now.held <= limit + ledger.overrun.get((account, in_month), 0)


def test_the_refusal_says_whose_budget_what_is_left_when_it_renews_and_who_can_raise_it() -> None:
    books = Books(balances={("acme", "2026-12"): Balance(spent=97_200_000, held=2_500_000)})
    with pytest.raises(BudgetExhausted) as refused:
        Accounts(books).open("deb_1", "acme", Reservation("2026-12", 1_000_000, MonthlyLimits(100_000_000)))
    assert (refused.value.status, refused.value.code) == (409, "budget_exhausted")
    told = refused.value.message
    for part in (
        "your organisation's budget",
        "2026-12",
        "97.20 are spent",
        "2.50 held",
        "0.30 are left",
        "2027-01-01",
    ):
        assert part in told
    assert "ARAGORA_ORG_BUDGET_USD" in told


@pytest.mark.parametrize(
    ("cost_usd", "cut_off", "spent"),
    [
        (0.0, 0, 0),
        (0.0, 4, 200_000),
        (0.1, 4, 300_000),
        (0.9, 4, 1_000_000),
        (0.0, 100, 1_000_000),
        (1.3, 4, 1_300_000),
    ],
)
def test_asks_that_were_cut_off_count_as_a_part_of_what_was_held(cost_usd: float, cut_off: int, spent: int) -> None:
    accounts = Accounts(Books({"deb_1": Held("acme", "2026-11", 1_000_000)}))
    accounts.end("deb_1", cost_usd, cut_off)
    assert accounts.changes["acme", "2026-11"] == Balance(spent=spent, held=-1_000_000)


def test_an_organisation_learns_nothing_of_what_others_spent() -> None:
    books = Books(balances={(INSTALLATION, "2026-11"): Balance(spent=123_450_000)})
    with pytest.raises(BudgetExhausted) as refused:
        Accounts(books).open("deb_1", "acme", Reservation("2026-11", 1, MonthlyLimits(installation=100_000_000)))
    assert "this server's budget" in refused.value.message
    assert "123" not in refused.value.message
    assert "ARAGORA_BUDGET_USD" in refused.value.message


def test_a_debate_that_costs_nothing_opens_whatever_is_left() -> None:
    books = Books(balances={("acme", "2026-11"): Balance(spent=5_000)})
    accounts = Accounts(books)
    accounts.open("deb_1", "acme", Reservation("2026-11", 0, MonthlyLimits(org=0, installation=0)))
    accounts.end("deb_1", 0.0)
    assert accounts.changes == {}


@pytest.mark.parametrize(("override", "opens"), [(None, True), (10_000, True), (10, False)])
def test_what_an_operator_set_for_an_organisation_replaces_the_setting(override: int | None, opens: bool) -> None:
    accounts = Accounts(Books(overrides={"acme": override}))
    reservation = Reservation("2026-11", 5_000, MonthlyLimits(org=1_000))
    if opens:
        accounts.open("deb_1", "acme", reservation)
    else:
        with pytest.raises(BudgetExhausted):
            accounts.open("deb_1", "acme", reservation)
    with pytest.raises(BudgetExhausted):
        accounts.open("deb_2", "birch", reservation)


@pytest.mark.parametrize(
    ("usd", "micros"),
    [(0.1, 100_000), (0.0000011, 2), (1.1, 1_100_000), (0.0, 0), (-1.0, 0), (float("nan"), 0), (float("inf"), 0)],
)
def test_dollars_become_whole_micro_dollars_and_are_never_rounded_down(usd: float, micros: int) -> None:
    assert micros_of(usd) == micros
