"""What is wrong with the expressions of a definition: that they cannot be read, or name what is not there. Pure.

A step may name what may have run before it. Where a branch decides, it may have: whether it has is known when it runs.
"""

from __future__ import annotations

from collections.abc import Iterator, Mapping
from contextlib import suppress
from typing import Any, Final

from aragora.workflows.blocks import Blocks, place
from aragora.workflows.definition import Decide, Definition, Loop, Map, Step
from aragora.workflows.expression_types import ANY, BOOLEAN, LIST, Type, checked_type
from aragora.workflows.expressions import Expression, ExpressionError, compiled, names_used
from aragora.workflows.faults import Fault
from aragora.workflows.filling import expressions_of, unread
from aragora.workflows.step_outputs import types_at

TEXTS: Final[Mapping[str, tuple[str, ...]]] = {
    "debate": ("question", "context", "options"),
    "ask": ("question", "context"),
    "approval": ("shows",),
    "wait": ("until",),
    "knowledge_search": ("query",),
    "knowledge_write": ("text", "topics"),
    "task": ("payload",),
    "workflow": ("inputs",),
    "notify": ("message", "details"),
}
"""By type of step: the fields whose texts may hold expressions."""
CHARS_MAX: Final = 20_000
"""Of all expressions of a definition; each counts as CHARS_EACH more. To read so many takes about a second."""
CHARS_EACH: Final = 20


def faults_of_expressions(definition: Definition, blocks: Blocks) -> Iterator[Fault]:
    """Everything that is wrong with them."""
    size = sum(len(one) + CHARS_EACH for one in _unread(definition))
    if size > CHARS_MAX:
        says = f"its expressions have {size} characters, {CHARS_EACH} for each counted; {CHARS_MAX} are the most"
        yield Fault("steps", "too_many_expressions", f"{says}: split it into several workflows")
        return
    for number, step in enumerate(definition.steps):
        types = types_at(definition, blocks, step)
        names = _Names(definition, blocks.steps, blocks.may_have_run(step.id), _variables(blocks, step), types)
        for name, value in texts_in(step):
            yield from _of_texts(place(number, step, name), value, names)
        for name, text in expressions_in(step):
            wanted = BOOLEAN if isinstance(step, Decide) else LIST
            yield from _of_expression(place(number, step, name), text, names, wanted)
        if isinstance(step, Loop) and step.until is not None:
            done = names.done | blocks.within(step)
            inner = _Names(definition, blocks.steps, done, names.variables | {"round"}, types)
            yield from _of_expression(place(number, step, "until"), step.until, inner, BOOLEAN)
    types = types_at(definition, blocks, None)
    whole = _Names(definition, blocks.steps, blocks.of_the_whole(), frozenset(), types)
    for name, text in definition.outputs.items():
        yield from _of_expression(f"outputs.{name}", text, whole)


def read_all(definition: Definition) -> None:
    """Read every expression once, so that nobody who runs it waits for that: up to a second, so in a thread. One that
    cannot be read fails when it is needed."""
    for text in _unread(definition):
        with suppress(ExpressionError):
            compiled(text)


def _unread(definition: Definition) -> Iterator[str]:
    """Every expression as it is written, of whatever kind."""
    yield from definition.outputs.values()
    for step in definition.steps:
        for _, value in texts_in(step):
            yield from unread(value)
        yield from (text for _, text in expressions_in(step))
        if isinstance(step, Loop) and step.until is not None:
            yield step.until


class _Names:
    """What expressions at one place may name."""

    def __init__(
        self,
        definition: Definition,
        steps: Mapping[str, Step],
        done: frozenset[str],
        variables: frozenset[str],
        types: Mapping[str, Type],
    ) -> None:
        self._inputs, self._steps = definition.inputs, steps
        self.done, self.variables, self.types = done, variables, types

    def wrong(self, name: str) -> tuple[str, str] | None:
        """The code and what is wrong with a name; None where it may be used."""
        top, _, member = name.partition(".")
        if top in self.variables:
            return None
        if top == "inputs":
            return ("unknown_input", f"there is no input {member!r}") if member and member not in self._inputs else None
        if top == "steps":
            return self._wrong_step(member) if member else None
        if top in ("item", "index", "round"):
            return "out_of_block", f"`{top}` is known in the block of a {'loop' if top == 'round' else 'map'} only"
        return "unknown_name", f"there is no {top!r}: expressions know `inputs` and `steps`"

    def _wrong_step(self, name: str) -> tuple[str, str] | None:
        if name in self.done:
            return None
        if name not in self._steps:
            return "unknown_step", f"there is no step {name!r}"
        return "not_before", f"the step {name!r} cannot have run before this"


def _variables(blocks: Blocks, step: Step) -> frozenset[str]:
    found: set[str] = set()
    for owner in blocks.around(step.id):
        if isinstance(owner, Map):
            found |= {"item", "index"}
        elif isinstance(owner, Loop):
            found.add("round")
    return frozenset(found)


def texts_in(step: Step) -> Iterator[tuple[str, Any]]:
    """The texts of a step that may hold expressions, each with the path of its field."""
    for name in TEXTS.get(step.type, ()):
        value = getattr(step, name)
        if name == "options" and isinstance(value, str):
            continue  # an expression, without braces
        if isinstance(value, Mapping):
            yield from ((f"{name}.{key}", inner) for key, inner in value.items())
        elif isinstance(value, tuple):
            yield from ((f"{name}[{number}]", inner) for number, inner in enumerate(value))
        elif value is not None:
            yield name, value


def expressions_in(step: Step) -> Iterator[tuple[str, str]]:
    """What is an expression without braces, but for the end of a loop, each with the path of its field."""
    if isinstance(step, Decide):
        yield from ((f"branches[{number}].when", one.when) for number, one in enumerate(step.branches))
    if isinstance(step, Map):
        yield "over", step.over
    if step.type == "debate" and isinstance(step.options, str):
        yield "options", step.options


def _of_texts(path: str, value: Any, names: _Names) -> Iterator[Fault]:
    try:
        found = expressions_of(value)
    except ExpressionError as error:
        yield Fault(path, "expression", error.message)
        return
    for one in found:
        yield from _named(path, one, names)


def _of_expression(path: str, text: str, names: _Names, wanted: Type = ANY) -> Iterator[Fault]:
    try:
        found = compiled(text)
    except ExpressionError as error:
        yield Fault(path, "expression", error.message)
        return
    yield from _named(path, found, names, wanted)


def _named(path: str, expression: Expression, names: _Names, wanted: Type = ANY) -> Iterator[Fault]:
    wrong = [found for name in sorted(names_used(expression)) if (found := names.wrong(name)) is not None]
    if wrong:
        yield from (Fault(path, *one) for one in wrong)
        return
    gives, mistakes = checked_type(expression.tree, names.types)
    yield from (Fault(path, "type", f"{one.message} (column {one.column})") for one in mistakes)
    if not mistakes and not gives.kinds & wanted.kinds:
        yield Fault(path, "type", f"it gives {gives}, and {wanted} is needed")
