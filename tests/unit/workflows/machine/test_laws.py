"""Laws of the machine: any order of answers, duplicates, deadlines and crashes ends in a final state."""

from __future__ import annotations

from itertools import pairwise
from typing import Any

from hypothesis import HealthCheck, given, settings
from hypothesis import strategies as st
from worlds.workflowing import BEGAN, Execution, approval, ask, debate, definition

from aragora.errors import Conflict
from aragora.workflows import machine
from aragora.workflows.approving import Answerer, Word, answer
from aragora.workflows.definition import Definition
from aragora.workflows.machine.beginning import UNDO_S
from aragora.workflows.machine.state import ASKED
from aragora.workflows.model import (
    Accepted,
    ApprovalStatus,
    Done,
    ExecutionEnded,
    Failed,
    StepCompleted,
    StepStarted,
    Verdict,
)

LEAVES = ("debate", "ask", "approval", "wait", "event", "task")


def leaf(kind: str, step_id: str, rest: dict[str, Any]) -> dict[str, Any]:
    if kind == "debate":
        return debate(step_id, retry={"attempts": 2, "pause_s": 5}, **rest)
    if kind == "ask":
        return ask(step_id, timeout_s=100, **rest)
    if kind == "approval":
        return approval(step_id, deadline_s=50, **rest)
    if kind == "wait":
        return {"type": "wait", "id": step_id, "for_s": 20, **rest}
    if kind == "event":
        return {"type": "wait", "id": step_id, "event": "go", "expires_s": 30, **rest}
    return {"type": "task", "id": step_id, "task": "do", "compensate": f"undo_{step_id}", **rest}


@st.composite
def definitions(draw: st.DrawFn) -> Definition:
    """A few chains, some within blocks."""
    steps: list[dict[str, Any]] = []
    count = 0

    def block(depth: int) -> str:
        nonlocal count
        ids: list[str] = []
        for _ in range(draw(st.integers(1, 2))):
            count += 1
            step_id = f"s{count}"
            ids.append(step_id)
            kinds = (*LEAVES, "parallel", "map", "loop") if depth < 2 else LEAVES
            kind = draw(st.sampled_from(kinds))
            rest: dict[str, Any] = {"optional": draw(st.booleans())}
            if kind == "parallel":
                blocks = [block(depth + 1) for _ in range(draw(st.integers(1, 2)))]
                wait_for = draw(st.sampled_from(["all", "first"]))
                steps.append({"type": "parallel", "id": step_id, "blocks": blocks, "wait_for": wait_for, **rest})
            elif kind == "map":
                inner = block(depth + 1)
                steps.append({"type": "map", "id": step_id, "over": "[1, 2]", "block": inner, "items_max": 2, **rest})
            elif kind == "loop":
                inner = block(depth + 1)
                steps.append({"type": "loop", "id": step_id, "block": inner, "rounds_max": 2, **rest})
            else:
                steps.append(leaf(kind, step_id, rest))
                if kind == "task":
                    steps.append({"type": "task", "id": f"undo_{step_id}", "task": "undo"})
        for before, after in pairwise(ids):
            next(step for step in steps if step["id"] == before)["next"] = after
        return ids[0]

    entry = block(0)
    return definition(*steps, entry=entry, timeout_s=2_000)


