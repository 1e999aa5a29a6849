"""The first event of an execution: a pinned version, what it is given, in whose name, and what it may cost. Pure."""

from __future__ import annotations

from collections.abc import Mapping
from typing import Any

from aragora.debate.budget import micros_of
from aragora.workflows.checking import inputs_of
from aragora.workflows.definition import Definition
from aragora.workflows.model import ExecutionStarted
from aragora.workflows.ports import Pinned


def first_event(
    pinned: Pinned,
    given: Mapping[str, Any],
    *,
    execution_id: str,
    started_by: str,
    org_id: str,
    workspace: str,
    now: float,
    budget_micros: int | None = None,
) -> ExecutionStarted:
    """The event with which an execution of a version begins at `now` (seconds since the epoch). `budget_micros` is what
    whoever starts it allows. Raises InvalidInput for inputs that the definition does not take."""
    definition = pinned.definition
    return ExecutionStarted(
        execution_id=execution_id,
        workflow_id=pinned.workflow_id,
        version=pinned.version,
        digest=pinned.digest,
        name=definition.name,
        inputs=inputs_of(definition, given),
        started_by=started_by,
        org_id=org_id,
        workspace=workspace,
        authors=pinned.authors,
        budget_micros=budget_of(definition, budget_micros),
        ends_at=now + definition.timeout_s,
    )


def budget_of(definition: Definition, given_micros: int | None) -> int | None:
    """Micro-dollars that an execution of a definition may cost: the definition's, and no more than it is given."""
    own = None if definition.budget_usd is None else micros_of(definition.budget_usd)
    bounds = [one for one in (own, given_micros) if one is not None]
    return min(bounds, default=None)
