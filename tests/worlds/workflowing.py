"""An execution driven by hand: a definition, its journal, a clock that stands still until somebody moves it."""

from __future__ import annotations

from collections.abc import Callable, Mapping
from dataclasses import dataclass, field
from typing import Any

from pydantic import TypeAdapter

from aragora.workflows import approving, journal, machine
from aragora.workflows.approving import Answerer, Word
from aragora.workflows.definition import Definition
from aragora.workflows.machine.state import ExecutionState
from aragora.workflows.model import (
    Accepted,
    ApprovalStatus,
    Ask,
    Done,
    Event,
    ExecutionStarted,
    ExecutionStatus,
    Failed,
    Reply,
    Verdict,
)

READ = TypeAdapter(Definition)
BEGAN = 1_000_000.0


def definition(*steps: Mapping[str, Any], **rest: Any) -> Definition:
    """A definition of these steps; those without `next` are not chained."""
    return READ.validate_python({"name": "a workflow", "steps": list(steps), **rest})


def chain(*steps: Mapping[str, Any]) -> list[Mapping[str, Any]]:
    """The steps, each followed by the next."""
    following = [*[step["id"] for step in steps[1:]], None]
    return [{**step, "next": after} for step, after in zip(steps, following, strict=True)]


def debate(step_id: str, **rest: Any) -> dict[str, Any]:
    return {"type": "debate", "id": step_id, "question": f"What of {step_id}?", **rest}


def ask(step_id: str, **rest: Any) -> dict[str, Any]:
    return {"type": "ask", "id": step_id, "question": f"What of {step_id}?", **rest}


def approval(step_id: str, **rest: Any) -> dict[str, Any]:
    return {"type": "approval", "id": step_id, "approvers": ["role:owner"], "deadline_s": None, **rest}


@dataclass
class Execution:
    """One execution, with every event and when it happened."""

    definition: Definition
    inputs: Mapping[str, Any] = field(default_factory=dict)
    budget_micros: int | None = None
    depth: int = 1
    digest: str = ""
    now: float = BEGAN
    events: list[tuple[float, Event]] = field(default_factory=list)

    def __post_init__(self) -> None:
        self.state = ExecutionState(self.definition)
        self.happen(
            ExecutionStarted(
                execution_id="exe_1",
                workflow_id="wf_1",
                version=1,
                digest=self.digest,
                name=self.definition.name,
                inputs=self.inputs,
                started_by="ann",
                org_id="org",
                depth=self.depth,
                budget_micros=self.budget_micros,
                ends_at=self.now + self.definition.timeout_s,
            )
        )

    def happen(self, event: Event | None) -> list[Event]:
        """Apply an event and all that follows from it now; returns them."""
        happened: list[Event] = []
        while event is not None or (event := machine.advance(self.state, self.now)) is not None:
            journal.check(event)  # whatever the machine makes, a journal gives back
            machine.apply(self.state, event, self.now)
            self.events.append((self.now, event))
            happened.append(event)
            assert len(happened) < 20_000, "it comes to rest"
            event = None
        return happened

    def reply(self, reply: Reply) -> list[Event]:
        return self.happen(machine.settle(self.state, reply, self.now))

    def asked(self, run: str) -> Ask:
        """What is asked for a run, accepted or not."""
        known = self.state.runs[run]
        return Ask(known.ask_id, run, known.step, known.kind, known.what, known.budget_micros)

    def done(self, run: str, cost_micros: int = 0, **output: Any) -> list[Event]:
        return self.reply(Done(self.asked(run).ask_id, output, cost_micros))

    def accepted(self, run: str, ref: str) -> list[Event]:
        return self.reply(Accepted(self.asked(run).ask_id, ref))

    def failed(self, run: str, *, again: bool = False, code: str = "debate_failed") -> list[Event]:
        return self.reply(Failed(self.asked(run).ask_id, code, "it did not go well", again))

    def wait(self, seconds: float) -> list[Event]:
        """Let time pass, and what is due happen, each at its moment."""
        until, happened = self.now + seconds, []
        while (due := machine.next_moment(self.state)) is not None and due <= until:
            self.now = max(self.now, due)
            moved = self.happen(None)
            if not moved:
                break
            happened += moved
        self.now = until
        return happened + self.happen(None)

    def answer(self, run: str, person: str = "bob", verdict: Verdict = Verdict.APPROVE, **word: Any) -> list[Event]:
        known = self.state.approvals[self.state.runs[run].approval_id]
        said = Word(verdict, digest=known.digest, **word)
        event = approving.answer(known, Answerer(person, ("owner",)), said, self.now, f"answer {len(self.events)}")
        return self.happen(event)

    @property
    def status(self) -> ExecutionStatus:
        return machine.status(self.state)

    @property
    def open(self) -> list[str]:
        return sorted(self.state.runs)

    def pending(self) -> list[str]:
        """The runs whose approvals are open."""
        return [
            run.key
            for run in self.state.runs.values()
            if run.approval_id and self.state.approvals[run.approval_id].status is ApprovalStatus.PENDING
        ]

    def replayed(self, count: int | None = None) -> ExecutionState:
        """The state that the first so many events make."""
        return machine.replay(self.definition, self.events[:count])

    def kinds(self) -> list[str]:
        return [type(event).__name__ for _, event in self.events]


def to_its_end(execution: Execution, gives: Callable[[Ask], Mapping[str, Any]], limit: int = 1_000) -> None:
    """Answer every ask by `gives`, and let time pass where nothing is asked."""
    for _ in range(limit):
        if execution.status.ended:
            return
        asks = machine.asks(execution.state)
        if asks:
            execution.reply(Done(asks[0].ask_id, gives(asks[0])))
            continue
        due = machine.next_moment(execution.state)
        assert due is not None, "something is due while it has not ended"
        execution.wait(max(0.0, due - execution.now))
    raise AssertionError("the execution does not end")
