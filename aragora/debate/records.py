"""What the stores take and give: immutable records and how rows become them, no SQL.

A `Commit` is a unit of the journal writer: all its rows are written or none. Many commits share one transaction (group
commit); one that fails takes no other with it.
"""

from __future__ import annotations

from collections.abc import Callable, Mapping, Sequence
from dataclasses import dataclass, fields
from operator import attrgetter
from typing import Any, Final, Protocol

from aragora.debate.budget import Reservation
from aragora.debate.journal import JournalRow
from aragora.debate.machine.state import DebateState
from aragora.debate.model import DebateEnded, DebateStatus, Event, ReceiptIssued
from aragora.debate.proposition import Idempotency
from aragora.encoding import encode_text
from aragora.observability.samples import CounterDelta
from aragora.scope import DEFAULT_WORKSPACE
from aragora.storage.outbox import OutboxRow


@dataclass(frozen=True, slots=True)
class DebateRecord:
    """One row of `debates`. Times are seconds since the epoch; `decision` and `spec` are JSON texts."""

    debate_id: str
    question: str
    status: DebateStatus
    spec: str
    created_at: float
    updated_at: float
    created_by: str
    org_id: str
    rounds: int = 0
    decision: str | None = None
    reason: str | None = None
    cost_usd: float = 0.0
    receipt_id: str | None = None
    last_seq: int = 0
    workspace: str = DEFAULT_WORKSPACE


@dataclass(frozen=True, slots=True)
class ChainHead:
    """The last link of the receipt chain."""

    position: int
    hash: str


GENESIS: Final = ChainHead(position=0, hash="0" * 64)
"""The head of a chain without a receipt."""


OF_DEBATE: Final = "debate"
"""The kind of a debate's receipt."""


@dataclass(frozen=True, slots=True)
class ReceiptRecord:
    """One row of `receipts`; `document` is the canonical JSON text of the whole receipt. What is no receipt of a debate
    but a link of the same chain says so by its `kind`, and has its own id in place of the debate's."""

    receipt_id: str
    debate_id: str
    position: int
    hash: str
    previous_hash: str
    document: str
    issued_at: float
    kind: str = OF_DEBATE


SET_ASIDE: Final = "debates set aside"
"""The name under which the health tells of debates that cannot go on, and not even end."""


@dataclass(frozen=True, slots=True)
class DebateUpdate:
    """The columns of `debates` that a commit changes; None leaves a column as it is."""

    status: DebateStatus | None = None
    rounds: int | None = None
    decision: str | None = None
    reason: str | None = None
    cost_usd: float | None = None
    receipt_id: str | None = None


@dataclass(frozen=True, slots=True)
class Tenure:
    """A coordinator's claim to its shard: as long as no later start took a higher epoch, it may write."""

    shard: int
    epoch: int


@dataclass(frozen=True, slots=True)
class NewDebate:
    """A debate to write, with its first journal row. A known idempotency key returns the debate opened first.

    `reservation` is what it holds of the month's budgets; None for one that is counted in no month."""

    record: DebateRecord
    rows: tuple[JournalRow, ...]
    idempotency: Idempotency | None = None
    counters: tuple[CounterDelta, ...] = ()
    reservation: Reservation | None = None

    @property
    def idempotency_key(self) -> str | None:
        """The caller's key, where one was given."""
        return None if self.idempotency is None else self.idempotency.key


@dataclass(frozen=True, slots=True)
class Commit:
    """Rows for one debate whose journal must end exactly at `rows[0].seq - 1`; else the commit is Fenced. `cut_off`
    counts the asks that had no reply when it ended (`aragora.debate.budget`)."""

    debate_id: str
    rows: tuple[JournalRow, ...]
    update: DebateUpdate = DebateUpdate()
    counters: tuple[CounterDelta, ...] = ()
    outbox: tuple[OutboxRow, ...] = ()
    cut_off: int = 0


@dataclass(frozen=True, slots=True)
class Conclusion:
    """A commit that needs the chain's head inside the transaction: `issue` signs the receipt that follows it."""

    debate_id: str
    issue: Callable[[ChainHead], tuple[ReceiptRecord, Commit]]


