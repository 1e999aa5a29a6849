"""Who does the steps of executions: each kind its own, and whoever started the execution must still be allowed to do
what the step does."""

from __future__ import annotations

from collections.abc import Mapping
from typing import Protocol

from aragora.identity.acting import Acting
from aragora.workflows.checking import rights_of
from aragora.workflows.model import Ask, ExecutionStarted, Reply


class StepDoing(Protocol):
    """Does the steps of a kind."""

    async def do(self, ask: Ask, started: ExecutionStarted) -> Reply:
        """See `aragora.workflows.ports.Doing`."""
        ...

    async def stop(self, ref: str, started: ExecutionStarted) -> None:
        """See `aragora.workflows.ports.Doing`."""
        ...


class Outside:
    """Fulfils `aragora.workflows.ports.Doing`."""

    def __init__(self, steps: Mapping[str, StepDoing], people: Acting) -> None:
        self._steps = steps
        self._people = people

    async def do(self, ask: Ask, started: ExecutionStarted) -> Reply:
        """See the port. Raises Forbidden where whoever started the execution may not do this in its workspace now."""
        await self._people.check(started.started_by, started.org_id, started.workspace, rights_of(ask.kind))
        return await self._steps[ask.kind].do(ask, started)

    async def stop(self, kind: str, ref: str, started: ExecutionStarted) -> None:
        """See the port."""
        await self._steps[kind].stop(ref, started)
