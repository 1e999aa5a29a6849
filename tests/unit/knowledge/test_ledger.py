"""The ledger folds into items, and planning writes only what the fold makes of it."""

from __future__ import annotations

from dataclasses import replace
from random import Random

import pytest
from hypothesis import given
from hypothesis import strategies as st
from worlds.knowledge import AT, HOME, about, addition, source, statement

from aragora.errors import Conflict, NotFound
from aragora.knowledge.confidence import HELD, LEAST, MOST, confidence_of
from aragora.knowledge.contradiction import DISPUTED
from aragora.knowledge.ledger import (
    SOURCES_MAX,
    Change,
    Contradicted,
    Entry,
    Forgotten,
    Held,
    Quarantined,
    Resolved,
    Restored,
    Reworded,
    Shared,
    Superseded,
    Supported,
    fold,
)
from aragora.knowledge.model import (
    Basis,
    Item,
    ItemKind,
    Link,
    LinkKind,
    Outcome,
    Source,
    Statement,
    Status,
    Visibility,
)
from aragora.knowledge.planning import Addition, Changing, Effect, Plan, Unit
from aragora.knowledge.sameness import item_id_of


def planned(*units: Unit, known: tuple[Item, ...] = ()) -> Plan:
    plan = Plan(HOME, 0, AT, known)
    plan.take(units)
    return plan


def one(plan: Plan) -> Item:
    (item,) = plan.touched.values()
    return item


def test_a_new_statement_is_an_item_that_is_live() -> None:
    item = one(planned(addition("The cache holds 3 replicas.", base=0.6)))
    assert (item.status, item.version, confidence_of(item).basis) == (Status.LIVE, 1, Basis.VOTED)
    assert confidence_of(item).value == pytest.approx(0.6)


def test_the_same_statement_of_another_debate_supports_the_item_that_is_there() -> None:
    plan = Plan(HOME, 0, AT, ())
    first, second = plan.take([addition("It holds.", source(1)), addition("  it HOLDS. ", source(2))])
    assert (first.effect, second.effect) == (Effect.ADDED, Effect.SUPPORTED)
    assert first.item.item_id == second.item.item_id
    assert confidence_of(second.item).support == 2
    assert confidence_of(second.item).value > confidence_of(first.item).value


def test_repetition_by_the_same_debate_raises_nothing_and_writes_nothing() -> None:
    plan = Plan(HOME, 0, AT, ())
    plan.take([addition("It holds.")] * 243)
    assert len(plan.entries) == 1
    assert confidence_of(one(plan)).value == pytest.approx(0.6)


def test_a_debate_that_was_offered_the_item_raises_nothing() -> None:
    plan = planned(addition("It holds.", source(1)), addition("It holds.", source(2, 1)))
    assert confidence_of(one(plan)).value == pytest.approx(0.6)


@pytest.mark.parametrize(
    ("text", "other"),
    [
        ("The cache holds 3 replicas.", "The cache holds 30 replicas."),
        ("Sharing is allowed.", "Sharing is not allowed."),
        ("Anna decides.", "Hanna decides."),
        ("It ends on 2026-01-02.", "It ends on 2026-02-01."),
    ],
)
def test_texts_that_differ_in_a_number_a_negation_a_name_or_a_date_are_not_one(text: str, other: str) -> None:
    assert len(planned(addition(text), addition(other)).new) == 2


def test_two_values_of_one_subject_dispute_each_other_and_both_stay() -> None:
    plan = planned(addition(about("the limit", "3"), source(1)), addition(about("the limit", "30"), source(2)))
    old, new = plan.touched.values()
    assert (old.status, new.status) == (Status.DISPUTED, Status.DISPUTED)
    assert {link.kind for item in (old, new) for link in item.links} == {LinkKind.CONTRADICTS}
    assert confidence_of(old).against == confidence_of(new).against == 1


def test_who_had_been_shown_the_old_value_and_decided_otherwise_supersedes_it() -> None:
    plan = planned(addition(about("the limit", "3"), source(1)), addition(about("the limit", "30"), source(2, 1)))
    old, new = plan.touched.values()
    assert (old.status, new.status) == (Status.SUPERSEDED, Status.LIVE)
    assert old.superseded_at == AT


def test_of_many_values_a_new_one_disputes_those_that_are_most_relied_on_and_no_more() -> None:
    """A question that is debated anew each day: each decision would be written anew with each that comes."""
    plan = Plan(HOME, 0, AT, ())
    many = 3 * DISPUTED
    (trusted,) = plan.take([addition(about("the limit", "trusted"), *(source(1_000 + one) for one in range(2 * many)))])
    for number in range(many):
        before = len(plan.entries)
        (new,) = plan.take([addition(about("the limit", f"{number}"), source(number), base=0.5)])
        assert new.item.status is Status.DISPUTED
        assert len(new.item.against) == min(number + 1, DISPUTED)
        assert len(plan.entries) - before == 1 + 4 * min(number + 1, DISPUTED)
        assert trusted.item.item_id in {link.item_id for link in new.item.links}


