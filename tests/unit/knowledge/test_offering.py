"""What the opening of a debate is offered."""

from __future__ import annotations

from worlds.knowledge import AT, HOME, addition, source, statement
from worlds.taught import QUESTION, taught

from aragora.debate.knowledge import ITEM_MAX_CHARS, ITEMS_MAX, OFFER_MAX_CHARS, digest_of, question_digest
from aragora.knowledge.model import Item, ItemKind
from aragora.knowledge.mound.adapters import consensus
from aragora.knowledge.mound.adapters.consensus import subject_of
from aragora.knowledge.offering import DECISIONS_MAX, offered
from aragora.knowledge.planning import Addition, Plan


def items(*additions: Addition) -> list[Item]:
    return [one.item for one in Plan(HOME, 0, AT, ()).take(additions)]


def test_a_decision_comes_with_its_strongest_dissent_and_the_way_back() -> None:
    decision, dissent = items(*consensus.gather(taught()))
    (shown,) = offered(QUESTION, [decision], {decision.item_id: [dissent]})
    assert shown.label == "K1"
    assert shown.text.startswith(QUESTION)
    assert shown.digest == digest_of(shown.text)
    assert shown.dissent == "Dissent, for five: five is what the test shows"
    assert (shown.kind, shown.position, shown.question_digest) == ("decision", "three", question_digest(QUESTION))
    assert (shown.source_debate_id, shown.source_receipt_id) == ("deb_1", "rcp_1")
    assert shown.roots == 1


def test_a_long_item_is_shortened_and_says_so() -> None:
    (long,) = items(addition("word " * 1_000))
    (shown,) = offered(QUESTION, [long], {})
    assert len(shown.text) <= ITEM_MAX_CHARS
    assert shown.text.endswith("\N{HORIZONTAL ELLIPSIS}")


def test_an_offer_keeps_its_bounds_and_leaves_room_for_what_is_no_decision() -> None:
    decisions = [
        addition(
            statement(f"Decided: {number}", kind=ItemKind.DECISION, subject=subject_of(str(number)), value=str(number))
        )
        for number in range(10)
    ]
    facts = [addition(f"fact number {number}") for number in range(10)]
    shown = offered(QUESTION, items(*decisions, *facts), {})
    assert len(shown) == ITEMS_MAX
    assert sum(len(one.text) + len(one.dissent) for one in shown) <= OFFER_MAX_CHARS
    assert sum(one.kind == "decision" for one in shown) == DECISIONS_MAX


def test_a_decision_of_this_very_question_comes_first() -> None:
    fact = addition("a fact that was found before it")
    precedent = addition(
        statement("Decided: three", kind=ItemKind.DECISION, subject=subject_of(QUESTION), value="three")
    )
    shown = offered(f"  {QUESTION.upper()}", items(fact, precedent), {})
    assert [one.kind for one in shown] == ["decision", "fact"]


def test_what_is_disputed_says_so() -> None:
    one = statement("3", subject="limit", relation="is", value="3")
    other = statement("5", subject="limit", relation="is", value="5")
    plan = Plan(HOME, 0, AT, ())
    plan.take([addition(one, source(1)), addition(other, source(2))])
    assert all(item.disputed for item in offered(QUESTION, list(plan.touched.values()), {}))


def test_nothing_found_is_nothing_offered() -> None:
    assert offered(QUESTION, [], {}) == ()
