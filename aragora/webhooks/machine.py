"""The rules of delivering, for one target and one delivery at a time. Pure: times and draws come in as arguments.

Deliveries
    PENDING, RETRYING   wait for their time, and for leave from their target.
    IN_PROGRESS         a request is on its way. It is not stored: after a crash the delivery is what it was before.
    DELIVERED           a 2xx came.
    DEAD_LETTERED       no retry is left, its time is over, or the receiver is gone (410).
    CANCELLED           a person, or the end of its endpoint.

Leave to send is given by the target. It waits
    - while `max_in_flight` requests are on their way (one at a time where order is kept, and in the order of arrival);
    - while its rate allows no more;
    - until the time that a 429, or a 503 with Retry-After, asked for;
    - while its breaker refuses. After the breaker's time a few trials pass, and after it has closed, the number of
      requests at once grows with each success: a receiver that comes back is not met by all that has waited.
Waiting is no attempt: it costs nothing of a delivery's retries.

What an answer does
    answer                              delivery                          breaker
    2xx                                 DELIVERED                         success
    410                                 DEAD_LETTERED, target disabled    nothing
    429                                 RETRYING; the first ten cost      nothing
                                        nothing
    400, 401, 403 with two secrets      once more at once, the other      nothing
                                        secret first
    other 4xx, where the target         DEAD_LETTERED                     failure
    does not want them retried
    refused by the guard                RETRYING or DEAD_LETTERED         nothing
    anything else                       RETRYING or DEAD_LETTERED         failure

`now` is monotonic seconds, `wall` seconds since the epoch: rows carry wall time, waiting is measured without it.
"""

from __future__ import annotations

from dataclasses import dataclass, field, replace
from enum import StrEnum
from functools import lru_cache
from typing import Final

from aragora.resilience.circuit_breaker import (
    Breaker,
    BreakerPolicy,
    BreakerState,
    Failed,
    Lease,
    Refusal,
    Succeeded,
    Withdrawn,
    permit,
    record,
    standing,
)
from aragora.webhooks.model import Answer, Attempt, Delivery, DeliveryStatus, Failure, Rules
from aragora.webhooks.schedule import delay_s

RETRY_AFTER_MAX_S: Final = 3_600.0  # what a receiver asks for beyond it is not believed
THROTTLED_S: Final = 1.0  # the shortest pause after a 429
THROTTLED_FREE: Final = 10
FAILING_AFTER: Final = 4  # failures in a row until people are told
DISABLE_AFTER_S: Final = 5 * 86_400.0  # without a success
DISABLE_MIN_FAILURES: Final = 20  # deliveries that ended
GONE: Final = 410
TOO_MANY: Final = 429
AWAY: Final = 503
OTHER_SECRET: Final = frozenset({400, 401, 403})
UNBOUNDED: Final = 1_000_000_000
_EPSILON_S: Final = 1e-6  # sums of many small steps are not exact


class Notice(StrEnum):
    """What the owner of an endpoint is told: the operational events without their prefix."""

    FAILING = "failing"
    RECOVERED = "recovered"
    EXHAUSTED = "exhausted"
    DISABLED = "disabled"


@dataclass(frozen=True, slots=True)
class Moment:
    """When something happens: `now` monotonic, `wall` since the epoch, in seconds. `draw`, uniform in [0, 1), is the
    chance in it."""

    now: float
    wall: float
    draw: float


@dataclass(frozen=True, slots=True)
class Target:
    """What the owner of a target remembers of it. The default is a target that never failed.

    Args:
        slots: how many requests may be on their way at once; grows with successes up to the rules' number.
        in_flight: how many are.
        next_at: when the rate allows the next request (GCRA, ITU-T I.371: the theoretical arrival time).
        failing_since: the wall time of the first delivery that ended without success after the last success.
        failures: how many deliveries ended so since then.
        old_secret_first: whether a secret that was rotated away is the one that the receiver knows.
    """

    breaker: Breaker = field(default_factory=Breaker)
    slots: int = UNBOUNDED
    in_flight: int = 0
    next_at: float = 0.0
    paused_until: float = 0.0
    failing_since: float | None = None
    failures: int = 0
    old_secret_first: bool = False


