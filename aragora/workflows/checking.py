"""Whether the steps of a definition make sense together, and what its author and its executions need. Pure."""

from __future__ import annotations

from collections.abc import Iterator, Mapping
from dataclasses import dataclass
from typing import Any, Final

from aragora import texts
from aragora.encoding import NotEncodable, encode
from aragora.workflows.blocks import blocks, place
from aragora.workflows.bounds import Bounds, upper_bound
from aragora.workflows.definition import PAYLOAD_MAX_BYTES, STEP_RUNS_MAX, Approval, Definition
from aragora.workflows.faults import Fault, bounded, refused
from aragora.workflows.references import faults_of_expressions
from aragora.workflows.step_rules import Surroundings, faults_of_input, faults_of_step, fits

INPUT_DEPTH_MAX: Final = 20
OWNER: Final = "role:owner"
_RIGHTS: Final[Mapping[str, frozenset[str]]] = {
    "debate": frozenset({"debates.create"}),
    "ask": frozenset({"debates.create"}),
    "task": frozenset({"tasks.write"}),
    "knowledge_search": frozenset({"knowledge.read"}),
    "knowledge_write": frozenset({"knowledge.write"}),
    "workflow": frozenset({"workflows.execute"}),
}


@dataclass(frozen=True, slots=True)
class Checked:
    """What came of a check. `bounds` is None where faults stand in the way of counting."""

    faults: tuple[Fault, ...]
    bounds: Bounds | None


def checked(definition: Definition, around: Surroundings | None = None) -> Checked:
    """Every fault of a definition, up to FAULTS_MAX, and its bounds. `around` is what the server has."""
    found, faults = blocks(definition)
    bounds = None if faults else upper_bound(definition, found)
    if bounds is not None and bounds.step_runs > STEP_RUNS_MAX:
        says = f"it may run {bounds.step_runs} steps; {STEP_RUNS_MAX} are the most: lower items_max or rounds_max"
        faults.append(Fault("steps", "unbounded", says))
    faults += _of_names(definition)
    faults += _of_steps(definition, around or Surroundings())
    faults += faults_of_expressions(definition, found)
    return Checked(bounded(faults), bounds)


def rights_of(kind: str) -> frozenset[str]:
    """The permissions that whoever started an execution needs whenever a step of this kind begins."""
    return _RIGHTS.get(kind, frozenset()) | {"workflows.execute"}


def rights_needed(definition: Definition) -> frozenset[str]:
    """What whoever saves a definition must be allowed: permissions, and `role:owner` where an approval is given by
    nobody once its time is over."""
    needed = frozenset[str]().union(*(_RIGHTS.get(step.type, frozenset()) for step in definition.steps))
    if any(isinstance(step, Approval) and step.on_expiry == "approve" for step in definition.steps):
        needed |= {"workflows.approve", OWNER}
    return needed


def inputs_of(definition: Definition, given: Mapping[str, Any]) -> dict[str, Any]:
    """What an execution is given: as it was sent, with defaults for what was left out.

    Raises InvalidDefinition (code invalid_inputs) with every fault: an input that is missing, that there is none of,
    that is of another type; numbers that are not finite, texts that no database keeps, over PAYLOAD_MAX_BYTES."""
    values = {name: one.default for name, one in definition.inputs.items() if not one.required} | dict(given)
    faults = [*_unfit(values)] or [*_of_inputs(definition, given, values)]
    if faults:
        raise refused(faults, code="invalid_inputs")
    return values


def _unfit(values: Mapping[str, Any]) -> Iterator[Fault]:
    """Whether values can be kept at all."""
    if texts.depth_of(values, INPUT_DEPTH_MAX) > INPUT_DEPTH_MAX:
        yield Fault("inputs", "too_deep", f"they nest deeper than {INPUT_DEPTH_MAX}")
        return
    try:
        texts.check_all(values, "inputs")
        size = len(encode(values))
    except (NotEncodable, TypeError, ValueError) as error:
        yield Fault("inputs", "invalid", str(error))
        return
    if size > PAYLOAD_MAX_BYTES:
        yield Fault("inputs", "too_large", f"they have {size} bytes; {PAYLOAD_MAX_BYTES} are the most")


def _of_inputs(definition: Definition, given: Mapping[str, Any], values: Mapping[str, Any]) -> Iterator[Fault]:
    for name in given:
        if name not in definition.inputs:
            known = ", ".join(definition.inputs) or "none"
            yield Fault(f"inputs.{name[:64]}", "unknown", f"there is no such input; there are: {known}")
    for name, one in definition.inputs.items():
        value = values.get(name)
        if name not in values or (one.required and value is None):
            yield Fault(f"inputs.{name}", "missing", "is missing")
        elif value is not None and not fits(one.type, value):
            yield Fault(f"inputs.{name}", "type", f"is no {one.type}")


def _of_names(definition: Definition) -> Iterator[Fault]:
    """What lists and pages show in a line is one."""
    named = [("name", definition.name), ("category", definition.category)]
    named += [(f"tags[{number}]", tag) for number, tag in enumerate(definition.tags)]
    named += [(place(number, step, "title"), step.title) for number, step in enumerate(definition.steps)]
    for path, text in named:
        try:
            texts.line(text)
        except ValueError as error:
            yield Fault(path, "invalid", str(error))


def _of_steps(definition: Definition, around: Surroundings) -> Iterator[Fault]:
    for number, step in enumerate(definition.steps):
        for name, code, says in faults_of_step(step, definition, around):
            yield Fault(place(number, step, name), code, says)
    for key, one in definition.inputs.items():
        for name, code, says in faults_of_input(one):
            yield Fault(f"inputs.{key}.{name}", code, says)
