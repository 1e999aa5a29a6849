"""The circuit breaker as a pure machine: immutable state, functions from (state, what happened, now) to the next.

States and rules:
    closed     Calls pass. Opens after `failure_threshold` consecutive failures, or when in the last `window_s` at
               least `window_calls` outcomes were told and `window_failure_share` of them were failures.
    open       Calls are refused until `open_s` have passed (or longer, where the provider's Retry-After says so).
    half_open  `trial_permits` calls at once may try. `trial_successes` successes close it, one failure opens it
               again. A trial that is withdrawn gives its permit back, one of which nothing is ever told (its caller
               died) after `trial_s`.

A closed breaker may be barred: a call was refused for a cause that stays until a person acts (the key is wrong, the
account is empty). That is no outage and counts as no failure, but every further call would meet the same. So calls are
refused with that cause for `bar_s`; then one call at a time may try. A cause of that kind renews the bar, any other
outcome lifts it and counts as ever.

Leases keep the healthy path free of hops: a caller holds a lease on "closed" for `lease_s` and calls without
asking. It tells a failure at once; it tells successes only while failures are outstanding, that is while the
breaker still remembers one (the lease says so). Outcomes of calls made before the breaker opened change nothing:
they carry the epoch of their permission, and every opening or bar starts a new one. `aragora.resilience.lease` is the
holder's side.

`now` is monotonic seconds. Stored rows carry seconds since the epoch; `to_row` and `from_row` convert, so that a
wall clock set back by an hour never keeps a breaker open for longer than its own rule.
"""

from __future__ import annotations

from dataclasses import dataclass, replace
from enum import StrEnum

_MAX_OUTCOMES = 64  # bound of the remembered window
_MAX_ERROR_CHARS = 300


class BreakerState(StrEnum):
    CLOSED = "closed"
    HALF_OPEN = "half_open"
    OPEN = "open"


@dataclass(frozen=True, slots=True)
class BreakerPolicy:
    """The settings of the rules above; times in seconds."""

    failure_threshold: int = 5
    window_s: float = 60.0
    window_calls: int = 20
    window_failure_share: float = 0.5
    open_s: float = 60.0
    max_open_s: float = 600.0  # a Retry-After beyond it is not believed
    trial_permits: int = 3
    trial_successes: int = 2
    trial_s: float = 150.0
    lease_s: float = 5.0
    bar_s: float = 60.0  # 0: nothing is ever barred


@dataclass(frozen=True, slots=True)
class Cause:
    """Why calls are refused until a person acts: the code and the words of the failure."""

    code: str
    told: str


@dataclass(frozen=True, slots=True)
class Outcome:
    """One told outcome of a call, for the window."""

    at: float
    failed: bool


@dataclass(frozen=True, slots=True)
class Trial:
    """A permit of the half-open state: its holder and when it lapses."""

    trial_id: int
    lapses_at: float


@dataclass(frozen=True, slots=True)
class Breaker:
    """The whole state. The default is a breaker that has never seen a failure."""

    state: BreakerState = BreakerState.CLOSED
    consecutive_failures: int = 0
    outcomes: tuple[Outcome, ...] = ()
    opened_at: float | None = None
    retry_at: float | None = None
    last_error: str | None = None
    trials: tuple[Trial, ...] = ()
    trials_succeeded: int = 0
    next_trial: int = 1
    epoch: int = 0  # grows with every opening and every bar
    barred_by: Cause | None = None  # while closed; `retry_at` is then the time of the next trial


@dataclass(frozen=True, slots=True)
class Lease:
    """Leave to call freely for `valid_s`. While `outstanding`, tell successes too."""

    epoch: int
    valid_s: float
    outstanding: bool


@dataclass(frozen=True, slots=True)
class TrialPermit:
    """Leave for exactly one call, whose outcome must be told with `trial_id`."""

    epoch: int
    trial_id: int


@dataclass(frozen=True, slots=True)
class Refusal:
    """No call now; asking again makes sense after `retry_after_s`. `barred_by`: the cause, where it is no outage."""

    retry_after_s: float
    last_error: str | None = None
    barred_by: Cause | None = None


Permission = Lease | TrialPermit | Refusal


@dataclass(frozen=True, slots=True)
class Succeeded:
    """`count` calls under the permission of `epoch` succeeded."""

    epoch: int
    trial_id: int | None = None
    count: int = 1


@dataclass(frozen=True, slots=True)
class Failed:
    """A call under the permission of `epoch` failed. `error` is shown to operators: no secrets."""

    epoch: int
    error: str
    trial_id: int | None = None
    retry_after_s: float | None = None


@dataclass(frozen=True, slots=True)
class Barred:
    """A call under the permission of `epoch` was refused for a cause that stays. No secrets, as in `Failed`."""

    epoch: int
    cause: Cause
    trial_id: int | None = None


@dataclass(frozen=True, slots=True)
class Withdrawn:
    """A trial call was given up before it had an outcome: that says nothing of the provider."""

    epoch: int
    trial_id: int


Report = Succeeded | Failed | Barred | Withdrawn