def act(execution: Execution, draw: st.DataObject) -> None:  # noqa: C901  a table would say it no better
    """One thing that may happen to an execution, sensible or not."""
    deed = draw.draw(
        st.sampled_from(["reply", "reply", "reply", "time", "person", "signal", "pause", "resume", "cancel"])
    )
    state = execution.state
    if deed == "reply":
        known = sorted({event.ask_id for _, event in execution.events if isinstance(event, StepStarted)})
        if known:
            ask_id = draw.draw(st.sampled_from(known))
            execution.reply(
                draw.draw(
                    st.sampled_from(
                        [
                            Accepted(ask_id, "ref"),
                            Done(ask_id, {"x": 1}, 3),
                            Failed(ask_id, "no", "no", again=True, cost_micros=2),
                        ]
                    )
                )
            )
    elif deed == "time":
        execution.wait(draw.draw(st.sampled_from([0.0, 1.0, 7.0, 31.0])))
    elif deed == "person" and state.approvals:
        known = state.approvals[draw.draw(st.sampled_from(sorted(state.approvals)))]
        word = Word(draw.draw(st.sampled_from(list(Verdict))), digest=known.digest)
        try:
            event = answer(known, Answerer("bob", ("owner",)), word, execution.now, "a")
        except Conflict:
            return
        if event is not known.answers.get("bob"):
            execution.happen(event)
    else:
        try:
            if deed == "signal" and any(step.type == "wait" and step.event for step in state.steps.values()):
                execution.happen(machine.signal(state, "go", {}, f"s{len(execution.events)}", "ann"))
            elif deed == "pause":
                execution.happen(machine.pause(state, "ann"))
            elif deed == "resume":
                execution.happen(machine.resume(state, "ann"))
            elif deed == "cancel" and draw.draw(st.integers(0, 9)) == 0:
                execution.happen(machine.cancel(state, "ann", ""))
        except Conflict:
            return


@settings(max_examples=150, deadline=None, suppress_health_check=[HealthCheck.too_slow, HealthCheck.data_too_large])
@given(definitions(), st.data())
def test_whatever_happens_it_ends_and_its_journal_tells_the_same(shape: Definition, draw: st.DataObject) -> None:
    """W19 and the machine's own promise. Every prefix of the journal is a state of which the rest is a continuation."""
    execution = Execution(shape)
    for _ in range(draw.draw(st.integers(0, 25))):
        act(execution, draw)
    crashed = execution.replayed()
    assert crashed == execution.state
    assert machine.advance(crashed, execution.now) is None, "what follows by itself was journaled with its cause"
    while not execution.status.ended:
        before = len(execution.events)
        for waiting in machine.asks(execution.state):
            execution.reply(Done(waiting.ask_id, {}, 1))
        execution.wait(UNDO_S + 1.0)  # nothing has more time than what undoes something
        assert len(execution.events) > before, "time alone brings an execution to its end"
    state = execution.state
    assert execution.now <= BEGAN + 60_000
    assert (state.runs, state.by_ask, state.over) == ({}, {}, {})
    assert all(one.status is not ApprovalStatus.PENDING for one in state.approvals.values())
    completed = [event.ask_id for _, event in execution.events if isinstance(event, StepCompleted)]
    assert len(completed) == len(set(completed)), "no run is done twice"
    started = [event.ask_id for _, event in execution.events if isinstance(event, StepStarted)]
    assert len(started) == len(set(started)), "nothing is asked twice"
    costs = [getattr(event, "cost_micros", 0) for _, event in execution.events if not isinstance(event, ExecutionEnded)]
    assert state.cost_micros == sum(costs)
    assert execution.replayed() == state


@settings(max_examples=50, deadline=None, suppress_health_check=[HealthCheck.too_slow, HealthCheck.data_too_large])
@given(definitions(), st.data())
def test_no_step_begins_after_a_cancel_but_those_that_undo(shape: Definition, draw: st.DataObject) -> None:
    execution = Execution(shape)
    for _ in range(draw.draw(st.integers(0, 15))):
        act(execution, draw)
    if execution.status.ended:
        return
    execution.happen(machine.cancel(execution.state, "ann", ""))
    before = len(execution.events)
    assert [run.kind for run in execution.state.runs.values() if run.kind not in ASKED] == []
    while not execution.status.ended:
        for waiting in machine.asks(execution.state):
            execution.reply(Done(waiting.ask_id, {}, 0))
    begun = [event.step for _, event in execution.events[before:] if isinstance(event, StepStarted)]
    assert all(step.startswith("undo_") for step in begun)
