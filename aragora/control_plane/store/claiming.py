"""Which tasks a group's claims look for, and how many of them. Pure.

A claim gets the most urgent task that its agent can do. What waits is counted in thousands, so nobody reads all of it:

    glimpse  the capabilities that the most urgent tasks want, as many as tell what the claims may get in most groups.
    enough   whether they do: every agent can do as many of these tasks as may be given out, or no others wait.
    wanted   where they do not, all capabilities that tasks of the workspace want are read.
    then     the most urgent tasks with capabilities that fit, for each kind of agent by itself: agents who can do other
             things than most would find nothing among what the others are given.
"""

from __future__ import annotations

from collections import Counter
from collections.abc import Iterable, Mapping, Sequence
from typing import Final

from aragora.control_plane.model import Task, TaskState
from aragora.control_plane.store.rows import capabilities_of
from aragora.control_plane.store.units import Claim

Place = tuple[str, str]
"""An organisation and a workspace of it."""
AgentPlace = tuple[str, str, str]
"""An organisation, a workspace and an agent."""

_GLIMPSED: Final = 50
"""More tasks than the claims may get: one agent that cannot do some of the most urgent ones must not make every group
read all."""


def claims_of(units: Iterable[object]) -> dict[Place, list[Claim]]:
    """The claims of the group by where they look."""
    found: dict[Place, list[Claim]] = {}
    for unit in units:
        if isinstance(unit, Claim):
            found.setdefault((unit.org_id, unit.workspace), []).append(unit)
    return found


def able(claim: Claim, agents: Mapping[AgentPlace, tuple[str, ...]]) -> tuple[str, ...] | None:
    """What a claim's agent can do; None where it is not registered and does not say."""
    if claim.capabilities is not None:
        return claim.capabilities
    return agents.get((claim.org_id, claim.workspace, claim.agent_id))


def most_of(place: Place, claims: Sequence[Claim], tasks: Mapping[str, Task]) -> int:
    """How many tasks of a place the group may take from its queue: one for each claim, and of `tasks`, those that its
    units name, those that wait there: another unit may take them first."""
    named = sum(one.state is TaskState.QUEUED and (one.org_id, one.workspace) == place for one in tasks.values())
    return len(claims) + named


def glimpse(most: int) -> int:
    """How many of the most urgent tasks to look at."""
    return 2 * most + _GLIMPSED


def enough(
    claims: Iterable[Claim], agents: Mapping[AgentPlace, tuple[str, ...]], seen: Sequence[str], most: int
) -> bool:
    """Whether `seen`, the capabilities that the `glimpse(most)` most urgent tasks want, tells what claims may get."""
    if len(seen) < glimpse(most):
        return True
    counts = Counter(seen)
    return all(
        sum(number for text, number in counts.items() if kind.issuperset(capabilities_of(text))) >= most
        for kind in _kinds(claims, agents)
    )


def searches(
    claims: Iterable[Claim], agents: Mapping[AgentPlace, tuple[str, ...]], texts: Iterable[str]
) -> list[list[str]]:
    """Of the capabilities that tasks want, as their column has them, those that each kind of agent has: what to look
    for, each list by itself."""
    wanted = sorted(set(texts))
    found = {
        tuple(text for text in wanted if kind.issuperset(capabilities_of(text))) for kind in _kinds(claims, agents)
    }
    return [list(one) for one in sorted(found) if one]


def _kinds(claims: Iterable[Claim], agents: Mapping[AgentPlace, tuple[str, ...]]) -> set[frozenset[str]]:
    return {frozenset(can) for claim in claims if (can := able(claim, agents)) is not None}
