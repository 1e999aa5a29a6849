"""The gate lets calls pass under a lease, reports outcomes, and never depends on the breaker."""

from __future__ import annotations

import asyncio

import pytest

from aragora.agents.gate import LeasedGate, LocalBreaker
from aragora.agents.model import AnswerMalformed, BreakerOpen, ProviderFault, ProviderRateLimited
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
    assert breaker.breaker.consecutive_failures == 0


async def test_after_a_minute_trials_reopen_the_gate(clock: SetClock) -> None:
    breaker = LocalBreaker(clock)
    gate = LeasedGate(breaker, clock)
    await fail(gate, 5)
    clock.at += POLICY.open_s
    for _ in range(POLICY.trial_successes):
        await gate.permit()
        await gate.succeeded()
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
    release.set()
    await asyncio.gather(*slow)
    assert breaker.breaker.state is BreakerState.CLOSED


async def test_a_breaker_that_is_away_lets_calls_pass(clock: SetClock) -> None:
    gate = LeasedGate(DeadBreaker(), clock)
    await gate.permit()
    await gate.failed(ProviderFault("boom"))
    await gate.permit()
    await gate.succeeded()
