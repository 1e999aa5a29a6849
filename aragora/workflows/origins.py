"""What the texts of a step came of: the debates, tasks, executions and items of knowledge behind them. Pure.

What a step says is no word of its own: a decision that an execution writes down is still the word of the debate that
made it. Which steps a text is filled from, its expressions say; what these began, the journal.
"""

from __future__ import annotations

from collections.abc import Collection, Iterable, Iterator, Mapping
from dataclasses import dataclass
from typing import Any, Final

from aragora.workflows.blocks import Blocks, blocks
from aragora.workflows.definition import Definition, Map, Step
from aragora.workflows.expressions import Expression, names_used
from aragora.workflows.filling import expressions_of
from aragora.workflows.machine.state import step_of
from aragora.workflows.model import Event, StepAccepted, StepCompleted, StepStarted
from aragora.workflows.references import expressions_in, texts_in

_SEARCH: Final = "knowledge_search"
_BEGINS: Final = frozenset({"debate", "ask", "task", "workflow"})


@dataclass(frozen=True, slots=True)
class Origins:
    """Ids, each once, in the order in which the journal tells of them."""

    debates: tuple[str, ...] = ()
    tasks: tuple[str, ...] = ()
    executions: tuple[str, ...] = ()
    items: tuple[str, ...] = ()


def origins_of(definition: Definition, step_id: str, events: Iterable[Event]) -> tuple[Origins, Origins]:
    """Of what the texts of a step are filled from, and of all that this had been filled from in turn."""
    found, _ = blocks(definition)
    direct = _behind(found, found.steps[step_id])
    seen: set[str] = set()
    ahead = list(direct)
    while ahead:
        for one in _behind(found, found.steps[ahead.pop()]) - seen:
            seen.add(one)
            ahead.append(one)
    journal = list(events)
    return _of_steps(journal, direct), _of_steps(journal, seen - direct)


def all_origins(events: Iterable[Event]) -> Origins:
    """Of all that an execution did."""
    return _of_steps(events, None)


def _behind(found: Blocks, step: Step) -> frozenset[str]:
    """The steps that begin or find something, whose outputs the texts of a step are filled from."""
    texts = (one for _, text in texts_in(step) for one in expressions_of(text))
    given = () if isinstance(step, Map) else (text for _, text in expressions_in(step))
    return frozenset(_expanded(found, _named(found, step, (*texts, *given))))


def _named(found: Blocks, step: Step, expressions: Iterable[Expression | str]) -> set[str]:
    named: set[str] = set()
    for expression in expressions:
        for name in names_used(expression):
            top, _, member = name.partition(".")
            if top == "steps":  # which of them, may be known only when it runs
                named |= {member} if member else found.steps.keys()
            elif top == "item":
                for owner in found.around(step.id):
                    named |= _named(found, owner, (owner.over,)) if isinstance(owner, Map) else set()
    return named


def _expanded(found: Blocks, named: Collection[str]) -> Iterator[str]:
    """Steps that run blocks give what the steps within them gave."""
    for one in named:
        step = found.steps.get(one)
        if step is not None and step.type in (*_BEGINS, _SEARCH):
            yield one
        elif step is not None:
            yield from _expanded(found, [inner for inner, block in found.of.items() if block.owner == one])


def _of_steps(events: Iterable[Event], steps: Collection[str] | None) -> Origins:
    """Of these steps, None: of all."""
    kinds: dict[str, str] = {}  # by ask
    begun: dict[str, dict[str, None]] = {kind: {} for kind in _BEGINS}
    items: dict[str, None] = {}
    for event in events:
        if isinstance(event, StepStarted) and (steps is None or step_of(event.run) in steps):
            kinds[event.ask_id] = event.kind
        elif isinstance(event, StepAccepted) and (kind := kinds.get(event.ask_id)) in begun:
            begun[kind or ""][event.ref] = None
        elif isinstance(event, StepCompleted) and kinds.get(event.ask_id) == _SEARCH:
            items |= dict.fromkeys(_found(event.output))
    debates = (*begun["debate"], *begun["ask"])
    return Origins(debates, tuple(begun["task"]), tuple(begun["workflow"]), tuple(items))


def _found(output: Mapping[str, Any]) -> Iterator[str]:
    """The ids that a search gave."""
    for one in output.get("items", ()):
        yield str(one["id"])