@dataclass(frozen=True, slots=True)
class Leave:
    """Leave for exactly one request, whose outcome must be told: `settle`, or `withdraw` where there was none.
    `old_secret_first` says by which secret it is signed first: answers to many at once come in any order."""

    epoch: int
    trial_id: int | None = None
    old_secret_first: bool = False


@dataclass(frozen=True, slots=True)
class Wait:
    """No request now. `until` is when asking again makes sense; None: after the next outcome."""

    until: float | None
    breaker: bool = False


@dataclass(frozen=True, slots=True)
class Settled:
    """What follows from an answer: the states after it, the row of the attempt, and what people are told.

    Args:
        again: the same delivery is to be sent once more at once.
        disable: why the target is to be disabled; None where it is not.
    """

    target: Target
    delivery: Delivery
    attempt: Attempt
    again: bool = False
    disable: str | None = None
    notices: tuple[Notice, ...] = ()


@lru_cache(maxsize=1_000)  # targets share a few sets of rules, and each request asks three times
def breaker_policy(rules: Rules) -> BreakerPolicy:
    """The runbook's breaker: it opens after so many failures in a row, and no share of failures opens it. Every trial
    that succeeds closes it: after that `Target.slots` holds the flood back."""
    return BreakerPolicy(
        failure_threshold=rules.failure_threshold,
        window_calls=UNBOUNDED,
        open_s=rules.open_s,
        max_open_s=max(rules.open_s, RETRY_AFTER_MAX_S),
        trial_permits=1,
        trial_successes=1,
        trial_s=2 * rules.timeout_s,
        bar_s=0.0,
    )


def take(target: Target, rules: Rules, now: float) -> tuple[Target, Leave | Wait]:
    """Ask for leave to send one request."""
    if target.in_flight >= (1 if rules.fifo else min(rules.max_in_flight, target.slots)):
        return target, Wait(None)
    if target.paused_until > now:
        return target, Wait(target.paused_until)
    if rules.rate_per_s is not None and target.next_at > now + _EPSILON_S:
        return target, Wait(target.next_at)
    breaker, permission = permit(target.breaker, now, breaker_policy(rules))
    if isinstance(permission, Refusal):
        return replace(target, breaker=breaker), Wait(
            now + max(permission.retry_after_s, 0.0) if target.in_flight == 0 else None, breaker=True
        )
    next_at = target.next_at
    if rules.rate_per_s is not None:  # up to a second's worth may go at once
        next_at = max(next_at, now - max(0.0, 1.0 - 1.0 / rules.rate_per_s)) + 1.0 / rules.rate_per_s
    trial_id = None if isinstance(permission, Lease) else permission.trial_id
    leave = Leave(permission.epoch, trial_id, target.old_secret_first)
    return replace(target, breaker=breaker, in_flight=target.in_flight + 1, next_at=next_at), leave


def withdraw(target: Target, leave: Leave, rules: Rules, now: float) -> Target:
    """Give leave back: the request was not sent, or nobody knows what became of it."""
    return _unheard(replace(target, in_flight=target.in_flight - 1), leave, rules, now)


def refused_for_s(target: Target, rules: Rules, now: float) -> float:
    """For how many seconds more the breaker refuses; 0 where it is closed, or a trial may pass."""
    told = standing(target.breaker, now, breaker_policy(rules))
    return told.retry_after_s if isinstance(told, Refusal) else 0.0


def held_back(delivery: Delivery, for_s: float, wall: float) -> Delivery:
    """A delivery whose target's breaker refuses for `for_s` seconds more: queued for retry, no attempt made."""
    return replace(delivery, status=DeliveryStatus.RETRYING, due_at=wall + for_s)


