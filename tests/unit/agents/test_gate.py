"""The gate lets calls pass under a lease, reports outcomes, and never depends on the breaker."""

from __future__ import annotations

import asyncio

import pytest
from structlog.testing import capture_logs
from worlds.logical_time import LoopClock, in_logical_time

from aragora.agents.causes import remedy_of
from aragora.agents.gate import AWAY_S, BREAKER_S, UNTOLD_S, LeasedGate, LocalBreaker
from aragora.agents.model import (
    AnswerMalformed,
    BreakerOpen,
    CallRefused,
    NoCredit,
    ProviderError,
    ProviderFault,
    ProviderRateLimited,
    UnknownModel,
    WrongKey,
)
from aragora.errors import AragoraError, Unavailable
from aragora.resilience.circuit_breaker import BreakerPolicy, BreakerState, Permission, Report

POLICY = BreakerPolicy()


class SetClock:
    """A clock that stands still until it is moved."""

    def __init__(self) -> None:
        self.at = 1000.0

    def now(self) -> float:
        return self.at

    def monotonic(self) -> float:
        return self.at


class CountingBreaker(LocalBreaker):
    """Counts the hops to the breaker."""

    hops = 0

    async def permit(self) -> Permission:
        self.hops += 1
        return await super().permit()

    async def report(self, report: Report) -> Permission:
        self.hops += 1
        return await super().report(report)


class DeadBreaker:
    async def permit(self) -> Permission:
        raise TimeoutError

    async def report(self, report: Report) -> Permission:
        raise ConnectionError


@pytest.fixture
def clock() -> SetClock:
    return SetClock()


async def fail(gate: LeasedGate, times: int) -> None:
    for _ in range(times):
        await gate.permit()
        await gate.failed(ProviderFault("boom"))


async def trial_that_is_withdrawn(gate: LeasedGate) -> None:
    async def call() -> None:
        await gate.permit()
        await asyncio.Event().wait()

    task = asyncio.create_task(call())
    await asyncio.sleep(0)
    await asyncio.sleep(0)
    task.cancel()
    await asyncio.gather(task, return_exceptions=True)
    for _ in range(5):
        await asyncio.sleep(0)


async def test_a_trial_that_is_withdrawn_gives_its_permit_back_and_says_nothing_of_the_provider(
    clock: SetClock,
) -> None:
    breaker = LocalBreaker(clock)
    gate = LeasedGate(breaker, clock)
    await gate.permit()
    await gate.failed(WrongKey("no such key"))
    clock.at += POLICY.bar_s
    await trial_that_is_withdrawn(gate)
    assert breaker.breaker.barred_by is not None
    await gate.permit()
    await gate.succeeded()


async def test_trials_of_an_open_breaker_that_are_withdrawn_leave_room_for_others(clock: SetClock) -> None:
    breaker = LocalBreaker(clock)
    gate = LeasedGate(breaker, clock)
    await fail(gate, POLICY.failure_threshold)
    clock.at += POLICY.open_s
    for _ in range(POLICY.trial_permits):
        await trial_that_is_withdrawn(gate)
    assert breaker.breaker.state is BreakerState.HALF_OPEN
    await gate.permit()


async def test_a_trial_that_was_told_is_not_given_back_when_its_task_ends(clock: SetClock) -> None:
    breaker = CountingBreaker(clock)
    gate = LeasedGate(breaker, clock)
    await gate.permit()
    await gate.failed(WrongKey("no such key"))
    clock.at += POLICY.bar_s
    before = breaker.hops

    async def call() -> None:
        await gate.permit()
        await gate.failed(WrongKey("no such key"))

    await asyncio.create_task(call())
    for _ in range(5):
        await asyncio.sleep(0)
    assert breaker.hops - before == 2


async def test_the_healthy_path_asks_the_breaker_once_a_lease(clock: SetClock) -> None:
    breaker = CountingBreaker(clock)
    gate = LeasedGate(breaker, clock)
    for _ in range(1000):
        await gate.permit()
        await gate.succeeded()
    assert breaker.hops == 1
    clock.at += POLICY.lease_s
    await gate.permit()
    assert breaker.hops == 2


async def test_five_failures_close_the_gate_with_the_reason_and_the_wait(clock: SetClock) -> None:
    gate = LeasedGate(LocalBreaker(clock), clock)
    await fail(gate, 5)
    with pytest.raises(BreakerOpen, match="provider_fault: boom") as refused:
        await gate.permit()
    assert refused.value.retry_after_s == POLICY.open_s


async def test_a_success_between_failures_is_told_at_once(clock: SetClock) -> None:
    breaker = LocalBreaker(clock)
    gate = LeasedGate(breaker, clock)
    await fail(gate, 4)
    await gate.permit()
    await gate.succeeded()
    await asyncio.sleep(0)
    assert breaker.breaker.consecutive_failures == 0


