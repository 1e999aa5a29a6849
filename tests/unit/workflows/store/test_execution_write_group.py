"""The law of group commit: how units are grouped changes nothing about what becomes of them. And each rule alone."""

from __future__ import annotations

from collections.abc import Callable, Sequence
from dataclasses import dataclass, field, replace
from itertools import pairwise
from typing import Any

import pytest
from hypothesis import given
from hypothesis import strategies as st
from worlds.executions import RUNNING, commit, message, new, rows

from aragora.debate.records import Buried, Done
from aragora.errors import AragoraError, Conflict, Fenced, InvalidInput, NotFound, RateLimited
from aragora.observability.samples import CounterDelta
from aragora.storage.outbox import OutboxRow
from aragora.workflows.model import ExecutionStatus
from aragora.workflows.records import Commit, Dismissed, ExecutionRecord, Message, Post, Started
from aragora.workflows.store import write_group
from aragora.workflows.store.write_group import INBOX_MAX, Held, KeyPlace, Outcome, Unit, check, resolve, size_of

IDS = ("a", "b", "c")


@dataclass
class Store:
    """The smallest store that does what the backends do."""

    records: dict[str, ExecutionRecord] = field(default_factory=dict)
    keys: dict[KeyPlace, tuple[str, str]] = field(default_factory=dict)
    journal: list[tuple[str, int]] = field(default_factory=list)
    inbox: dict[str, Message] = field(default_factory=dict)
    outbox: list[str] = field(default_factory=list)

    def write(self, units: Sequence[Unit], fence: str | None = None) -> list[Outcome]:
        held = Held(
            {one: self.records[one].last_seq for one in write_group.execution_ids(units) if one in self.records},
            {one: self.records[one] for one in write_group.new_ids(units) if one in self.records},
            {
                place: (self.records[self.keys[place][0]], self.keys[place][1])
                for place in write_group.key_places(units)
                if place in self.keys
            },
            {
                one: sum(found.execution_id == one for found in self.inbox.values())
                for one in write_group.receivers(units)
            },
            frozenset(write_group.message_ids(units)) & self.inbox.keys(),
        )
        outcomes, writes = resolve(units, held, fence=fence)
        for started in writes.new:
            assert started.record.execution_id not in self.records
            self.records[started.record.execution_id] = started.record
            if started.idempotency is not None:
                place = ("acme", "default", "ann", started.idempotency.key)
                self.keys[place] = started.record.execution_id, started.idempotency.request_hash
        self.journal += [(row[0], row[1]) for row in writes.journal]
        for key, one in writes.advances.items():
            assert key in self.records
            self.records[key] = replace(self.records[key], last_seq=one.last_seq, status=one.update.status)
        for gone in writes.gone:
            self.inbox.pop(gone, None)
        assert not self.inbox.keys() & writes.posted.keys()
        self.inbox |= writes.posted
        self.outbox += [row.outbox_id for row in writes.outbox]
        self.outbox = [one for one in self.outbox if one not in writes.done]
        return outcomes


def told(outcome: Outcome) -> Any:
    return (type(outcome), outcome.message) if isinstance(outcome, AragoraError) else outcome


KEYS = st.none() | st.sampled_from(["k1", "k2"])
MESSAGES = st.sampled_from(["m1", "m2", "m3"])
UNITS: st.SearchStrategy[Unit] = st.one_of(
    st.builds(
        lambda one, key, request, flow: new(one, key=key, request=request, workflow_id=flow),
        *(st.sampled_from(IDS), KEYS, st.sampled_from("gh"), st.sampled_from(["wf_1", "wf_2"])),
    ),
    st.builds(
        lambda one, first, more, taken, status: commit(
            one, first, first + more, taken=tuple(taken), update=replace(RUNNING, status=status)
        ),
        *(st.sampled_from(IDS), st.integers(2, 6), st.integers(0, 2), st.lists(MESSAGES, max_size=2)),
        st.sampled_from(ExecutionStatus),
    ),
    st.builds(lambda name, to: Post(message(name, to)), MESSAGES, st.sampled_from(IDS)),
    st.builds(lambda names: Dismissed(tuple(names)), st.lists(MESSAGES, max_size=2)),
)


