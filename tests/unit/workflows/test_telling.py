"""What webhooks tell of executions: which events, for whom, and in the members that the catalogue of webhooks lists."""

from __future__ import annotations

from typing import Any

import pytest
from jsonschema import Draft202012Validator
from worlds.workflowing import Execution, approval, ask, chain, debate, definition

from aragora.encoding import decode_as
from aragora.storage.outbox import OutboxRow
from aragora.webhooks.events import event_type
from aragora.webhooks.happenings import of_workflow
from aragora.webhooks.workflow_events import ApprovalEnd, ExecutionEnd, WorkflowRow
from aragora.workflows.inbox import KeptInbox
from aragora.workflows.model import ApprovalStatus, ExecutionStatus, Verdict
from aragora.workflows.telling import TOPIC, VALUE_MAX_BYTES, EventTold, told


def notify(step_id: str, **rest: Any) -> dict[str, Any]:
    return {"type": "notify", "id": step_id, "message": "Release {{ inputs.of }} goes out.", **rest}


def rows_of(execution: Execution) -> list[OutboxRow]:
    """What is told of all that happened, as if it were one commit."""
    events = [event for _, event in execution.events]
    return list(told(execution.state, events, len(events), execution.now))


def heard(execution: Execution) -> list[EventTold]:
    """The same, checked against what receivers are promised."""
    found = []
    for row in rows_of(execution):
        one = decode_as(row.payload, EventTold)
        Draft202012Validator(event_type(one.type).schema()).validate(one.data)
        assert of_workflow(row.payload, 262_144).record.event_id == f"exe_1:{one.seq}"
        found.append(one)
    return found


def test_a_notification_is_told_with_its_texts_filled_in() -> None:
    shape = definition(*chain(notify("tell", details={"of": "{{ inputs.of }}"}), debate("b")))
    execution = Execution(shape, {"of": "4.2"})
    (one,) = heard(execution)
    assert (one.type, one.seq, one.org_id, one.at) == ("workflow.notified", 2, "org", execution.now)
    assert one.data == {
        "execution_id": "exe_1",
        "workflow_id": "wf_1",
        "workflow": "a workflow",
        "version": 1,
        "workspace": "default",
        "parent": "",
        "run": "tell",
        "message": "Release 4.2 goes out.",
        "details": {"of": "4.2"},
    }
    execution.done("tell")
    execution.done("b", 2_500, answer="yes")
    last = heard(execution)[-1]
    assert (last.type, last.seq) == ("workflow.execution_ended", len(execution.events))
    assert last.data.items() >= {"status": "completed", "cost_usd": 0.0025, "outputs": {}, "code": ""}.items()


def test_an_approval_is_told_from_its_request_to_its_end() -> None:
    escalations = [{"approvers": ["user:eve"], "deadline_s": 600}]
    step = approval("sign", shows={"what": "4.2"}, deadline_s=600, remind_before_s=60, escalations=escalations)
    execution = Execution(definition(step))
    opened_at = execution.now
    execution.wait(601)
    execution.answer("sign", verdict=Verdict.REJECT, comment="no")
    found = heard(execution)
    assert [one.type.removeprefix("workflow.") for one in found] == [
        "approval_requested",
        "approval_reminded",
        "approval_escalated",
        "approval_closed",
        "execution_ended",
    ]
    requested, reminded, escalated, closed, ended = (one.data for one in found)
    assert (requested["approvers"], requested["shown"]) == (["role:owner"], {"what": "4.2"})
    assert requested["deadline_at"] == opened_at + 600
    assert {one["approval_id"] for one in (requested, reminded, escalated, closed)} == set(execution.state.approvals)
    assert (escalated["approvers"], escalated["level"]) == (["role:owner", "user:eve"], 1)
    assert escalated["deadline_at"] == opened_at + 1_200
    assert closed["status"] == "rejected"
    assert (ended["status"], ended["outputs"]) == ("failed", {})


def test_what_is_large_is_left_out_and_what_fits_is_not() -> None:
    for size, kept in ((VALUE_MAX_BYTES // 2, True), (VALUE_MAX_BYTES, False)):
        execution = Execution(definition(ask("a"), outputs={"text": "steps.a.answer"}))
        execution.done("a", answer="x" * size)
        (one,) = heard(execution)
        assert one.data["outputs"] == ({"text": "x" * size} if kept else None)


def test_numbers_are_those_of_the_journal_and_ids_follow_from_them() -> None:
    execution = Execution(definition(*chain(debate("a"), notify("tell"), debate("b"))), {"of": 1})
    first = len(execution.events)
    assert rows_of(execution) == []
    happened = execution.done("a", answer="yes")
    rows = told(execution.state, happened, first + len(happened), execution.now)
    assert [(row.topic, row.debate_id, row.created_at) for row in rows] == [(TOPIC, "exe_1", execution.now)]
    seq = decode_as(rows[0].payload, EventTold).seq
    assert execution.events[seq - 1][1] in happened
    assert rows[0].outbox_id == f"exe_1:{TOPIC}:{seq}"
    assert rows == told(execution.state, happened, first + len(happened), execution.now)


@pytest.mark.parametrize("told", [True, False])
def test_where_nobody_takes_them_there_are_no_rows(told: bool) -> None:
    execution = Execution(definition(notify("tell")), {"of": 1})
    events = [event for _, event in execution.events]
    rows = KeptInbox(mirrored=False, told=told).told(execution.state, events, len(events), execution.now)
    assert len(rows) == (1 if told else 0)


def test_both_sides_of_the_outbox_have_the_same_members_and_words() -> None:
    assert list(EventTold.__dataclass_fields__) == list(WorkflowRow.__dataclass_fields__)
    assert {one.value for one in ApprovalStatus} - {"pending"} == set(ApprovalEnd.__args__)  # type: ignore[attr-defined]
    assert {one.value for one in ExecutionStatus if one.ended} == set(ExecutionEnd.__args__)  # type: ignore[attr-defined]