async def test_after_a_minute_trials_reopen_the_gate(clock: SetClock) -> None:
    breaker = LocalBreaker(clock)
    gate = LeasedGate(breaker, clock)
    await fail(gate, 5)
    clock.at += POLICY.open_s
    for _ in range(POLICY.trial_successes):
        await gate.permit()
        await gate.succeeded()
        await asyncio.sleep(0)
    assert breaker.breaker.state is BreakerState.CLOSED


async def test_a_failed_trial_closes_the_gate_again(clock: SetClock) -> None:
    breaker = LocalBreaker(clock)
    gate = LeasedGate(breaker, clock)
    await fail(gate, 5)
    clock.at += POLICY.open_s
    await fail(gate, 1)
    assert breaker.breaker.state is BreakerState.OPEN


async def test_a_malformed_answer_is_no_failure_of_the_provider(clock: SetClock) -> None:
    breaker = LocalBreaker(clock)
    gate = LeasedGate(breaker, clock)
    for _ in range(10):
        await gate.permit()
        await gate.failed(AnswerMalformed("prose"))
    assert breaker.breaker.state is BreakerState.CLOSED
    assert breaker.breaker.consecutive_failures == 0


async def test_outcomes_of_concurrent_calls_are_told_under_their_own_permission(clock: SetClock) -> None:
    """Calls begun before the breaker opened end after it has closed again: they must not open it once more."""
    breaker = LocalBreaker(clock)
    gate = LeasedGate(breaker, clock)
    release = asyncio.Event()

    async def slow_failure() -> None:
        await gate.permit()
        await release.wait()
        await gate.failed(ProviderRateLimited("late"))

    slow = [asyncio.create_task(slow_failure()) for _ in range(10)]
    await asyncio.sleep(0)
    await fail(gate, 5)
    clock.at += POLICY.open_s
    for _ in range(POLICY.trial_successes):
        await gate.permit()
        await gate.succeeded()
        await asyncio.sleep(0)
    release.set()
    await asyncio.gather(*slow)
    assert breaker.breaker.state is BreakerState.CLOSED


async def test_a_breaker_that_is_away_lets_calls_pass(clock: SetClock) -> None:
    gate = LeasedGate(DeadBreaker(), clock)
    await gate.permit()
    await gate.failed(ProviderFault("boom"))
    await gate.permit()
    await gate.succeeded()


class AwayBreaker:
    """A breaker whose store is away, unreadable, or silent."""

    def __init__(self, clock: SetClock, error: BaseException | None = None) -> None:
        self.error = error
        self.asked = 0
        self.working = LocalBreaker(clock)

    async def permit(self) -> Permission:
        await self._meet()
        return await self.working.permit()

    async def report(self, report: Report) -> Permission:
        await self._meet()
        return await self.working.report(report)

    async def _meet(self) -> None:
        self.asked += 1
        if isinstance(self.error, TimeoutError):
            await asyncio.Event().wait()
        if self.error is not None:
            raise self.error


OUR_OWN = [
    Unavailable("reading a circuit breaker: the database failed"),
    AragoraError("breaker/ann.permit failed: ValueError; see the server's log"),
    ValueError("'ajar' is not a valid BreakerState"),
]


@pytest.mark.parametrize("error", OUR_OWN, ids=lambda error: type(error).__name__)
async def test_a_failure_of_our_own_store_lets_calls_pass_and_loses_no_answer(
    clock: SetClock, error: Exception
) -> None:
    gate = LeasedGate(AwayBreaker(clock, error), clock)
    await gate.permit()
    await gate.succeeded()
    await gate.failed(ProviderFault("boom"))
    await gate.permit()


@in_logical_time
async def test_a_breaker_that_does_not_answer_holds_no_call_up_for_long() -> None:
    clock = LoopClock()
    gate = LeasedGate(AwayBreaker(SetClock(), TimeoutError()), clock)
    await gate.permit()
    await gate.failed(ProviderFault("boom"))
    assert clock.monotonic() <= 2 * BREAKER_S


async def test_a_breaker_that_is_away_is_asked_seldom_and_guards_again_when_it_is_back(clock: SetClock) -> None:
    breaker = AwayBreaker(clock, OUR_OWN[0])
    gate = LeasedGate(breaker, clock)
    with capture_logs() as logs:
        for _ in range(100):
            await gate.permit()
        assert breaker.asked == 1
        clock.at += AWAY_S
        await gate.permit()
        assert breaker.asked == 2
        breaker.error = None
        clock.at += AWAY_S
        await fail(gate, 5)
        with pytest.raises(BreakerOpen):
            await gate.permit()
    assert [line["event"] for line in logs] == ["circuit breaker not reached: calls pass", "circuit breaker reached"]


