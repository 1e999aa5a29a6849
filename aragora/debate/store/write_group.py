"""What one group of journal units comes to: a pure function from the state of the store to outcomes and rows.

Rules:
    new debate  its rows are written, and the accounts of its month hold its budget. Where its idempotency key is known,
                or it comes twice because the first answer was lost: the first debate, or Conflict for another request.
                Where an account does not allow it: BudgetExhausted, and its row of the debates goes again; the same
                for another of the group that met its key or id.
    commit      its first seq follows the debate's last: written; else Fenced. Later units of the same group see it.
                One that ends the debate gives back what it held and adds what it cost, cut off asks included.
    conclusion  issued on the chain's head as the units before it left it, then treated like a commit.
    certified   issued like a conclusion, without a debate; where its id is there already, that one is the outcome.
    done        its outbox rows go.
    buried      its outbox rows stay, under a topic that nobody reads.
    counted     its counters are added.
Every event that is written, and for which something outside waits, has a row in the outbox.
A unit that fails leaves no trace in what the others write.
"""

from __future__ import annotations

from collections.abc import Iterable, Mapping, Sequence
from dataclasses import dataclass, field, replace
from typing import Any, Final

from aragora.debate.budget import AccountKey, Accounts, Balance, Books, Held, account_keys
from aragora.debate.records import (
    Buried,
    Certification,
    ChainHead,
    Commit,
    Conclusion,
    Counted,
    DebateRecord,
    DebateUpdate,
    Done,
    NewDebate,
    Opened,
    ReceiptRecord,
    Tenure,
    Told,
    told_row,
    values_of,
)
from aragora.errors import AragoraError, BudgetExhausted, Conflict, Fenced, InvalidInput, NotFound
from aragora.observability.samples import add_counters
from aragora.storage.failures import is_constraint
from aragora.storage.outbox import OutboxRow
from aragora.storage.storable import check_counters, check_values

Unit = NewDebate | Commit | Conclusion | Certification | Done | Buried | Counted
Outcome = Opened | ReceiptRecord | Exception | None

_KIND: Final = "debate"


@dataclass(frozen=True, slots=True)
class Kept:
    """The debate that already holds the idempotency key or id of a new one, and the request it was opened with."""

    record: DebateRecord
    request_hash: str | None


@dataclass(slots=True)
class Advance:
    """How one debate's row moves on: all its commits of the group as one update."""

    last_seq: int
    updated_at: float
    update: DebateUpdate


@dataclass(slots=True)
class Writes:
    """What the group writes, ready for a backend. `head` is None where the chain does not move."""

    journal: list[tuple[str, int, str, str, float]] = field(default_factory=list)
    advances: dict[str, Advance] = field(default_factory=dict)
    receipts: list[ReceiptRecord] = field(default_factory=list)
    outbox: list[OutboxRow] = field(default_factory=list)
    done: list[str] = field(default_factory=list)
    buried: list[tuple[str, str]] = field(default_factory=list)  # outbox id, new topic
    counters: dict[tuple[str, str], float] = field(default_factory=dict)
    head: ChainHead | None = None
    refused: list[str] = field(default_factory=list)  # new debates whose row is in `debates` already, and must go
    accounts: dict[AccountKey, Balance] = field(default_factory=dict)  # what is to be added


def check(unit: Unit) -> None:
    """Refuse a unit that no state of the store could accept, before it can spoil the transaction of others: both
    databases refuse the same. Raises InvalidInput."""
    if isinstance(unit, NewDebate):
        record = unit.record
        _check_rows(record.debate_id, unit)
        if unit.rows[0].seq != 1:
            raise InvalidInput(f"a debate's journal begins with seq 1: {record.debate_id}")
        check_values(_KIND, record.debate_id, values_of(record))
        if unit.idempotency is not None:
            check_values(_KIND, record.debate_id, (unit.idempotency.key, unit.idempotency.request_hash))
        check_counters(_KIND, record.debate_id, unit.counters)
    elif isinstance(unit, Commit):
        _check_rows(unit.debate_id, unit)
        update = unit.update
        check_values(
            _KIND,
            unit.debate_id,
            (update.status, update.rounds, update.decision, update.reason, update.cost_usd, update.receipt_id),
        )
        for row in unit.outbox:
            check_values(_KIND, unit.debate_id, (row.outbox_id, row.topic, row.debate_id, row.payload, row.created_at))
        check_counters(_KIND, unit.debate_id, unit.counters)
    elif isinstance(unit, Buried | Counted | Certification):
        check_counters("a", "count", unit.counters)


