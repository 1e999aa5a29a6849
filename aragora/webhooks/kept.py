"""What of a target's state survives its owner, and how the next owner takes it up. Pure.

Rows carry wall time. A wall clock that was set back never makes anything wait for longer than its rules do.
"""

from __future__ import annotations

from aragora.resilience.circuit_breaker import BreakerRow, BreakerState, from_row, to_row
from aragora.webhooks.machine import RETRY_AFTER_MAX_S, UNBOUNDED, Target, breaker_policy
from aragora.webhooks.model import Delivery, DeliveryStatus, Rules, TargetRow
from aragora.webhooks.schedule import JITTER


def row_of(target: Target, target_id: str, now: float, wall: float) -> TargetRow:
    """What of a target's state survives its owner."""
    breaker = to_row(target.breaker, now, wall)
    return TargetRow(
        target_id,
        breaker=breaker.state,
        consecutive_failures=breaker.consecutive_failures,
        opened_at=breaker.opened_at,
        retry_at=breaker.retry_at,
        last_error=breaker.last_error,
        paused_until=None if target.paused_until <= now else wall + target.paused_until - now,
        failing_since=target.failing_since,
        failures=target.failures,
        old_secret_first=target.old_secret_first,
    )


def target_of(row: TargetRow, rules: Rules, now: float, wall: float) -> Target:
    """The state of a target as its next owner takes it up."""
    breaker = BreakerRow(row.breaker, row.consecutive_failures, row.opened_at, row.retry_at, row.last_error)
    pause = min(max((row.paused_until or 0.0) - wall, 0.0), RETRY_AFTER_MAX_S)
    loaded = from_row(breaker, now, wall, breaker_policy(rules))
    return Target(
        breaker=loaded,
        slots=1 if loaded.consecutive_failures or loaded.state is not BreakerState.CLOSED else UNBOUNDED,
        paused_until=now + pause if pause else 0.0,
        failing_since=row.failing_since,
        failures=row.failures,
        old_secret_first=row.old_secret_first,
    )


def must_keep(before: Target, after: Target) -> bool:
    """Whether what survives the owner has changed, so that it is stored with the attempt."""
    return (
        before.breaker.state is not after.breaker.state
        or before.breaker.epoch != after.breaker.epoch
        or before.breaker.consecutive_failures != after.breaker.consecutive_failures
        or before.paused_until != after.paused_until
        or before.failures != after.failures
        or before.old_secret_first is not after.old_secret_first
    )


def wait_s(delivery: Delivery, rules: Rules, wall: float) -> float:
    """Seconds until a stored delivery is due. A wall clock that was set back cannot make it longer than the longest
    pause of the rules, or what a receiver that answered may have asked for; what was not tried yet waits for nothing.
    """
    if delivery.status is DeliveryStatus.PENDING:
        return 0.0
    longest = max((*rules.delays_s, rules.max_s if not rules.delays_s else 0.0)) * (1.0 + JITTER)
    asked = 0.0 if delivery.last_code is None else RETRY_AFTER_MAX_S
    return min(max(delivery.due_at - wall, 0.0), max(longest, asked))
