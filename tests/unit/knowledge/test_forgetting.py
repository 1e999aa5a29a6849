"""What a request to forget comes to, and what withdrawing one source does to an item and to its ledger."""

from __future__ import annotations

import json
from dataclasses import replace

import pytest
from hypothesis import given
from hypothesis import strategies as st
from worlds.knowledge import AT, HOME, about, addition, source, statement

from aragora.errors import InvalidInput
from aragora.knowledge.forgetting import (
    FOR_EVER,
    By,
    Forgetting,
    Withdrawal,
    added_by,
    asked_of,
    barred_by,
    body_of,
    falling,
    from_certificate,
    joined,
    share_of,
)
from aragora.knowledge.ledger import Entry, Held, Supported, Withdrawn, fold, mark_of, redacted
from aragora.knowledge.model import Item, ItemKind, Link, LinkKind, Outcome, Source, SourceKind, Status
from aragora.knowledge.planning import Addition, Burial, Changing, Effect, Plan, Unit

DEBATE_1 = mark_of("debate:deb_1")


def plan_of(*units: Unit, barred: dict[str, float] | None = None, known: tuple[Item, ...] = ()) -> Plan:
    plan = Plan(HOME, 0, AT, known, barred or {})
    plan.take(units)
    return plan


def items_of(*units: Unit) -> list[Item]:
    return list(plan_of(*units).touched.values())


@pytest.mark.parametrize("named", [(), ("",), ("  ",), ("deb_1", " ")])
def test_a_request_that_names_nothing_is_refused(named: tuple[str, ...]) -> None:
    with pytest.raises(InvalidInput):
        asked_of(By.DEBATE, named)


@pytest.mark.parametrize("by", [By.SUBJECT, By.QUERY])
def test_of_a_subject_and_of_words_only_the_digest_is_kept(by: By) -> None:
    (digest,) = asked_of(by, ("the vault",)).named
    assert "vault" not in digest
    assert len(digest) == 64
    assert asked_of(By.ITEM, ("kn_1", "kn_1")).named == ("kn_1",)


def test_a_debate_is_not_learnt_from_again_and_a_person_not_up_to_the_request() -> None:
    assert barred_by(asked_of(By.DEBATE, ("deb_1",)), AT) == {DEBATE_1: FOR_EVER}
    assert barred_by(asked_of(By.PERSON, ("usr_1",)), AT) == {mark_of("person:usr_1"): AT}
    assert barred_by(asked_of(By.ITEM, ("kn_1",)), AT) == {}


def test_of_what_a_debate_and_another_one_said_only_its_word_is_taken_out() -> None:
    items = items_of(
        addition("Both.", source(1), source(2)), addition("Alone.", source(1)), addition("Else.", source(3))
    )
    share = share_of(asked_of(By.DEBATE, ("deb_1",)), items, AT)
    assert share.forgotten == (items[1].item_id,)
    assert share.withdrawn == (Withdrawal(items[0].item_id, (DEBATE_1,)),)
    assert share.debates == ("deb_1",)


def test_a_word_against_an_item_is_taken_out_too() -> None:
    first, _ = items_of(addition(about("port", "1"), source(1)), addition(about("port", "2"), source(2)))
    share = share_of(asked_of(By.DEBATE, ("deb_2",)), [first], AT)
    assert share.withdrawn == (Withdrawal(first.item_id, (mark_of("debate:deb_2"),)),)


def test_items_of_whoever_opened_a_debate_are_that_persons() -> None:
    (item,) = items_of(addition("It holds.", source(1, person="usr_1")))
    assert share_of(asked_of(By.PERSON, ("usr_1",)), [item], AT).forgotten == (item.item_id,)
    assert share_of(asked_of(By.PERSON, ("usr_1",)), [item], AT - 1.0).forgotten == ()


def test_what_falls_with_an_item() -> None:
    def made(content: str, kind: ItemKind, how: LinkKind, *of: str) -> Addition:
        return addition(statement(content, kind=kind), links=tuple(Link(how, one, AT) for one in of))

    derived, dissents = LinkKind.DERIVED_FROM, LinkKind.DISSENTS_FROM
    items = items_of(
        made("Of both.", ItemKind.SUMMARY, derived, "kn_a", "kn_b"),
        made("Insight of both.", ItemKind.INSIGHT, derived, "kn_a", "kn_b"),
        made("Insight of one.", ItemKind.INSIGHT, derived, "kn_a"),
        made("No.", ItemKind.DISSENT, dissents, "kn_a"),
        made("See also.", ItemKind.FACT, LinkKind.SUPPORTS, "kn_a"),
    )
    fallen = [item.statement.content for item in falling(items, {"kn_a"})]
    assert fallen == ["Of both.", "Insight of one.", "No."]
    assert len(falling(items, {"kn_a", "kn_b"})) == 4


def test_what_nobody_else_stands_behind_is_a_persons_own() -> None:
    mine = Source(SourceKind.PERSON, "person:usr_1", AT, person="usr_1")
    theirs = Source(SourceKind.PERSON, "person:usr_2", AT, person="usr_2")
    opened = source(1, person="usr_1")
    for sources, own in (((mine,), True), ((mine, theirs), False), ((opened,), False), ((mine, opened), False)):
        (item,) = items_of(addition("It holds.", *sources))
        assert added_by(item, "usr_1") is own


