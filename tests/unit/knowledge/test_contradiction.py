"""What is decided again after it was superseded stands again, in whatever order the words for it come."""

from __future__ import annotations

from dataclasses import dataclass, replace
from itertools import permutations

import pytest
from hypothesis import given
from hypothesis import strategies as st
from worlds.knowledge import AT, HOME, about, addition, source, statement

from aragora.knowledge.confidence import confidence_of
from aragora.knowledge.contradiction import LINKED
from aragora.knowledge.ledger import (
    NOT_HELD,
    SOURCES_MAX,
    Change,
    Contradicted,
    Forgotten,
    Held,
    Quarantined,
    Resolved,
    Superseded,
    Supported,
    Withdrawn,
    fold,
    mark_of,
    redacted,
)
from aragora.knowledge.model import Item, LinkKind, Outcome, Source, SourceKind, Status, person_root
from aragora.knowledge.planning import Addition, Changing, Effect, Plan, Unit
from aragora.knowledge.sameness import item_id_of

LIVE, DISPUTED, SUPERSEDED = Status.LIVE, Status.DISPUTED, Status.SUPERSEDED
A, B, C = (item_id_of(HOME, about("the limit", value)) for value in "abc")


def says(value: str, number: int, *shown: int) -> Addition:
    """Debate `number`, which was shown what came of the debates `shown`, gives the limit a value."""
    return addition(about("the limit", value), source(number, *shown, at=AT + number))


def changed(item_id: str, change: Change) -> Changing:
    return Changing(item_id, change)


def after(*units: Unit) -> dict[str, Item]:
    """The items after these units, each in a transaction of its own, an hour after the one before."""
    items: dict[str, Item] = {}
    for number, unit in enumerate(units):
        plan = Plan(HOME, 0, AT + 3_600.0 * number, items.values())
        plan.take([unit])
        items |= plan.touched
    return items


def stands(*units: Unit) -> dict[str, Status]:
    return {item.statement.value: item.status for item in after(*units).values()}


AGAIN = (says("a", 1), says("b", 2, 1), says("a", 3, 1, 2))


def test_what_is_decided_again_by_who_knew_the_newer_answer_stands_again() -> None:
    items = after(*AGAIN)
    assert (items[A].status, items[B].status) == (LIVE, SUPERSEDED)
    assert (items[A].superseded_at, items[B].superseded_at) == (None, AT + 7_200.0)
    assert [one.debate_id for one in items[A].sources] == ["deb_1", "deb_3"]
    assert {(one.kind, one.item_id) for one in items[A].links} == {(LinkKind.SUPERSEDES, B)}
    assert {(one.kind, one.item_id) for one in items[B].links} == {(LinkKind.SUPERSEDES, A)}


def test_what_is_said_again_by_who_did_not_know_the_newer_answer_disputes_it() -> None:
    items = after(*AGAIN[:2], says("a", 3))
    assert (items[A].status, items[B].status) == (DISPUTED, DISPUTED)
    assert items[A].superseded_at is None
    assert [one.debate_id for one in items[A].against] == ["deb_2"]
    assert [one.debate_id for one in items[B].against] == ["deb_3"]
    assert LinkKind.CONTRADICTS in {one.kind for one in items[A].links} & {one.kind for one in items[B].links}


def test_answers_may_come_back_as_often_as_debates_change_their_mind() -> None:
    chain = [says("ab"[number % 2], number, *range(number)) for number in range(9)]
    for length in range(1, 10):
        found = stands(*chain[:length])
        assert found["ab"[(length + 1) % 2]] is LIVE
        assert list(found.values()).count(LIVE) == 1


def test_who_knew_both_sides_of_a_dispute_ends_it() -> None:
    assert stands(says("a", 1), says("b", 2), says("a", 3, 1, 2)) == {"a": LIVE, "b": SUPERSEDED}
    assert stands(says("a", 1), says("b", 2), says("c", 4), says("a", 3, 1, 2)) == {
        "a": DISPUTED,
        "b": SUPERSEDED,
        "c": DISPUTED,
    }


def test_one_who_says_the_old_answer_after_both_brings_back_neither_of_them_alone() -> None:
    """What is overruled itself brings nothing back: the debate that knew it decided otherwise."""
    items = after(says("b", 2, 1), says("a", 3, 2), says("c", 4, 3, 2), says("a", 1))
    assert {one.statement.value: one.status for one in items.values()} == {"a": SUPERSEDED, "b": SUPERSEDED, "c": LIVE}


def test_an_answer_that_is_learnt_after_what_took_its_place_never_stood() -> None:
    items = after(says("b", 2, 1), says("a", 1))
    assert (items[A].status, items[B].status) == (SUPERSEDED, LIVE)
    assert items[A].superseded_at == items[A].recorded_at


