"""Who does the steps of executions: each kind its own, and whoever started the execution must still be allowed to."""

from __future__ import annotations

from collections.abc import Mapping
from typing import Protocol

from aragora.errors import Forbidden, InvalidInput
from aragora.identity.writers import Writers
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

    def __init__(self, steps: Mapping[str, StepDoing], people: Writers) -> None:
        self._steps = steps
        self._people = people

    async def do(self, ask: Ask, started: ExecutionStarted) -> Reply:
        """See the port. Raises Forbidden where whoever started the execution may not write in its workspace now."""
        try:
            await self._people.check([started.started_by], started.org_id, started.workspace)
        except InvalidInput as refused:
            raise Forbidden(
                f"{started.started_by}, who started the execution, may not write in this workspace any more."
            ) from refused
        return await self._steps[ask.kind].do(ask, started)

    async def stop(self, kind: str, ref: str, started: ExecutionStarted) -> None:
        """See the port."""
        await self._steps[kind].stop(ref, started)
