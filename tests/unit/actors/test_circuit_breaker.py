"""The actor of a breaker keeps what the rules say; an agent reaches it only once there was trouble."""

from __future__ import annotations

import asyncio

from structlog.testing import capture_logs
from worlds.actors_without_ray import runtime_over

from actors.circuit_breaker import CircuitBreakerActor, StoredBreaker
from aragora.agents.gate import LeasedGate
from aragora.agents.model import ProviderFault
from aragora.clock import SystemClock
from aragora.config.settings import Settings
from aragora.errors import Unavailable
from aragora.resilience.circuit_breaker import (
    Barred,
    BreakerRow,
    Cause,
    Failed,
    Lease,
    Refusal,
    Succeeded,
    cause_of,
)


class Rows:
    """Stands for `BreakerStore`."""

    def __init__(self) -> None:
        self.row: BreakerRow | None = None
        self.saves = 0
        self.away = False

    async def load(self, agent: str) -> BreakerRow | None:
        assert agent == "ann"
        if self.away:
            raise Unavailable("the store is away")
        return self.row

    async def save(self, agent: str, row: BreakerRow, at: float) -> None:
        assert agent == "ann"
        await asyncio.sleep(0)
        self.row = row
        self.saves += 1


def breaker_over(rows: Rows) -> CircuitBreakerActor:
    actor = CircuitBreakerActor("ann", Settings())
    actor._store = rows  # type: ignore[assignment]
    return actor


def port_to(actor: object, rows: Rows) -> StoredBreaker:
    port = StoredBreaker("ann", runtime_over(actor), Settings())
    port._store = rows  # type: ignore[assignment]
    return port


async def test_five_failures_open_the_breaker_and_the_next_process_finds_it_open() -> None:
    rows = Rows()
    actor = breaker_over(rows)
    for failures in range(1, 5):
        assert isinstance(await actor.report(Failed(0, "overloaded")), Lease)
        assert rows.row is not None
        assert (rows.row.state, rows.row.consecutive_failures) == ("closed", failures)
    assert isinstance(await actor.report(Failed(0, "overloaded")), Refusal)
    assert rows.row.state == "open"
    refusal = await breaker_over(rows).permit()
    assert isinstance(refusal, Refusal)
    assert refusal.last_error == "overloaded"


async def test_reports_that_come_together_are_all_counted_and_the_last_row_has_them_all() -> None:
    rows = Rows()
    actor = breaker_over(rows)
    await asyncio.gather(*(actor.report(Failed(0, "overloaded")) for _ in range(4)))
    assert rows.row is not None
    assert rows.row.consecutive_failures == 4
    assert isinstance(await actor.permit(), Lease)


async def test_what_changes_nothing_writes_nothing() -> None:
    rows = Rows()
    actor = breaker_over(rows)
    assert isinstance(await actor.permit(), Lease)
    assert isinstance(await actor.report(Succeeded(0)), Lease)
    assert rows.saves == 0


async def test_a_breaker_that_never_saw_a_failure_needs_no_process() -> None:
    rows = Rows()
    assert await port_to(None, rows).permit() == Lease(epoch=0, valid_s=5.0, outstanding=False)
    port = port_to(breaker_over(rows), rows)
    assert isinstance(await port.report(Failed(0, "overloaded")), Lease)
    lease = await port.permit()
    assert isinstance(lease, Lease)
    assert lease.outstanding, "it remembers the failure"


async def test_a_store_that_is_away_lets_the_calls_of_an_agent_that_was_never_asked_pass() -> None:
    rows = Rows()
    rows.away = True
    gate = LeasedGate(port_to(breaker_over(rows), rows), SystemClock())
    await gate.permit()
    await gate.succeeded()
    await gate.failed(ProviderFault("boom"))


async def test_a_change_of_the_breaker_is_logged_once_with_its_reason() -> None:
    actor = breaker_over(Rows())
    with capture_logs() as logs:
        for _ in range(6):
            await actor.report(Failed(0, "overloaded"))
    assert logs == [
        {
            "event": "circuit breaker changed",
            "log_level": "warning",
            "agent": "ann",
            "before": "closed",
            "after": "open",
            "reason": "overloaded",
        }
    ]


async def test_a_cause_that_stays_is_in_the_row_until_it_is_gone() -> None:
    rows = Rows()
    actor = breaker_over(rows)
    refusal = await actor.report(Barred(0, Cause("no_credit", "openai answered 402: pay first")))
    assert isinstance(refusal, Refusal)
    assert rows.row is not None
    assert (rows.row.state, rows.row.consecutive_failures) == ("closed", 0)
    assert cause_of(rows.row) == Cause("no_credit", "openai answered 402: pay first")


async def test_a_new_process_asks_again_and_shows_the_cause_no_longer() -> None:
    rows = Rows()
    await breaker_over(rows).report(Barred(0, Cause("wrong_key", "openai answered 401")))
    assert isinstance(await breaker_over(rows).permit(), Lease), "a person may have mended it"
    assert rows.row is not None
    assert cause_of(rows.row) is None
    assert rows.row.last_error == "wrong_key: openai answered 401"
