"""How the embedded model's reading of single answers becomes groups of one conclusion."""

from __future__ import annotations

import pytest
from hypothesis import given
from hypothesis import strategies as st

from aragora.agents.providers.embedded_stances import (
    Kind,
    Stance,
    alternatives,
    groups_of,
    kind_of,
    reason_for,
    side_in_words,
    stance,
    stance_prompt,
)

SIDES = st.sampled_from(["", "yes", "no"])
WORDS = st.dictionaries(st.sampled_from(["cat", "dog", "fish"]), st.floats(0.01, 5.0), max_size=3)
STANCES = st.dictionaries(st.sampled_from("ABCDEF"), st.builds(Stance, SIDES, st.just(frozenset()), WORDS), min_size=1)


@pytest.mark.parametrize(
    ("question", "kind"),
    [
        ("Should a city ban cars?", Kind.YES_NO),
        ("We have grown. Is it time to move? Please be brief.", Kind.YES_NO),
        ("Should we move or not?", Kind.YES_NO),
        ("Is tea or coffee better before an exam?", Kind.EITHER),
        ("Which is best: tea, coffee or milk?", Kind.EITHER),
        ("What should the town do with the factory?", Kind.OPEN),
        ("Sollte man Autos verbieten?", Kind.OPEN),
    ],
)
def test_a_question_says_how_its_answers_are_read(question: str, kind: Kind) -> None:
    assert kind_of(question, ()) is kind


def test_a_question_with_or_is_one_of_yes_or_no_where_it_is_answered_so() -> None:
    question = "Should a city ban cars or trucks from its centre?"
    assert kind_of(question, ("Cars only.",)) is Kind.EITHER
    assert kind_of(question, ("Cars are loud, so ban them.", "No, it should not.")) is Kind.YES_NO


@pytest.mark.parametrize(
    ("question", "named"),
    [
        ("Should we heat with gas or with a heat pump?", {"gas", "heat"}),
        ("Should we use Kafka, RabbitMQ or plain queues?", {"kafka", "rabbitmq", "plain"}),
        ("For a small town, is a pool or a library better?", {"pool", "library"}),
        ("Is it fine?", set()),
    ],
)
def test_alternatives_are_the_words_around_or(question: str, named: set[str]) -> None:
    assert set(alternatives(question)) == named


@pytest.mark.parametrize(
    ("kind", "answer", "side"),
    [
        (Kind.YES_NO, "Yes, because it is quiet.", "yes"),
        (Kind.YES_NO, "**No.** It is loud.", "no"),
        (Kind.YES_NO, "It should not be done. Yes, it is cheap.", "no"),
        (Kind.YES_NO, "It should be done, because nobody objects.", ""),
        (Kind.OPEN, "No pet suits such a family.", ""),
        (Kind.EITHER, "Coffee is better than tea.", "coffee"),
        (Kind.EITHER, "Water.", ""),
    ],
)
def test_the_words_of_an_answer_tell_its_side_where_they_can(kind: Kind, answer: str, side: str) -> None:
    assert side_in_words(kind, "Is tea or coffee better?", answer) == side


def test_a_yes_counts_in_comparison_with_what_the_model_says_to_no_conclusion() -> None:
    eager = {"yes": 0.8, "no": 0.1}
    assert stance(Kind.YES_NO, "It is loud.", {"yes": 0.5, "no": 0.4}, eager).side == "no"
    assert stance(Kind.YES_NO, "It is quiet.", eager, eager).side == "yes"


def test_words_that_are_likely_anyway_do_not_make_answers_alike() -> None:
    without = {"the": 0.5, "a": 0.3}
    cat = stance(Kind.OPEN, "A cat.", {"the": 0.5, "cat": 0.2}, without)
    fish = stance(Kind.OPEN, "A fish.", {"the": 0.5, "fish": 0.2}, without)
    kitten = stance(Kind.OPEN, "A kitten.", {"the": 0.5, "cat": 0.1}, without)
    assert groups_of({"A": cat, "B": fish, "C": kitten}) == [["A", "C"], ["B"]]


def test_words_that_both_answers_made_less_likely_do_not_make_them_alike() -> None:
    without = {"perhaps": 0.8}
    cat = stance(Kind.OPEN, "A cat.", {"perhaps": 0.01, "cat": 0.001}, without)
    fish = stance(Kind.OPEN, "A fish.", {"perhaps": 0.01, "fish": 0.001}, without)
    assert groups_of({"A": cat, "B": fish}) == [["A"], ["B"]]


def test_different_numbers_part_answers_that_are_alike_else() -> None:
    words = {"dollars": 0.4}
    twenty = stance(Kind.OPEN, "It should cost 20 dollars.", words, {})
    forty = stance(Kind.OPEN, "It should cost 40 dollars.", words, {})
    assert groups_of({"A": twenty, "B": forty}) == [["A"], ["B"]]


def test_a_group_is_not_a_chain_of_answers_of_which_the_ends_differ() -> None:
    chain = {
        "A": Stance(words={"cat": 1.0}),
        "B": Stance(words={"cat": 1.0, "dog": 0.9}),
        "C": Stance(words={"dog": 1.0}),
    }
    assert groups_of(chain) == [["A", "B"], ["C"]]


@given(STANCES)
def test_every_label_stands_in_exactly_one_group_and_sides_are_never_mixed(stances: dict[str, Stance]) -> None:
    groups = groups_of(stances)
    assert sorted(label for group in groups for label in group) == sorted(stances)
    assert all(len({stances[label].side for label in group}) == 1 for group in groups)
    assert all(stances[label].side == "" or stances[label].side in reason_for(groups, stances) for label in stances)


@given(STANCES)
def test_the_order_of_the_answers_does_not_change_who_takes_which_side(stances: dict[str, Stance]) -> None:
    def sided(found: list[list[str]]) -> set[tuple[str, ...]]:
        return {tuple(group) for group in found if stances[group[0]].side}

    backwards = dict(reversed(stances.items()))
    assert sided(groups_of(stances)) == sided(groups_of(backwards))


@given(st.sampled_from(Kind), st.text(max_size=3000), st.text(max_size=3000))
def test_an_answer_cannot_pose_as_another_example(kind: Kind, question: str, answer: str) -> None:
    prompt, empty = stance_prompt(kind, question, answer), stance_prompt(kind, "", "")
    assert prompt.count("\n") == empty.count("\n")
    assert len(prompt) < len(empty) + 1500
