"""The law of group commit: how units are grouped changes nothing about what becomes of them."""

from __future__ import annotations

from collections.abc import Callable
from dataclasses import dataclass, field

import pytest
from hypothesis import given
from hypothesis import strategies as st

from aragora.debate.journal import JournalRow
from aragora.debate.model import DebateStatus
from aragora.debate.proposition import Idempotency
from aragora.debate.records import (
    GENESIS,
    ChainHead,
    Commit,
    Conclusion,
    Counted,
    DebateRecord,
    DebateUpdate,
    NewDebate,
    Opened,
    ReceiptRecord,
)
from aragora.debate.store.write_group import Kept, Outcome, Unit, check, debate_ids, needs_head, resolve
from aragora.errors import Conflict, Fenced, InvalidInput, NotFound
from aragora.observability.samples import CounterDelta
from aragora.storage.outbox import OutboxRow

DEBATES = ("a", "b", "c")


@dataclass
class Store:
    """The smallest store that does what the backends do: keys, last seqs, the chain and what was written."""

    keys: dict[str, Kept] = field(default_factory=dict)
    last_seqs: dict[str, int] = field(default_factory=dict)
    journal: list[tuple[str, int]] = field(default_factory=list)
    rounds: dict[str, int | None] = field(default_factory=dict)
    chain: list[ReceiptRecord] = field(default_factory=list)
    counters: dict[tuple[str, str], float] = field(default_factory=dict)
    head: ChainHead = GENESIS

    def write(self, units: list[Unit]) -> list[Outcome]:
        kept: dict[str, Kept] = {}
        for unit in units:
            if isinstance(unit, NewDebate):
                key, request_hash = unit.idempotency.key, unit.idempotency.request_hash
                if key in self.keys:
                    kept[unit.record.debate_id] = self.keys[key]
                else:
                    self.keys[key] = Kept(unit.record, request_hash)
                    self.last_seqs[unit.record.debate_id] = unit.rows[-1].seq
        known = {key: self.last_seqs[key] for key in debate_ids(units) if key in self.last_seqs}
        outcomes, writes = resolve(units, kept, known, self.head)
        self.journal += [(debate_id, seq) for debate_id, seq, *_ in writes.journal]
        for debate_id, advance in writes.advances.items():
            self.last_seqs[debate_id] = advance.last_seq
            if advance.update.rounds is not None:
                self.rounds[debate_id] = advance.update.rounds
        self.chain += writes.receipts
        self.head = writes.head or self.head
        for series, by in writes.counters.items():
            self.counters[series] = self.counters.get(series, 0.0) + by
        return outcomes


def rows(debate_id: str, first: int, count: int = 1) -> tuple[JournalRow, ...]:
    return tuple(JournalRow(debate_id, first + place, "vote", "{}", 1.0) for place in range(count))


def new_debate(debate_id: str, key: str | None = None, request_hash: str = "h") -> NewDebate:
    record = DebateRecord(debate_id, "q", DebateStatus.QUEUED, "{}", 1.0, 1.0, "ann", "org")
    return NewDebate(record, rows(debate_id, 1), Idempotency(key or debate_id, request_hash))


def commit(debate_id: str, first: int, count: int = 1, rounds: int | None = None) -> Commit:
    counters = (CounterDelta("n", (("debate", debate_id),), 1.0),)
    return Commit(debate_id, rows(debate_id, first, count), DebateUpdate(rounds=rounds), counters)


def conclusion(debate_id: str, first: int) -> Conclusion:
    def issue(head: ChainHead) -> tuple[ReceiptRecord, Commit]:
        position = head.position + 1
        receipt = ReceiptRecord(f"r{position}", debate_id, position, f"h{position}{debate_id}", head.hash, "{}", 1.0)
        return receipt, commit(debate_id, first)

    return Conclusion(debate_id, issue)


units = st.one_of(
    st.builds(commit, st.sampled_from(DEBATES), st.integers(1, 6), st.integers(1, 3), st.none() | st.integers(1, 9)),
    st.builds(conclusion, st.sampled_from(DEBATES), st.integers(1, 6)),
)