@dataclass(frozen=True, slots=True)
class BreakerChanged:
    """The event of a change of state, for logs, metrics and watchers."""

    before: BreakerState
    after: BreakerState
    reason: str


@dataclass(frozen=True, slots=True)
class BreakerRow:
    """The stored form; times are seconds since the epoch. A closed row with a `retry_at` is barred, and its
    `last_error` is the cause: `code: told`."""

    state: str = "closed"
    consecutive_failures: int = 0
    opened_at: float | None = None
    retry_at: float | None = None
    last_error: str | None = None


def permit(breaker: Breaker, now: float, policy: BreakerPolicy) -> tuple[Breaker, Permission]:
    """May a call be made? The breaker goes from open to half-open here, when its time has come."""
    breaker = tick(breaker, now, policy)
    if not _tries(breaker, now):
        return breaker, standing(breaker, now, policy)
    if len(breaker.trials) >= (1 if breaker.barred_by else policy.trial_permits):
        first_free = min(trial.lapses_at for trial in breaker.trials)
        return breaker, Refusal(min(1.0, max(0.0, first_free - now)), breaker.last_error, breaker.barred_by)
    trial = Trial(breaker.next_trial, now + policy.trial_s)
    granted = replace(breaker, trials=(*breaker.trials, trial), next_trial=breaker.next_trial + 1)
    return granted, TrialPermit(breaker.epoch, trial.trial_id)


def standing(breaker: Breaker, now: float, policy: BreakerPolicy) -> Lease | Refusal:
    """What applies without asking for a trial: the answer to a report. Where trials may be made it refuses for no time
    at all."""
    breaker = tick(breaker, now, policy)
    if breaker.state is BreakerState.CLOSED and breaker.barred_by is None:
        return Lease(breaker.epoch, policy.lease_s, outstanding(breaker))
    wait = 0.0 if _tries(breaker, now) else max(0.0, (breaker.retry_at or now) - now)
    return Refusal(wait, breaker.last_error, breaker.barred_by)


def record(breaker: Breaker, report: Report, now: float, policy: BreakerPolicy) -> Breaker:
    """The breaker after an outcome was told. Outcomes of an older epoch, and trials told twice, change nothing."""
    breaker = tick(breaker, now, policy)
    if report.epoch < breaker.epoch or breaker.state is BreakerState.OPEN:
        return breaker
    if isinstance(report, Withdrawn) or breaker.state is BreakerState.HALF_OPEN:
        return _record_trial(breaker, report, now, policy)
    if breaker.barred_by is not None and not _holds(breaker, report.trial_id):
        return breaker
    if isinstance(report, Barred):
        return _barred(breaker, report, now, policy)
    if breaker.barred_by is not None:
        breaker = replace(breaker, barred_by=None, retry_at=None, trials=())
    if isinstance(report, Succeeded):
        return _record_success(breaker, report, now)
    failed = replace(
        _with_failure(breaker, report), outcomes=(*breaker.outcomes, Outcome(now, failed=True))[-_MAX_OUTCOMES:]
    )
    return _opened(failed, report, now, policy) if _must_open(failed, policy) else failed


def tick(breaker: Breaker, now: float, policy: BreakerPolicy) -> Breaker:
    """What time alone does: forget old outcomes, end the open time, take back lapsed trials."""
    if breaker.state is BreakerState.OPEN and now >= (breaker.retry_at or 0.0):
        return replace(breaker, state=BreakerState.HALF_OPEN, trials=(), trials_succeeded=0)
    if breaker.trials and any(trial.lapses_at <= now for trial in breaker.trials):
        return replace(breaker, trials=tuple(trial for trial in breaker.trials if trial.lapses_at > now))
    if breaker.outcomes and breaker.outcomes[0].at <= now - policy.window_s:
        kept = tuple(outcome for outcome in breaker.outcomes if outcome.at > now - policy.window_s)
        return replace(breaker, outcomes=kept)
    return breaker


def outstanding(breaker: Breaker) -> bool:
    """Whether the breaker remembers a failure, so that a success is news."""
    return (
        breaker.state is not BreakerState.CLOSED
        or breaker.consecutive_failures > 0
        or any(outcome.failed for outcome in breaker.outcomes)
    )


def changed(before: Breaker, after: Breaker) -> BreakerChanged | None:
    """The event between two states of one breaker, or None where its state is the same."""
    if before.state is after.state and before.epoch == after.epoch and before.retry_at == after.retry_at:
        return None
    reasons = {
        BreakerState.OPEN: after.last_error or "failures",
        BreakerState.HALF_OPEN: "the open time is over",
        BreakerState.CLOSED: f"barred by {after.last_error}" if after.barred_by else "trial calls succeeded",
    }
    return BreakerChanged(before.state, after.state, reasons[after.state])


def to_row(breaker: Breaker, now: float, wall: float) -> BreakerRow:
    """The row to store at the wall time `wall` (seconds since the epoch), which is `now` monotonic."""

    def on_wall(at: float | None) -> float | None:
        return None if at is None else wall + (at - now)

    return BreakerRow(
        state=breaker.state.value,
        consecutive_failures=breaker.consecutive_failures,
        opened_at=on_wall(breaker.opened_at),
        retry_at=on_wall(breaker.retry_at),
        last_error=breaker.last_error,
    )


