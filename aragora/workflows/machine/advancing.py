"""What happens next by itself, one event at a time: what time brings, what is over, what begins, and the end.

`advance` is called with the present moment until it gives nothing more; the driver applies and journals each event.
It looks in this order, and the first that finds something gives its event:

    stopping   the execution must end before its last step: it says so, closes what is open, and undoes what was done
    closing    runs inside a run of blocks that is over; then the run itself
    moments    what is due by now, the earliest first
    people     an approval that has its answer, an event that somebody waits for
    blocks     the next item of a map, the next round of a loop, a run of blocks that is done
    beginning  the next step of each block (not while paused)
    the end    the definition's own block is done
"""

from __future__ import annotations

from collections.abc import Iterator
from typing import Any

from aragora.encoding import encode
from aragora.workflows import approving
from aragora.workflows.approval_content import digest_of
from aragora.workflows.approving import ApprovalState
from aragora.workflows.definition import PAYLOAD_MAX_BYTES, Approval, Loop, Map, Parallel
from aragora.workflows.expression_values import Budget
from aragora.workflows.expressions import ExpressionError, compiled, condition, evaluate
from aragora.workflows.machine.applying import undo_key
from aragora.workflows.machine.beginning import Held, begin
from aragora.workflows.machine.state import (
    ROOT,
    TIMEOUT,
    Block,
    Doing,
    ExecutionState,
    Run,
    inner_key,
    key_of,
    names_in,
    within,
)
from aragora.workflows.model import (
    ApprovalClosed,
    ApprovalOpened,
    ApprovalStatus,
    BlockStarted,
    Event,
    ExecutionEnded,
    ExecutionStatus,
    ExecutionStopping,
    StepClosed,
    StepCompleted,
    StepFailed,
    Verdict,
)


def advance(state: ExecutionState, now: float) -> Event | None:
    """The next event at `now` (seconds since the epoch), or None where everything waits."""
    if state.started is None or state.ended is not None:
        return None
    if state.stopping is not None:
        return _stop(state, now)
    if state.failing is not None:
        return _stopping(state, state.failing.status, state.failing.code, state.failing.reason)
    if state.ends_at <= now:
        return _stopping(state, ExecutionStatus.FAILED, TIMEOUT, "the execution took longer than it may")
    for found in (_closing, _due, _answered, _blocks, _begin):
        event = found(state, now)
        if event is not None:
            return event
    return _end(state)


def next_moment(state: ExecutionState) -> float | None:
    """When time alone does something next, in seconds since the epoch; None where nothing is due any more."""
    if state.started is None or state.ended is not None:
        return None
    moments = [at for run in state.runs.values() for at in _moments(state, run)]
    if state.stopping is None or not moments:
        moments.append(state.ends_at)
    return min(moments)


# --- the end ----------------------------------------------------------------------------------------------------------


def _stopping(state: ExecutionState, status: ExecutionStatus, code: str, reason: str) -> Event:
    return ExecutionStopping(status, code, reason, tuple(undo.run for undo in reversed(state.undos)))


def _stop(state: ExecutionState, now: float) -> Event | None:
    stop, undoing = state.stopping, state.undoing[-1] if state.undoing else None
    assert stop is not None, "who calls has looked"
    due = None if undoing is None else undo_key(undoing)
    for run in sorted(state.runs.values(), key=lambda run: run.key.count("/"), reverse=True):
        if run.key == due:
            continue
        return _closed(state, run, stop.code)
    if undoing is None or due is None:
        told = f"; not undone: {', '.join(state.not_undone)}" if state.not_undone else ""
        return ExecutionEnded(stop.status, {}, stop.code, f"{stop.reason}{told}", state.cost_micros)
    known = state.runs.get(due)
    if known is not None:
        return _due_run(state, known, now)
    return _started(state, due, undoing.step, dict(undoing.names), now)


