"""The most that an execution may run and cost, by the structure of its definition alone. Pure.

Of steps that a branch decides between, the dearest way counts. A step that is tried again counts as one run, and may
cost again.
"""

from __future__ import annotations

from dataclasses import dataclass

from aragora.workflows.blocks import Blocks
from aragora.workflows.definition import Ask, Debate, Definition, Loop, Map, Step, blocks_of, followers

_BEYOND = 10**9
"""More than any bound: no larger number is counted."""


@dataclass(frozen=True, slots=True)
class Bounds:
    """The most of an execution. `usd` None: no budget bounds it."""

    step_runs: int
    usd: float | None


def upper_bound(definition: Definition, blocks: Blocks) -> Bounds:
    """The bounds of a definition without cycles."""
    known: dict[str, tuple[int, float | None]] = {}
    runs, usd = _chain(definition.first, blocks, known)
    given = [one for one in (usd, definition.budget_usd) if one is not None]
    return Bounds(runs, min(given) if given else None)


def _chain(entry: str, blocks: Blocks, known: dict[str, tuple[int, float | None]]) -> tuple[int, float | None]:
    """The most from a step to the end of its block, that step and what it runs included."""
    if entry not in blocks.steps:
        return 0, 0.0
    if entry not in known:
        step = blocks.steps[entry]
        known[entry] = _BEYOND, None  # of a chain that comes back
        runs, usd = _own(step, blocks, known)
        after = [_chain(one, blocks, known) for one in followers(step)]
        runs += max((one for one, _ in after), default=0)
        usd = _sum(usd, _most([cost for _, cost in after]))
        known[entry] = min(runs, _BEYOND), usd
    return known[entry]


def _own(step: Step, blocks: Blocks, known: dict[str, tuple[int, float | None]]) -> tuple[int, float | None]:
    times = step.items_max if isinstance(step, Map) else step.rounds_max if isinstance(step, Loop) else 1
    inner = [_chain(one, blocks, known) for one in blocks_of(step)]
    runs, usd = 1 + times * sum(one for one, _ in inner), _cost(step)
    for _, cost in inner:
        usd = _sum(usd, None if cost is None else cost * times)
    if step.compensate in blocks.steps and step.compensate != step.id:
        runs += 1
        usd = _sum(usd, _cost(blocks.steps[step.compensate]))
    return runs, usd


def _cost(step: Step) -> float | None:
    if isinstance(step, Debate | Ask):
        return None if step.budget_usd is None else step.budget_usd * step.retry.attempts
    return None if step.type in ("task", "workflow") else 0.0


def _sum(left: float | None, right: float | None) -> float | None:
    return None if left is None or right is None else left + right


def _most(costs: list[float | None]) -> float | None:
    known = [one for one in costs if one is not None]
    return None if len(known) < len(costs) else max(known, default=0.0)
