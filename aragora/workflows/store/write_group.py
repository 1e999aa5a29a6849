"""What one group of units about executions comes to: pure functions from what the store holds to outcomes and rows.

Rules:
    fence       while the writer's tenure is over, every unit is Fenced, except posts: anybody may post.
    new         where its idempotency key or id is known: the execution that was started first, or Conflict for another
                request. Else its row and its first journal rows are written.
    commit      its first seq follows the execution's last: written; else Fenced. Later units of the same group see it.
                The messages that it took go in the same transaction.
    post        a message whose id is known changes nothing. An execution's inbox holds at most `INBOX_MAX`.
    dismissed   its messages go.
    done        its outbox rows go.
    buried      its outbox rows stay, under a topic that nobody reads.
A unit that fails leaves no trace in what the others write.
"""

from __future__ import annotations

from collections.abc import Iterable, Mapping, Sequence
from dataclasses import dataclass, field, replace
from typing import Final

from aragora.debate.records import Buried, Done
from aragora.errors import AragoraError, Conflict, Fenced, InvalidInput, NotFound, RateLimited
from aragora.observability.samples import add_counters
from aragora.storage.failures import is_constraint
from aragora.storage.outbox import OutboxRow
from aragora.storage.storable import check_counters, check_values
from aragora.workflows.records import (
    COLUMNS,
    Commit,
    Dismissed,
    ExecutionRecord,
    ExecutionUpdate,
    Message,
    NewExecution,
    Post,
    Projection,
    Started,
    changed_of,
    values_of,
)

INBOX_MAX: Final = 1_000
"""Messages that may wait for one execution. While its runner is there, hardly any does."""

BESIDES: Final = ("idempotency_key", "request_hash")
"""The columns of a new execution that are not in its record."""

Unit = NewExecution | Commit | Post | Dismissed | Done | Buried
Outcome = Started | Exception | None

KeyPlace = tuple[str, str, str, str]
"""An organisation, a workspace, a person and their idempotency key."""

_KIND: Final = "execution"
_MICROS_MAX: Final = 2**63 - 1
_COST: Final = COLUMNS.index("cost_micros")
_FULL_AGAIN_S: Final = 5.0
_A_UNIT: Final = 4_096


@dataclass(frozen=True, slots=True)
class Held:
    """What the store holds that a group needs to know.

    Attributes:
        last_seqs: of `execution_ids`: the last seq of each execution; one that is missing does not exist.
        ids: of `new_ids`: executions that have the id of a new one.
        keys: of `key_places`: executions that hold a key, and the hash of the request that it came with.
        waiting: of `receivers`: how many messages wait for an execution, counted up to `INBOX_MAX`.
        messages: of `message_ids`: the ids that are there.
    """

    last_seqs: Mapping[str, int] = field(default_factory=dict)
    ids: Mapping[str, ExecutionRecord] = field(default_factory=dict)
    keys: Mapping[KeyPlace, tuple[ExecutionRecord, str]] = field(default_factory=dict)
    waiting: Mapping[str, int] = field(default_factory=dict)
    messages: frozenset[str] = frozenset()


@dataclass(slots=True)
class Writes:
    """What the group writes, ready for a backend, in this order."""

    new: list[NewExecution] = field(default_factory=list)
    journal: list[tuple[str, int, str, str, float]] = field(default_factory=list)
    advances: dict[str, Advance] = field(default_factory=dict)
    gone: set[str] = field(default_factory=set)  # messages
    posted: dict[str, Message] = field(default_factory=dict)  # a message that went may be posted again
    outbox: list[OutboxRow] = field(default_factory=list)
    done: list[str] = field(default_factory=list)
    buried: list[tuple[str, str]] = field(default_factory=list)  # outbox id, new topic
    counters: dict[tuple[str, str], float] = field(default_factory=dict)
    extra: list[Projection] = field(default_factory=list)


@dataclass(frozen=True, slots=True)
class Advance:
    """How one execution's row moves on: what all its commits of the group leave."""

    last_seq: int
    updated_at: float
    update: ExecutionUpdate


def check(unit: Unit) -> None:
    """Refuse a unit that no state of the store could accept, before it can spoil the transaction of others: both
    databases refuse the same. Raises InvalidInput."""
    if isinstance(unit, NewExecution):
        execution_id, values = unit.record.execution_id, list(values_of(unit.record))
        if unit.rows and unit.rows[0].seq != 1:
            raise InvalidInput(f"an execution's journal begins with seq 1: {execution_id}")
        _check_cost(execution_id, values.pop(_COST))
        if unit.idempotency is not None:
            values += (unit.idempotency.key, unit.idempotency.request_hash)
        check_values(_KIND, execution_id, values)
        _check_written(execution_id, unit)
    elif isinstance(unit, Commit):
        _check_cost(unit.execution_id, unit.update.cost_micros)
        check_values(_KIND, unit.execution_id, (*changed_of(replace(unit.update, cost_micros=0)), *unit.taken))
        _check_written(unit.execution_id, unit)
    elif isinstance(unit, Post):
        of = unit.message
        check_values("message", of.message_id, (of.message_id, of.execution_id, of.kind, of.payload, of.created_at))
    elif isinstance(unit, Dismissed):
        check_values("messages", "to dismiss", unit.message_ids)
    elif isinstance(unit, Buried):
        check_counters("a", "count", unit.counters)


