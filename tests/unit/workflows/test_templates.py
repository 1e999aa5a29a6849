"""The templates, and the examples of the page on workflows: all are sound and say what they are given."""

from __future__ import annotations

import json
import re
from pathlib import Path
from typing import Any

import pytest
from worlds.workflowing import Execution

from aragora.debate.protocol import PRESETS, THRESHOLDS
from aragora.errors import NotFound
from aragora.workflows import machine
from aragora.workflows.checking import checked, inputs_of
from aragora.workflows.definition import Approval
from aragora.workflows.expressions import evaluate, names_used
from aragora.workflows.filling import expressions_of
from aragora.workflows.model import Ask, Done, ExecutionStatus, Verdict
from aragora.workflows.reading import read
from aragora.workflows.step_rules import Surroundings
from aragora.workflows.templates import template, templates

PAGE = Path(__file__).parents[3] / "docs" / "workflows.md"
EXAMPLES = re.findall(r"^```json workflow\n(.*?)^```", PAGE.read_text(encoding="utf-8"), re.MULTILINE | re.DOTALL)
AROUND = Surroundings(protocols=tuple(PRESETS), consensus=tuple(map(str, THRESHOLDS)))


def test_there_are_the_nine_that_the_page_tells_of() -> None:
    assert list(templates()) == [
        "architecture_choice",
        "contract_review",
        "decision_with_signoff",
        "incident_response",
        "knowledge_refresh",
        "policy_change",
        "quick_decision",
        "release_go_no_go",
        "vendor_choice",
    ]
    with pytest.raises(NotFound):
        template("../templates/quick_decision")


@pytest.mark.parametrize("template_id", list(templates()))
def test_a_template_is_sound_bounded_and_described(template_id: str) -> None:
    definition = template(template_id).written.definition
    found = checked(definition, AROUND)
    assert found.faults == ()
    assert found.bounds is not None
    assert found.bounds.usd is not None
    assert definition.description
    assert definition.category
    assert definition.outputs
    assert all(one.description for one in definition.inputs.values())
    document = json.dumps(template(template_id).document)
    for name in definition.inputs:
        assert f"inputs.{name}" in document, f"{name} is asked for and never used"


def test_a_change_of_policy_takes_two_people_of_whom_none_asked_for_it() -> None:
    (approval,) = (one for one in template("policy_change").written.definition.steps if isinstance(one, Approval))
    assert (approval.quorum, approval.allow_requester, approval.allow_author) == (2, False, False)


def test_an_incident_follows_the_runbook() -> None:
    steps = [one.id for one in template("incident_response").written.definition.steps]
    order = ["scope", "process", "restart", "database", "rollback", "review"]
    assert [one for one in steps if one in order] == order


def test_a_decision_is_made_with_what_is_known() -> None:
    step = template("decision_with_signoff").written.definition.step("debate")
    assert step.type == "debate"
    known = {"inputs": {"context": "c"}, "steps": {"known": {"items": [{"text": "a"}, {"text": "b"}]}}}
    (_, listed) = expressions_of(step.context)
    assert names_used(listed) == {"steps.known"}
    assert evaluate(listed, known) == "\n\nKnown already:\n- a\n- b"
    assert evaluate(listed, {"steps": {}}) == ""
    assert evaluate(listed, {"steps": {"known": {"items": []}}}) == ""


@pytest.mark.parametrize("example", EXAMPLES, ids=range(len(EXAMPLES)))
def test_an_example_of_the_page_is_sound(example: str) -> None:
    assert checked(read(json.loads(example)).definition, AROUND).faults == ()


def test_the_page_has_examples() -> None:
    assert len(EXAMPLES) == 3


GIVEN = {"string": "a text", "number": 1.5, "integer": 3, "boolean": True, "list": ["one", "two"], "object": {"a": 1}}
DECIDED = {
    "reached": True,
    "answer": "yes",
    "option": "one",
    "confidence": 0.9,
    "headline": "Decided.",
    "dissent": [],
    "receipt_id": "rcp_1",
    "receipt_hash": "0" * 64,
    "debate_id": "deb_1",
    "status": "completed",
    "cost_usd": 0.0,
}


def gives(asked: Ask) -> dict[str, Any]:
    """What a step of this kind gives."""
    if asked.kind in ("debate", "ask"):
        return DECIDED
    if asked.kind == "task":
        return {"task_id": "tsk_1", "agent_id": "worker", "result": {"ok": True, "up": True, "passed": True}}
    if asked.kind == "knowledge_search":
        return {"items": [{"id": "kn_1", "kind": "fact", "text": "known", "confidence": 0.8}]}
    return {"item_id": "kn_2"}


def begun(template_id: str) -> Execution:
    definition = template(template_id).written.definition
    inputs = {name: GIVEN[one.type] for name, one in definition.inputs.items() if one.required}
    if "in_force_at" in inputs:
        inputs["in_force_at"] = "1970-01-20T00:00:00Z"
    return Execution(definition, inputs_of(definition, inputs))


@pytest.mark.parametrize("verdict", list(Verdict))
@pytest.mark.parametrize("template_id", list(templates()))
def test_a_template_runs_to_its_end_whatever_people_say(template_id: str, verdict: Verdict) -> None:
    execution = begun(template_id)
    while not execution.status.ended:
        pending = execution.pending()
        if pending:
            policy = execution.state.approvals[execution.state.runs[pending[0]].approval_id].policy
            ticked = tuple(item.id for item in policy.checklist)
            for person in ("bob", "carol", "dan"):
                if pending[0] in execution.pending():
                    execution.answer(pending[0], person, verdict, comment="because", checklist=ticked)
            if verdict is Verdict.ABSTAIN and pending[0] in execution.pending():
                execution.wait(90 * 86_400.0)
            continue
        asks = machine.asks(execution.state)
        if asks:
            execution.reply(Done(asks[0].ask_id, gives(asks[0])))
        else:
            due = machine.next_moment(execution.state)
            assert due is not None
            execution.wait(max(0.0, due - execution.now))
    assert execution.state.ended is not None
    if verdict is Verdict.APPROVE:
        assert execution.status is ExecutionStatus.COMPLETED, execution.state.ended.reason
        assert execution.state.ended.outputs.keys() == execution.definition.outputs.keys()
    assert execution.state.ended.code not in ("expression", "too_large", "too_many_steps"), execution.state.ended.reason
