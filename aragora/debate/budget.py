"""What debates may cost: the budget of each, and the month's budget of an organisation and of the installation. Pure.

Theory of operation
    A debate belongs to the calendar month (UTC) in which it opened, also where it ends in the next one. Its opening
    holds its whole budget in two accounts, its organisation's and the installation's, and at least the server's default
    budget: a debate with a tiny budget may spend a whole ask. Its end gives that back and adds what it cost. Both
    happen in the transaction of the opening and of the end, so every debate counts once, whatever crashes, and several
    coordinators meet in the accounts' rows.

    Law: spent + held <= limit + overrun, in every account at every moment. A debate reserves what an ask can cost
    before it goes out (`aragora.debate.machine.money`), so it overruns its budget by one ask at most; the overrun is
    the sum of these. A debate whose agents cost nothing has no budget, holds nothing and is never refused.

    What is asked costs something also where nobody waits for the answer. So the end of a debate that is cancelled or
    fails adds, besides the cost of the answers that came, `CUT_OFF_SHARE` of what it held for each ask without a reply,
    up to all it held. That is an estimate, made so that cancelling cannot spend past the limit: the debate's own cost
    and the sums of usage count answers alone.

Sums are whole micro-dollars: they add up exactly on both databases.
"""

from __future__ import annotations

import math
from collections.abc import Mapping
from dataclasses import dataclass, field
from typing import Final

from aragora.errors import BudgetExhausted, InvalidInput

INSTALLATION: Final = ""
"""The account of all organisations together."""

MICROS: Final = 1_000_000
_MOST_MICROS: Final = 10**15
"""A thousand million dollars: thousands of such sums fit the column of 64 bits."""

CUT_OFF_SHARE: Final = 20
"""An ask that was cut off counts as this part (one in so many) of what its debate held."""

AccountKey = tuple[str, str]  # account, month


@dataclass(frozen=True, slots=True)
class BudgetRule:
    """The budget in USD of a debate that asks for none, and the most that one may ask for."""

    default_usd: float
    most_usd: float

    @property
    def usual_usd(self) -> float:
        """The budget of a debate that asks for none, and what every debate that costs something holds at least."""
        return min(self.default_usd, self.most_usd)

    def of(self, asked_usd: float | None, *, free: bool) -> float | None:
        """The budget of a debate; None for one whose agents cost nothing (`free`), whatever it asks for.

        Raises InvalidInput where it asks for more than the server allows.
        """
        if asked_usd is not None and asked_usd > self.most_usd:
            raise InvalidInput(
                f"The budget is {asked_usd} USD, and this server allows a debate {self.most_usd:g} USD at most "
                "(ARAGORA_MAX_BUDGET_USD): ask for less."
            )
        if free:
            return None
        return self.usual_usd if asked_usd is None else asked_usd


@dataclass(frozen=True, slots=True)
class MonthlyLimits:
    """The settings' limits of a month in micro-dollars; None is no limit."""

    org: int | None = None
    installation: int | None = None


UNLIMITED: Final = MonthlyLimits()


@dataclass(frozen=True, slots=True)
class Reservation:
    """What a debate holds while it runs: `micros` in the month, within `limits`."""

    month: str  # YYYY-MM
    micros: int
    limits: MonthlyLimits = UNLIMITED


@dataclass(frozen=True, slots=True)
class Held:
    """What a debate holds, as the store knows it."""

    org_id: str
    month: str
    micros: int


@dataclass(frozen=True, slots=True)
class Balance:
    """An account in one month, in micro-dollars."""

    spent: int = 0
    held: int = 0

    def plus(self, other: Balance) -> Balance:
        return Balance(self.spent + other.spent, self.held + other.held)


@dataclass(frozen=True, slots=True)
class Books:
    """What the store knows of the debates and accounts of one transaction. `overrides` are the limits that an operator
    set for single organisations: they replace the settings' limit, None is no limit."""

    held: Mapping[str, Held] = field(default_factory=dict)  # by debate id, of debates that may end
    balances: Mapping[AccountKey, Balance] = field(default_factory=dict)
    overrides: Mapping[str, int | None] = field(default_factory=dict)  # by organisation


