"""Similarity of answers."""

from hypothesis import given, strategies

from aragora.debate.machine.convergence import agreement, conclusion, features, similarity

LONG = (
    "Use PostgreSQL for the ledger. It has transactions, it is well known, and backups are simple to run and to test."
)


def test_the_same_text_agrees_wholly_whatever_its_case_and_punctuation() -> None:
    assert agreement([LONG, LONG.upper(), LONG.replace(",", " ;")]) == 1.0


def test_texts_without_a_common_word_do_not_agree() -> None:
    assert agreement(["red apples", "green pears"]) == 0.0


def test_one_dissenter_keeps_the_agreement_low_however_many_the_others_are() -> None:
    assert agreement([LONG] * 15 + ["Keep a spreadsheet instead"]) < 0.2


def test_a_small_change_of_words_keeps_texts_close() -> None:
    assert similarity(features(LONG), features(LONG.replace("simple", "easy"))) > 0.8


def test_opposite_conclusions_in_the_same_words_are_not_close() -> None:
    assert similarity(features(LONG), features(LONG.replace("Use", "Do not use"))) == 0.0
    assert similarity(features("The answer is 42."), features("The answer is 43.")) == 0.0


def test_scripts_without_spaces_are_compared_too() -> None:
    left = "我们应该使用关系数据库来保存账本因为它支持事务"
    assert similarity(features(left), features(left + "并且")) > 0.85
    assert similarity(features(left), features("今天天气很好适合出去散步")) < 0.2


def test_nobody_agrees_alone() -> None:
    assert agreement([]) == agreement([LONG]) == 0.0


def test_the_conclusion_is_the_first_sentence() -> None:
    assert conclusion(" Pay 3.50 euros. It is fair.") == "Pay 3.50 euros"
    assert conclusion("no full stop") == "no full stop"


@given(strategies.text(), strategies.text())
def test_similarity_is_symmetric_and_within_bounds(left: str, right: str) -> None:
    forth, back = similarity(features(left), features(right)), similarity(features(right), features(left))
    assert forth == back
    assert 0.0 <= forth <= 1.0


@given(strategies.text())
def test_every_text_is_like_itself(text: str) -> None:
    assert similarity(features(text), features(text)) == 1.0