def from_row(row: BreakerRow, now: float, wall: float, policy: BreakerPolicy) -> Breaker:
    """The breaker a stored row tells of. A half-open one starts its trials again; leases from before are void. A bar is
    not taken over: whoever starts a new process may have mended its cause.

    The remaining open time is at most `max_open_s`, whatever the wall clock did in between.
    """
    state = BreakerState(row.state)
    if state is BreakerState.CLOSED:
        remembered = tuple(Outcome(now, failed=True) for _ in range(min(row.consecutive_failures, _MAX_OUTCOMES)))
        return Breaker(consecutive_failures=row.consecutive_failures, outcomes=remembered, last_error=row.last_error)
    remaining = 0.0 if row.retry_at is None else min(max(row.retry_at - wall, 0.0), policy.max_open_s)
    if row.opened_at is not None and row.opened_at > wall:  # the wall clock went back since
        remaining = min(remaining, policy.open_s)
    opened_ago = 0.0 if row.opened_at is None else max(wall - row.opened_at, 0.0)
    return Breaker(
        state=state,
        consecutive_failures=row.consecutive_failures,
        opened_at=now - opened_ago,
        retry_at=now + remaining,
        last_error=row.last_error,
        epoch=1,
        next_trial=int(wall * 1000),  # no trial id from before the restart comes again
    )


def cause_of(row: BreakerRow) -> Cause | None:
    """What bars the calls of this agent; None where nothing does."""
    if row.state != BreakerState.CLOSED.value or row.retry_at is None or row.last_error is None:
        return None
    code, _, told = row.last_error.partition(": ")
    return Cause(code, told)


def _tries(breaker: Breaker, now: float) -> bool:
    """Whether calls pass only as trials now."""
    if breaker.barred_by is not None:
        return now >= (breaker.retry_at or 0.0)
    return breaker.state is BreakerState.HALF_OPEN


def _holds(breaker: Breaker, trial_id: int | None) -> bool:
    """Whether the trial is still one of those that may tell."""
    return any(trial.trial_id == trial_id for trial in breaker.trials)


def _barred(breaker: Breaker, report: Barred, now: float, policy: BreakerPolicy) -> Breaker:
    """Closed, since the provider answers, and barred by what it said."""
    if policy.bar_s <= 0.0:
        return breaker
    error = f"{report.cause.code}: {report.cause.told}"[:_MAX_ERROR_CHARS]
    return Breaker(
        retry_at=now + policy.bar_s,
        last_error=error,
        next_trial=breaker.next_trial,
        epoch=max(breaker.epoch, report.epoch) + 1,
        barred_by=report.cause,
    )


def _record_success(breaker: Breaker, report: Succeeded, now: float) -> Breaker:
    if not outstanding(breaker):
        return breaker
    told = (Outcome(now, failed=False),) * min(report.count, _MAX_OUTCOMES)
    outcomes = (*breaker.outcomes, *told)[-_MAX_OUTCOMES:]
    return replace(breaker, consecutive_failures=0, outcomes=outcomes)


def _record_trial(breaker: Breaker, report: Report, now: float, policy: BreakerPolicy) -> Breaker:
    if not _holds(breaker, report.trial_id):
        return breaker
    others = tuple(trial for trial in breaker.trials if trial.trial_id != report.trial_id)
    if isinstance(report, Withdrawn):
        return replace(breaker, trials=others)
    if isinstance(report, Barred):
        return _barred(breaker, report, now, policy)
    if isinstance(report, Failed):
        return _opened(_with_failure(breaker, report), report, now, policy)
    succeeded = breaker.trials_succeeded + 1
    if succeeded >= policy.trial_successes:
        return Breaker(epoch=breaker.epoch, next_trial=breaker.next_trial, last_error=breaker.last_error)
    return replace(breaker, trials=others, trials_succeeded=succeeded)


def _with_failure(breaker: Breaker, report: Failed) -> Breaker:
    failures = breaker.consecutive_failures + 1
    return replace(breaker, consecutive_failures=failures, last_error=report.error[:_MAX_ERROR_CHARS])


def _must_open(breaker: Breaker, policy: BreakerPolicy) -> bool:
    if breaker.consecutive_failures >= policy.failure_threshold:
        return True
    told = len(breaker.outcomes)
    failures = sum(outcome.failed for outcome in breaker.outcomes)
    return told >= policy.window_calls and failures >= policy.window_failure_share * told


def _opened(breaker: Breaker, report: Failed, now: float, policy: BreakerPolicy) -> Breaker:
    wait = min(max(policy.open_s, report.retry_after_s or 0.0), policy.max_open_s)
    return replace(
        breaker,
        state=BreakerState.OPEN,
        opened_at=now,
        retry_at=now + wait,
        barred_by=None,
        outcomes=(),
        trials=(),
        trials_succeeded=0,
        epoch=max(breaker.epoch, report.epoch) + 1,
    )