@given(st.lists(UNITS, max_size=25), st.data())
def test_how_units_are_grouped_changes_nothing(units: list[Unit], data: st.DataObject) -> None:
    cuts = sorted(data.draw(st.sets(st.integers(0, len(units)))) | {0, len(units)})
    together, apart = Store(), Store()
    grouped = [outcome for first, last in pairwise(cuts) for outcome in together.write(units[first:last])]
    alone = [outcome for unit in units for outcome in apart.write([unit])]
    assert [_known(one) for one in grouped] == [_known(one) for one in alone]
    assert together == apart
    for one in IDS:
        seqs = [seq for execution_id, seq in apart.journal if execution_id == one]
        assert seqs == list(range(1, len(seqs) + 1))


def _known(outcome: Outcome) -> Any:
    """Of an execution that was started before, its id: a group gives its record as it was when it was read."""
    return (outcome.record.execution_id, outcome.created) if isinstance(outcome, Started) else told(outcome)


def test_a_key_gives_the_first_execution_and_conflicts_with_another_request() -> None:
    store = Store()
    first, again, other = store.write([new("a", key="k"), new("b", key="k"), new("c", key="k", request="other")])
    assert isinstance(first, Started)
    assert isinstance(again, Started)
    assert (first.created, again.created, again.record.execution_id) == (True, False, "a")
    assert isinstance(other, Conflict)
    assert "use a new key" in other.message
    assert [key for key, _ in store.journal] == ["a"]


def test_a_key_is_one_persons_in_one_workspace() -> None:
    units = [
        new("a", key="k"),
        new("b", key="k", started_by="bob"),
        new("c", key="k", workspace="legal"),
        new("d", key="k", org_id="other"),
    ]
    outcomes, _ = resolve(units, Held())
    assert all(isinstance(one, Started) and one.created for one in outcomes)


def test_a_child_that_its_parent_starts_again_is_the_first_one() -> None:
    child = new("a", parent="exe_0", parent_ask="block/step:1")
    first, again = Store().write([child, child])
    assert isinstance(again, Started)
    assert not again.created
    assert isinstance(first, Started)
    assert first.created


@pytest.mark.parametrize(
    "changed", [{"parent": "exe_9"}, {"parent_ask": "other:1"}, {"workflow_id": "wf_2"}, {"org_id": "evil"}]
)
def test_an_id_that_another_execution_has_is_a_conflict(changed: dict[str, str]) -> None:
    child = new("a", parent="exe_0", parent_ask="block/step:1")
    _, other = Store().write([child, new("a", **{"parent": "exe_0", "parent_ask": "block/step:1", **changed})])
    assert isinstance(other, Conflict)
    assert "exists already" in other.message


def test_a_commit_that_does_not_follow_is_fenced_and_the_next_that_does_goes_on() -> None:
    store = Store()
    outcomes = store.write(
        [new("a"), commit("a", 3), commit("a", 2, 3), commit("a", 3), commit("a", 4), commit("z", 2)]
    )
    assert [type(one) for one in outcomes] == [Started, Fenced, type(None), Fenced, type(None), NotFound]
    assert [seq for _, seq in store.journal] == [1, 2, 3, 4]


def test_the_last_update_of_a_group_is_what_the_row_has() -> None:
    waiting = replace(RUNNING, status=ExecutionStatus.WAITING, active=False, due_at=7.0, reason="an approval")
    units = [commit("a", 2, update=waiting), commit("a", 3, update=replace(RUNNING, cost_micros=3))]
    _, writes = resolve(units, Held({"a": 1}))
    assert writes.advances["a"].update == replace(RUNNING, cost_micros=3)
    assert writes.advances["a"].last_seq == 3


def test_after_a_tenure_everything_is_fenced_except_posts() -> None:
    store = Store()
    store.write([new("a"), Post(message("m1", "a"))])
    units = [new("b"), commit("a", 2, taken=("m1",)), Post(message("m2", "a")), Dismissed(("m1",)), Done(("o",))]
    units.append(Buried("usage.dead", ("o",)))
    outcomes = store.write(units, fence="another one owns them")
    assert [type(one) for one in outcomes] == [Fenced, Fenced, type(None), Fenced, Fenced, Fenced]
    assert len({id(one) for one in outcomes if isinstance(one, Fenced)}) == 5  # a traceback is not shared
    assert list(store.records) == ["a"]
    assert list(store.inbox) == ["m1", "m2"]


