"""What the router needs of the world: agents, debates, their journals, knowledge, and workflows where there are any."""

from __future__ import annotations

from collections.abc import Collection, Sequence
from dataclasses import dataclass
from typing import Protocol

from aragora.agents.specifying import Specified
from aragora.debate.model import DebateStatus
from aragora.debate.proposition import Idempotency, Proposition
from aragora.storage.database import Lookup


class Opened(Protocol):
    """What the opener of a debate gets back."""

    @property
    def debate_id(self) -> str: ...

    @property
    def status(self) -> DebateStatus: ...


class Planning(Protocol):
    """Knows what would be debated (`aragora.agents.specifying.Specifying`)."""

    def specified(self, proposition: Proposition, debate_id: str | None = None) -> Specified:
        """Raises InvalidInput as opening it does."""
        ...


class Opening(Protocol):
    """Opens debates."""

    async def open(
        self, proposition: Proposition, idempotency: Idempotency | None = None, debate_id: str | None = None
    ) -> Opened:
        """Open a debate under this id. Raises as `aragora.server.ports.DebateCommands.open`."""
        ...


class Journals(Protocol):
    """Reads journals (`aragora.debate.store.debates.DebateStore`)."""

    async def happened(
        self, debate_id: str, types: Collection[str], *, since: float, until: float, after: int, limit: int
    ) -> Sequence[object]:
        """The rows of these types, at most `limit`. Raises Unavailable."""
        ...


class Knowledge(Protocol):
    """Knows how often a workspace was told something."""

    def told(self, org_id: str, workspace: str, domain: str) -> Lookup | None:
        """What reads it: one row, another one after each time. None: nothing that is told changes a decision."""
        ...


class NothingTold:
    """Of a server whose debates are offered no knowledge: nothing that is told changes a decision."""

    def told(self, org_id: str, workspace: str, domain: str) -> None:
        """There is nothing to read."""


@dataclass(frozen=True, slots=True)
class Started:
    """A workflow that was started for a question."""

    workflow: str
    execution_id: str


class Workflows(Protocol):
    """Starts workflows by name."""

    async def start(self, workflow: str, proposition: Proposition, idempotency: Idempotency | None) -> Started:
        """Start the workflow of this name, in the organisation and workspace of the proposition, with its question.
        Raises NotFound where there is none of this name, Forbidden, Conflict, Unavailable."""
        ...