def settle(
    target: Target,
    delivery: Delivery,
    answer: Answer,
    leave: Leave,
    rules: Rules,
    *,
    at: Moment,
    other_secret: bool,
) -> Settled:
    """What follows from the answer to one request of `delivery`, sent by `leave`.

    `other_secret`: the target has two valid secrets, and this request was not yet tried with the other one first.
    """
    number = delivery.attempts + 1
    attempt = Attempt(delivery.delivery_id, number, at.wall - answer.duration_s, answer)
    if answer.failure is None:
        return _delivered(target, delivery, attempt, leave, rules=rules, at=at)

    sent = replace(delivery, attempts=number, last_code=answer.code, last_error=answer.told or None)
    freed = replace(target, in_flight=target.in_flight - 1)
    if answer.code in OTHER_SECRET and other_secret:
        freed = _unheard(freed, leave, rules, at.now)
        freed = replace(freed, old_secret_first=not leave.old_secret_first)
        free = replace(sent, budget_from=sent.budget_from + 1, status=DeliveryStatus.RETRYING, due_at=at.wall)
        return Settled(freed, free, attempt, again=True)
    if answer.code == GONE:
        freed = _counted(_unheard(freed, leave, rules, at.now), at.wall)
        told = "the receiver said that it is gone (410)"
        notices = (Notice.EXHAUSTED, Notice.DISABLED)
        return Settled(freed, _dead(sent, told, at.wall), attempt, disable=told, notices=notices)
    if answer.code == TOO_MANY:
        return _throttled(freed, sent, attempt, leave, rules=rules, at=at)
    if answer.failure is Failure.BLOCKED:
        return _again_or_dead(_unheard(freed, leave, rules, at.now), sent, attempt, rules, at)
    return _again_or_dead(_failed(freed, answer, leave, rules, at.now), sent, attempt, rules, at)


def revived(delivery: Delivery, wall: float) -> Delivery:
    """A dead or delivered delivery to be sent again: the same ids, a fresh budget of retries."""
    return replace(
        delivery,
        status=DeliveryStatus.PENDING,
        due_at=wall,
        budget_at=wall,
        budget_from=delivery.attempts,
        throttled=0,
        ended_at=None,
    )


def expired(delivery: Delivery, rules: Rules, wall: float) -> Delivery | None:
    """The delivery as dead letter where its time is over before a request could be made; else None."""
    if wall - delivery.budget_at <= rules.give_up_s:
        return None
    return _dead(delivery, f"not delivered within {rules.give_up_s:g} s", wall)


def cancelled(delivery: Delivery, why: str, wall: float) -> Delivery:
    """The delivery as nobody wants it any more."""
    return replace(delivery, status=DeliveryStatus.CANCELLED, last_error=why, ended_at=wall)


def _delivered(
    target: Target, delivery: Delivery, attempt: Attempt, leave: Leave, *, rules: Rules, at: Moment
) -> Settled:
    """The end that all wait for. `target` and `delivery` are as the request found them: it is the way that nearly all
    go, so each is copied once."""
    was_failing = _is_failing(target)
    breaker = record(target.breaker, Succeeded(leave.epoch, leave.trial_id), at.now, breaker_policy(rules))
    slots = target.slots + 1 if target.slots < rules.max_in_flight else target.slots
    target = replace(
        target, breaker=breaker, slots=slots, in_flight=target.in_flight - 1, failing_since=None, failures=0
    )
    delivered = replace(
        delivery,
        status=DeliveryStatus.DELIVERED,
        attempts=attempt.number,
        last_code=attempt.answer.code,
        last_error=None,
        ended_at=at.wall,
    )
    return Settled(target, delivered, attempt, notices=(Notice.RECOVERED,) if was_failing else ())


def _failed(target: Target, answer: Answer, leave: Leave, rules: Rules, now: float) -> Target:
    """The target after a request that failed: half as many at once, and one where its breaker opened."""
    breaker = record(target.breaker, Failed(leave.epoch, answer.told, leave.trial_id), now, breaker_policy(rules))
    slots = _halved(target.slots, rules) if breaker.state is BreakerState.CLOSED else 1
    paused = target.paused_until
    if answer.code == AWAY and answer.retry_after_s is not None:
        paused = max(paused, now + _asked(answer))
    return replace(target, breaker=breaker, slots=slots, paused_until=paused)