def test_a_dispute_of_its_item_alone_ends_where_that_falls_to_a_debate_that_is_learnt_late() -> None:
    assert stands(says("a", 1), says("b", 2), says("a", 4, 3, 2), says("c", 3, 2)) == {
        "a": LIVE,
        "b": SUPERSEDED,
        "c": SUPERSEDED,
    }


def test_an_answer_falls_to_one_that_knew_only_its_last_standing_word_and_is_linked_to_for_the_other() -> None:
    units = [says("c", 0), says("a", 1, 0), says("c", 2), says("b", 3, 2)]
    expected = told(after(*units))
    assert all(told(after(*order)) == expected for order in permutations(units))
    (of_b,) = [links for value, (_, _, links, _) in expected.items() if value == "b"]
    assert of_b == {(LinkKind.SUPERSEDES, C), (LinkKind.CONTRADICTS, C), (LinkKind.CONTRADICTS, A)}


@pytest.mark.parametrize("seen", [(), (1,), (1, 2)])
def test_a_debate_that_comes_again_changes_nothing(seen: tuple[int, ...]) -> None:
    units = [*AGAIN[:2], says("a", 3, *seen)]
    before = after(*units)
    for again in permutations(units):
        plan = Plan(HOME, 9, AT + 1e6, before.values())
        assert {one.effect for one in plan.take(again)} == {Effect.NOTHING}
        assert (plan.entries, plan.touched) == ([], {})


def test_what_waits_for_a_person_or_is_forgotten_does_not_come_back_and_takes_no_place() -> None:
    held = after(says("a", 1), changed(A, Quarantined("look")), says("b", 2, 1), says("a", 3, 1, 2))
    assert (held[A].status, held[B].status) == (Status.QUARANTINED, LIVE)
    gone = after(*AGAIN[:2], changed(A, Forgotten("crt_1")), AGAIN[2])
    assert (gone[A].status, gone[B].status) == (Status.FORGOTTEN, LIVE)


def test_what_a_forgotten_item_had_superseded_comes_back_with_a_new_word_only() -> None:
    gone = (*AGAIN[:2], changed(B, Forgotten("crt_1")))
    assert after(*gone)[A].status is SUPERSEDED
    assert after(*gone, says("a", 1))[A].status is SUPERSEDED
    assert after(*gone, AGAIN[2])[A].status is LIVE


def test_a_source_that_is_not_learnt_from_brings_nothing_back() -> None:
    items = after(*AGAIN[:2])
    plan = Plan(HOME, 9, AT, items.values(), {mark_of("debate:deb_3"): AT + 100.0})
    (told,) = plan.take([AGAIN[2]])
    assert (told.effect, told.item.status, plan.entries) == (Effect.NOTHING, SUPERSEDED, [])


def test_what_an_outcome_refuted_comes_back_disputed() -> None:
    refuted = changed(A, Held(Outcome("person:ann", held=False, at=AT)))
    for units in ((says("a", 1), refuted, *AGAIN[1:]), (*AGAIN[:2], refuted, AGAIN[2])):
        items = after(*units)
        assert (items[A].status, items[A].reason, items[B].status) == (DISPUTED, NOT_HELD, SUPERSEDED)
    both = after(says("a", 1), says("b", 2), refuted, says("a", 3, 1, 2))
    assert (both[A].status, both[A].reason) == (DISPUTED, NOT_HELD)


def test_what_a_person_disputed_comes_back_disputed_until_somebody_settles_it() -> None:
    person = replace(source(9), kind=SourceKind.PERSON, root=person_root("ann"), debate_id=None)
    disputed = changed(A, Contradicted(person, "", "the load test is old"))
    items = after(says("a", 1), disputed, *AGAIN[1:])
    assert (items[A].status, items[A].reason, items[B].status) == (DISPUTED, "the load test is old", SUPERSEDED)
    late = after(*AGAIN[:2], disputed, AGAIN[2])
    assert late[A].status is DISPUTED
    between = after(says("a", 1), says("b", 2), disputed, says("a", 3, 1, 2))
    assert (between[A].status, between[B].status) == (DISPUTED, SUPERSEDED)


def test_what_a_person_settled_is_not_disputed_anew_by_one_more_who_says_it() -> None:
    settled = (says("a", 1), says("b", 2), changed(A, Resolved("ann")))
    assert stands(*settled, says("a", 3)) == {"a": LIVE, "b": DISPUTED}
    assert stands(*settled, says("b", 3, 1, 2)) == {"a": SUPERSEDED, "b": LIVE}
    assert stands(*settled, says("b", 3, 1, 2), says("a", 4, 1, 2, 3)) == {"a": LIVE, "b": SUPERSEDED}


