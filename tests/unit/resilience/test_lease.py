from __future__ import annotations

from aragora.resilience.circuit_breaker import Lease, Succeeded
from aragora.resilience.lease import LeaseHolder

HEALTHY = Lease(epoch=0, valid_s=5.0, outstanding=False)
SHAKEN = Lease(epoch=2, valid_s=5.0, outstanding=True)


def test_without_a_lease_nothing_may_be_called() -> None:
    assert not LeaseHolder().may_call(0.0)


def test_a_lease_lasts_for_its_time() -> None:
    holder = LeaseHolder()
    holder.granted(HEALTHY, 10.0)
    assert holder.may_call(14.9)
    assert not holder.may_call(15.0)


def test_on_the_healthy_path_successes_are_not_told() -> None:
    holder = LeaseHolder()
    holder.granted(HEALTHY, 0.0)
    assert [holder.succeeded(0.1) for _ in range(100)] == [None] * 100


def test_while_failures_are_outstanding_the_first_success_is_told_at_once_and_the_others_in_batches() -> None:
    holder = LeaseHolder(tell_every_s=1.0)
    holder.granted(SHAKEN, 0.0)
    assert holder.succeeded(0.1) == Succeeded(2, count=1)
    assert holder.succeeded(0.2) is None
    assert holder.succeeded(0.3) is None
    assert holder.succeeded(1.2) == Succeeded(2, count=3)


def test_a_dropped_lease_must_be_asked_for_again() -> None:
    holder = LeaseHolder()
    holder.granted(HEALTHY, 0.0)
    holder.drop()
    assert not holder.may_call(0.1)