class Accounts:
    """The accounts of one transaction, as its units leave them."""

    def __init__(self, books: Books) -> None:
        self._books = books
        self._held = dict(books.held)
        self.changes: dict[AccountKey, Balance] = {}
        """What is to be added, by account and month."""

    def open(self, debate_id: str, org_id: str, reservation: Reservation) -> None:
        """Hold what the debate may cost. Raises BudgetExhausted, and then changes nothing."""
        held = Held(org_id, reservation.month, reservation.micros)
        if reservation.micros == 0:
            self._held[debate_id] = held
            return
        limit = self._books.overrides.get(org_id, reservation.limits.org)
        self._check(org_id, reservation, limit)
        self._check(INSTALLATION, reservation, reservation.limits.installation)
        self._held[debate_id] = held
        self._add(org_id, reservation.month, Balance(held=reservation.micros))

    def end(self, debate_id: str, cost_usd: float, cut_off: int = 0) -> None:
        """Give back what an ended debate held, and add what it cost; `cut_off` asks had no reply."""
        held = self._held.get(debate_id)
        if held is None:  # it is counted in no month
            return
        cost = micros_of(cost_usd)
        unanswered = min(-(-cut_off * held.micros // CUT_OFF_SHARE), max(0, held.micros - cost))
        change = Balance(spent=cost + unanswered, held=-held.micros)
        if change != Balance():
            self._add(held.org_id, held.month, change)

    def _check(self, account: str, reservation: Reservation, limit: int | None) -> None:
        if limit is None:
            return
        key = (account, reservation.month)
        now = self._books.balances.get(key, Balance()).plus(self.changes.get(key, Balance()))
        if now.spent + now.held + reservation.micros > limit:
            raise exhausted(account, reservation, now, limit)

    def _add(self, org_id: str, month: str, change: Balance) -> None:
        for account in (org_id, INSTALLATION):
            key = (account, month)
            self.changes[key] = self.changes.get(key, Balance()).plus(change)


def account_keys(org_id: str, month: str) -> tuple[AccountKey, AccountKey]:
    """The accounts in which a debate counts."""
    return (org_id, month), (INSTALLATION, month)


def exhausted(account: str, reservation: Reservation, now: Balance, limit: int) -> BudgetExhausted:
    """The error for a debate that its organisation or the installation cannot pay any more. The sums of the
    installation are no business of one organisation: only what is left is told."""
    left = _usd(max(0, limit - now.spent - now.held))
    whose, who = "this server's budget", "ARAGORA_BUDGET_USD"
    told = f"{left} USD are left"
    if account != INSTALLATION:
        whose, who = "your organisation's budget", "ARAGORA_ORG_BUDGET_USD or `aragora budget`"
        told = (
            f"of {_usd(limit)} USD {_usd(now.spent)} are spent and {_usd(now.held)} held by debates that run, "
            f"so {left} are left"
        )
    return BudgetExhausted(
        f"This debate holds {_usd(reservation.micros)} USD while it runs, more than {whose} for {reservation.month} allows: {told}. "
        f"Ask with a smaller budget_usd (a debate holds at least ARAGORA_DEFAULT_BUDGET_USD), or wait for debates that "
        f"run to end; the budget renews on "
        f"{_renews(reservation.month)} (UTC). Your operator can raise it ({who})."
    )


def micros_of(usd: float) -> int:
    """USD as whole micro-dollars, rounded up; what is not a sum above 0 counts as 0."""
    return min(_MOST_MICROS, math.ceil(round(usd * MICROS, 3))) if 0 < usd < math.inf else 0


def _usd(micros: int) -> str:
    return f"{micros / MICROS:.2f}" if micros % 10_000 == 0 else f"{micros / MICROS:.6f}".rstrip("0")


def _renews(month: str) -> str:
    year, number = int(month[:4]), int(month[5:])
    return f"{year + 1}-01-01" if number == 12 else f"{year}-{number + 1:02}-01"
