"""The inbox of approvals: records, which of them a list has and in which order, and the port of the stores. Pure.

A record is a projection of an execution's journal: `version` is the seq of the event that it reflects last. A newer
version takes the place of an older one, never the other way round, so writing the same again changes nothing. Whether
somebody may answer, and what an answer does, follows from the record's `state` (`aragora.workflows.approving`).
"""

from __future__ import annotations

from collections.abc import Iterable, Sequence
from dataclasses import dataclass
from typing import Final, Protocol

from aragora import limits
from aragora.errors import NotFound
from aragora.scope import Scope
from aragora.storage.cursors import Page, Turn
from aragora.workflows.approving import Answerer, ApprovalState
from aragora.workflows.model import ApprovalStatus
from aragora.workflows.quorum import ROLE, USER

PREFIX: Final = "apr"
NEVER: Final = limits.MOMENT_MAX_S
"""The turn of one that waits without a deadline: after every one that has one, before all that are closed."""
_AFTER_ALL: Final = 3 * NEVER


@dataclass(frozen=True, slots=True, kw_only=True)
class ApprovalRecord:
    """One approval with where it belongs. `workflow` is the name of the workflow. Records of a list have nothing in
    `state.shown`."""

    org_id: str
    workspace: str
    workflow_id: str
    workflow: str
    state: ApprovalState
    version: int

    @property
    def approval_id(self) -> str:
        return self.state.approval_id

    @property
    def pending(self) -> bool:
        return self.state.status is ApprovalStatus.PENDING

    @property
    def turn(self) -> Turn:
        """Where it stands in a list: first what waits, by its deadline, then by when it was opened; then what is
        closed, the newest first."""
        state = self.state
        if self.pending:
            number = NEVER if state.deadline_at is None else min(state.deadline_at, NEVER)
        else:
            number = _AFTER_ALL - (state.opened_at if state.closed_at is None else state.closed_at)
        return Turn(number, state.opened_at, state.approval_id)

    @property
    def asked(self) -> tuple[str, ...]:
        """The approvers whose word is awaited: `user:ID` and `role:NAME`."""
        return self.state.asked if self.pending else ()

    @property
    def past(self) -> frozenset[str]:
        """The people who need not be asked, or may not answer, of one that waits."""
        return frozenset((*self.state.barred, *self.state.answers)) if self.pending else frozenset()

    def awaits(self, person: Answerer) -> bool:
        """Whether this person's answer is awaited."""
        return person.person not in self.past and not set(self.asked).isdisjoint(names_of(person))


@dataclass(frozen=True, slots=True)
class Wanted:
    """Which approvals a list has; None means all.

    Attributes:
        mine: those that await this person's answer.
        overdue_at: those that still wait although their deadline was over at this moment.
        workflow: the id of the workflow.
        execution: its id.
    """

    status: ApprovalStatus | None = None
    mine: Answerer | None = None
    overdue_at: float | None = None
    workflow: str | None = None
    execution: str | None = None

    def last_turn(self) -> float | None:
        """No approval that is wanted has a later turn; None: any may be wanted."""
        if self.overdue_at is not None:
            return min(self.overdue_at, NEVER)
        return NEVER if self.status is ApprovalStatus.PENDING or self.mine is not None else None

    def has(self, record: ApprovalRecord) -> bool:
        """Whether the list has this one."""
        last = self.last_turn()
        return (
            self.status in (None, record.state.status)
            and (last is None or record.turn.turn <= last)
            and self.workflow in (None, record.workflow_id)
            and self.execution in (None, record.state.execution_id)
            and (self.mine is None or record.awaits(self.mine))
        )


class ApprovalRequestStore(Protocol):
    """Every method raises Unavailable where the backend is away. What is out of the scope is not there."""

    async def put(self, records: Sequence[ApprovalRecord]) -> None:
        """Write these, but for those of which a newer version is there. Raises NotEncodable for texts that hold half
        of a character."""
        ...

    async def get(self, scope: Scope, approval_id: str) -> ApprovalRecord:
        """Raises NotFound."""
        ...

    async def page(
        self, scope: Scope, wanted: Wanted, *, cursor: str | None = None, limit: int = 50
    ) -> Page[ApprovalRecord]:
        """In order of their turns. A page may have fewer than `limit` though more follow: `next_cursor` says whether.
        Raises InvalidInput for a bad cursor."""
        ...


def names_of(person: Answerer) -> tuple[str, ...]:
    """As whom a person is asked."""
    return (f"{USER}{person.person}", *(f"{ROLE}{role}" for role in dict.fromkeys(person.roles)))


def newest(records: Iterable[ApprovalRecord]) -> list[ApprovalRecord]:
    """Of each approval the newest of these versions, in order of their ids."""
    found: dict[str, ApprovalRecord] = {}
    for one in records:
        before = found.get(one.approval_id)
        if before is None or one.version >= before.version:
            found[one.approval_id] = one
    return [found[approval_id] for approval_id in sorted(found)]


def unknown_approval() -> NotFound:
    """What is raised for an approval that is not there, or not for the caller to know of."""
    return NotFound("There is no such approval. List them with GET /api/workflow-approvals.", code="unknown_approval")
