"""The state of one execution: what `apply` has made of its events so far.

Only `aragora.workflows.machine.applying` changes it. Everything here is a function of the definition and the events:
two states made of the same are equal. It holds what is open; of what is over only what others may still ask for.
"""

from __future__ import annotations

from collections.abc import Iterator, Mapping
from dataclasses import dataclass, field
from enum import StrEnum
from typing import Any, Final

from aragora.workflows.approving import ApprovalState
from aragora.workflows.definition import Definition, Step
from aragora.workflows.model import ExecutionEnded, ExecutionStarted, ExecutionStatus, SignalReceived

ROOT: Final = ""
"""The key of the definition's own block."""
TIMEOUT: Final = "timeout"
"""The code of what took longer than it may."""
PAID: Final = frozenset({"debate", "ask", "workflow"})
"""The steps that cost something."""
ASKED: Final = PAID | {"knowledge_search", "knowledge_write", "task", "notify"}
"""The steps that are done outside."""


class Doing(StrEnum):
    """What an open run does."""

    ASKED = "asked"  # somebody is to do it
    ACCEPTED = "accepted"  # somebody does it
    PAUSING = "pausing"  # until it is tried again
    SLEEPING = "sleeping"  # until a moment, or an event
    PEOPLE = "people"  # an approval
    BLOCKS = "blocks"  # it runs steps within itself


@dataclass(slots=True)
class Run:
    """An open run. Times are seconds since the epoch."""

    key: str
    step: str
    block: str
    kind: str
    attempt: int
    ask_id: str
    doing: Doing
    what: Mapping[str, Any]
    began_at: float
    times_out_at: float | None = None
    due_at: float | None = None  # the end of a pause or a sleep
    budget_micros: int | None = None
    ref: str = ""
    approval_id: str = ""
    begun: int = 0  # blocks, of those that run some
    results: dict[int, Any] = field(default_factory=dict)  # what the last step of each block gave
    results_bytes: int = 0  # of a map


@dataclass(slots=True)
class Block:
    """An open block: `at` is the step that is due, None while one runs and once the block is done. `names` are those
    that its steps see besides others'."""

    key: str
    run: str  # that began it; empty of the root
    at: str | None
    outputs: dict[str, Mapping[str, Any]] = field(default_factory=dict)  # by step, in the order in which they ended
    last: Any = None
    names: Mapping[str, Any] = field(default_factory=dict)


@dataclass(frozen=True, slots=True)
class Over:
    """A run of blocks that ends once what is open within it is closed. Without `code` it is done."""

    first: str = ""
    code: str = ""
    reason: str = ""


@dataclass(frozen=True, slots=True)
class Undo:
    """A step that compensates for a run, and the names as they were when that was done."""

    run: str
    step: str
    names: Mapping[str, Any]


@dataclass(frozen=True, slots=True)
class Stop:
    """Why and how an execution ends before its last step."""

    status: ExecutionStatus
    code: str
    reason: str


@dataclass(slots=True)
class ExecutionState:
    """Mutable, and changed by `apply` alone. Constructed with the definition that the execution is pinned to; the first
    event is `ExecutionStarted`."""

    definition: Definition
    steps: dict[str, Step] = field(default_factory=dict)  # by id; a retry may replace one
    started: ExecutionStarted | None = None
    ends_at: float = 0.0
    blocks: dict[str, Block] = field(default_factory=dict)
    runs: dict[str, Run] = field(default_factory=dict)  # open ones
    by_ask: dict[str, str] = field(default_factory=dict)  # the open run of an ask
    over: dict[str, Over] = field(default_factory=dict)  # runs of blocks that end
    attempts: dict[str, int] = field(default_factory=dict)  # of every run that ever began
    step_runs: int = 0
    approvals: dict[str, ApprovalState] = field(default_factory=dict)
    signals: dict[str, list[SignalReceived]] = field(default_factory=dict)  # by name: those nobody has waited for yet
    signalled: dict[str, str] = field(default_factory=dict)  # ids of events that were sent, by `request_key`
    signalled_bytes: int = 0  # of all their payloads
    retried: dict[str, str] = field(default_factory=dict)  # of retries, those that were named
    undos: list[Undo] = field(default_factory=list)  # in the order of what they undo
    paused: bool = False
    failing: Stop | None = None  # the root block has failed, or somebody cancelled
    stopping: Stop | None = None
    undoing: list[Undo] = field(default_factory=list)  # what is left to undo, next last
    compensated: bool = False  # something was undone
    not_undone: list[str] = field(default_factory=list)  # runs whose compensation failed
    late: dict[str, str] = field(default_factory=dict)  # run by ask: closed, though an answer may come
    refs: dict[str, str] = field(default_factory=dict)  # by ask: what those had begun
    cost_micros: int = 0
    retries: int = 0
    ended: ExecutionEnded | None = None
    ended_at: float | None = None
    receipt_id: str = ""

    def __post_init__(self) -> None:
        if not self.steps:
            self.steps = {step.id: step for step in self.definition.steps}


def request_key(request_id: str) -> str:
    """What names a request: its id up to the first point; what follows is the digest of what it asks for."""
    return request_id.partition(".")[0]


def reserved(state: ExecutionState) -> int:
    """What open runs may still cost, in micro-dollars."""
    return sum(run.budget_micros or 0 for run in state.runs.values())


def names_in(state: ExecutionState, block_key: str) -> dict[str, Any]:
    """What expressions of a block see: `inputs`, `steps`, and what the blocks around it and itself add."""
    assert state.started is not None, "the execution has begun"
    names: dict[str, Any] = {"inputs": dict(state.started.inputs)}
    outputs: dict[str, Any] = {}
    for block in reversed(list(_outwards(state, block_key))):
        outputs |= block.outputs
        names |= block.names
    return names | {"steps": outputs}


def within(state: ExecutionState, run_key: str) -> Iterator[Run]:
    """The open runs inside a run of blocks, the innermost first."""
    prefix = f"{run_key}/"
    found = [run for key, run in state.runs.items() if key.startswith(prefix)]
    return iter(sorted(found, key=lambda run: run.key.count("/"), reverse=True))


def key_of(block: str, step: str) -> str:
    """The key of a run."""
    return f"{block}/{step}" if block else step


def block_of(run: str) -> str:
    """The block in which a run stands."""
    return run.rpartition("/")[0]


def step_of(run: str) -> str:
    """The step of a run."""
    return run.rpartition("/")[2]


def inner_key(run: str, number: int) -> str:
    """The key of a block that a run begins."""
    return f"{run}/{number}"


def _outwards(state: ExecutionState, block_key: str) -> Iterator[Block]:
    block = state.blocks.get(block_key)
    while block is not None:
        yield block
        if not block.run:
            return
        block = state.blocks.get(block_of(block.run))
