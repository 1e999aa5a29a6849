"""What is wrong with a step by itself, whatever stands around it. Pure."""

from __future__ import annotations

from collections.abc import Collection, Container, Iterator
from dataclasses import dataclass

from aragora import limits
from aragora.agents.naming import team_of
from aragora.workflows.blocks import outcomes_of
from aragora.workflows.definition import Approval, Ask, Debate, Definition, Input, Parallel, Step, Wait, Workflow

Told = Iterator[tuple[str, str, str]]
"""The field, the code and what is wrong."""


@dataclass(frozen=True, slots=True)
class Surroundings:
    """What the server has. None: not known, and not checked."""

    workflow_id: str | None = None
    agents: Container[str] | None = None
    protocols: Collection[str] | None = None
    consensus: Collection[str] | None = None


def faults_of_step(step: Step, definition: Definition, around: Surroundings) -> Told:
    """Everything that is wrong with one step."""
    yield from _outcomes(step)
    if step.timeout_s is not None and step.timeout_s > definition.timeout_s:
        yield "timeout_s", "too_long", f"the whole execution ends within {definition.timeout_s:g} s: give less"
    if isinstance(step, Approval):
        yield from _approval(step, definition)
    elif isinstance(step, Wait):
        yield from _wait(step, definition)
    elif isinstance(step, Debate):
        yield from _debate(step, around)
    elif isinstance(step, Ask):
        if step.agent is not None and around.agents is not None and step.agent not in around.agents:
            yield "agent", "unknown_agent", f"there is no agent {step.agent!r}"
    elif isinstance(step, Workflow) and step.workflow == around.workflow_id:
        yield "workflow", "recursion", "a workflow cannot start itself"
    elif isinstance(step, Parallel) and step.wait_for == "first" and len(step.blocks) == 1:
        yield "wait_for", "pointless", "of one block there is no first: add another, or wait for all"


def faults_of_input(one: Input) -> Told:
    """Everything that is wrong with one declared input."""
    if one.default is None:
        return
    if one.required:
        yield "default", "default", "an input that is required has no default: say `required: false`"
    if not fits(one.type, one.default):
        yield "default", "type", f"the default is no {one.type}"


def fits(kind: str, value: object) -> bool:
    """Whether a JSON value is of an input's type. An integer is a number, and 2.0 an integer."""
    if isinstance(value, bool):
        return kind == "boolean"
    if kind == "integer":
        return isinstance(value, int) or (isinstance(value, float) and value.is_integer())
    kinds: dict[str, tuple[type, ...]] = {
        "string": (str,),
        "number": (int, float),
        "list": (list, tuple),
        "object": (dict,),
    }
    return isinstance(value, kinds.get(kind, ()))


def _outcomes(step: Step) -> Told:
    possible = outcomes_of(step)
    for outcome in step.on:
        if outcome not in possible:
            ways = ", ".join(sorted(possible))
            yield f"on.{outcome}", "outcome", f"this step never ends so: it may be done, {ways}"
    if step.optional and "failed" in step.on:
        yield "optional", "outcome", "where it fails, `on.failed` says what follows: leave out one of the two"


def _approval(step: Approval, definition: Definition) -> Told:
    people = [one for one in step.approvers if one.startswith("user:")]
    if len(set(step.approvers)) < len(step.approvers):
        yield "approvers", "duplicate", "somebody is named twice"
    if isinstance(step.quorum, int) and len(people) == len(step.approvers) < step.quorum:
        yield "quorum", "quorum", f"{step.quorum} of {len(people)} people can never answer: lower it, or name a role"
    if step.quorum == "one_per_role" and len(people) == len(step.approvers):
        yield "quorum", "quorum", "no role is among the approvers: name one as role:NAME"
    if step.deadline_s is None:
        for name, said in (
            ("escalations", bool(step.escalations)),
            ("remind_before_s", step.remind_before_s is not None),
            ("on_expiry", step.on_expiry != "expire"),
        ):
            if said:
                yield name, "deadline", "without a deadline this never comes: give `deadline_s`"
        return
    if step.remind_before_s is not None and step.remind_before_s >= step.deadline_s:
        yield "remind_before_s", "deadline", "the reminder would be due before it begins: give less than `deadline_s`"
    whole = step.deadline_s + sum(one.deadline_s for one in step.escalations)
    if step.timeout_s is not None and step.timeout_s < whole:
        yield "timeout_s", "deadline", f"it would fail before its deadlines, which take {whole:g} s: give more, or none"
    if whole > definition.timeout_s:
        yield "deadline_s", "deadline", f"the execution ends within {definition.timeout_s:g} s, before the deadline"


def _wait(step: Wait, definition: Definition) -> Told:
    said = [name for name in ("for_s", "until", "event") if getattr(step, name) is not None]
    if len(said) != 1:
        yield "", "wait", f"give exactly one of for_s, until and event ({len(said)} are given)"
    if step.expires_s is not None and step.event is None:
        yield "expires_s", "wait", "only an event that is waited for expires: leave it out"
    for name in ("for_s", "expires_s"):
        given = getattr(step, name)
        if given is not None and given > definition.timeout_s:
            yield name, "too_long", f"the whole execution ends within {definition.timeout_s:g} s: give less"


def _debate(step: Debate, around: Surroundings) -> Told:
    if 0 < len(step.agents) < limits.AGENTS_MIN and not any(map(team_of, step.agents)):
        yield "agents", "agents", f"a debate has at least {limits.AGENTS_MIN} agents; to ask one, use a step `ask`"
    if around.agents is not None:
        for number, name in enumerate(step.agents):
            if name not in around.agents:
                yield f"agents[{number}]", "unknown_agent", f"there is no agent {name!r}"
    if around.protocols is not None and step.protocol not in around.protocols:
        yield "protocol", "unknown_protocol", f"there are {', '.join(sorted(around.protocols))}"
    if step.consensus is not None and around.consensus is not None and step.consensus not in around.consensus:
        yield "consensus", "unknown_consensus", f"there are {', '.join(sorted(around.consensus))}"
    if not isinstance(step.options, str) and step.options:
        if not limits.OPTIONS_MIN <= len(step.options) <= limits.OPTIONS_MAX:
            yield "options", "options", f"give {limits.OPTIONS_MIN} to {limits.OPTIONS_MAX}, or none"
        elif len(set(step.options)) < len(step.options):
            yield "options", "options", "an option is given twice"
