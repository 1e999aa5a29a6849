"""Definitions whose steps do not make sense together, and those that do."""

from __future__ import annotations

import time
from typing import Any

import pytest

from aragora.workflows.bounds import Bounds
from aragora.workflows.checking import OWNER, checked, inputs_of, rights_needed
from aragora.workflows.definition import Definition
from aragora.workflows.faults import InvalidDefinition
from aragora.workflows.reading import read
from aragora.workflows.step_rules import Surroundings


def ask(step_id: str, **more: Any) -> dict[str, Any]:
    return {"id": step_id, "type": "ask", "question": "Why?", **more}


def step(step_id: str, kind: str, **more: Any) -> dict[str, Any]:
    return {"id": step_id, "type": kind, **more}


def approval(step_id: str = "s", **more: Any) -> dict[str, Any]:
    return {"id": step_id, "type": "approval", "approvers": ["role:owner"], "deadline_s": 60, **more}


def definition(*steps: dict[str, Any], **more: Any) -> Definition:
    return read({"name": "n", "steps": list(steps), **more}).definition


def found(*steps: dict[str, Any], around: Surroundings | None = None, **more: Any) -> set[tuple[str, str]]:
    return {(one.path, one.code) for one in checked(definition(*steps, **more), around).faults}


def test_what_makes_sense_has_no_fault() -> None:
    assert not found(
        ask("first", next="both"),
        step("both", "parallel", blocks=["left", "right"], next="each"),
        ask("left", question="{{ steps.first.answer }}", next="left_2"),
        ask("left_2", question="{{ steps.left.answer }}"),
        ask("right", compensate="undo"),
        step("undo", "notify", message="{{ steps.right.answer }} {{ steps.first.answer }}"),
        step("each", "map", over="inputs.list", block="inner", items_max=3, next="again"),
        ask("inner", question="{{ item }} {{ index }} {{ steps.left_2.answer }}"),
        step("again", "loop", block="round_1", rounds_max=3, until="steps.round_1.reached && round > 1", next="which"),
        step("round_1", "debate", question="{{ round }} {{ steps.each.items[0].answer }}"),
        step("which", "decide", branches=[{"when": "steps.again.met", "next": "sign"}], next="wait"),
        approval(
            "sign", on={"rejected": "wait", "expired": "wait"}, remind_before_s=10, shows={"it": "{{ inputs.list }}"}
        ),
        step("wait", "wait", event="go", expires_s=60, on={"expired": "end"}, next="end"),
        step("end", "notify", message="{{ has(steps.sign) ? steps.sign.status : 'skipped' }}"),
        inputs={"list": {"type": "list"}},
        outputs={"a": "steps.left.answer", "b": "steps.end"},
    )


