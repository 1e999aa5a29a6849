"""When durable jobs run, as pure rules over what the table of jobs remembers.

Rules
- A job is due once `next_run` is reached. A new job is due at once. Runs that were missed while the server was down are
  made up once: the next one follows an interval after the start of the run.
- A run is claimed in the store before it begins (`begun`) and recorded when it ends (`succeeded`, `failed`). Both name
  the epoch of the scheduler, so one that has a successor can do neither.
- A failed run is tried again after a pause that grows with each failure in a row, and never later than its interval.
- A run that was cut off because its process died counts as failed (`taken_over`); its pause was set when it was
  claimed, so a job that kills its process cannot do so in a tight loop. One that was stopped in a drain is due again
  at once.
- What a run said is kept as far as every database can hold it: at most `MAX_TEXT_CHARS`, no NUL, no lone surrogates.
Times are seconds since the epoch; a draw is uniform in [0, 1).
"""

from __future__ import annotations

from collections.abc import Iterable
from dataclasses import dataclass, replace
from typing import Final

from aragora.resilience.backoff import Backoff

RETRY: Final = Backoff(base_s=60.0, cap_s=3600.0)
RETRY_AT_LEAST_S: Final = 30.0
MAX_TEXT_CHARS: Final = 500
DIED: Final = "the scheduler's process ended during the run"


@dataclass(frozen=True, slots=True)
class JobState:
    """What is remembered of one job. `started_at` is set while it runs; `failures` counts those in a row; `last_run`
    is the start of the last run that ended, `last_result` what the last successful one said."""

    name: str
    next_run: float
    started_at: float | None = None
    last_run: float | None = None
    runs: int = 0
    failures: int = 0
    last_error: str | None = None
    last_result: str | None = None


def taken_over(state: JobState, interval_s: float, now: float) -> JobState:
    """The job as a new scheduler finds it. A next run further ahead than the interval is brought nearer: the interval
    was changed since, or the clock was wrong."""
    state = replace(state, next_run=min(state.next_run, now + interval_s))
    if state.started_at is None:
        return state
    return _ended(state, failures=state.failures + 1, last_error=DIED)


def due(states: Iterable[JobState], now: float) -> list[str]:
    """The names of the jobs that should begin now, the longest overdue first."""
    waiting = [state for state in states if state.started_at is None and state.next_run <= now]
    return [state.name for state in sorted(waiting, key=lambda state: (state.next_run, state.name))]


def begun(state: JobState, interval_s: float, now: float, draw: float) -> JobState:
    """The claim of a run. Its `next_run` is for the case that nothing more is heard of it."""
    return replace(state, started_at=now, next_run=_after_failure(state, interval_s, now, draw))


def succeeded(state: JobState, interval_s: float, now: float, result: str) -> JobState:
    """After a run that ended at `now` and said `result`."""
    began = now if state.started_at is None else state.started_at
    next_run = max(now, began + interval_s)
    return _ended(state, failures=0, last_error=None, last_result=_storable(result), next_run=next_run)


def failed(state: JobState, interval_s: float, now: float, draw: float, error: str) -> JobState:
    """After a run that failed at `now`."""
    next_run = _after_failure(state, interval_s, now, draw)
    return _ended(state, failures=state.failures + 1, last_error=_storable(error), next_run=next_run)


def stopped(state: JobState, now: float) -> JobState:
    """After a run that a drain cut off: it is made up at the next start."""
    return replace(state, started_at=None, next_run=now)


def _after_failure(state: JobState, interval_s: float, now: float, draw: float) -> float:
    pause_s = RETRY.delay_s(state.failures + 1, draw, RETRY_AT_LEAST_S)
    return now + min(interval_s, pause_s)


def _storable(text: str) -> str:
    return text[:MAX_TEXT_CHARS].replace("\0", "?").encode("utf-8", "replace").decode()


def _ended(state: JobState, **changes: object) -> JobState:
    return replace(state, started_at=None, last_run=state.started_at, runs=state.runs + 1, **changes)  # type: ignore[arg-type]