def test_a_barred_source_teaches_nothing_new_and_supports_nothing() -> None:
    barred = {DEBATE_1: FOR_EVER}
    (known,) = items_of(addition("It holds.", source(2)))
    plan = Plan(HOME, 1, AT, (known,), barred)
    told = plan.take(
        [addition("It holds.", source(1)), addition("New.", source(1)), Changing(known.item_id, Supported(source(1)))]
    )
    assert {one.effect for one in told} == {Effect.NOTHING}
    assert (plan.entries, told[1].item.status) == ([], Status.FORGOTTEN)
    (joint,) = plan.take([addition("New.", source(1), source(3))])
    assert [one.root for one in joint.item.sources] == ["debate:deb_3"]


def test_an_item_that_was_never_there_can_be_forgotten_and_is_then_not_learnt() -> None:
    unit = addition("It holds.")
    (item_id,) = plan_of(unit).touched
    plan = plan_of(Burial(item_id, "crt_1"))
    assert plan.new == {item_id}
    (again,) = plan.take([unit])
    assert (again.effect, again.item.status) == (Effect.NOTHING, Status.FORGOTTEN)
    assert fold(plan.entries) == {item_id: again.item}


def test_a_dispute_ends_with_the_last_word_against_an_item_unless_an_outcome_made_it() -> None:
    plan = plan_of(addition(about("port", "1"), source(1)), addition(about("port", "2"), source(2)))
    first = next(iter(plan.touched))
    (after,) = plan.take([Changing(first, Withdrawn(mark_of("debate:deb_2")))])
    assert after.item.status is Status.LIVE
    plan = plan_of(addition(about("port", "1"), source(1)), addition(about("port", "2"), source(2)))
    plan.take([Changing(first, Held(Outcome("person:usr_1", held=False, at=AT)))])
    (after,) = plan.take([Changing(first, Withdrawn(mark_of("debate:deb_2")))])
    assert after.item.status is Status.DISPUTED


SAID = st.builds(
    lambda text, number, exposed: addition(
        text, source(number, *exposed, passage="words", agent="ada", person="usr_1"), base=0.5
    ),
    st.sampled_from(["It holds.", "It does not hold."]),
    st.integers(1, 4),
    st.lists(st.integers(1, 4), max_size=2),
)
ABOUT = st.builds(
    lambda value, number: addition(about("port", value), source(number, passage="words", agent="ada")),
    st.sampled_from("12"),
    st.integers(1, 4),
)


@given(st.lists(SAID | ABOUT, min_size=1, max_size=8), st.integers(1, 4))
def test_the_ledger_without_a_withdrawn_source_folds_into_the_same_items(units: list[Unit], number: int) -> None:
    plan = plan_of(*units)
    mark = mark_of(f"debate:deb_{number}")
    standing = [item_id for item_id, item in plan.touched.items() if any(mark_of(s.root) != mark for s in item.sources)]
    plan.take([Changing(item_id, Withdrawn(mark)) for item_id in standing])
    marks = {entry.item_id: frozenset({mark}) for entry in plan.entries if isinstance(entry.change, Withdrawn)}
    kept = [
        replace(entry, change=redacted(entry.change, marks[entry.item_id])) if entry.item_id in marks else entry
        for entry in plan.entries
    ]
    assert fold(kept) == plan.touched
    of_these: list[Entry] = [entry for entry in kept if entry.item_id in marks]
    assert f"debate:deb_{number}'" not in repr([_named(entry) for entry in of_these])


def _named(entry: Entry) -> list[str]:
    change = entry.change
    sources = getattr(change, "sources", ()) or ((change.source,) if hasattr(change, "source") else ())
    return [one.root for one in sources]


@given(
    st.sampled_from(By),
    st.lists(st.text(min_size=1, max_size=5).filter(lambda name: bool(name.strip())), min_size=1, max_size=3),
    st.lists(st.integers(0, 9), max_size=5),
    st.booleans(),
)
def test_a_certificate_says_enough_to_forget_again(by: By, named: list[str], items: list[int], more: bool) -> None:
    asked = asked_of(by, named)
    forgotten = tuple(f"kn_{number}" for number in items)
    withdrawn = (Withdrawal("kn_w", (DEBATE_1,)),)
    one = Forgetting(
        "fgt_1", "acme", "default", asked, "usr_1", AT, forgotten=forgotten, withdrawn=withdrawn, more=more,
        insights=("ins_1",),
    )  # fmt: skip
    body = body_of(one, backend="sqlite", offered_in=["deb_7"], issued_at=AT + 1.0)
    assert from_certificate(json.loads(json.dumps(body))) == one
    del body["insights"]  # as certificates were before there were any
    assert from_certificate(json.loads(json.dumps(body))) == replace(one, insights=())


def test_what_is_forgotten_is_not_also_withdrawn() -> None:
    (alone,) = items_of(addition("It holds.", source(1)))
    one = Forgetting(
        "fgt_1", "acme", "default", asked_of(By.DEBATE, ("deb_1",)), "usr_1", AT,
        withdrawn=(Withdrawal(alone.item_id, (DEBATE_1,)),),
    )  # fmt: skip
    after = joined(one, share_of(one.asked, [alone], AT))
    assert (after.forgotten, after.withdrawn) == ((alone.item_id,), ())