def size_of(unit: Unit) -> int:
    """What a unit counts for in a group: one, and one more for each `_A_UNIT` characters that it brings."""
    if isinstance(unit, NewExecution | Commit):
        return 1 + sum(len(row.payload) for row in unit.rows) // _A_UNIT
    return 1 + len(unit.message.payload) // _A_UNIT if isinstance(unit, Post) else 1


def execution_ids(units: Iterable[Unit]) -> list[str]:
    """The executions whose last seq the group needs to know, sorted: the order in which rows are locked."""
    return sorted({unit.execution_id for unit in units if isinstance(unit, Commit)})


def new_ids(units: Iterable[Unit]) -> list[str]:
    """The ids of new executions."""
    return sorted({unit.record.execution_id for unit in units if isinstance(unit, NewExecution)})


def key_places(units: Iterable[Unit]) -> list[KeyPlace]:
    """The idempotency keys that the group brings."""
    places = (_key_place(unit) for unit in units if isinstance(unit, NewExecution))
    return sorted({place for place in places if place is not None})


def receivers(units: Iterable[Unit]) -> list[str]:
    """The executions to which the group posts."""
    return sorted({unit.message.execution_id for unit in units if isinstance(unit, Post)})


def message_ids(units: Iterable[Unit]) -> list[str]:
    """The messages that the group posts."""
    return sorted({unit.message.message_id for unit in units if isinstance(unit, Post)})


def is_owners(unit: Unit) -> bool:
    """Whether only the owner of all executions may write this."""
    return not isinstance(unit, Post)


def resolve(units: Sequence[Unit], held: Held, *, fence: str | None = None) -> tuple[list[Outcome], Writes]:
    """The outcome of each unit, in order, and what the group writes. `fence`: why the owner's units are Fenced; None
    where they are not."""
    group = _Group(held)
    outcomes: list[Outcome] = []
    for unit in units:
        try:
            if fence is not None and is_owners(unit):
                raise Fenced(fence)
            outcomes.append(group.outcome(unit))
        except AragoraError as refused:
            outcomes.append(refused)
    return outcomes, group.writes


class _Group:
    def __init__(self, held: Held) -> None:
        self.writes = Writes()
        self._last_seqs = dict(held.last_seqs)
        self._ids = dict(held.ids)
        self._keys = dict(held.keys)
        self._waiting = dict(held.waiting)
        self._messages = set(held.messages)

    def outcome(self, unit: Unit) -> Started | None:
        if isinstance(unit, NewExecution):
            return self._start(unit)
        if isinstance(unit, Commit):
            self._commit(unit)
        elif isinstance(unit, Post):
            self._post(unit.message)
        elif isinstance(unit, Dismissed):
            self._take(unit.message_ids)
        elif isinstance(unit, Done):
            self.writes.done.extend(unit.outbox_ids)
        else:
            self.writes.buried.extend((outbox_id, unit.topic) for outbox_id in unit.outbox_ids)
            add_counters(self.writes.counters, unit.counters)
        return None

    def _start(self, new: NewExecution) -> Started:
        record, place = replace(new.record, last_seq=new.rows[-1].seq), _key_place(new)
        known = None if place is None else self._keys.get(place)
        if known is not None and new.idempotency is not None:
            first, request_hash = known
            if request_hash != new.idempotency.request_hash:
                raise Conflict(
                    f"idempotency key {new.idempotency.key!r} was used for another request "
                    f"(execution {first.execution_id}): use a new key"
                )
            return Started(first, created=False)
        there = self._ids.get(record.execution_id)
        if there is not None:
            if _serves(there) != _serves(record):
                raise Conflict(f"execution {record.execution_id} exists already: start another under a new id")
            return Started(there, created=False)
        self._append(new)
        self.writes.new.append(replace(new, record=record))
        self._ids[record.execution_id] = record
        self._last_seqs[record.execution_id] = record.last_seq
        if place is not None and new.idempotency is not None:
            self._keys[place] = record, new.idempotency.request_hash
        return Started(record, created=True)

    def _commit(self, commit: Commit) -> None:
        last_seq = self._last_seqs.get(commit.execution_id)
        if last_seq is None:
            raise NotFound(f"there is no execution {commit.execution_id}")
        if commit.rows[0].seq != last_seq + 1:
            raise Fenced(
                f"the journal of {commit.execution_id} ends at {last_seq}, the commit goes on from "
                f"{commit.rows[0].seq - 1}: drop the state and read the journal again"
            )
        self._append(commit)
        end = commit.rows[-1]
        self._last_seqs[commit.execution_id] = end.seq
        self.writes.advances[commit.execution_id] = Advance(end.seq, end.at, commit.update)
        self._take(commit.taken)

    def _append(self, unit: NewExecution | Commit) -> None:
        self.writes.journal.extend([(row.execution_id, row.seq, row.type, row.payload, row.at) for row in unit.rows])
        self.writes.outbox.extend(unit.outbox)
        self.writes.extra.extend(unit.extra)
        add_counters(self.writes.counters, unit.counters)

    def _post(self, message: Message) -> None:
        if message.message_id in self._messages:
            return
        waiting = self._waiting.get(message.execution_id, 0)
        if waiting >= INBOX_MAX:
            raise RateLimited(
                f"{INBOX_MAX} messages wait for execution {message.execution_id}, the most there may be: send it again",
                code="inbox_full",
                retry_after_s=_FULL_AGAIN_S,
            )
        self._waiting[message.execution_id] = waiting + 1
        self._messages.add(message.message_id)
        self.writes.posted[message.message_id] = message

    def _take(self, ids: Iterable[str]) -> None:
        """Messages go. One that the same group has posted before is never written."""
        for message_id in ids:
            if self.writes.posted.pop(message_id, None) is None:
                self.writes.gone.add(message_id)
            self._messages.discard(message_id)


