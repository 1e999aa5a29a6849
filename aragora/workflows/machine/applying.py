"""How each event changes the state: one small function an event, found in a table.

An event about a run that is not open changes nothing, so one that comes twice counts once. After the end only three
events count: a retry, a late answer, and the receipt.
"""

from __future__ import annotations

from collections.abc import Callable, Mapping
from typing import Any, Final

from aragora.encoding import encode
from aragora.workflows import approving
from aragora.workflows.definition import Approval, Decide, Loop, Map, Parallel, Wait
from aragora.workflows.machine.editing import edited
from aragora.workflows.machine.following import go_on
from aragora.workflows.machine.state import (
    ASKED,
    ROOT,
    TIMEOUT,
    Block,
    Doing,
    ExecutionState,
    Run,
    Stop,
    Undo,
    block_of,
    inner_key,
    request_key,
    step_of,
)
from aragora.workflows.model import (
    ApprovalAnswered,
    ApprovalClosed,
    ApprovalEscalated,
    ApprovalOpened,
    ApprovalReminded,
    BlockStarted,
    CancelRequested,
    Event,
    ExecutionEnded,
    ExecutionPaused,
    ExecutionResumed,
    ExecutionRetried,
    ExecutionStarted,
    ExecutionStatus,
    ExecutionStopping,
    LateAnswer,
    ReceiptIssued,
    SignalReceived,
    StepAccepted,
    StepClosed,
    StepCompleted,
    StepFailed,
    StepStarted,
)

_AFTER_END: Final = (ExecutionRetried, LateAnswer, ReceiptIssued)


def apply(state: ExecutionState, event: Event, at: float) -> None:
    """Change `state` by `event`, which happened `at` (seconds since the epoch): the only way a state changes."""
    if state.ended is None or isinstance(event, _AFTER_END):
        _APPLY[type(event)](state, event, at)


# --- the execution ----------------------------------------------------------------------------------------------------


def _started(state: ExecutionState, event: ExecutionStarted, _: float) -> None:
    state.started = event
    state.ends_at = event.ends_at
    state.blocks[ROOT] = Block(ROOT, "", state.definition.first)


def _paused(state: ExecutionState, _: ExecutionPaused, __: float) -> None:
    state.paused = True


def _resumed(state: ExecutionState, _: ExecutionResumed, __: float) -> None:
    state.paused = False


def _cancel_requested(state: ExecutionState, event: CancelRequested, _: float) -> None:
    if state.stopping is None:
        said = f": {event.reason}" if event.reason else ""
        state.failing = Stop(ExecutionStatus.CANCELLED, "cancelled", f"cancelled by {event.by}{said}")


def _stopping(state: ExecutionState, event: ExecutionStopping, _: float) -> None:
    state.stopping = Stop(event.status, event.code, event.reason)
    state.paused = False
    state.over.clear()
    wanted = set(event.undoes)
    state.undoing = [undo for undo in state.undos if undo.run in wanted]
    state.undos = []


def _ended(state: ExecutionState, event: ExecutionEnded, at: float) -> None:
    state.ended, state.ended_at = event, at
    state.blocks = {key: block for key, block in state.blocks.items() if key == ROOT}  # a retry goes on from there
    state.signals.clear()


def _retried(state: ExecutionState, event: ExecutionRetried, _: float) -> None:
    if state.ended is None:
        return
    state.steps[event.run] = edited(state.steps[event.run], event.what)
    state.ended = state.ended_at = state.failing = state.stopping = None
    state.paused = False
    state.retries += 1
    if event.request_id:
        state.retried[request_key(event.request_id)] = event.request_id
    state.ends_at = event.ends_at
    outputs = state.blocks[ROOT].outputs
    before = list(outputs)[: list(outputs).index(event.run)] if event.run in outputs else list(outputs)
    state.blocks[ROOT] = Block(ROOT, "", event.run, {step: outputs[step] for step in before})
    state.undos = [undo for undo in state.undos if undo.run.partition("/")[0] in before]


def _receipt_issued(state: ExecutionState, event: ReceiptIssued, _: float) -> None:
    state.receipt_id = event.receipt_id


# --- runs -------------------------------------------------------------------------------------------------------------


