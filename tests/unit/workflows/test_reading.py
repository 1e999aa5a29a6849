"""Documents read as definitions: what does not fit is told with its place, all at once."""

from __future__ import annotations

import hashlib
from typing import Any

import pytest

from aragora.workflows.definition import DEFINITION_MAX_BYTES, Approval, Debate
from aragora.workflows.faults import FAULTS_MAX, InvalidDefinition
from aragora.workflows.reading import json_schema, read, read_back

ASK: dict[str, Any] = {"id": "a", "type": "ask", "question": "Why?"}


def faults(document: Any) -> dict[str, str]:
    with pytest.raises(InvalidDefinition) as raised:
        read(document)
    return {one.path: one.code for one in raised.value.faults}


def test_a_document_is_read_and_kept_as_it_was_written() -> None:
    written = read({"steps": [ASK], "name": "n", "timeout_s": 60})
    assert written.text == '{"name":"n","steps":[{"id":"a","question":"Why?","type":"ask"}],"timeout_s":60}'
    assert written.digest == hashlib.sha256(written.text.encode()).hexdigest()
    assert read_back(written.text) == written.definition
    assert read({"name": "n", "timeout_s": 60.0, "steps": [dict(reversed(ASK.items()))]}).digest == written.digest


def test_each_type_of_step_has_its_class() -> None:
    sign = {"id": "s", "type": "approval", "approvers": ["role:owner"], "deadline_s": None}
    definition = read({"name": "n", "steps": [{"id": "d", "type": "debate", "question": "?"}, sign]}).definition
    assert isinstance(definition.step("d"), Debate)
    assert isinstance(definition.step("s"), Approval)


def test_every_fault_is_told_with_its_place() -> None:
    document = {
        "name": "",
        "steps": [
            {"id": "A", "type": "ask", "question": 1, "color": "red"},
            {"id": "b", "type": "approval", "approvers": ["everybody"], "deadline_s": -1},
            {"id": "c", "type": "approval", "approvers": ["role:owner"]},
            {"id": "d", "type": "dance"},
            {"id": "e"},
        ],
        "inputs": {"x": {"type": "date"}},
    }
    found = faults(document)
    assert {
        "name",
        "steps[0].ask.id",
        "steps[0].ask.question",
        "steps[0].ask.color",
        "steps[1].approval.approvers[0]",
        "steps[1].approval.deadline_s",
        "steps[2].approval.deadline_s",
        "steps[3]",
        "steps[4]",
        "inputs.x.type",
    } == set(found)
    assert found["steps[0].ask.color"] == "unknown"
    assert found["steps[2].approval.deadline_s"] == "missing"


def test_faults_are_bounded() -> None:
    assert len(faults({"name": "n", "steps": [{**ASK, f"x{n}": 1} for n in range(100)]})) == FAULTS_MAX


@pytest.mark.parametrize(
    "document",
    [
        None,
        [],
        "x",
        {"name": "a\x00", "steps": [ASK]},
        {"name": "n", "steps": [{**ASK, "question": "\ud800"}]},
        {"name": "n", "steps": [{**ASK, "\ud800": 1}]},
        {"name": "n", "steps": [ASK], "timeout_s": float("nan")},
        {"name": "n", "steps": [ASK], "inputs": {"x": {"required": False, "default": 2**60}}},
        {"name": "n", "steps": [{"id": "t", "type": "task", "task": "t", "payload": {"x": float("inf")}}]},
    ],
)
def test_what_cannot_be_kept_is_refused(document: Any) -> None:
    faults(document)


def test_size_and_depth_are_bounded() -> None:
    assert faults({"name": "n", "steps": [{**ASK, "context": "x" * DEFINITION_MAX_BYTES}]}) == {"": "too_large"}
    deep: Any = 1
    for _ in range(10_000):
        deep = [deep]
    assert faults({"name": "n", "steps": [{"id": "t", "type": "task", "task": "t", "payload": {"x": deep}}]}) == {
        "": "too_deep"
    }


def test_the_schema_names_every_type_of_step() -> None:
    schema = json_schema()
    assert schema["$schema"].endswith("2020-12/schema")
    mapping = schema["properties"]["steps"]["items"]["discriminator"]["mapping"]
    assert {"debate", "ask", "approval", "decide", "parallel", "map", "loop", "wait", "task", "notify"} <= set(mapping)
