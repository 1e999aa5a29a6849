"""An execution as people read it: what it waits for now, and what each step came to. Pure, from its state.

An outline is bounded however large the execution is, and says what it leaves out."""

from __future__ import annotations

from collections.abc import Mapping
from dataclasses import dataclass
from typing import Any, Final

from aragora.encoding import encode
from aragora.workflows.machine.state import ROOT, Doing, ExecutionState, Run

OPEN_MAX: Final = 500
STEPS_MAX_BYTES: Final = 1_048_576  # of what steps gave, together

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


@dataclass(frozen=True, slots=True)
class Outline:
    """An execution at a glance.

    Attributes:
        inputs: what it was given.
        open: what it does and waits for, in the order in which it began, `OPEN_MAX` at most.
        open_count: how many there are.
        steps: what the steps of the definition's own block gave so far, by step, as far as there is room.
        left_out: the steps for which there was none.
    """

    inputs: Mapping[str, Any]
    open: tuple[OpenRun, ...]
    open_count: int
    steps: Mapping[str, Any]
    left_out: tuple[str, ...]


def outlined(state: ExecutionState) -> Outline:
    """The outline of an execution that has begun."""
    assert state.started is not None, "its journal has its first event"
    block = state.blocks.get(ROOT)
    shown: dict[str, Any] = {}
    left_out: list[str] = []
    room = STEPS_MAX_BYTES
    for step, output in ({} if block is None else block.outputs).items():
        size = len(encode(output))
        if size > room:
            left_out.append(step)
        else:
            shown[step] = output
            room -= size
    runs = sorted(state.runs.values(), key=lambda run: (run.began_at, run.key))
    first = tuple(_open(state, run) for run in runs[:OPEN_MAX])
    return Outline(state.started.inputs, first, len(runs), shown, tuple(left_out))


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
