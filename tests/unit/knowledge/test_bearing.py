"""What came of a debate moves the confidence of its items, and of nothing else."""

from __future__ import annotations

from dataclasses import replace
from functools import cache
from typing import Any

import pytest
from hypothesis import given
from hypothesis import strategies as st
from worlds.knowledge import AT, source
from worlds.taught import HOME, taught

from aragora.knowledge.bearing import judged, said_by
from aragora.knowledge.confidence import FAILED, HELD, confidence_of
from aragora.knowledge.ledger import Contradicted, Held, Resolved, Withdrawn, mark_of
from aragora.knowledge.model import Basis, Item, ItemKind, SourceKind, Status, debate_root
from aragora.knowledge.model import Outcome as Seen
from aragora.knowledge.mound.adapters import consensus, evidence
from aragora.knowledge.outcomes import Outcome
from aragora.knowledge.planning import Changing, Plan, Unit

THREE = Outcome("deb_1", "local", "default", "storage", "three", ("claude", "gpt"), True, 0.66, "ann", "", AT, AT)
FIVE = replace(THREE, right="five", agents=("gemini",), decision_right=False)
NONE = replace(THREE, right=None, agents=(), decision_right=False)


def learnt(*numbers: int) -> dict[str, Item]:
    """The items of these debates: two of three agents chose three, the last one five."""
    return written({}, [one for number in numbers or (1,) for one in both(number)])


@cache
def both(number: int) -> tuple[Unit, ...]:
    debate = taught(number)
    return *consensus.gather(debate), *evidence.gather(debate)


def written(items: dict[str, Item], units: list[Unit], barred: dict[str, float] | None = None) -> dict[str, Item]:
    plan = Plan(HOME, 0, AT, items.values(), barred or {})
    plan.take(units)
    return {**items, **plan.touched}


def after(items: dict[str, Item], *outcomes: Outcome, barred: dict[str, float] | None = None) -> dict[str, Item]:
    for outcome in outcomes:
        items = written(items, list(judged(outcome, items.values())), barred)
    return items


def only(items: dict[str, Item], kind: ItemKind) -> Item:
    (found,) = [item for item in items.values() if item.statement.kind is kind]
    return found


def pieces(items: dict[str, Item]) -> dict[str, float]:
    """The confidence in each piece of evidence, by its text."""
    found = (item for item in items.values() if item.statement.kind is ItemKind.EVIDENCE)
    return {item.statement.content: confidence_of(item).value for item in found}


def trust(items: dict[str, Item]) -> dict[str, tuple[object, ...]]:
    found: dict[str, tuple[object, ...]] = {}
    for key, item in items.items():
        confidence = confidence_of(item)
        found[key] = (round(confidence.value, 12), confidence.basis, item.status)
    return found


def test_the_decision_that_held_is_trusted_and_its_dissent_is_not() -> None:
    items = after(learnt(), THREE)
    decision, dissent = only(items, ItemKind.DECISION), only(items, ItemKind.DISSENT)
    assert (confidence_of(decision).value, confidence_of(decision).basis) == (HELD, Basis.CONFIRMED)
    assert (confidence_of(dissent).value, dissent.status) == (FAILED, Status.DISPUTED)


def test_a_dissent_that_was_right_is_trusted_and_the_decision_is_disputed() -> None:
    items = after(learnt(), FIVE)
    decision, dissent = only(items, ItemKind.DECISION), only(items, ItemKind.DISSENT)
    assert (confidence_of(decision).value, decision.status) == (FAILED, Status.DISPUTED)
    assert (confidence_of(dissent).value, dissent.status) == (HELD, Status.LIVE)


def test_where_no_answer_held_both_fall() -> None:
    items = after(learnt(), NONE)
    fallen = [only(items, kind) for kind in (ItemKind.DECISION, ItemKind.DISSENT)]
    assert {confidence_of(item).value for item in fallen} == {FAILED}


@pytest.mark.parametrize(
    ("outcome", "of_claude", "of_gemini"), [(THREE, True, False), (FIVE, False, True), (NONE, False, False)]
)
def test_evidence_counts_with_the_answer_that_it_stood_behind_and_is_never_confirmed(
    outcome: Outcome, of_claude: bool, of_gemini: bool
) -> None:
    before, now = pieces(learnt()), pieces(after(learnt(), outcome))
    assert (now["claude counted it"] > before["claude counted it"]) is of_claude
    assert (now["gemini counted it"] > before["gemini counted it"]) is of_gemini
    assert all(now[text] != before[text] and 0.1 < now[text] < 0.9 for text in now)


def test_a_corrected_outcome_leaves_nothing_of_the_earlier_one() -> None:
    corrected = replace(THREE, version=2, by="bob", recorded_at=AT + 1)
    assert trust(after(learnt(), FIVE, corrected)) == trust(after(learnt(), corrected))


def test_an_older_version_that_comes_late_takes_nothing_back() -> None:
    corrected = replace(THREE, version=2)
    assert after(after(learnt(), corrected), FIVE) == after(learnt(), corrected)


def test_nobody_confirms_their_own_words() -> None:
    own = replace(THREE, agents=(), own_words=True)
    items = after(learnt(), own)
    assert (
        trust(items)[only(items, ItemKind.DECISION).item_id] == trust(learnt())[only(items, ItemKind.DECISION).item_id]
    )
    assert pieces(items) == pieces(learnt())


def test_who_put_the_words_there_may_say_that_they_did_not_hold() -> None:
    assert confidence_of(only(after(learnt(), replace(NONE, own_words=True)), ItemKind.DECISION)).value == FAILED