def _end(state: ExecutionState) -> Event | None:
    root = state.blocks[ROOT]
    if root.at is not None or state.runs:
        return None
    names, shared = names_in(state, ROOT), Budget()
    try:
        outputs = {name: evaluate(compiled(text), names, shared) for name, text in state.definition.outputs.items()}
    except ExpressionError as wrong:
        return _stopping(state, ExecutionStatus.FAILED, "expression", f"the outputs: {wrong}")
    if len(encode(outputs)) > PAYLOAD_MAX_BYTES:
        told = f"the outputs are larger than {PAYLOAD_MAX_BYTES} bytes"
        return _stopping(state, ExecutionStatus.FAILED, "too_large", told)
    return ExecutionEnded(ExecutionStatus.COMPLETED, outputs, cost_micros=state.cost_micros)


# --- moments ----------------------------------------------------------------------------------------------------------


def _moments(state: ExecutionState, run: Run) -> Iterator[float]:
    if run.times_out_at is not None:
        yield run.times_out_at
    if run.due_at is not None and not (run.doing is Doing.PAUSING and state.paused):
        yield run.due_at
    if run.approval_id:
        at = approving.next_moment(state.approvals[run.approval_id])
        if at is not None:
            yield at


def _due(state: ExecutionState, now: float) -> Event | None:
    due = [(at, run.key) for run in state.runs.values() for at in _moments(state, run) if at <= now]
    for _, key in sorted(due):
        event = _due_run(state, state.runs[key], now)
        if event is not None:
            return event
    return None


def _due_run(state: ExecutionState, run: Run, now: float) -> Event | None:
    """What is due of a run by `now`; None where nothing is, or where it must wait until the execution goes on."""
    event: Event | None = None
    if run.times_out_at is not None and run.times_out_at <= now:
        event = _timed_out(state, run)
    elif run.approval_id:
        event = approving.overdue(state.approvals[run.approval_id], now)
    elif run.due_at is None or run.due_at > now:
        event = None
    elif run.doing is Doing.SLEEPING:
        expired = run.what.get("event") is not None
        event = StepCompleted(run.key, run.ask_id, {}, "expired" if expired else "done")
    elif run.doing is Doing.PAUSING and not state.paused:
        names = names_in(state, run.block) if run.block in state.blocks else dict(state.undoing[-1].names)
        event = _started(state, run.key, run.step, names, now)
    return event


def _timed_out(state: ExecutionState, run: Run) -> Event:
    inner = next(within(state, run.key), None)
    if inner is not None:
        return _closed(state, inner, TIMEOUT)
    if run.approval_id and state.approvals[run.approval_id].status is ApprovalStatus.PENDING:
        return ApprovalClosed(run.approval_id, ApprovalStatus.CLOSED, "the step took longer than it may")
    return StepFailed(run.key, run.ask_id, TIMEOUT, f"step {run.step} took longer than it may")


# --- people -----------------------------------------------------------------------------------------------------------


def _answered(state: ExecutionState, now: float) -> Event | None:
    for run in state.runs.values():
        if run.doing is Doing.PEOPLE:
            event = _approval(state, run, now)
            if event is not None:
                return event
        elif run.doing is Doing.SLEEPING:
            waiting = state.signals.get(run.what.get("event", ""))
            if waiting:
                output = {"event": waiting[0].payload, "signal_id": waiting[0].signal_id, "by": waiting[0].by}
                return StepCompleted(run.key, run.ask_id, output)
    return None


def _approval(state: ExecutionState, run: Run, now: float) -> Event | None:
    if not run.approval_id:
        return _opening(state, run, now)
    approval = state.approvals[run.approval_id]
    if approval.status is ApprovalStatus.PENDING:
        return approving.settled(approval)
    if approval.status is ApprovalStatus.CLOSED:  # whoever closed it ends the run
        return None
    outcome = "done" if approval.status is ApprovalStatus.APPROVED else approval.status.value
    return StepCompleted(run.key, run.ask_id, _said(approval), outcome)