@dataclass(frozen=True, slots=True)
class Certification:
    """A document of another kind for the same chain, under `receipt_id`: `issue` signs it as the one after the head.
    Where there is one of that id, that one is the outcome, and nothing is written or counted."""

    receipt_id: str
    issue: Callable[[ChainHead], ReceiptRecord]
    counters: tuple[CounterDelta, ...] = ()


@dataclass(frozen=True, slots=True)
class Done:
    """Outbox rows whose consumer has applied them: they go. Ids that are unknown, or come twice, change nothing."""

    outbox_ids: tuple[str, ...]


@dataclass(frozen=True, slots=True)
class Buried:
    """Outbox rows that no consumer can apply: they stay, under a topic that nobody reads
    (`aragora.storage.outbox.dead`)."""

    topic: str
    outbox_ids: tuple[str, ...]
    counters: tuple[CounterDelta, ...] = ()


@dataclass(frozen=True, slots=True)
class Counted:
    """Counters that follow from no other unit."""

    counters: tuple[CounterDelta, ...]


@dataclass(frozen=True, slots=True)
class Opened:
    """What became of a `NewDebate`: the record kept under its idempotency key, new or the first one."""

    record: DebateRecord
    created: bool


@dataclass(frozen=True, slots=True)
class Closed:
    """Everything that the closing transaction writes besides the rows before it."""

    receipt: ReceiptRecord
    endings: tuple[ReceiptIssued, DebateEnded]
    update: DebateUpdate
    outbox: tuple[OutboxRow, ...]
    counters: tuple[CounterDelta, ...] = ()


@dataclass(frozen=True, slots=True)
class Journaled:
    """A debate's journal up to and including its ConsensusReached: events, digest (hex SHA-256) and length in rows."""

    state: DebateState
    events: Sequence[Event]
    digest: str
    length: int
    opened_at: float


Told = Mapping[str, frozenset[str]]
"""The types of events, by organisation, for which something outside the debates waits."""

TOLD: Final = "events"
"""The outbox topic of these events. The payload says which: {"seq": 7, "type": "receipt"}."""


class Telling(Protocol):
    """Which events the outbox tells of, and who hears that it does."""

    def __call__(self) -> Told:
        """Asked by each transaction, in the writer's thread."""
        ...

    def written(self) -> None:
        """Rows of the topic `TOLD` are in the outbox, or may be: called in the event loop, after a transaction."""
        ...


class _Silence:
    def __call__(self) -> Told:
        return {}

    def written(self) -> None:
        """Nothing is told."""


SILENCE: Final[Telling] = _Silence()
"""For writers whose events nobody outside waits for."""


def told_row(row: JournalRow) -> OutboxRow:
    """The outbox row that tells of an event."""
    told = encode_text({"seq": row.seq, "type": row.type})
    return OutboxRow(f"{row.debate_id}:{TOLD}:{row.seq}", TOLD, row.debate_id, told, row.at)


COLUMNS: Final = tuple(field.name for field in fields(DebateRecord))
_STATUS: Final = COLUMNS.index("status")
_REASON: Final = COLUMNS.index("reason")
_values: Final = attrgetter(*COLUMNS)


def record_of(row: Sequence[Any]) -> DebateRecord:
    """The record of a row whose columns are `COLUMNS` in their order. A status that this version does not know, of a
    newer one or damaged, reads as failed: one such row must not take a whole list with it."""
    values = list(row)
    try:
        values[_STATUS] = DebateStatus(values[_STATUS])
    except ValueError:
        values[_STATUS] = DebateStatus.FAILED
        values[_REASON] = "The stored status of this debate is unknown to this version of Aragora."
    return DebateRecord(*values)


def values_of(record: DebateRecord) -> tuple[Any, ...]:
    """The values of a record in the order of `COLUMNS`."""
    values: tuple[Any, ...] = _values(record)
    return values


def receipt_of(row: Sequence[Any]) -> ReceiptRecord:
    """The record of a row of `receipts`, columns in the order of the table."""
    return ReceiptRecord(*row)