@pytest.mark.parametrize(
    ("steps", "fault"),
    [
        ([ask("a", next="b"), ask("b"), ask("b")], ("steps[2].ask.id", "duplicate")),
        ([ask("a", next="x")], ("steps[0].ask.next", "unknown_step")),
        ([ask("a", on={"failed": "x"})], ("steps[0].ask.on.failed", "unknown_step")),
        ([ask("a", compensate="x")], ("steps[0].ask.compensate", "unknown_step")),
        (
            [step("a", "decide", branches=[{"when": "true", "next": "x"}])],
            ("steps[0].decide.branches[0].next", "unknown_step"),
        ),
        ([step("a", "parallel", blocks=["x"])], ("steps[0].parallel.blocks[0]", "unknown_step")),
        ([step("a", "loop", block="x", rounds_max=1)], ("steps[0].loop.block", "unknown_step")),
        ([ask("a"), ask("b")], ("steps[1].ask", "unreachable")),
        ([step("a", "parallel", blocks=["b", "c"]), ask("b", next="c"), ask("c")], ("steps[2].ask", "two_blocks")),
        ([step("a", "parallel", blocks=["b", "b"]), ask("b")], ("steps[1].ask", "two_blocks")),
        ([step("a", "loop", block="a", rounds_max=1)], ("steps[0].loop", "two_blocks")),
        ([step("a", "loop", block="b", rounds_max=1), ask("b", next="a")], ("steps[0].loop", "two_blocks")),
        ([ask("a", next="b"), ask("b", next="a")], ("steps[0].ask.next", "cycle")),
        ([ask("a", next="a")], ("steps[0].ask.next", "cycle")),
        ([ask("a", on={"rejected": "b"}), ask("b")], ("steps[0].ask.on.rejected", "outcome")),
        ([approval(deadline_s=None, on={"expired": "b"}), ask("b")], ("steps[0].approval.on.expired", "outcome")),
        ([step("a", "wait", for_s=1, on={"expired": "b"}), ask("b")], ("steps[0].wait.on.expired", "outcome")),
        ([ask("a", optional=True, on={"failed": "b"}), ask("b")], ("steps[0].ask.optional", "outcome")),
        ([ask("a", compensate="a")], ("steps[0].ask.compensate", "compensation")),
        ([ask("a", next="u", compensate="u"), ask("u")], ("steps[1].ask", "compensation")),
        ([ask("a", compensate="u"), ask("u", next="a")], ("steps[1].ask", "compensation")),
        ([ask("a", compensate="u"), step("u", "wait", for_s=1)], ("steps[1].wait", "compensation")),
        (
            [ask("a", next="b", compensate="u"), ask("b", compensate="u"), ask("u")],
            ("steps[1].ask.compensate", "compensation"),
        ),
        ([step("a", "wait")], ("steps[0].wait", "wait")),
        ([step("a", "wait", for_s=1, event="e")], ("steps[0].wait", "wait")),
        ([step("a", "wait", for_s=1, expires_s=1)], ("steps[0].wait.expires_s", "wait")),
        ([step("a", "wait", for_s=8 * 86_400)], ("steps[0].wait.for_s", "too_long")),
        ([ask("a", timeout_s=8 * 86_400)], ("steps[0].ask.timeout_s", "too_long")),
        ([approval(approvers=["user:a", "user:b"], quorum=3)], ("steps[0].approval.quorum", "quorum")),
        ([approval(approvers=["user:a"], quorum="one_per_role")], ("steps[0].approval.quorum", "quorum")),
        ([approval(approvers=["user:a", "user:a"])], ("steps[0].approval.approvers", "duplicate")),
        ([approval(deadline_s=None, remind_before_s=1)], ("steps[0].approval.remind_before_s", "deadline")),
        ([approval(deadline_s=None, on_expiry="approve")], ("steps[0].approval.on_expiry", "deadline")),
        (
            [approval(deadline_s=None, escalations=[{"approvers": ["role:owner"], "deadline_s": 1}])],
            ("steps[0].approval.escalations", "deadline"),
        ),
        ([approval(remind_before_s=60)], ("steps[0].approval.remind_before_s", "deadline")),
        ([approval(timeout_s=59)], ("steps[0].approval.timeout_s", "deadline")),
        ([approval(deadline_s=8 * 86_400)], ("steps[0].approval.deadline_s", "deadline")),
        ([ask("a", question="{{ 1 + }}")], ("steps[0].ask.question", "expression")),
        ([ask("a", question="{{ inputs.x }}")], ("steps[0].ask.question", "unknown_input")),
        ([ask("a", question="{{ steps.x }}")], ("steps[0].ask.question", "unknown_step")),
        ([ask("a", question="{{ steps.a }}")], ("steps[0].ask.question", "not_before")),
        ([ask("a", question="{{ steps.b }}", next="b"), ask("b")], ("steps[0].ask.question", "not_before")),
        ([ask("a", question="{{ now }}")], ("steps[0].ask.question", "unknown_name")),
        ([ask("a", question="{{ item }}")], ("steps[0].ask.question", "out_of_block")),
        (
            [step("a", "loop", block="b", rounds_max=1), ask("b", context="{{ index }}")],
            ("steps[1].ask.context", "out_of_block"),
        ),
        (
            [step("p", "parallel", blocks=["a", "b"]), ask("a"), ask("b", question="{{ steps.a }}")],
            ("steps[2].ask.question", "not_before"),
        ),
        (
            [
                step("m", "map", over="[1]", items_max=1, block="a", next="b"),
                ask("a"),
                ask("b", question="{{ steps.a }}"),
            ],
            ("steps[2].ask.question", "not_before"),
        ),
        (
            [step("a", "decide", branches=[{"when": "x", "next": None}])],
            ("steps[0].decide.branches[0].when", "unknown_name"),
        ),
        ([step("a", "map", over="[", items_max=1, block="b"), ask("b")], ("steps[0].map.over", "expression")),
        ([step("a", "task", task="t", payload={"x": ["{{ y }}"]})], ("steps[0].task.payload.x", "unknown_name")),
        ([step("a", "debate", question="?", agents=["x"])], ("steps[0].debate.agents", "agents")),
        ([step("a", "debate", question="?", options=["x"])], ("steps[0].debate.options", "options")),
        ([step("a", "debate", question="?", options=["x", "x"])], ("steps[0].debate.options", "options")),
        ([step("a", "debate", question="?", options="y")], ("steps[0].debate.options", "unknown_name")),
        (
            [step("a", "decide", branches=[{"when": "1 + 'a' == 2", "next": None}])],
            ("steps[0].decide.branches[0].when", "type"),
        ),
        (
            [step("a", "decide", branches=[{"when": "'yes'", "next": None}])],
            ("steps[0].decide.branches[0].when", "type"),
        ),
        ([step("a", "map", over="'abc'", items_max=1, block="b"), ask("b")], ("steps[0].map.over", "type")),
        ([step("a", "debate", question="?", options="1")], ("steps[0].debate.options", "type")),
        (
            [ask("a", next="b"), ask("b", question="{{ steps.a.confidnce }}")],
            ("steps[1].ask.question", "type"),
        ),
        (
            [step("a", "loop", block="b", rounds_max=2, until="round.b.confidence > 0.5"), ask("b")],
            ("steps[0].loop.until", "type"),
        ),
        (
            [step("a", "map", over="[1, 2]", items_max=2, block="b"), ask("b", question="{{ item.name }}")],
            ("steps[1].ask.question", "type"),
        ),
        (
            [
                step("a", "map", over="[1]", items_max=1_000, block="b"),
                step("b", "loop", rounds_max=100, block="c"),
                ask("c"),
            ],
            ("steps", "unbounded"),
        ),
    ],
)
def test_a_fault_is_told_with_its_place(steps: list[dict[str, Any]], fault: tuple[str, str]) -> None:
    assert fault in found(*steps)