def _opening(state: ExecutionState, run: Run, now: float) -> ApprovalOpened:
    policy = state.steps[run.step]
    assert isinstance(policy, Approval), "its type"
    digest = digest_of(run.what["title"], run.what["shows"], policy)
    deadline_at = None if policy.deadline_s is None else now + policy.deadline_s
    return ApprovalOpened(run.key, f"apr_{run.ask_id.removeprefix('ask_')}", run.what["shows"], digest, deadline_at)


def _said(approval: ApprovalState) -> dict[str, Any]:
    """What an approval gives."""
    answers = [
        {"person": one.person, "verdict": one.verdict.value, "comment": one.comment}
        for one in approval.answers.values()
    ]
    approved = [one.person for one in approval.answers.values() if one.verdict is Verdict.APPROVE]
    return {"status": approval.status.value, "why": approval.why, "answers": answers, "approved_by": approved}


# --- blocks -----------------------------------------------------------------------------------------------------------


def _closing(state: ExecutionState, _: float) -> Event | None:
    for key, over in state.over.items():
        inner = next(within(state, key), None)
        if inner is not None:
            return _closed(state, inner, over.code or "another was first")
        run = state.runs[key]
        if over.code:
            return StepFailed(key, run.ask_id, over.code, over.reason)
        return StepCompleted(key, run.ask_id, {"first": over.first})
    return None


def _closed(state: ExecutionState, run: Run, why: str) -> Event:
    if run.approval_id and state.approvals[run.approval_id].status is ApprovalStatus.PENDING:
        return ApprovalClosed(run.approval_id, ApprovalStatus.CLOSED, why)
    return StepClosed(run.key, run.ask_id, why, run.ref)


def _blocks(state: ExecutionState, _: float) -> Event | None:
    for run in state.runs.values():
        if run.doing is not Doing.BLOCKS or run.key in state.over:
            continue
        step = state.steps[run.step]
        event: Event | None = None
        if isinstance(step, Parallel):
            event = _parallel(step, run)
        elif isinstance(step, Map):
            event = _map(state, step, run)
        elif isinstance(step, Loop):
            event = _loop(state, step, run)
        if event is not None:
            return event
    return None


def _parallel(step: Parallel, run: Run) -> Event | None:
    if len(run.results) < len(step.blocks):
        return None
    return StepCompleted(run.key, run.ask_id, {"first": step.blocks[next(iter(run.results))]})


def _map(state: ExecutionState, step: Map, run: Run) -> Event | None:
    count = len(run.what["items"])
    if len(run.results) == count:
        return StepCompleted(run.key, run.ask_id, {"items": [run.results[number] for number in range(count)]})
    open_ones = run.begun - len(run.results)
    if run.begun < count and open_ones < step.at_once and not state.paused:
        return BlockStarted(run.key, run.begun)
    return None


def _loop(state: ExecutionState, step: Loop, run: Run) -> Event | None:
    done = len(run.results)
    if run.begun > done:
        return None
    met = False
    if done and step.until is not None:
        try:
            met = condition(compiled(step.until), names_in(state, inner_key(run.key, done - 1)))
        except ExpressionError as wrong:
            return StepFailed(run.key, run.ask_id, "expression", f"step {step.id}: {wrong}")
    if done and (met or done >= step.rounds_max):
        return StepCompleted(run.key, run.ask_id, {"rounds": done, "met": met, "last": run.results[done - 1]})
    return None if state.paused else BlockStarted(run.key, done)


# --- beginning --------------------------------------------------------------------------------------------------------


def _begin(state: ExecutionState, now: float) -> Event | None:
    if state.paused:
        return None
    for block in state.blocks.values():
        if block.at is None or (block.run and block.run in state.over):
            continue
        event = _next_step(state, block, now)
        if event is not None:
            return event
    return None


def _next_step(state: ExecutionState, block: Block, now: float) -> Event | None:
    assert block.at is not None, "who calls has looked"
    return _started(state, key_of(block.key, block.at), block.at, names_in(state, block.key), now)


def _started(state: ExecutionState, run: str, step: str, names: dict[str, Any], now: float) -> Event | None:
    try:
        return begin(state, run, state.steps[step], names, now)
    except Held:
        return None
