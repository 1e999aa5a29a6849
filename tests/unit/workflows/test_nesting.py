"""Which workflows a definition would start: those that are not there, lead back, or go too deep."""

from __future__ import annotations

from typing import Any

from worlds.workflowing import ask, definition

from aragora.workflows import nesting
from aragora.workflows.definition import DEPTH_MAX, Definition
from aragora.workflows.nesting import faults_of_nesting


def starting(*ids: str) -> Definition:
    """One that starts these."""
    steps: list[dict[str, Any]] = [
        {"id": f"s{number}", "type": "workflow", "workflow": one} for number, one in enumerate(ids)
    ]
    return definition(*(steps or [ask("a")]))


class Kept:
    """Workflows that are there, each with those that it starts."""

    def __init__(self, **starts: tuple[str, ...]) -> None:
        self.starts = starts
        self.asked: list[str] = []

    async def latest(self, workflow_id: str) -> Definition | None:
        self.asked.append(workflow_id)
        return starting(*self.starts[workflow_id]) if workflow_id in self.starts else None


async def faults(of: Definition, kept: Kept, workflow_id: str | None = None) -> list[tuple[str, str]]:
    return [(one.path, one.code) for one in await faults_of_nesting(of, workflow_id, kept.latest)]


async def test_a_workflow_that_is_not_there_is_told_with_its_place() -> None:
    kept = Kept(b=())
    assert await faults(starting("b", "c", "c"), kept) == [
        ("steps[1].workflow.workflow", "unknown_workflow"),
        ("steps[2].workflow.workflow", "unknown_workflow"),
    ]
    assert kept.asked == ["b", "c"], "each is read once"


async def test_one_that_leads_back_to_itself_through_others_is_found() -> None:
    kept = Kept(b=("x", "c"), c=("d",), d=("a",), x=())
    (found,) = await faults_of_nesting(starting("b"), "a", kept.latest)
    assert (found.code, found.message) == ("recursion", "it would start itself, through b and c and d")
    assert await faults(starting("b"), kept, "other") == []
    assert await faults(starting("a"), kept, "a") == [], "that is a fault of the step itself"


async def test_workflows_start_each_other_so_deep_and_no_deeper() -> None:
    chained = {f"w{number}": (f"w{number + 1}",) for number in range(2, DEPTH_MAX)}
    assert await faults(starting("w2"), Kept(**chained, **{f"w{DEPTH_MAX}": ()})) == []
    deeper = Kept(**chained, **{f"w{DEPTH_MAX}": ("end",)}, end=())
    assert await faults(starting("w2"), deeper) == [("steps[0].workflow.workflow", "too_deep")]


async def test_workflows_that_lead_to_each_other_end_the_look_and_are_too_deep() -> None:
    kept = Kept(b=("c",), c=("b",))
    assert await faults(starting("b"), kept, "a") == [("steps[0].workflow.workflow", "too_deep")]
    assert sorted(kept.asked) == ["b", "c"]


async def test_what_others_lead_to_is_not_this_ones_fault_and_what_an_expression_names_is_not_known() -> None:
    assert await faults(starting("b", "{{ inputs.which }}"), Kept(b=("gone",))) == []


async def test_of_very_many_only_some_are_looked_at(monkeypatch: Any) -> None:
    monkeypatch.setattr(nesting, "LOOKED_AT_MAX", 3)
    kept = Kept(b=tuple(f"c{number}" for number in range(50)), **{f"c{number}": () for number in range(50)})
    assert await faults(starting("b"), kept, "a") == []
    assert len(kept.asked) == 3