def debate_ids(units: Sequence[Unit]) -> list[str]:
    """The debates whose last seq the group needs to know, sorted: the order in which rows are locked."""
    return sorted({unit.debate_id for unit in units if isinstance(unit, Commit | Conclusion)})


def account_keys_of(units: Sequence[Unit]) -> list[AccountKey]:
    """The accounts that the group's new debates are held against, sorted: the order in which rows are locked."""
    claims = [
        (unit.record.org_id, unit.reservation.month)
        for unit in units
        if isinstance(unit, NewDebate) and unit.reservation is not None and unit.reservation.micros > 0
    ]
    return sorted({key for org_id, month in claims for key in account_keys(org_id, month)})


def may_tell(units: Sequence[Unit], told: Told) -> bool:
    """Whether the group may have written events of which the outbox tells. What a conclusion writes is not known
    before, and is always among what people wait for."""
    if not told:
        return False
    types = frozenset[str]().union(*told.values())
    return any(
        isinstance(unit, Conclusion)
        or (isinstance(unit, NewDebate | Commit) and any(row.type in types for row in unit.rows))
        for unit in units
    )


def needs_head(units: Sequence[Unit]) -> bool:
    """Whether the group issues receipts."""
    return any(isinstance(unit, Conclusion | Certification) for unit in units)


def certified_ids(units: Sequence[Unit]) -> list[str]:
    """The ids of the documents of other kinds that the group would issue. Whether they are there is read once the
    chain's head is held: until then another process may issue them."""
    return sorted({unit.receipt_id for unit in units if isinstance(unit, Certification)})


def resolve(
    units: Sequence[Unit],
    kept: Mapping[str, Kept],
    last_seqs: Mapping[str, int],
    head: ChainHead,
    books: Books | None = None,
    *,
    orgs: Mapping[str, str] | None = None,
    told: Told | None = None,
    certified: Mapping[str, ReceiptRecord] | None = None,
) -> tuple[list[Outcome], Writes]:
    """The outcome of each unit, in order, and what the group writes.

    Args:
        units: checked units in the order in which they came.
        kept: by the debate id of a new debate whose idempotency key was taken: what holds the key.
        last_seqs: last seq by debate id; a debate that is missing does not exist.
        head: the chain's head.
        books: what the debates hold, and the accounts of `account_keys_of`.
        orgs: the organisation of each debate in `last_seqs`.
        told: the events of which the outbox tells.
        certified: of `certified_ids` the documents that are there.
    """
    accounts = Accounts(books or Books())
    group = _Group(dict(last_seqs), head, accounts, dict(orgs or {}), told or {}, certified=certified or {})
    outcomes: list[Outcome] = []
    for unit in units:
        try:
            if isinstance(unit, Commit):
                group.commit(unit)
                outcomes.append(None)
            elif isinstance(unit, NewDebate):
                outcomes.append(group.open(unit, kept.get(unit.record.debate_id)))
            elif isinstance(unit, Conclusion):
                outcomes.append(group.conclude(unit))
            elif isinstance(unit, Certification):
                outcomes.append(group.certify(unit))
            else:
                group.note(unit)
                outcomes.append(None)
        except Exception as failure:  # noqa: BLE001  it belongs to this unit's caller, the others go on
            outcomes.append(failure)
    group.writes.accounts = group.accounts.changes
    return outcomes, group.writes