def test_a_word_that_only_a_file_could_claim_to_overrule_another_overrules_nothing() -> None:
    assert stands(says("a", 1, 2), says("b", 2, 1)) == {"a": DISPUTED, "b": DISPUTED}


def test_an_item_of_many_sources_still_comes_back() -> None:
    many = [says("a", number) for number in range(SOURCES_MAX)]
    items = after(*many, says("b", 500, *range(SOURCES_MAX)), says("a", 501, *range(SOURCES_MAX), 500))
    assert (items[A].status, items[B].status, len(items[A].sources)) == (LIVE, SUPERSEDED, SOURCES_MAX)
    assert items[A].sources[-1].debate_id == "deb_501"


def test_a_question_that_is_decided_otherwise_each_day_is_linked_to_the_newest_only() -> None:
    chain = [says(f"value {number}", number, *range(number)) for number in range(4 * LINKED)]
    *old, newest = after(*chain).values()
    assert {one.status for one in old} == {SUPERSEDED}
    assert newest.status is LIVE
    assert len(newest.links) == LINKED + 1


def test_who_brought_it_back_is_no_longer_named_once_their_word_is_withdrawn() -> None:
    mark = mark_of("debate:deb_3")
    plan = Plan(HOME, 0, AT, ())
    plan.take([*AGAIN, changed(A, Withdrawn(mark))])
    kept = [replace(one, change=redacted(one.change, frozenset({mark}))) for one in plan.entries if one.item_id == A]
    assert "deb_3" not in repr(kept)
    assert fold(kept) == {A: plan.touched[A]}
    assert plan.touched[A].status is LIVE  # as what a forgotten item had superseded stays so


def test_a_ledger_of_before_folds_as_before() -> None:
    """There, one more source left a superseded item where it was."""
    old = Plan(HOME, 0, AT, ())
    old.take([says("a", 1), changed(A, Superseded(B)), changed(A, Supported(source(3, 1, 2)))])
    assert fold(old.entries)[A].status is SUPERSEDED


@dataclass(frozen=True)
class Debate:
    """What one debate said, and the debates that it had been shown."""

    value: str
    number: int
    shown: tuple[int, ...]


@st.composite
def debates(draw: st.DrawFn) -> list[Debate]:
    """Debates of one question in the order in which they ended. Each was shown what some of those before it came to,
    and with that all that those had been shown."""
    made: list[Debate] = []
    for number in range(draw(st.integers(1, 7))):
        direct = draw(st.sets(st.integers(0, number - 1))) if number else set()
        shown = {seen for one in direct for seen in (one, *made[one].shown)}
        made.append(Debate(draw(st.sampled_from("abc")), number, tuple(sorted(shown))))
    return made


def expected(said: list[Debate]) -> dict[str, Status]:
    """By the rule alone: an answer stands while a debate said it that no debate with another answer had been shown."""
    overruled = {seen for one in said for seen in one.shown if said[seen].value != one.value}
    standing = {one.value for one in said if one.number not in overruled}
    of = DISPUTED if len(standing) > 1 else LIVE
    return {one.value: of if one.value in standing else SUPERSEDED for one in said}


Told = tuple[Status, frozenset[Source], frozenset[tuple[LinkKind, str]], bool]


def told(items: dict[str, Item]) -> dict[str, Told]:
    """What does not depend on when the mound learnt it."""
    return {
        item.statement.value: (
            item.status,
            frozenset(item.sources),
            frozenset((link.kind, link.item_id) for link in item.links),
            item.superseded_at is None,
        )
        for item in items.values()
    }


@given(debates(), st.data())
def test_debates_of_one_question_in_any_order_leave_the_same(said: list[Debate], data: st.DataObject) -> None:
    units = [says(one.value, one.number, *one.shown) for one in said]
    as_they_ended = after(*units)
    assert {item.statement.value: item.status for item in as_they_ended.values()} == expected(said)
    shuffled = data.draw(st.permutations(units))
    assert told(after(*shuffled)) == told(as_they_ended)
    plan = Plan(HOME, 0, AT, ())
    plan.take(shuffled)
    assert told(plan.touched) == told(as_they_ended)
    assert fold(plan.entries) == plan.touched
    seq = plan.seq
    plan.take(data.draw(st.permutations(units)))
    assert plan.seq == seq


@given(debates())
def test_confidences_keep_their_bounds_and_debates_about_nothing_meet_nothing(said: list[Debate]) -> None:
    units = [addition(statement(f"limit {one.value}"), source(one.number, *one.shown)) for one in said]
    items = after(*units)
    assert {item.status for item in items.values()} == {LIVE}
    assert not [link for item in items.values() for link in item.links]
    assert all(0.0 < confidence_of(item).value < 1.0 for item in items.values())
