"""The workflow machine: every rule of an execution, without a clock, a network, or chance.

Theory of operation
    An execution is the list of its events, and the definition that it is pinned to. `apply` folds one event into the
    `ExecutionState`; nothing else changes it, so a state is rebuilt exactly by replaying the journal. A driver owns the
    world: it does what `asks` wants, turns replies into events by `settle` and what people say by the functions of
    `people` and `approving`, and calls `advance` with the present moment until it gives nothing more. It journals
    events before it acts on them.

    A block runs one step at a time; `parallel`, `map` and `loop` are runs that begin blocks within themselves.

    run of            waits for                                   ends by
    debate, ask, ...  an answer from outside, attempt by attempt  StepCompleted; StepFailed after its last attempt
    approval          people                                      ApprovalClosed, then StepCompleted
    wait              a moment, or a named event                  StepCompleted
    decide            nothing                                     StepCompleted, without a StepStarted
    parallel          its blocks: all, or the first               StepCompleted; StepFailed where a block failed
    map               a block for each item                       the same
    loop              a block after another                       StepCompleted once its condition holds, or its bound

    The execution is over once its own block is; or it stops: ExecutionStopping, StepClosed for all that is open, the
    steps that compensate, ExecutionEnded.

Rules
    - `ask_id` is a function of execution, run and attempt: a crash never makes a second ask of it.
    - What is open is paid for: money is reserved with StepStarted and settled with the answer. Where nothing is left
      a step waits for what others give back, and fails once nobody holds anything.
    - An answer for an attempt that is closed counts for its cost alone (LateAnswer).
    - An event that somebody sent before a step waits for it is kept, and is taken by one wait.
    - Paused: what was asked is answered, deadlines pass, and nothing begins.
    - Time comes in as an argument. What is due is due at its moment, however late the machine is asked.
    - Any order of answers, duplicates, deadlines and crashes ends in one final status: each block has a bound, and the
      execution's own time ends what waits for nothing else.
"""

from __future__ import annotations

from collections.abc import Iterable

from aragora.workflows.definition import Definition
from aragora.workflows.machine.advancing import advance, next_moment
from aragora.workflows.machine.applying import apply
from aragora.workflows.machine.asking import asks, awaited, owed, settle
from aragora.workflows.machine.people import cancel, pause, resume, retry, signal
from aragora.workflows.machine.state import ASKED, Doing, ExecutionState
from aragora.workflows.model import Event, ExecutionStarted, ExecutionStatus

__all__ = [
    "ExecutionState",
    "advance",
    "apply",
    "asks",
    "awaited",
    "cancel",
    "fold",
    "next_moment",
    "owed",
    "pause",
    "replay",
    "resume",
    "retry",
    "settle",
    "signal",
    "status",
]


def replay(definition: Definition, events: Iterable[tuple[float, Event]]) -> ExecutionState:
    """The state that events make, each with its moment. Raises ValueError where they do not begin with
    `ExecutionStarted`."""
    state = ExecutionState(definition)
    fold(state, events)
    return state


def fold(state: ExecutionState, events: Iterable[tuple[float, Event]]) -> None:
    """Change a state by more events, each with its moment. Raises ValueError where `ExecutionStarted` is not the first
    of all, or comes again."""
    for at, event in events:
        if (state.started is None) != isinstance(event, ExecutionStarted):
            raise ValueError(f"a {type(event).__name__} stands where an execution begins, or began before")
        apply(state, event, at)


def status(state: ExecutionState) -> ExecutionStatus:
    """Where the execution stands for its readers."""
    if state.ended is not None:
        return state.ended.status
    if state.stopping is not None and state.undoing:
        return ExecutionStatus.COMPENSATING
    if state.paused:
        return ExecutionStatus.PAUSED
    busy = any(run.kind in ASKED or run.doing is Doing.PAUSING for run in state.runs.values())
    due = any(block.at is not None for block in state.blocks.values())
    stopping = state.stopping is not None or state.failing is not None
    return ExecutionStatus.RUNNING if busy or due or stopping or not state.runs else ExecutionStatus.WAITING