class _Group:
    def __init__(
        self,
        last_seqs: dict[str, int],
        head: ChainHead,
        accounts: Accounts,
        orgs: dict[str, str],
        told: Told,
        *,
        certified: Mapping[str, ReceiptRecord],
    ) -> None:
        self.writes = Writes()
        self._certified = dict(certified)
        self._orgs = orgs
        self._told = told
        self.accounts = accounts
        self._last_seqs = last_seqs
        self._head = head
        self._refusals: dict[str, BudgetExhausted] = {}  # by new debate, whose row is there only until the group ends

    def note(self, unit: Done | Buried | Counted) -> None:
        if isinstance(unit, Done):
            self.writes.done.extend(unit.outbox_ids)
            return
        if isinstance(unit, Buried):
            self.writes.buried.extend((outbox_id, unit.topic) for outbox_id in unit.outbox_ids)
        add_counters(self.writes.counters, unit.counters)

    def open(self, new: NewDebate, kept: Kept | None) -> Opened:
        if kept is not None:
            if (refusal := self._refusals.get(kept.record.debate_id)) is not None:
                raise BudgetExhausted(refusal.message)
            _check_same_request(new, kept)
            return Opened(kept.record, created=False)
        counted = _counted(new)  # what may raise comes before what the group remembers
        if new.reservation is not None:
            try:
                self.accounts.open(new.record.debate_id, new.record.org_id, new.reservation)
            except BudgetExhausted as refusal:
                self._refusals[new.record.debate_id] = refusal
                self.writes.refused.append(new.record.debate_id)
                raise
        self._orgs[new.record.debate_id] = new.record.org_id
        self._append(new.record.debate_id, new, counted)
        self._last_seqs[new.record.debate_id] = new.rows[-1].seq
        return Opened(replace(new.record, last_seq=new.rows[-1].seq), created=True)

    def conclude(self, conclusion: Conclusion) -> ReceiptRecord:
        self._last_seq(conclusion.debate_id)
        receipt, commit = conclusion.issue(self._head)
        check(commit)
        check_values(_KIND, receipt.debate_id, (receipt.receipt_id, receipt.document, receipt.issued_at))
        if commit.debate_id != conclusion.debate_id or receipt.debate_id != conclusion.debate_id:
            raise InvalidInput(f"a conclusion of {conclusion.debate_id} must write that debate and no other")
        self._check_follows(receipt)
        self.commit(commit)
        self._chain(receipt)
        return receipt

    def certify(self, unit: Certification) -> ReceiptRecord:
        there = self._certified.get(unit.receipt_id)
        if there is not None:
            return there
        receipt = unit.issue(self._head)
        check_values("receipt", unit.receipt_id, (receipt.receipt_id, receipt.document, receipt.issued_at))
        if receipt.receipt_id != unit.receipt_id:
            raise InvalidInput(f"a certification of {unit.receipt_id} must issue that document and no other")
        self._check_follows(receipt)
        self._chain(receipt)
        add_counters(self.writes.counters, unit.counters)
        self._certified[unit.receipt_id] = receipt
        return receipt

    def _check_follows(self, receipt: ReceiptRecord) -> None:
        if receipt.previous_hash != self._head.hash or receipt.position != self._head.position + 1:
            raise InvalidInput(f"receipt {receipt.receipt_id} does not follow the head of the chain it was given")

    def _chain(self, receipt: ReceiptRecord) -> None:
        self.writes.receipts.append(receipt)
        self._head = self.writes.head = ChainHead(receipt.position, receipt.hash)

    def commit(self, commit: Commit) -> None:
        last_seq = self._last_seq(commit.debate_id)
        if commit.rows[0].seq != last_seq + 1:
            raise Fenced(
                f"the journal of {commit.debate_id} ends at {last_seq}, the commit goes on from "
                f"{commit.rows[0].seq - 1}: drop the state and read the journal again"
            )
        counted = _counted(commit)  # what may raise comes before what the group remembers
        if commit.update.status is not None and commit.update.status.ended:
            self.accounts.end(commit.debate_id, commit.update.cost_usd or 0.0, commit.cut_off)
        self._append(commit.debate_id, commit, counted)
        end = commit.rows[-1]
        self._last_seqs[commit.debate_id] = end.seq
        before = self.writes.advances.get(commit.debate_id)
        update = commit.update if before is None else _merged(before.update, commit.update)
        self.writes.advances[commit.debate_id] = Advance(end.seq, end.at, update)
        self.writes.outbox.extend(commit.outbox)

    def _last_seq(self, debate_id: str) -> int:
        last_seq = self._last_seqs.get(debate_id)
        if last_seq is None:
            raise NotFound(f"there is no debate {debate_id}")
        return last_seq

    def _append(self, debate_id: str, unit: NewDebate | Commit, counted: Mapping[tuple[str, str], float]) -> None:
        for key, amount in counted.items():
            self.writes.counters[key] = self.writes.counters.get(key, 0.0) + amount
        self.writes.journal.extend([(row.debate_id, row.seq, row.type, row.payload, row.at) for row in unit.rows])
        if self._told and (types := self._told.get(self._orgs.get(debate_id, ""))):
            self.writes.outbox.extend(told_row(row) for row in unit.rows if row.type in types)


