"""Which decisions are due to be debated again."""

from __future__ import annotations

from dataclasses import replace

import pytest
from hypothesis import given
from hypothesis import strategies as st
from worlds.taught import HOME, taught

from aragora.knowledge.ledger import Entry, apply
from aragora.knowledge.model import Item, Status
from aragora.knowledge.mound.adapters import consensus, pulse
from aragora.knowledge.mound.adapters.pulse import DAY_S, Asked, Precedent, settled
from aragora.knowledge.revalidation import (
    SETTLE_S,
    Allowance,
    Reason,
    Result,
    Revalidation,
    State,
    due,
    result_of,
)
from aragora.knowledge.store.revalidations import day_of

DEBATE = taught()
AT = DEBATE.at
SEEN = [pulse.read(one) for one in pulse.observe(DEBATE)]


def precedent(seen: list[Asked] = SEEN) -> Precedent:
    found = settled(seen)
    assert found is not None
    return found


def decision() -> Item:
    (unit, *_) = consensus.gather(DEBATE)
    item = apply(None, Entry(HOME.org_id, HOME.workspace, 1, SEEN[0].item_id, unit.added, AT))
    assert item is not None
    return item


def test_a_decision_is_due_once_its_time_is_over() -> None:
    until = precedent().valid_until
    assert due(SEEN, precedent(), decision(), until - 1.0) is None
    found = due(SEEN, precedent(), decision(), until)
    assert found is not None
    assert (found.reason, found.since, found.settled_by) == (Reason.STALE, until, "deb_1")
    assert found.asked == 1  # 90 days ago to the second


def test_the_items_own_end_comes_before_the_rule() -> None:
    item = decision()
    ending = replace(item, statement=replace(item.statement, valid_to=AT + 5.0))
    found = due(SEEN, precedent(), ending, AT + 5.0)
    assert found is not None
    assert found.since == AT + 5.0


def test_people_have_a_day_to_settle_a_dispute_counted_from_the_last_thing_that_happened() -> None:
    disputed = replace(decision(), status=Status.DISPUTED, changed_at=AT + 100.0)
    assert due(SEEN, precedent(), disputed, AT + 100.0 + SETTLE_S - 1.0) is None
    found = due(SEEN, precedent(), disputed, AT + 100.0 + SETTLE_S)
    assert found is not None
    assert (found.reason, found.asked) == (Reason.DISPUTED, 1)
    again = [*SEEN, replace(SEEN[0], debate_id="deb_2", at=AT + 500.0)]
    assert due(again, precedent(again), disputed, AT + 100.0 + SETTLE_S) is None


@pytest.mark.parametrize("status", [Status.SUPERSEDED, Status.QUARANTINED, Status.FORGOTTEN])
def test_what_is_gone_is_never_due(status: Status) -> None:
    far = AT + 1_000 * DAY_S
    assert due(SEEN, precedent(), replace(decision(), status=status), far) is None
    assert due(SEEN, precedent(), None, far) is None


@given(days=st.floats(0.0, 1_000.0), changed=st.floats(0.0, 1_000.0), disputed=st.booleans())
def test_nothing_is_due_before_the_time_that_it_says(days: float, changed: float, disputed: bool) -> None:
    item = replace(decision(), changed_at=AT + changed * DAY_S)
    if disputed:
        item = replace(item, status=Status.DISPUTED)
    now = AT + days * DAY_S
    found = due(SEEN, precedent(), item, now)
    if found is not None:
        assert found.since <= now
        assert due(SEEN, precedent(), item, found.since) is not None
        assert due(SEEN, precedent(), item, found.since - 1.0) is None


def row(**of: object) -> Revalidation:
    made = Revalidation(
        "rev_1",
        "acme",
        "default",
        "q",
        "itm_a",
        "deb_1",
        Reason.STALE,
        1.0,
        1,
        State.OPENED,
        1.0,
        1.0,
        debate_id="deb_9",
    )
    return replace(made, **of)  # type: ignore[arg-type]


@pytest.mark.parametrize(
    ("asked", "result"),
    [
        (Asked("deb_9", 5.0, decided=True, reached=True, item_id="itm_a"), Result.CONFIRMED),
        (Asked("deb_9", 5.0, decided=True, reached=True, item_id="itm_b"), Result.CHANGED),
        (Asked("deb_9", 5.0, decided=True), Result.UNDECIDED),
        (Asked("deb_9", 5.0), Result.FAILED),
        (Asked("deb_8", 5.0, decided=True, reached=True, item_id="itm_a"), Result.NONE),
    ],
)
def test_the_result_is_that_of_its_own_debate(asked: Asked, result: Result) -> None:
    others = Asked("deb_1", 1.0, decided=True, reached=True, item_id="itm_a")
    assert result_of(row(), [others, asked]) is result


def test_a_day_is_one_of_utc() -> None:
    assert day_of(86_399.0) == "1970-01-01"
    assert day_of(86_400.0) == "1970-01-02"
    assert Allowance(1, 0.5).micros == 500_000