def _throttled(target: Target, sent: Delivery, attempt: Attempt, leave: Leave, *, rules: Rules, at: Moment) -> Settled:
    """The receiver wants less: everything for it waits, and the first times cost the delivery nothing."""
    throttled = sent.throttled + 1
    asked = _asked(attempt.answer) or delay_s(rules, throttled, at.draw)
    pause = min(max(asked, THROTTLED_S), RETRY_AFTER_MAX_S)
    target = _unheard(target, leave, rules, at.now)
    target = replace(target, paused_until=max(target.paused_until, at.now + pause), slots=_halved(target.slots, rules))
    sent = replace(sent, throttled=throttled)
    if throttled <= THROTTLED_FREE:
        sent = replace(sent, budget_from=sent.budget_from + 1)
    return _again_or_dead(target, sent, attempt, rules, at)


def _again_or_dead(target: Target, sent: Delivery, attempt: Attempt, rules: Rules, at: Moment) -> Settled:
    """The next retry, where one is left and its time is not over."""
    answer = attempt.answer
    if not rules.retry_4xx and answer.code is not None and 400 <= answer.code < 500 and answer.code != TOO_MANY:
        return _ended(target, sent, attempt, f"{answer.told}; answers of 4xx are final here", at.wall)
    spent = sent.attempts - sent.budget_from  # requests of this budget; the first of them is no retry
    if spent > rules.max_retries:
        return _ended(target, sent, attempt, answer.told, at.wall)
    pause = max(delay_s(rules, max(spent, 1), at.draw), _asked(answer), target.paused_until - at.now)
    if at.wall + pause - sent.budget_at > rules.give_up_s:
        return _ended(target, sent, attempt, f"{answer.told}; not delivered within {rules.give_up_s:g} s", at.wall)
    again = replace(sent, status=DeliveryStatus.RETRYING, due_at=at.wall + pause)
    return Settled(target, again, attempt, notices=_told_of_failing(target))


def _ended(target: Target, sent: Delivery, attempt: Attempt, told: str, wall: float) -> Settled:
    """A dead letter, and the end of the target too where nothing has reached it for days."""
    notices = _told_of_failing(target)
    target = _counted(target, wall)
    since = wall if target.failing_since is None else target.failing_since
    if target.failures >= DISABLE_MIN_FAILURES and wall - since >= DISABLE_AFTER_S:
        disable = f"{target.failures} deliveries in a row failed over {(wall - since) / 86_400.0:.1f} days"
        return Settled(
            target, _dead(sent, told, wall), attempt, disable=disable, notices=(Notice.EXHAUSTED, Notice.DISABLED)
        )
    return Settled(target, _dead(sent, told, wall), attempt, notices=(*notices, Notice.EXHAUSTED))


def _counted(target: Target, wall: float) -> Target:
    """One more delivery has ended without success."""
    since = wall if target.failing_since is None else min(target.failing_since, wall)
    return replace(target, failing_since=since, failures=target.failures + 1)


def _dead(delivery: Delivery, told: str, wall: float) -> Delivery:
    return replace(delivery, status=DeliveryStatus.DEAD_LETTERED, last_error=told, ended_at=wall)


def _told_of_failing(target: Target) -> tuple[Notice, ...]:
    return (Notice.FAILING,) if target.breaker.consecutive_failures == FAILING_AFTER else ()


def _is_failing(target: Target) -> bool:
    return target.breaker.consecutive_failures >= FAILING_AFTER or target.failures > 0


def _asked(answer: Answer) -> float:
    """Seconds that the receiver asked for; no more than are believed."""
    return min(answer.retry_after_s or 0.0, RETRY_AFTER_MAX_S)


def _halved(slots: int, rules: Rules) -> int:
    return max(1, min(slots, rules.max_in_flight) // 2)


def _unheard(target: Target, leave: Leave, rules: Rules, now: float) -> Target:
    """An answer that says nothing of whether the receiver works gives a trial's permit back."""
    if leave.trial_id is None:
        return target
    withdrawn = Withdrawn(leave.epoch, leave.trial_id)
    return replace(target, breaker=record(target.breaker, withdrawn, now, breaker_policy(rules)))