@given(st.lists(units, max_size=25), st.lists(st.integers(1, 8), min_size=25, max_size=25))
def test_units_fare_the_same_in_whatever_groups_they_are_written(them: list[Unit], sizes: list[int]) -> None:
    alone, grouped = Store(), Store()
    for store in (alone, grouped):
        store.write([new_debate("a"), new_debate("b")])
    expected = [outcome for unit in them for outcome in alone.write([unit])]
    found: list[Outcome] = []
    place = 0
    for size in sizes:
        found += grouped.write(them[place : place + size])
        place += size
    found += grouped.write(them[place:])
    assert [_plain(outcome) for outcome in found] == [_plain(outcome) for outcome in expected]
    assert grouped == alone


@given(st.lists(units, max_size=25))
def test_journals_have_no_gap_and_no_repeat_and_the_chain_holds(them: list[Unit]) -> None:
    store = Store()
    store.write([new_debate("a"), new_debate("b")])
    store.write(them)
    for debate_id in ("a", "b"):
        seqs = [seq for key, seq in store.journal if key == debate_id]
        assert seqs == list(range(1, store.last_seqs[debate_id] + 1))
    assert [receipt.position for receipt in store.chain] == list(range(1, len(store.chain) + 1))
    previous = [GENESIS.hash, *(receipt.hash for receipt in store.chain)]
    assert [receipt.previous_hash for receipt in store.chain] == previous[:-1]
    assert "c" not in store.last_seqs


def test_the_outbox_tells_of_the_events_that_an_organisation_waits_for_and_of_no_other() -> None:
    told = {"org": frozenset({"vote"}), "others": frozenset({"critique"})}
    opened, committed = new_debate("a"), commit("b", 2, 2)

    def told_of(orgs: dict[str, str], told: dict[str, frozenset[str]]) -> list[OutboxRow]:
        _, writes = resolve([opened, committed], {}, {"b": 1}, GENESIS, orgs=orgs, told=told)
        return writes.outbox

    assert [row.outbox_id for row in told_of({"b": "org"}, told)] == ["a:events:1", "b:events:2", "b:events:3"]
    assert told_of({"b": "org"}, told)[1] == OutboxRow("b:events:2", "events", "b", '{"seq":2,"type":"vote"}', 1.0)
    assert [row.outbox_id for row in told_of({"b": "others"}, told)] == ["a:events:1"]
    assert told_of({"b": "org"}, {}) == []


def test_what_was_not_written_is_told_to_nobody() -> None:
    told = {"org": frozenset({"vote"})}
    fenced, twice = commit("b", 7), new_debate("a")

    _, writes = resolve(
        [fenced, twice], {"a": Kept(twice.record, "h")}, {"b": 1}, GENESIS, orgs={"b": "org"}, told=told
    )

    assert writes.outbox == []


def test_a_commit_to_an_unknown_debate_is_not_found_and_to_another_place_fenced() -> None:
    outcomes, writes = resolve([commit("a", 2), commit("b", 3)], {}, {"b": 1}, GENESIS)
    assert [type(outcome) for outcome in outcomes] == [NotFound, Fenced]
    assert writes.journal == []
    assert writes.advances == {}


def test_a_known_key_gives_the_first_debate_and_counts_nothing() -> None:
    first = new_debate("a", "k").record
    again, other = new_debate("b", "k"), new_debate("c", "k", "another")
    outcomes, writes = resolve([again, other], {"b": Kept(first, "h"), "c": Kept(first, "h")}, {}, GENESIS)
    assert outcomes[0] == Opened(first, created=False)
    assert isinstance(outcomes[1], Conflict)
    assert writes.journal == []


def test_a_receipt_that_does_not_follow_the_head_is_refused() -> None:
    def issue(_head: ChainHead) -> tuple[ReceiptRecord, Commit]:
        return ReceiptRecord("r", "a", 7, "h", "x", "{}", 1.0), commit("a", 2)

    outcomes, writes = resolve([Conclusion("a", issue)], {}, {"a": 1}, GENESIS)
    assert isinstance(outcomes[0], InvalidInput)
    assert writes.head is None
    assert writes.journal == []