def test_what_a_debate_was_shown_is_superseded_however_many_there_are() -> None:
    shown = range(3 * DISPUTED)
    plan = planned(
        *(addition(about("the limit", f"{number}"), source(number)) for number in shown),
        addition(about("the limit", "at last"), source(999, *shown)),
    )
    *old, new = plan.touched.values()
    assert {item.status for item in old} == {Status.SUPERSEDED}
    assert new.status is Status.LIVE


def test_a_statement_about_something_else_disputes_nothing() -> None:
    plan = planned(addition(about("the limit", "3")), addition(about("the timeout", "30")), addition("limit is 30"))
    assert {item.status for item in plan.touched.values()} == {Status.LIVE}


@pytest.mark.parametrize(
    "mention",
    [
        statement("The port is 2, says the old manual, which is about another machine."),  # names no subject
        about("machine", "port 2"),
        about("port", "2", kind=ItemKind.OPEN_QUESTION),
    ],
)
def test_a_mention_is_no_contradiction(mention: Statement) -> None:
    plan = planned(addition(about("port", "1")), addition(mention, source(2)))
    assert {item.status for item in plan.touched.values()} == {Status.LIVE}
    assert not [item for item in plan.touched.values() if item.links]


def test_what_others_say_again_keeps_the_age_of_its_first_word() -> None:
    first = one(planned(addition("The cache holds.")))
    later = Plan(HOME, 1, AT + 1_000.0, (first,))
    later.take([addition("The cache holds.", source(2, at=AT + 999.0))])
    assert (one(later).recorded_at, one(later).version) == (AT, 1)
    assert len(one(later).sources) == 2


def test_a_link_to_itself_or_in_a_circle_does_no_harm() -> None:
    one_id, two_id = (item_id_of(HOME, statement(content)) for content in ("One.", "Two."))
    units = [
        addition("One.", links=tuple(Link(LinkKind.SUPPORTS, to, AT) for to in (one_id, two_id, "kn_of_nothing"))),
        addition("Two.", links=(Link(LinkKind.SUPPORTS, one_id, AT),)),
    ]
    plan = planned(*units)
    assert fold(plan.entries) == plan.touched
    assert [confidence_of(item).support for item in plan.touched.values()] == [1, 1]


def test_a_receipt_says_who_and_never_that_it_is_true() -> None:
    signed = source(1, receipt_id="rcp_1", receipt_hash="ab" * 32)
    found = [confidence_of(one(planned(addition("The cache holds.", said)))) for said in (source(1), signed)]
    assert found[0] == found[1]


def test_values_that_hold_at_different_times_go_together() -> None:
    before = about("the limit", "3", valid_to=100.0)
    after = about("the limit", "30", valid_from=100.0)
    assert {item.status for item in planned(addition(before), addition(after, source(2))).touched.values()} == {
        Status.LIVE
    }


def test_an_outcome_says_more_than_votes() -> None:
    plan = planned(addition("It holds.", base=0.3))
    item = one(plan)
    held = one(planned(Changing(item.item_id, Held(Outcome("debate:deb_9", held=True, at=AT))), known=(item,)))
    assert confidence_of(held).value == pytest.approx(HELD)
    failed = one(planned(Changing(item.item_id, Held(Outcome("debate:deb_9", held=False, at=AT))), known=(held,)))
    assert failed.status is Status.DISPUTED
    assert confidence_of(failed).value < 0.1


def test_what_is_forgotten_keeps_nothing_and_is_not_learnt_again_word_for_word() -> None:
    item = one(planned(addition(about("Anna's salary", "7"), source(1, person="usr_1"))))
    gone = one(planned(Changing(item.item_id, Forgotten("crt_1")), known=(item,)))
    assert gone.status is Status.FORGOTTEN
    assert "Anna" not in repr(gone)
    assert "usr_1" not in repr(gone)
    again = Plan(HOME, 5, AT, (gone,))
    (told,) = again.take([addition(about("Anna's salary", "7"), source(2))])
    assert (told.effect, told.item.status, again.entries) == (Effect.NOTHING, Status.FORGOTTEN, [])


def test_a_reworded_item_does_not_stand_in_the_way_of_its_first_wording() -> None:
    item = one(planned(addition("It holds 3.")))
    reworded = one(planned(Changing(item.item_id, Reworded(statement("It holds 4."), "usr_1")), known=(item,)))
    assert reworded.version == 2
    (again,) = Plan(HOME, 5, AT, (reworded,)).take([addition("It holds 3.")])
    assert again.effect is Effect.ADDED
    assert again.item.item_id != item.item_id


def test_an_item_is_not_reworded_to_what_another_one_says() -> None:
    first, second = planned(addition("It holds 3."), addition("It holds 4.")).touched.values()
    with pytest.raises(Conflict, match=second.item_id):
        planned(Changing(first.item_id, Reworded(second.statement, "usr_1")), known=(first, second))