def test_a_correction_that_counts_for_nothing_undoes_what_was_said_before() -> None:
    own = replace(THREE, version=2, own_words=True, recorded_at=AT + 1)
    decision = only(learnt(), ItemKind.DECISION)
    items = after(learnt(), NONE, own)
    assert trust(items)[decision.item_id] == trust({decision.item_id: decision})[decision.item_id]


def test_the_word_of_one_person_on_two_debates_counts_once_and_that_of_two_counts_twice() -> None:
    items = learnt(1, 2)
    of_both = after(items, THREE, replace(FIVE, debate_id="deb_2", recorded_at=AT + 1))
    assert confidence_of(only(of_both, ItemKind.DECISION)).value == FAILED
    of_two = after(items, THREE, replace(FIVE, debate_id="deb_2", by="bob", recorded_at=AT + 1))
    assert confidence_of(only(of_two, ItemKind.DECISION)).value == pytest.approx((HELD + FAILED) / 2)


def test_who_confirms_an_item_and_tells_its_outcome_says_it_once() -> None:
    items = after(learnt(), replace(NONE, by="ann"))
    decision = only(items, ItemKind.DECISION)
    confirmed = Held(Seen("person:ann", held=True, at=AT + 5))
    items = written(items, [Changing(decision.item_id, Resolved("ann")), Changing(decision.item_id, confirmed)])
    assert confidence_of(items[decision.item_id]).value == HELD
    assert items[decision.item_id].status is Status.LIVE


def test_a_dispute_of_a_person_stays_beside_the_outcome() -> None:
    items = learnt()
    decision = only(items, ItemKind.DECISION)
    against = replace(source(7), kind=SourceKind.PERSON, root="person:cid", debate_id=None, person="cid")
    disputed = written(items, [Changing(decision.item_id, Contradicted(against, "", "I saw otherwise"))])
    fallen = after(disputed, NONE)[decision.item_id]
    assert (fallen.status, fallen.reason) == (Status.DISPUTED, "I saw otherwise")
    held = after(disputed, NONE, replace(THREE, version=2))[decision.item_id]
    assert (held.status, confidence_of(held).against) == (Status.LIVE, 1)


def test_what_only_claims_to_come_from_the_debate_is_left_as_it_is() -> None:
    items = learnt()
    decision = only(items, ItemKind.DECISION)
    forged = replace(decision, item_id="kn_f", sources=(replace(decision.sources[0], kind=SourceKind.IMPORT),))
    other = replace(decision, item_id="kn_o", sources=(source(2),))
    note = replace(decision, item_id="kn_n", statement=replace(decision.statement, kind=ItemKind.NOTE))
    assert judged(THREE, [forged, other, note]) == []


@pytest.mark.parametrize("question", ["Tea\nDissent, for five: or coffee?", "x" * 1_200, "Tea or coffee?"])
@pytest.mark.parametrize("reason", ["it is cheap", "Dissent, for three: no\nDissent, for none: yes"])
def test_the_answer_of_a_dissent_is_told_from_a_question_that_reads_like_one(question: str, reason: str) -> None:
    said = f"Dissent, for five: {reason}"
    told = taught()
    asked = replace(told, spec=replace(told.spec, question=question))
    (dissent,) = [one for one in consensus.gather(asked) if one.added.statement.kind is ItemKind.DISSENT]
    content = dissent.added.statement.content.rpartition("\nDissent, for five")[0] + f"\n{said}"
    assert said_by(replace(dissent.added.statement, content=content)) == said.removeprefix("Dissent, for ")


# --- laws -------------------------------------------------------------------------------------------------------


def told(number: int, version: int, **of: Any) -> Outcome:
    right = (THREE, FIVE, NONE)[(number + version) % 3]
    return replace(
        right, debate_id=f"deb_{number}", version=version, by=f"usr_{version % 2}", recorded_at=AT + version, **of
    )


FEED = [told(number, version) for number in (1, 2) for version in (1, 2, 3)]


@given(st.lists(st.sampled_from(FEED), max_size=12).flatmap(lambda rows: st.permutations([*rows, FEED[2], FEED[5]])))
def test_any_order_and_repetition_of_the_rows_comes_to_what_the_newest_say(rows: list[Outcome]) -> None:
    assert trust(after(learnt(1, 2), *rows)) == trust(after(learnt(1, 2), FEED[2], FEED[5]))


@given(st.lists(st.sampled_from(FEED), max_size=8), st.sampled_from((1, 2)))
def test_forgetting_a_debate_and_following_all_anew_comes_to_never_having_heard_of_it(
    rows: list[Outcome], gone: int
) -> None:
    root = debate_root(f"deb_{gone}")
    items = after(learnt(1, 2), *rows)
    marks: list[Unit] = [
        Changing(item.item_id, Withdrawn(mark_of(root)))
        for item in items.values()
        if {one.root for one in item.sources} > {root}
    ]
    left = {key for key, item in items.items() if {one.root for one in item.sources} != {root}}
    forgotten = {key: item for key, item in written(items, marks).items() if key in left}
    again = after(forgotten, *rows, barred={mark_of(root): 1e300})
    others = [one for one in rows if one.debate_id != f"deb_{gone}"]
    never = after(learnt(3 - gone), *others)
    assert {key: trust(again)[key] for key in never} == trust(never)


def test_what_a_forgotten_person_told_is_not_heard_again() -> None:
    barred = {mark_of("person:ann"): AT + 10}
    assert after(learnt(), THREE, barred=barred) == learnt()
    assert after(learnt(), replace(THREE, by="bob"), barred=barred) != learnt()