def values_of_new(new: NewExecution) -> tuple[object, ...]:
    """The values of a new execution's row: of the columns `COLUMNS`, then `BESIDES`."""
    key = (None, None) if new.idempotency is None else (new.idempotency.key, new.idempotency.request_hash)
    return (*values_of(new.record), *key)


def values_of_advance(advance: Advance) -> tuple[object, ...]:
    """The values of `last_seq`, `updated_at`, then the columns `CHANGED`."""
    return (advance.last_seq, advance.updated_at, *changed_of(advance.update))


def values_of_outbox(row: OutboxRow) -> tuple[object, ...]:
    """The values of a row of the outbox, in the order of its columns."""
    return (row.outbox_id, row.topic, row.debate_id, row.payload, row.created_at)


def succeeded(tenure: int, epoch: int | None) -> str:
    """Why a writer that began as epoch `tenure` may write no more, where the owner is at `epoch` by now."""
    return f"the owner of all executions is at epoch {epoch}, this one began as {tenure}: another one runs the executions now"


def refusal(unit: Unit, error: Exception) -> AragoraError:
    """The error for the one unit whose rows the database itself refused."""
    if not is_constraint(error):
        return InvalidInput(f"{_name(unit)}: the database cannot hold one of its values: remove control characters")
    return Conflict(f"{_name(unit)}: one of its rows is in the store already: read the journal again")


def _name(unit: Unit) -> str:
    if isinstance(unit, NewExecution):
        return f"execution {unit.record.execution_id}"
    if isinstance(unit, Commit):
        return f"execution {unit.execution_id}"
    if isinstance(unit, Post):
        return f"message {unit.message.message_id}"
    return "messages" if isinstance(unit, Dismissed) else f"the end of {len(unit.outbox_ids)} outbox rows"


def _serves(record: ExecutionRecord) -> tuple[str, str, str, str, str]:
    return record.org_id, record.workspace, record.workflow_id, record.parent, record.parent_ask


def _key_place(unit: NewExecution) -> KeyPlace | None:
    record = unit.record
    if unit.idempotency is None:
        return None
    return record.org_id, record.workspace, record.started_by, unit.idempotency.key


def _check_written(execution_id: str, unit: NewExecution | Commit) -> None:
    rows = unit.rows
    if not rows:
        raise InvalidInput(f"a unit of the journal has at least one row: {execution_id}")
    first = rows[0].seq
    if any(row.seq != first + index or row.execution_id != execution_id for index, row in enumerate(rows)):
        raise InvalidInput(f"the rows of {execution_id} are not its own, numbered without a gap from {first}")
    for row in rows:
        check_values(_KIND, execution_id, (row.execution_id, row.seq, row.type, row.payload, row.at))
    for due in unit.outbox:
        check_values(_KIND, execution_id, values_of_outbox(due))
    check_counters(_KIND, execution_id, unit.counters)


def _check_cost(execution_id: str, micros: int) -> None:
    if not 0 <= micros <= _MICROS_MAX:
        raise InvalidInput(f"execution {execution_id}: it cannot cost {micros} micro-dollars")