def test_a_conclusion_writes_its_own_debate_only() -> None:
    outcomes, writes = resolve([Conclusion("a", conclusion("b", 2).issue)], {}, {"a": 1, "b": 1}, GENESIS)
    assert isinstance(outcomes[0], InvalidInput)
    assert writes.journal == []


def test_only_conclusions_need_the_head_and_new_debates_no_last_seq() -> None:
    assert not needs_head([new_debate("a"), commit("b", 2)])
    assert needs_head([commit("b", 2), conclusion("a", 2)])
    assert debate_ids([new_debate("z"), conclusion("b", 2), commit("a", 2), commit("b", 3)]) == ["a", "b"]


@pytest.mark.parametrize(
    "unit",
    [
        Commit("a", ()),
        Commit("a", rows("b", 2)),
        Commit("a", (*rows("a", 2), *rows("a", 4))),
        NewDebate(new_debate("a").record, rows("a", 2)),
    ],
    ids=["no rows", "rows of another debate", "a gap", "a new debate that does not begin at 1"],
)
def test_what_no_store_could_accept_is_invalid_input(unit: Unit) -> None:
    with pytest.raises(InvalidInput):
        check(unit)


def _plain(outcome: Outcome) -> object:
    return (type(outcome), str(outcome)) if isinstance(outcome, Exception) else outcome


NAN, INFINITE = float("nan"), float("inf")
COLUMNS_OF = {
    "reason_nul": lambda: Commit("a", rows("a", 2), DebateUpdate(reason="no\0")),
    "reason_half_a_character": lambda: Commit("a", rows("a", 2), DebateUpdate(reason="no \ud83d")),
    "cost_nan": lambda: Commit("a", rows("a", 2), DebateUpdate(cost_usd=NAN)),
    "cost_infinite": lambda: Commit("a", rows("a", 2), DebateUpdate(cost_usd=INFINITE)),
    "rounds_too_large": lambda: Commit("a", rows("a", 2), DebateUpdate(rounds=2**40)),
    "payload_nul": lambda: Commit("a", (JournalRow("a", 2, "x", "{\0}", 1.0),)),
    "at_infinite": lambda: Commit("a", (JournalRow("a", 2, "x", "{}", INFINITE),)),
    "outbox_nul": lambda: Commit("a", rows("a", 2), outbox=(OutboxRow("a:usage", "usage", "a", "\0", 1.0),)),
    "counter_nan": lambda: Commit("a", rows("a", 2), counters=(CounterDelta("n", (), NAN),)),
    "counter_infinite": lambda: Commit("a", rows("a", 2), counters=(CounterDelta("n", (), INFINITE),)),
    "counter_backwards": lambda: Commit("a", rows("a", 2), counters=(CounterDelta("n", (), -1.0),)),
    "count_nan": lambda: Counted((CounterDelta("n", (), NAN),)),
}


@pytest.mark.parametrize("unit", COLUMNS_OF.values(), ids=COLUMNS_OF)
def test_what_one_of_the_databases_cannot_hold_is_refused_before_it_joins_others(unit: Callable[[], Unit]) -> None:
    with pytest.raises(InvalidInput):
        check(unit())


def test_a_receipt_that_no_database_holds_fails_alone() -> None:
    def issue(head: ChainHead) -> tuple[ReceiptRecord, Commit]:
        receipt = ReceiptRecord("r1", "a", head.position + 1, "h", head.hash, "{\0}", 1.0)
        return receipt, Commit("a", rows("a", 2))

    outcomes, writes = resolve([Conclusion("a", issue), Commit("b", rows("b", 2))], {}, {"a": 1, "b": 1}, GENESIS)
    assert isinstance(outcomes[0], InvalidInput)
    assert outcomes[1] is None
    assert [row[0] for row in writes.journal] == ["b"]
