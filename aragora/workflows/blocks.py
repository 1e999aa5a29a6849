"""Which steps stand together: the blocks of a definition, what comes before what, and what is wrong with that. Pure."""

from __future__ import annotations

from collections.abc import Iterator, Mapping
from dataclasses import dataclass, field
from typing import Final

from aragora.workflows.definition import Approval, Decide, Definition, Parallel, Step, Wait, blocks_of, followers
from aragora.workflows.faults import Fault

ASKING: Final = frozenset({"ask", "debate", "knowledge_search", "knowledge_write", "notify", "task", "workflow"})
"""Types of steps that ask for something outside, and so may undo something."""


@dataclass(frozen=True, slots=True)
class Block:
    """A chain of steps. `owner` began it; None for the definition's own."""

    entry: str
    owner: str | None
    members: tuple[str, ...]


@dataclass(slots=True)
class Blocks:
    """The blocks of a definition, by their members. Steps that compensate are in none: `undoes` says what each undoes.

    Where the same step stands in two blocks, it counts for the first."""

    steps: dict[str, Step]
    of: dict[str, Block] = field(default_factory=dict)
    undoes: dict[str, str] = field(default_factory=dict)
    before: dict[str, frozenset[str]] = field(default_factory=dict)
    """By step: the steps of its own block from which it can be reached."""

    def around(self, step_id: str) -> Iterator[Step]:
        """The steps whose blocks a step stands in, the innermost first. For one that compensates: of what it undoes."""
        block = self.of.get(self.undoes.get(step_id, step_id))
        while block is not None and block.owner is not None:
            yield self.steps[block.owner]
            block = self.of.get(block.owner)

    def within(self, step: Step) -> frozenset[str]:
        """The steps of the blocks that a step runs, and of parallel blocks within these."""
        entries = blocks_of(step)
        inner = [one for one, block in self.of.items() if block.owner == step.id and block.entry in entries]
        deeper = (self.within(self.steps[one]) for one in inner if isinstance(self.steps[one], Parallel))
        return frozenset(inner).union(*deeper)

    def may_have_run(self, step_id: str) -> frozenset[str]:
        """What may be done when a step begins, so that its expressions may name it."""
        at = self.undoes.get(step_id, step_id)
        found = {at} if at != step_id else set()
        for one in (at, *(owner.id for owner in self.around(at))):
            found |= self.before.get(one, frozenset())
        return self._with_parallel(found)

    def of_the_whole(self) -> frozenset[str]:
        """What may be done when an execution ends."""
        return self._with_parallel({one for one, block in self.of.items() if block.owner is None})

    def _with_parallel(self, found: set[str]) -> frozenset[str]:
        parallel = [self.steps[one] for one in found if isinstance(self.steps.get(one), Parallel)]
        return frozenset(found).union(*(self.within(one) for one in parallel))


def place(number: int, step: Step, name: str = "") -> str:
    """The path of a step, or of a field of it: as reading writes it, with the step's type."""
    return f"steps[{number}].{step.type}" + (f".{name}" if name else "")


def places(definition: Definition) -> dict[str, tuple[int, Step]]:
    """Each step with its number, by id; of those with the same id the first."""
    found: dict[str, tuple[int, Step]] = {}
    for number, step in enumerate(definition.steps):
        found.setdefault(step.id, (number, step))
    return found


def blocks(definition: Definition) -> tuple[Blocks, list[Fault]]:
    """The blocks, and what is wrong with them. A name that leads nowhere is passed over, and told."""
    known = places(definition)
    found = Blocks({name: step for name, (_, step) in known.items()})
    faults = [*_twice(definition, known), *_unknown(definition, known)]
    found.undoes = {
        step.compensate: step.id for step in definition.steps if step.compensate in known and step.compensate != step.id
    }
    if definition.first in known:
        faults += _walk(definition.first, None, found, known)
    for name, (number, step) in known.items():
        if name not in found.of and name not in found.undoes:
            says = "no step leads here: name it in `next`, `on`, a branch or a block, or leave it out"
            faults.append(Fault(place(number, step), "unreachable", says))
    return found, [*faults, *_compensating(definition, known, found)]


def _walk(entry: str, owner: str | None, found: Blocks, known: Mapping[str, tuple[int, Step]]) -> list[Fault]:
    """Takes in the block of an entry and those within it."""
    faults: list[Fault] = []
    waiting = [(entry, owner)]
    while waiting:
        first, of = waiting.pop(0)
        members = _members(first, found)
        block = Block(first, of, members)
        for name in members:
            number, step = known[name]
            if name in found.of:
                says = "it stands in two blocks: make a step of its own for each"
                faults.append(Fault(place(number, step), "two_blocks", says))
                continue
            found.of[name] = block
            waiting += [(inner, name) for inner in blocks_of(step) if inner in known]
        faults += _order(block, found, known)
    return faults