def test_faults_beside_the_steps_are_told() -> None:
    assert found(ask("a"), entry="b") == {("entry", "unknown_step"), ("steps[0].ask", "unreachable")}
    assert found(ask("a"), outputs={"x": "steps.b"}) == {("outputs.x", "unknown_step")}
    assert found(ask("a"), inputs={"x": {"type": "number", "required": False, "default": "1"}}) == {
        ("inputs.x.default", "type")
    }
    assert found(ask("a"), inputs={"x": {"default": "1"}}) == {("inputs.x.default", "default")}


def test_of_a_step_that_may_have_failed_the_error_may_be_named_and_of_no_other() -> None:
    steps = [ask("a", on={"failed": "b"}, next="b"), ask("b", question="{{ steps.a.error.reason }}")]
    assert found(*steps) == set()
    assert found(ask("a", next="b"), steps[1]) == {("steps[1].ask.question", "type")}
    optional = [ask("a", optional=True, next="b"), ask("b", question="{{ steps.a.answer }}")]
    assert found(*optional) == set()


def test_inputs_are_of_their_declared_types() -> None:
    given = {"n": {"type": "number"}, "l": {"type": "list", "required": False}}
    assert found(ask("a", question="{{ inputs.n > 'a' }}"), inputs=given) == {("steps[0].ask.question", "type")}
    assert found(ask("a", question="{{ inputs.l == null ? 0 : size(inputs.l) }}"), inputs=given) == set()


@pytest.mark.parametrize("text", ["{{ 1" + " + 1" * 120 + " }}", "{{1}}" * 99, "{{ " + "(" * 19 + "1 +" * 160 + " }}"])
def test_expressions_that_take_long_to_read_are_not_read(text: str) -> None:
    steps = [ask(f"s{number}", question=text, next=f"s{number + 1}") for number in range(99)]
    begun = time.perf_counter()
    assert found(*steps, ask("s99")) == {("steps", "too_many_expressions")}
    assert time.perf_counter() - begun < 5.0


def test_names_are_of_one_line() -> None:
    given = {"category": "a\tb", "tags": ["a", "b\n"]}
    titled = read({"name": "a\nb", "steps": [ask("a", title="a\rb", question="a\nb")], **given}).definition
    assert {one.path for one in checked(titled).faults} == {"name", "category", "tags[1]", "steps[0].ask.title"}


def test_what_the_server_has_not_is_told() -> None:
    around = Surroundings("wf_1", agents=("left", "right"), protocols=("structured",), consensus=("majority",))
    assert found(
        step("a", "debate", question="?", agents=["left", "x"], protocol="y", consensus="z", next="b"),
        ask("b", agent="x", next="c"),
        step("c", "workflow", workflow="wf_1"),
        around=around,
    ) == {
        ("steps[0].debate.agents[1]", "unknown_agent"),
        ("steps[0].debate.protocol", "unknown_protocol"),
        ("steps[0].debate.consensus", "unknown_consensus"),
        ("steps[1].ask.agent", "unknown_agent"),
        ("steps[2].workflow.workflow", "recursion"),
    }