def _step_started(state: ExecutionState, event: StepStarted, at: float) -> None:
    block_key = block_of(event.run)
    known = state.runs.pop(event.run, None)
    if known is None:
        block = state.blocks.get(block_key)
        if block is not None:
            block.at = None
    else:
        state.by_ask.pop(known.ask_id, None)
    run = Run(
        key=event.run,
        step=event.step,
        block=block_key,
        kind=event.kind,
        attempt=event.attempt,
        ask_id=event.ask_id,
        doing=_doing(event.kind),
        what=event.what,
        began_at=at if known is None else known.began_at,
        times_out_at=event.times_out_at,
        due_at=event.due_at,
        budget_micros=event.budget_micros,
    )
    state.attempts[event.run] = event.attempt
    state.step_runs += 1
    state.runs[event.run] = run
    state.by_ask[event.ask_id] = event.run
    if event.kind == "parallel":
        step = state.steps[event.step]
        assert isinstance(step, Parallel), "its type"
        for number, entry in enumerate(step.blocks):
            _begin_block(state, run, number, entry, {})


def _doing(kind: str) -> Doing:
    if kind in ASKED:
        return Doing.ASKED
    return {"approval": Doing.PEOPLE, "wait": Doing.SLEEPING}.get(kind, Doing.BLOCKS)


def _step_accepted(state: ExecutionState, event: StepAccepted, _: float) -> None:
    run = _open(state, event.run, event.ask_id)
    if run is not None and run.doing is Doing.ASKED:
        run.doing, run.ref = Doing.ACCEPTED, event.ref


def _step_completed(state: ExecutionState, event: StepCompleted, _: float) -> None:
    run, step = state.runs.get(event.run), state.steps[step_of(event.run)]
    if run is None and not (isinstance(step, Decide) and _is_due(state, event.run)):
        return
    if run is not None and run.ask_id != event.ask_id:
        return
    state.cost_micros += event.cost_micros
    inner = _inner_outputs(state, run) if isinstance(step, Parallel | Loop) and run is not None else {}
    _close_run(state, event.run)
    if isinstance(step, Wait) and step.event is not None and "signal_id" in event.output:
        waiting = state.signals.get(step.event, [])
        state.signals[step.event] = [one for one in waiting if one.signal_id != event.output["signal_id"]]
    if _undone(state, event.run):
        return
    if run is None:
        state.step_runs += 1
        state.attempts[event.run] = state.attempts.get(event.run, 0) + 1
    around = state.blocks.get(block_of(event.run))
    if around is not None:
        around.outputs |= inner
    go_on(state, event.run, step, event.outcome, event.output)


def _step_failed(state: ExecutionState, event: StepFailed, _: float) -> None:
    run = state.runs.get(event.run)
    if run is None and not _is_due(state, event.run):
        return
    if run is not None and run.ask_id != event.ask_id:
        return
    state.cost_micros += event.cost_micros
    if event.again_at is not None and run is not None:
        run.doing, run.due_at, run.budget_micros = Doing.PAUSING, event.again_at, None
        return
    if run is not None and event.code == TIMEOUT:
        _let_go(state, run)
    _close_run(state, event.run)
    if _undone(state, event.run, failed=True):
        return
    step = state.steps[step_of(event.run)]
    if run is None:
        state.step_runs += 1
        state.attempts[event.run] = state.attempts.get(event.run, 0) + 1
    error = {"error": {"code": event.code, "reason": event.reason}}
    go_on(state, event.run, step, "failed", error, code=event.code, reason=event.reason)


def _step_closed(state: ExecutionState, event: StepClosed, _: float) -> None:
    run = _open(state, event.run, event.ask_id)
    if run is None:
        return
    _let_go(state, run)
    _close_run(state, event.run)
    block = state.blocks.get(block_of(event.run))
    if block is not None and block.run and block.run not in state.runs:
        del state.blocks[block.key]


def _let_go(state: ExecutionState, run: Run) -> None:
    """Nobody waits for a run any more, though its answer may come."""
    if run.doing in (Doing.ASKED, Doing.ACCEPTED):
        state.late[run.ask_id] = run.key
        if run.ref:
            state.refs[run.ask_id] = run.ref


def _late_answer(state: ExecutionState, event: LateAnswer, _: float) -> None:
    if state.late.pop(event.ask_id, None) is not None:
        state.cost_micros += event.cost_micros
    state.refs.pop(event.ask_id, None)


def _block_started(state: ExecutionState, event: BlockStarted, _: float) -> None:
    run = state.runs.get(event.run)
    if run is None or event.index in run.results:
        return
    step = state.steps[run.step]
    if isinstance(step, Map):
        items = run.what["items"]
        _begin_block(state, run, event.index, step.block, {"item": items[event.index], "index": event.index})
    elif isinstance(step, Loop):
        before = state.blocks.pop(inner_key(run.key, event.index - 1), None)
        block = _begin_block(state, run, event.index, step.block, {"round": event.index + 1})
        block.outputs = {} if before is None else before.outputs  # a round sees what the one before it gave


