"""An execution as people read it: what it waits for now, and what each step came to. Pure, from its state."""

from __future__ import annotations

from collections.abc import Mapping
from dataclasses import dataclass
from typing import Any

from aragora.workflows.machine.state import ROOT, Doing, ExecutionState, Run

_SAYS: Mapping[Doing, str] = {
    Doing.ASKED: "is being asked",
    Doing.ACCEPTED: "is under way",
    Doing.PAUSING: "is tried again",
    Doing.SLEEPING: "waits",
    Doing.PEOPLE: "waits for people",
    Doing.BLOCKS: "runs steps within it",
}


@dataclass(frozen=True, slots=True)
class OpenRun:
    """A run that has not ended. Times are seconds since the epoch; `ref` names the debate, task or execution that does
    it, `approval_id` the approval that it waits for."""

    run: str
    step: str
    title: str
    kind: str
    attempt: int
    began_at: float
    says: str
    due_at: float | None
    ref: str
    approval_id: str


def open_runs(state: ExecutionState) -> tuple[OpenRun, ...]:
    """What the execution does and waits for, in the order in which it began."""
    return tuple(_open(state, run) for run in sorted(state.runs.values(), key=lambda run: (run.began_at, run.key)))


def results(state: ExecutionState) -> dict[str, Any]:
    """What the steps of the definition's own block gave so far, by step."""
    block = state.blocks.get(ROOT)
    return {} if block is None else dict(block.outputs)


def _open(state: ExecutionState, run: Run) -> OpenRun:
    step = state.steps[run.step]
    due = [at for at in (run.due_at, run.times_out_at) if at is not None]
    approval = state.approvals.get(run.approval_id)
    if approval is not None and approval.deadline_at is not None:
        due.append(approval.deadline_at)
    return OpenRun(
        run=run.key,
        step=run.step,
        title=step.title or step.id,
        kind=run.kind,
        attempt=run.attempt,
        began_at=run.began_at,
        says=_SAYS[run.doing],
        due_at=min(due, default=None),
        ref=run.ref,
        approval_id=run.approval_id,
    )
