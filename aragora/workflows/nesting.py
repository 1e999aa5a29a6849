"""Which workflows a definition would start, through others too: each must be there, none may lead back, and they may
not be too deep.

A run has these bounds as well: what is saved later may change what this one leads to, and a workflow that an expression
names is known only then.
"""

from __future__ import annotations

from collections.abc import Awaitable, Callable
from dataclasses import dataclass, field
from typing import Final

from aragora.workflows.blocks import place
from aragora.workflows.definition import DEPTH_MAX, Definition, Workflow
from aragora.workflows.faults import Fault

LOOKED_AT_MAX: Final = 200
"""Of a definition that leads to more workflows than this the rest is left to its executions."""

Latest = Callable[[str], Awaitable[Definition | None]]
"""The latest definition of a workflow of the workspace, by its id; None where there is none. Raises Unavailable."""


async def faults_of_nesting(definition: Definition, workflow_id: str | None, latest: Latest) -> list[Fault]:
    """What is wrong with the steps that start workflows. `workflow_id`: what the definition is to be of; None: of a new
    one, which nothing can lead to."""
    looking = _Looking(workflow_id, latest)
    faults: list[Fault] = []
    for number, step in enumerate(definition.steps):
        if isinstance(step, Workflow) and is_named(step) and step.workflow != workflow_id:  # itself: see step_rules
            wrong = await looking.at(step.workflow)
            if wrong is not None:
                faults.append(Fault(place(number, step, "workflow"), *wrong))
    return faults


def is_named(step: Workflow) -> bool:
    """Whether the step names its workflow itself, without an expression."""
    return "{{" not in step.workflow


@dataclass(slots=True)
class _Looking:
    workflow_id: str | None
    latest: Latest
    known: dict[str, Definition | None] = field(default_factory=dict)

    async def at(self, child: str) -> tuple[str, str] | None:
        """The code and the words of what is wrong with starting `child`."""
        trails: dict[str, tuple[str, ...]] = {child: (child,)}
        for depth in range(2, DEPTH_MAX + 2):  # the definition itself is the first
            following: dict[str, tuple[str, ...]] = {}
            for one, trail in trails.items():
                if one == self.workflow_id:
                    return "recursion", f"it would start itself, through {' and '.join(trail[:-1])}"
                if depth > DEPTH_MAX:
                    return "too_deep", f"workflows start each other {DEPTH_MAX} deep at most: {', '.join(trail)}"
                found = await self._definition(one)
                if found is None and one == child:
                    return "unknown_workflow", f"there is no workflow {one!r} in this workspace"
                for step in () if found is None else found.steps:
                    if isinstance(step, Workflow) and is_named(step):
                        following.setdefault(step.workflow, (*trail, step.workflow))
            trails = following
        return None

    async def _definition(self, workflow_id: str) -> Definition | None:
        if workflow_id not in self.known:
            if len(self.known) >= LOOKED_AT_MAX:
                return None
            self.known[workflow_id] = await self.latest(workflow_id)
        return self.known[workflow_id]
