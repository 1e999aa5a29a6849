"""What executions count: starts, ends, steps, approvals, and how late what was due was done."""

from __future__ import annotations

from collections import Counter
from typing import Any

from worlds.workflowing import Execution, approval, ask, chain, debate, definition

from aragora.observability.metrics import METRICS
from aragora.workflows import machine
from aragora.workflows.counted import counters_of, counters_of_lateness
from aragora.workflows.machine.state import ExecutionState
from aragora.workflows.model import ApprovalStatus, ExecutionStatus, Verdict
from aragora.workflows.running.course import follow

WAIT = {"type": "wait", "id": "w", "for_s": 60}


def counted(execution: Execution) -> dict[str, float]:
    """What its events count, without buckets; histograms by their sum and count."""
    state = ExecutionState(execution.definition)
    found: Counter[str] = Counter()
    for at, event in execution.events:
        for delta in counters_of(state, event, at):
            if not delta.sample.endswith("_bucket"):
                name = delta.sample.removeprefix("aragora_workflow_")
                found[" ".join([name, *(value for _, value in delta.labels)])] += delta.amount
        machine.apply(state, event, at)
    return {name: amount for name, amount in found.items() if amount}


def test_an_execution_counts_its_start_its_end_and_how_long_each_step_took() -> None:
    execution = Execution(definition(*chain(debate("a"), WAIT)))
    execution.wait(3)
    execution.done("a")
    execution.wait(61)
    assert execution.status is ExecutionStatus.COMPLETED
    assert counted(execution) == {
        "executions_started_total": 1,
        "executions_ended_total completed": 1,
        "step_duration_seconds_count debate": 1,
        "step_duration_seconds_sum debate": 3,
        "step_duration_seconds_count wait": 1,
        "step_duration_seconds_sum wait": 60,
    }


def test_an_attempt_that_is_made_again_is_no_failure_and_the_step_lasts_from_its_first_attempt() -> None:
    execution = Execution(definition(ask("a", retry={"attempts": 2, "pause_s": 10, "factor": 1})))
    execution.failed("a", again=True)
    execution.wait(10)
    execution.failed("a", again=True)
    found = counted(execution)
    assert (found["step_retries_total ask"], found["step_failures_total ask"]) == (1, 1)
    assert found["step_duration_seconds_count ask"] == 1
    assert 5 <= found["step_duration_seconds_sum ask"] <= 10, "the pause is between half of it and all"
    assert found["executions_ended_total failed"] == 1


def test_what_becomes_of_an_approval_is_told_apart() -> None:
    """A5: a time that is over never reads like a rejection."""

    def asked(**rest: Any) -> Execution:
        return Execution(definition(approval("sign", **rest)))

    approved, rejected = asked(), asked()
    approved.answer("sign")
    rejected.answer("sign", verdict=Verdict.REJECT)
    expired = asked(deadline_s=60)
    expired.wait(60)
    closed = asked()
    closed.happen(machine.cancel(closed.state, "ann", ""))
    for execution, status in (
        (approved, ApprovalStatus.APPROVED),
        (rejected, ApprovalStatus.REJECTED),
        (expired, ApprovalStatus.EXPIRED),
        (closed, ApprovalStatus.CLOSED),
    ):
        found = counted(execution)
        told = {name: value for name, value in found.items() if name.startswith("approvals_")}
        assert told == {"approvals_opened_total": 1, f"approvals_closed_total {status.value}": 1}


def test_a_branch_counts_no_time() -> None:
    branch = {"type": "decide", "id": "d", "branches": [{"when": "true", "next": "a"}]}
    execution = Execution(definition(branch, ask("a")))
    assert counted(execution) == {"executions_started_total": 1}


def test_lateness_is_never_below_zero() -> None:
    assert [delta.amount for delta in counters_of_lateness(2.0)] == [1.0, 2.0, 1.0]
    assert counters_of_lateness(-1.0)[1].amount == 0.0


def test_no_label_tells_of_an_execution_a_workflow_or_a_person() -> None:
    labels = {name for metric in METRICS if metric.name.startswith("aragora_workflow_") for name in metric.labels}
    assert labels == {"kind", "status"}


def test_what_follows_counts_what_the_journal_says() -> None:
    """The driver's own way through the machine counts the same as its events."""
    execution = Execution(definition(*chain(debate("a"), WAIT)))
    followed = follow(ExecutionState(execution.definition), execution.events[0][1], execution.now)
    assert followed.then is None
    assert [type(event) for event in followed.events] == [type(event) for _, event in execution.events]
    assert [delta.sample for delta in followed.counted] == ["aragora_workflow_executions_started_total"]