def _begin_block(state: ExecutionState, run: Run, number: int, entry: str, names: Mapping[str, Any]) -> Block:
    key = inner_key(run.key, number)
    block = state.blocks[key] = Block(key, run.key, entry, names=names)
    run.begun = max(run.begun, number + 1)
    return block


def _inner_outputs(state: ExecutionState, run: Run) -> dict[str, Mapping[str, Any]]:
    """What the steps within a run gave: who comes after it sees that too."""
    found: dict[str, Mapping[str, Any]] = {}
    for number in sorted(run.results):
        block = state.blocks.get(inner_key(run.key, number))
        found |= {} if block is None else block.outputs
    return found


def _is_due(state: ExecutionState, run: str) -> bool:
    """Whether a run that is not open is the next of its block, or of what is to be undone: it may be over at once."""
    if state.stopping is not None:
        return bool(state.undoing) and undo_key(state.undoing[-1]) == run
    block = state.blocks.get(block_of(run))
    return block is not None and block.at == step_of(run)


def _open(state: ExecutionState, run: str, ask_id: str) -> Run | None:
    found = state.runs.get(run)
    return found if found is not None and found.ask_id == ask_id else None


def _close_run(state: ExecutionState, key: str) -> None:
    run = state.runs.pop(key, None)
    state.over.pop(key, None)
    if run is None:
        return
    state.by_ask.pop(run.ask_id, None)
    if run.doing is Doing.BLOCKS:
        prefix = f"{key}/"
        for block in [one for one in state.blocks if one.startswith(prefix)]:
            del state.blocks[block]


def _undone(state: ExecutionState, run: str, *, failed: bool = False) -> bool:
    """Whether the run compensated for another; then it is over."""
    if state.stopping is None:
        return False
    if state.undoing and undo_key(state.undoing[-1]) == run:
        undo, state.compensated = state.undoing.pop(), True
        if failed:
            state.not_undone.append(undo.run)
    return True


def undo_key(undo: Undo) -> str:
    """The key of the run that undoes another."""
    block = block_of(undo.run)
    return f"{block}/{undo.step}" if block else undo.step


# --- people -----------------------------------------------------------------------------------------------------------


def _signal_received(state: ExecutionState, event: SignalReceived, _: float) -> None:
    key = request_key(event.signal_id)
    if key not in state.signalled:
        state.signalled[key] = event.signal_id
        state.signalled_bytes += len(encode(event.payload))
        state.signals.setdefault(event.name, []).append(event)


def _approval_opened(state: ExecutionState, event: ApprovalOpened, at: float) -> None:
    run = state.runs.get(event.run)
    if run is None or run.approval_id:
        return
    started, step = state.started, state.steps[run.step]
    assert started is not None, "the execution has begun"
    assert isinstance(step, Approval), "its type"
    run.approval_id = event.approval_id
    state.approvals[event.approval_id] = approving.opened(
        event,
        step,
        execution_id=started.execution_id,
        title=run.what["title"],
        requested_by=started.started_by,
        authors=started.authors,
        at=at,
    )


def _approval(state: ExecutionState, event: Any, at: float) -> None:
    known = state.approvals.get(event.approval_id)
    if known is not None:
        state.approvals[event.approval_id] = approving.took(known, event, at)


_APPLY: Final[dict[type, Callable[[ExecutionState, Any, float], None]]] = {
    ExecutionStarted: _started,
    StepStarted: _step_started,
    StepAccepted: _step_accepted,
    StepCompleted: _step_completed,
    StepFailed: _step_failed,
    StepClosed: _step_closed,
    BlockStarted: _block_started,
    LateAnswer: _late_answer,
    SignalReceived: _signal_received,
    ApprovalOpened: _approval_opened,
    ApprovalAnswered: _approval,
    ApprovalReminded: _approval,
    ApprovalEscalated: _approval,
    ApprovalClosed: _approval,
    ExecutionPaused: _paused,
    ExecutionResumed: _resumed,
    CancelRequested: _cancel_requested,
    ExecutionStopping: _stopping,
    ExecutionRetried: _retried,
    ExecutionEnded: _ended,
    ReceiptIssued: _receipt_issued,
}