def test_a_commit_that_is_fenced_takes_no_message() -> None:
    store = Store()
    store.write([new("a"), Post(message("m1", "a")), commit("a", 9, taken=("m1",))])
    assert list(store.inbox) == ["m1"]
    store.write([commit("a", 2, taken=("m1", "unknown"))])
    assert not store.inbox


def test_an_inbox_is_bounded_and_a_message_that_is_there_counts_once() -> None:
    held = Held(waiting={"a": INBOX_MAX - 1}, messages=frozenset({"m1"}))
    units = [Post(message(name, to)) for name, to in (("m1", "a"), ("m2", "a"), ("m3", "a"), ("m2", "a"), ("m3", "b"))]
    outcomes, writes = resolve(units, held)
    assert [type(one) for one in outcomes] == [type(None), type(None), RateLimited, type(None), type(None)]
    assert {key: of.execution_id for key, of in writes.posted.items()} == {"m2": "a", "m3": "b"}
    assert isinstance(outcomes[2], RateLimited)
    assert outcomes[2].code == "inbox_full"


def test_outbox_rows_counters_and_projections_go_with_their_unit_alone() -> None:
    due = OutboxRow("o1", "usage", "a", "{}", 1.0)
    one = CounterDelta("steps", (), 1.0)
    units = [commit("a", 2, outbox=(due,), counters=(one,)), commit("a", 9, outbox=(due,), counters=(one,))]
    _, writes = resolve(units, Held({"a": 1}))
    assert writes.outbox == [due]
    assert list(writes.counters.values()) == [1.0]


BAD: list[Callable[[], Unit]] = [
    lambda: new("a\0"),
    lambda: new("a", name="\ud83d"),
    lambda: new("a", key="k\0"),
    lambda: new("a", started_at=float("nan")),
    lambda: new("a", version=2**31),
    lambda: new("a", cost_micros=2**63),
    lambda: new("a", cost_micros=-1),
    lambda: replace(new("a"), rows=()),
    lambda: replace(new("a"), rows=rows("a", 2, 2)),
    lambda: replace(new("a"), rows=rows("b", 1, 1)),
    lambda: commit("a", 2, update=replace(RUNNING, outputs='{"a":"\0"}')),
    lambda: commit("a", 2, update=replace(RUNNING, due_at=float("inf"))),
    lambda: commit("a", 2, update=replace(RUNNING, cost_micros=2**63)),
    lambda: commit("a", 2, outbox=(OutboxRow("o", "usage", "a", "\ud83d", 1.0),)),
    lambda: commit("a", 2, counters=(CounterDelta("steps", (), float("nan")),)),
    lambda: Commit("a", (), RUNNING),
    lambda: Commit("a", (*rows("a", 2, 2), *rows("a", 4, 4)), RUNNING),
    lambda: Commit("a", (replace(rows("a", 2, 2)[0], payload='{"a":"\0"}'),), RUNNING),
    lambda: commit("a", 2, taken=("m\0",)),
    lambda: Dismissed(("m", "\ud83d")),
    lambda: Post(message("m\0")),
    lambda: Post(replace(message(), payload='"\ud83d"')),
    lambda: Post(replace(message(), created_at=float("inf"))),
    lambda: Buried("usage.dead", ("o",), (CounterDelta("dead", (), -1.0),)),
]


@pytest.mark.parametrize("unit", BAD)
def test_what_no_database_holds_is_refused_before_it_spoils_a_group(unit: Callable[[], Unit]) -> None:
    with pytest.raises(InvalidInput):
        check(unit())


def test_an_execution_may_cost_more_than_a_small_number_holds() -> None:
    check(commit("a", 2, update=replace(RUNNING, cost_micros=5_000_000_000)))
    check(new("a", cost_micros=5_000_000_000))


def test_a_unit_with_large_payloads_counts_for_many() -> None:
    assert size_of(commit("a", 2)) == size_of(Dismissed(("m",))) == 1
    large = replace(rows("a", 2, 2)[0], payload="x" * 262_144)
    assert size_of(Commit("a", (large,), RUNNING)) == 65
    assert size_of(Post(replace(message(), payload="x" * 262_144))) == 65
