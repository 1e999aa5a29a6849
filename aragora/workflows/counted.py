"""What each event of an execution adds to the durable counters. Pure.

The deltas are written in the transaction that writes the event, so a figure is exact whatever dies. No label tells of
a workflow, an execution or a person: kinds of steps, statuses and outcomes are closed sets.
"""

from __future__ import annotations

from collections.abc import Callable
from functools import lru_cache
from typing import Any, Final

from aragora.observability.metrics import BY_NAME
from aragora.observability.samples import CounterDelta, observation
from aragora.workflows.machine.state import ExecutionState
from aragora.workflows.model import (
    ApprovalClosed,
    ApprovalOpened,
    Event,
    ExecutionEnded,
    ExecutionStarted,
    StepCompleted,
    StepFailed,
)

PURGED: Final = "aragora_workflow_executions_purged_total"
_STEP: Final = BY_NAME["aragora_workflow_step_duration_seconds"]
_LATE: Final = BY_NAME["aragora_workflow_timer_lag_seconds"]
_STARTED: Final = (CounterDelta("aragora_workflow_executions_started_total", (), 1.0),)
_OPENED: Final = (CounterDelta("aragora_workflow_approvals_opened_total", (), 1.0),)


def counters_of(state: ExecutionState, event: Event, now: float) -> tuple[CounterDelta, ...]:
    """The increments that an event causes, which is about to be applied to `state` at `now` (seconds since the epoch);
    () for events that count nothing."""
    count = _COUNTING.get(type(event))
    return () if count is None else count(state, event, now)


def counters_of_end(event: ExecutionEnded) -> tuple[CounterDelta, ...]:
    """The increments of an end, also of one that no machine came to."""
    return (_one("aragora_workflow_executions_ended_total", "status", event.status.value),)


def counters_of_lateness(late_s: float) -> tuple[CounterDelta, ...]:
    """The increments where something happened by time alone, so many seconds after it was due."""
    return observation(_LATE, (), max(0.0, late_s))


def _started(_: ExecutionState, __: ExecutionStarted, ___: float) -> tuple[CounterDelta, ...]:
    return _STARTED


def _ended(_: ExecutionState, event: ExecutionEnded, __: float) -> tuple[CounterDelta, ...]:
    return counters_of_end(event)


def _completed(state: ExecutionState, event: StepCompleted, now: float) -> tuple[CounterDelta, ...]:
    return _lasted(state, event, now)


def _failed(state: ExecutionState, event: StepFailed, now: float) -> tuple[CounterDelta, ...]:
    run = state.runs.get(event.run)
    if event.again_at is None:
        return _lasted(state, event, now)
    if run is None or run.ask_id != event.ask_id:
        return ()
    return (_one("aragora_workflow_step_retries_total", "kind", run.kind),)


def _lasted(state: ExecutionState, event: StepCompleted | StepFailed, now: float) -> tuple[CounterDelta, ...]:
    """Of a run that ends: its time with all attempts. One that was over at once, such as a branch, has none."""
    run = state.runs.get(event.run)
    if run is None or run.ask_id != event.ask_id:
        return ()
    failed = isinstance(event, StepFailed)
    counted = observation(_STEP, (("kind", run.kind),), max(0.0, now - run.began_at))
    return (*counted, _one("aragora_workflow_step_failures_total", "kind", run.kind)) if failed else counted


def _opened(_: ExecutionState, __: ApprovalOpened, ___: float) -> tuple[CounterDelta, ...]:
    return _OPENED


def _closed(_: ExecutionState, event: ApprovalClosed, __: float) -> tuple[CounterDelta, ...]:
    return (_one("aragora_workflow_approvals_closed_total", "status", event.status.value),)


@lru_cache(maxsize=200)  # closed sets
def _one(sample: str, label: str, value: str) -> CounterDelta:
    return CounterDelta(sample, ((label, value),), 1.0)


_COUNTING: Final[dict[type, Callable[[ExecutionState, Any, float], tuple[CounterDelta, ...]]]] = {
    ExecutionStarted: _started,
    ExecutionEnded: _ended,
    StepCompleted: _completed,
    StepFailed: _failed,
    ApprovalOpened: _opened,
    ApprovalClosed: _closed,
}