def test_a_change_of_an_item_that_is_not_there_or_at_another_version_is_refused() -> None:
    item = one(planned(addition("It holds.")))
    with pytest.raises(NotFound):
        planned(Changing("kn_0", Resolved("usr_1")))
    with pytest.raises(Conflict, match="version"):
        planned(Changing(item.item_id, Resolved("usr_1"), version=2), known=(item,))


def test_sources_of_one_item_are_bounded() -> None:
    plan = planned(*(addition("It holds.", source(number)) for number in range(SOURCES_MAX + 20)))
    assert len(one(plan).sources) == SOURCES_MAX


CHANGES = st.one_of(
    st.builds(lambda number, seen: Supported(source(number, *seen)), st.integers(1, 4), st.sets(st.integers(1, 4))),
    st.builds(lambda number: Contradicted(source(number), "kn_x"), st.integers(1, 4)),
    st.builds(Resolved, st.just("usr_1")),
    st.builds(Superseded, st.just("kn_x")),
    st.builds(Restored, st.just("debate:deb_9"), st.sampled_from(["", "no"])),
    st.builds(Quarantined, st.just("looks like an order")),
    st.builds(lambda text: Reworded(statement(text), "usr_1"), st.sampled_from(["a fact", "another fact"])),
    st.builds(lambda held: Held(Outcome("debate:deb_9", held=held, at=AT)), st.booleans()),
    st.builds(Shared, st.sampled_from(Visibility), st.just("usr_1")),
    st.builds(Forgotten, st.just("crt_1")),
)
ADDITIONS = st.builds(
    lambda text, number, seen: addition(text, source(number, *seen)),
    st.sampled_from(["a fact", "a second fact", "a third fact"])
    | st.builds(about, st.just("x"), st.sampled_from("12")),
    st.integers(1, 5),
    st.sets(st.integers(1, 5)),
)


@st.composite
def histories(draw: st.DrawFn) -> list[Unit]:
    units: list[Unit] = list(draw(st.lists(ADDITIONS, min_size=1, max_size=6)))
    ids = list(planned(*units).touched)
    changes = draw(st.lists(st.tuples(st.sampled_from(ids), CHANGES)))
    return [*units, *(Changing(item_id, _of_its_own(item_id, change)) for item_id, change in changes)]


def _of_its_own(item_id: str, change: Change) -> Change:
    """A wording that no other item has: that would be refused."""
    if not isinstance(change, Reworded):
        return change
    return Reworded(statement(f"{change.statement.content} of {item_id}"), change.by)


@given(histories())
def test_the_fold_of_the_ledger_is_what_planning_says(units: list[Unit]) -> None:
    plan = Plan(HOME, 0, AT, ())
    plan.take(units)
    assert fold(plan.entries) == plan.touched
    assert [entry.seq for entry in plan.entries] == list(range(1, len(plan.entries) + 1))


@given(histories(), st.integers(0, 20))
def test_units_may_come_in_any_pieces(units: list[Unit], cut: int) -> None:
    whole = Plan(HOME, 0, AT, ())
    whole.take(units)
    first = Plan(HOME, 0, AT, ())
    first.take(units[:cut])
    second = Plan(HOME, first.seq, AT, first.touched.values())
    second.take(units[cut:])
    assert {**first.touched, **second.touched} == whole.touched


@given(st.lists(ADDITIONS, max_size=6), st.randoms(use_true_random=False))
def test_the_same_additions_once_more_change_nothing(units: list[Addition], random: Random) -> None:
    plan = Plan(HOME, 0, AT, ())
    plan.take(units)
    before, seq = dict(plan.touched), plan.seq
    again = list(units)
    random.shuffle(again)
    plan.take(again)
    assert (plan.touched, plan.seq) == (before, seq)


@given(histories())
def test_a_confidence_stays_within_its_bounds(units: list[Unit]) -> None:
    for item in planned(*units).touched.values():
        assert LEAST <= confidence_of(item).value <= MOST


@given(histories())
def test_forgetting_is_final_and_leaves_no_text(units: list[Unit]) -> None:
    plan = planned(*units)
    item_id = next(iter(plan.touched))
    plan.take([Changing(item_id, Forgotten("crt_2"))])
    plan.take([unit for unit in units if isinstance(unit, Changing) and unit.item_id == item_id])
    gone = plan.touched[item_id]
    assert (gone.status, gone.statement.content, gone.sources) == (Status.FORGOTTEN, "", ())


def test_entries_whose_beginning_is_missing_change_nothing() -> None:
    lone = Entry("acme", "default", 7, "kn_1", Resolved("usr_1"), AT)
    assert fold([lone]) == {}


def test_a_source_is_said_once_for_a_root() -> None:
    said: list[Source] = [source(1), replace(source(1), seq=9)]
    assert len(one(planned(addition("It holds.", *said[:1]), addition("It holds.", said[1]))).sources) == 1