def _members(entry: str, found: Blocks) -> tuple[str, ...]:
    members: dict[str, None] = {}
    waiting = [entry]
    while waiting:
        name = waiting.pop()
        if name in members or name not in found.steps:
            continue
        members[name] = None
        waiting += followers(found.steps[name])
    return tuple(members)


def _order(block: Block, found: Blocks, known: Mapping[str, tuple[int, Step]]) -> list[Fault]:
    """Notes what comes before what, and tells of a chain that comes back."""
    reach = {name: frozenset(_after(name, found)) for name in block.members}
    faults = []
    for name in block.members:
        if found.of[name] is not block:
            continue
        found.before[name] = frozenset(other for other in block.members if name in reach[other])
        if name in reach[name]:
            says = "the chain comes back to this step without a bound: put what is done again into a `loop`"
            faults.append(Fault(place(*known[name], "next"), "cycle", says))
    return faults[:1]


def _after(name: str, found: Blocks) -> set[str]:
    after: set[str] = set()
    waiting = list(followers(found.steps[name]))
    while waiting:
        one = waiting.pop()
        if one not in after and one in found.steps:
            after.add(one)
            waiting += followers(found.steps[one])
    return after


def _twice(definition: Definition, known: Mapping[str, tuple[int, Step]]) -> Iterator[Fault]:
    for number, step in enumerate(definition.steps):
        if known[step.id][0] != number:
            yield Fault(place(number, step, "id"), "duplicate", f"there is another step {step.id!r}: rename one")


def _unknown(definition: Definition, known: Mapping[str, tuple[int, Step]]) -> Iterator[Fault]:
    if definition.entry is not None and definition.entry not in known:
        yield Fault("entry", "unknown_step", f"there is no step {definition.entry!r}")
    for number, step in enumerate(definition.steps):
        for name, target in _named(step):
            if target not in known:
                yield Fault(place(number, step, name), "unknown_step", f"there is no step {target!r}")


def _named(step: Step) -> Iterator[tuple[str, str]]:
    """Every step that a step names, by the field."""
    for name in ("next", "compensate"):
        if (target := getattr(step, name)) is not None:
            yield name, target
    yield from ((f"on.{outcome}", target) for outcome, target in step.on.items())
    if isinstance(step, Decide):
        yield from ((f"branches[{n}].next", one.next) for n, one in enumerate(step.branches) if one.next is not None)
    inner = blocks_of(step)
    yield from ((f"blocks[{n}]" if isinstance(step, Parallel) else "block", one) for n, one in enumerate(inner))


def _compensating(definition: Definition, known: Mapping[str, tuple[int, Step]], found: Blocks) -> Iterator[Fault]:
    seen: set[str] = set()
    for number, step in enumerate(definition.steps):
        if step.compensate is None or step.compensate not in known:
            continue
        if step.compensate == step.id:
            yield Fault(place(number, step, "compensate"), "compensation", "a step cannot undo itself")
            continue
        if step.compensate in seen:
            says = f"{step.compensate!r} undoes another step already: make one of its own for each"
            yield Fault(place(number, step, "compensate"), "compensation", says)
        seen.add(step.compensate)
        at, undo = known[step.compensate]
        if undo.type not in ASKING:
            says = f"a step of type {undo.type} undoes nothing: use one of {', '.join(sorted(ASKING))}"
            yield Fault(place(at, undo), "compensation", says)
        if undo.next is not None or undo.on or undo.compensate is not None:
            says = "a step that compensates stands alone: leave out `next`, `on` and `compensate`"
            yield Fault(place(at, undo), "compensation", says)
        if undo.id in found.of:
            says = "a step that compensates is in no chain: take it out of `next`, `on`, branches and blocks"
            yield Fault(place(at, undo), "compensation", says)


def outcomes_of(step: Step) -> frozenset[str]:
    """The outcomes besides `done` that a step may have."""
    if isinstance(step, Approval):
        return frozenset({"failed", "rejected"} | ({"expired"} if step.deadline_s is not None else set()))
    if isinstance(step, Wait) and step.event is not None and step.expires_s is not None:
        return frozenset({"failed", "expired"})
    return frozenset({"failed"})