def _counted(unit: NewDebate | Commit) -> dict[tuple[str, str], float]:
    """What the unit adds to the counters."""
    counted: dict[tuple[str, str], float] = {}
    add_counters(counted, unit.counters)
    return counted


def standings_of(rows: Iterable[Sequence[Any]]) -> tuple[dict[str, int], dict[str, Held], dict[str, str]]:
    """Of each debate the last seq, what it holds, and its organisation, from rows (debate_id, last_seq, org_id, month,
    micros). A debate without a month is counted in none."""
    last_seqs: dict[str, int] = {}
    held: dict[str, Held] = {}
    orgs: dict[str, str] = {}
    for debate_id, last_seq, org_id, month, micros in rows:
        last_seqs[debate_id] = last_seq
        orgs[debate_id] = org_id
        if month is not None:
            held[debate_id] = Held(org_id, month, micros)
    return last_seqs, held, orgs


def books_of(balances: Iterable[Sequence[Any]], overrides: Iterable[Sequence[Any]], held: Mapping[str, Held]) -> Books:
    """The books from rows (account, month, spent, held) and (org_id, micros)."""
    known = {(account, month): Balance(spent, holds) for account, month, spent, holds in balances}
    return Books(held, known, {row[0]: row[1] for row in overrides})


def succeeded(tenure: Tenure, epoch: int | None) -> Fenced:
    """The error for a writer whose shard is at `epoch` by now."""
    return Fenced(
        f"coordinator shard {tenure.shard} is at epoch {epoch}, this coordinator began as {tenure.epoch}: "
        "another one owns its debates now"
    )


def refusal(unit: Unit, error: Exception) -> AragoraError:
    """The error for the one unit whose rows the database itself refused."""
    name = _name(unit)
    if not is_constraint(error):
        return InvalidInput(f"{name}: the database cannot hold one of its values: remove control characters")
    if isinstance(unit, NewDebate):
        return Conflict(f"{name} exists already: read it, or open another under a new id")
    return Conflict(f"{name}: a receipt or outbox row of this commit is in the store already: read the journal again")


def _check_same_request(new: NewDebate, kept: Kept) -> None:
    if kept.record.debate_id == new.record.debate_id:
        if kept.record.spec != new.record.spec:
            raise Conflict(f"debate {kept.record.debate_id} exists already: read it, or open one of a new id")
    elif new.idempotency is not None and kept.request_hash != new.idempotency.request_hash:
        raise Conflict(
            f"idempotency key {new.idempotency.key!r} was used for another request "
            f"(debate {kept.record.debate_id}): use a new key"
        )


def _name(unit: Unit) -> str:
    if isinstance(unit, Done | Buried):
        return f"the end of {len(unit.outbox_ids)} outbox rows"
    if isinstance(unit, Counted):
        return "a count"
    if isinstance(unit, Certification):
        return f"document {unit.receipt_id}"
    return f"debate {unit.record.debate_id if isinstance(unit, NewDebate) else unit.debate_id}"


def _check_rows(debate_id: str, unit: NewDebate | Commit) -> None:
    rows = unit.rows
    if not rows:
        raise InvalidInput(f"a unit of the journal has at least one row: {debate_id}")
    first = rows[0].seq
    if any(row.seq != first + index or row.debate_id != debate_id for index, row in enumerate(rows)):
        raise InvalidInput(f"the rows of {debate_id} are not its own, numbered without a gap from {first}")
    for row in rows:
        check_values(_KIND, debate_id, (row.debate_id, row.seq, row.type, row.payload, row.at))


def _merged(first: DebateUpdate, then: DebateUpdate) -> DebateUpdate:
    """Both updates as one: the later value where it has one."""
    return DebateUpdate(
        status=first.status if then.status is None else then.status,
        rounds=first.rounds if then.rounds is None else then.rounds,
        decision=first.decision if then.decision is None else then.decision,
        reason=first.reason if then.reason is None else then.reason,
        cost_usd=first.cost_usd if then.cost_usd is None else then.cost_usd,
        receipt_id=first.receipt_id if then.receipt_id is None else then.receipt_id,
    )