async def test_a_breaker_that_is_away_is_not_told_either(clock: SetClock) -> None:
    breaker = AwayBreaker(clock, OUR_OWN[0])
    gate = LeasedGate(breaker, clock)
    await gate.permit()
    for _ in range(10):
        await gate.failed(ProviderFault("boom"))
    assert breaker.asked == 1


# --- a cause that stays


async def meet(gate: LeasedGate, error: ProviderError) -> None:
    await gate.permit()
    await gate.failed(error)


async def test_a_cause_that_stays_is_told_to_every_further_call_and_opens_no_breaker(clock: SetClock) -> None:
    breaker = LocalBreaker(clock)
    gate = LeasedGate(breaker, clock)
    await meet(gate, WrongKey("openai answered 401: no such key"))
    for _ in range(10):
        with pytest.raises(WrongKey, match="openai answered 401: no such key") as refused:
            await gate.permit()
        assert refused.value.message.endswith(remedy_of("wrong_key"))
    assert breaker.breaker.state is BreakerState.CLOSED
    assert breaker.breaker.consecutive_failures == 0
    assert breaker.breaker.last_error == "wrong_key: openai answered 401: no such key"


async def test_after_a_minute_one_call_tries_whether_the_cause_is_gone(clock: SetClock) -> None:
    breaker = LocalBreaker(clock)
    gate = LeasedGate(breaker, clock)
    await meet(gate, NoCredit("no credit"))
    clock.at += POLICY.bar_s
    await gate.permit()
    with pytest.raises(NoCredit):
        await gate.permit()


@pytest.mark.parametrize(
    ("error", "stays"),
    [
        (WrongKey("still"), True),
        (NoCredit("now this"), True),
        (ProviderFault("500"), False),
        (CallRefused("400"), False),
    ],
    ids=lambda value: value.code if isinstance(value, ProviderError) else None,
)
async def test_the_trial_renews_or_lifts_the_cause(clock: SetClock, error: ProviderError, stays: bool) -> None:
    breaker = LocalBreaker(clock)
    gate = LeasedGate(breaker, clock)
    await meet(gate, WrongKey("no such key"))
    clock.at += POLICY.bar_s
    await meet(gate, error)
    await asyncio.sleep(0)
    if stays:
        with pytest.raises(type(error)):
            await gate.permit()
    else:
        await gate.permit()


async def test_a_trial_that_succeeds_clears_the_cause(clock: SetClock) -> None:
    breaker = LocalBreaker(clock)
    gate = LeasedGate(breaker, clock)
    await meet(gate, UnknownModel("no such model"))
    clock.at += POLICY.bar_s
    await gate.permit()
    await gate.succeeded()
    await asyncio.sleep(0)
    for _ in range(3):
        await gate.permit()
    assert breaker.breaker.barred_by is None


async def test_a_call_that_began_before_the_cause_was_met_neither_clears_nor_renews_it(clock: SetClock) -> None:
    breaker = LocalBreaker(clock)
    gate, other = LeasedGate(breaker, clock), LeasedGate(breaker, clock)
    await other.permit()
    await meet(gate, WrongKey("first"))
    clock.at += 30.0
    await other.failed(WrongKey("late"))
    await other.succeeded()
    await asyncio.sleep(0)
    assert breaker.breaker.last_error == "wrong_key: first"
    with pytest.raises(WrongKey) as refused:
        await gate.permit()
    assert refused.value.retry_after_s == POLICY.bar_s - 30.0


async def test_a_policy_without_bars_lets_every_call_meet_the_cause_anew(clock: SetClock) -> None:
    gate = LeasedGate(LocalBreaker(clock, BreakerPolicy(bar_s=0.0)), clock)
    for _ in range(20):
        await meet(gate, WrongKey("no such key"))


async def test_a_cause_of_which_the_breaker_cannot_be_told_refuses_calls_all_the_same(clock: SetClock) -> None:
    gate = LeasedGate(AwayBreaker(clock, OUR_OWN[0]), clock)
    await meet(gate, WrongKey("no such key"))
    for at in range(0, int(UNTOLD_S), 10):
        with pytest.raises(WrongKey, match="no such key") as refused:
            await gate.permit()
        assert refused.value.retry_after_s == UNTOLD_S - at
        clock.at += 10.0
    await gate.permit()


@pytest.mark.parametrize("returns_s", [0.0, AWAY_S, 3 * AWAY_S])
@in_logical_time
async def test_a_breaker_that_comes_back_learns_the_cause_before_anybody_calls(returns_s: float) -> None:
    clock = LoopClock()
    breaker = AwayBreaker(SetClock(), OUR_OWN[0])
    gate = LeasedGate(breaker, clock)
    await meet(gate, WrongKey("no such key"))
    await asyncio.sleep(returns_s)
    breaker.error = None
    await asyncio.sleep(2 * AWAY_S)
    assert breaker.working.breaker.last_error == "wrong_key: no such key"
    with pytest.raises(WrongKey):
        await gate.permit()
