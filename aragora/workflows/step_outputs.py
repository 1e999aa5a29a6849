"""Types of inputs and of what steps give, for expressions. Pure. `aragora.workflows.definition` has them in words."""

from __future__ import annotations

from collections.abc import Mapping
from typing import Final

from aragora.workflows.blocks import Blocks
from aragora.workflows.definition import Definition, Input, Map, Step
from aragora.workflows.expression_types import (
    ANY,
    BOOLEAN,
    LIST,
    MAP,
    NULL,
    NUMBER,
    TEXT,
    Type,
    checked_type,
    either,
    list_of,
    map_of,
)
from aragora.workflows.expressions import ExpressionError, compiled

_INPUTS: Final = {"string": TEXT, "number": NUMBER, "integer": NUMBER, "boolean": BOOLEAN, "list": LIST, "object": MAP}
_DISSENT: Final = map_of({"agent": TEXT, "choice": TEXT, "reason": TEXT})
_DEBATE: Final = map_of(
    {
        "debate_id": TEXT,
        "status": TEXT,
        "reached": BOOLEAN,
        "answer": TEXT,
        "option": TEXT,
        "confidence": NUMBER,
        "headline": TEXT,
        "dissent": list_of(_DISSENT),
        "receipt_id": TEXT,
        "receipt_hash": TEXT,
        "cost_usd": NUMBER,
    }
)
_ANSWER: Final = map_of({"person": TEXT, "verdict": TEXT, "comment": TEXT})
_FOUND: Final = map_of({"id": TEXT, "kind": TEXT, "text": TEXT, "confidence": NUMBER})
OUTPUTS: Final[Mapping[str, Type]] = {
    "debate": _DEBATE,
    "ask": _DEBATE,
    "approval": map_of({"status": TEXT, "why": TEXT, "answers": list_of(_ANSWER), "approved_by": list_of(TEXT)}),
    "decide": map_of({"branch": NUMBER}),
    "parallel": map_of({"first": TEXT}),
    "map": map_of({"items": LIST}),
    "loop": map_of({"rounds": NUMBER, "met": BOOLEAN, "last": ANY}),
    "wait": map_of({"event": MAP, "signal_id": TEXT, "by": TEXT}),
    "knowledge_search": map_of({"items": list_of(_FOUND)}),
    "knowledge_write": map_of({"item_id": TEXT}),
    "task": map_of({"task_id": TEXT, "result": ANY, "agent_id": either(TEXT, NULL)}),
    "workflow": map_of({"execution_id": TEXT, "status": TEXT, "outputs": MAP}),
    "notify": map_of({}),
}
"""By type of step: what it gives once it is done."""
_ERROR: Final = map_of({"error": map_of({"code": TEXT, "reason": TEXT})})
"""What a step gives that has failed."""


def types_at(definition: Definition, found: Blocks, step: Step | None) -> dict[str, Type]:
    """What expressions of a step see, by name; None: those of the whole."""
    names = {
        "inputs": map_of({name: _input(one) for name, one in definition.inputs.items()}),
        "steps": map_of({name: _output(one) for name, one in found.steps.items()}),
    }
    if step is not None:
        names |= {"index": NUMBER, "round": NUMBER, "item": _item(definition, found, step)}
    return names


def _input(one: Input) -> Type:
    given = _INPUTS[one.type]
    return given if one.required or one.default is not None else either(given, NULL)


def _output(step: Step) -> Type:
    given = OUTPUTS[step.type]
    return either(given, _ERROR) if step.optional or "failed" in step.on else given


def _item(definition: Definition, found: Blocks, step: Step) -> Type:
    """What a map's `over` holds, of the innermost map around the step."""
    owner = next((one for one in found.around(step.id) if isinstance(one, Map)), None)
    if owner is None:
        return ANY
    try:
        given, _ = checked_type(compiled(owner.over).tree, types_at(definition, found, owner))
    except ExpressionError:  # told at the map itself
        return ANY
    return given.item or ANY if given.kinds == LIST.kinds else ANY