def test_bounds_follow_from_the_structure() -> None:
    dear = ask("dear", budget_usd=2.0, retry={"attempts": 2})
    cheap = ask("cheap", budget_usd=1.0)
    way = step("way", "decide", branches=[{"when": "true", "next": "dear"}], next="cheap")
    assert checked(definition(way, dear, cheap)).bounds == Bounds(2, 4.0)
    looped = step("again", "loop", rounds_max=3, block="way", next="both")
    both = step("both", "parallel", blocks=["left", "right"])
    left, right = ask("left", budget_usd=1.0, compensate="undo"), step("right", "notify", message="x")
    undo = ask("undo", budget_usd=0.5)
    whole = checked(definition(looped, way, dear, cheap, both, left, right, undo))
    assert not whole.faults
    assert whole.bounds == Bounds(1 + 3 * 2 + 1 + 2 + 1, 3 * 4.0 + 1.0 + 0.5)


def test_what_no_budget_bounds_has_none() -> None:
    assert checked(definition(ask("a"))).bounds == Bounds(1, None)
    assert checked(definition(ask("a"), budget_usd=3.0)).bounds == Bounds(1, 3.0)
    assert checked(definition(step("a", "task", task="t"))).bounds == Bounds(1, None)
    assert checked(definition(step("a", "notify", message="t"))).bounds == Bounds(1, 0.0)


def test_rights_follow_from_the_steps() -> None:
    assert rights_needed(definition(step("a", "notify", message="x"))) == frozenset()
    assert rights_needed(definition(ask("a", next="s"), approval())) == {"debates.create"}
    kinds = [
        step("a", "task", task="t", next="b"),
        step("b", "knowledge_search", query="x", next="c"),
        step("c", "knowledge_write", text="x", next="d"),
        step("d", "workflow", workflow="wf_1", next="s"),
        approval(on_expiry="approve"),
    ]
    assert rights_needed(definition(*kinds)) == {
        "tasks.write",
        "knowledge.read",
        "knowledge.write",
        "workflows.execute",
        "workflows.approve",
        OWNER,
    }


INPUTS = {
    "s": {"type": "string"},
    "n": {"type": "number", "required": False, "default": 1},
    "i": {"type": "integer", "required": False},
    "l": {"type": "list", "required": False},
    "o": {"type": "object", "required": False},
    "b": {"type": "boolean", "required": False},
}


def test_inputs_take_their_defaults() -> None:
    assert inputs_of(definition(ask("a"), inputs=INPUTS), {"s": "x", "i": 2}) == {
        "s": "x",
        "n": 1,
        "i": 2,
        "l": None,
        "o": None,
        "b": None,
    }


@pytest.mark.parametrize(
    ("given", "path"),
    [
        ({}, "inputs.s"),
        ({"s": None}, "inputs.s"),
        ({"s": 1}, "inputs.s"),
        ({"s": "x", "n": True}, "inputs.n"),
        ({"s": "x", "i": 1.5}, "inputs.i"),
        ({"s": "x", "l": {}}, "inputs.l"),
        ({"s": "x", "o": []}, "inputs.o"),
        ({"s": "x", "b": 1}, "inputs.b"),
        ({"s": "x", "z": 1}, "inputs.z"),
        ({"s": "x", "n": float("nan")}, "inputs"),
        ({"s": "\x00"}, "inputs"),
        ({"s": "\ud800"}, "inputs"),
        ({"s": "x", "\ud800": 1}, "inputs"),
        ({"s": "x" * 300_000}, "inputs"),
        ({"s": "x", "l": [[[[[[[[[[[[[[[[[[[[[[]]]]]]]]]]]]]]]]]]]]]]}, "inputs"),
    ],
)
def test_inputs_that_do_not_fit_are_refused(given: dict[str, Any], path: str) -> None:
    with pytest.raises(InvalidDefinition) as raised:
        inputs_of(definition(ask("a"), inputs=INPUTS), given)
    assert raised.value.code == "invalid_inputs"
    assert [one.path for one in raised.value.faults] == [path]


def test_all_faults_of_inputs_are_told() -> None:
    with pytest.raises(InvalidDefinition, match=r"inputs\.z.*inputs\.s.*inputs\.b"):
        inputs_of(definition(ask("a"), inputs=INPUTS), {"z": 1, "b": 1})
