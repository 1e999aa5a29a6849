"""Which words of a question say what it is about."""

from __future__ import annotations

import pytest
from hypothesis import given
from hypothesis import strategies as st

from aragora.knowledge.decisive import WORDS_MAX, as_spelt, decisive_words


@pytest.mark.parametrize(
    ("question", "words"),
    [
        ("How large should the retry budget be?", ("large", "retry", "budget")),
        ("Do our team's retries need budgets?", ("team", "retry", "budget")),
        ("Is 20.04 better than 22.04 for servers?", ("server",)),
        ("Which limit has retry_budget in GB/s?", ("limit", "retry", "budget", "retry_budget", "gb", "gb/s")),
        ("Sollten wir die Datenbank wechseln?", ("datenbank", "wechseln")),
        ("Faut-il une base de données ?", ("faut-il", "base", "données")),
        ("我们是否应该使用微服务？", ("微服", "服务")),  # noqa: RUF001
        ("重試預算應該多大？", ("重試", "試預", "預算")),  # noqa: RUF001
        ("微服务应该多大？", ("微服", "服务")),  # noqa: RUF001
        ("どのデータを使うべきですか？", ("デー", "ータ")),  # noqa: RUF001
        ("1 + 1 = 3?", ()),
        ("?!", ()),
        ("What should we do?", ("what", "should", "we", "do")),  # it has no others
    ],
)
def test_they_are_the_words_that_most_questions_do_not_have(question: str, words: tuple[str, ...]) -> None:
    assert decisive_words(question) == words


def test_thai_is_read_without_the_words_that_ask() -> None:
    asked, told = decisive_words("เราควรใช้ฐานข้อมูลอะไร"), decisive_words("ฐานข้อมูล")
    assert asked == told != ()


def test_a_long_question_gives_its_first_words() -> None:
    found = decisive_words(" ".join(f"word{number}x" for number in range(2_000)))
    assert found == tuple(f"word{number}x" for number in range(WORDS_MAX))
    assert decisive_words("retry budget " + "x" * 10_000)[:2] == ("retry", "budget")


@pytest.mark.parametrize(
    ("word", "text", "spelt"),
    [
        ("postgresql", "Is PostgreSQL faster?", "PostgreSQL"),
        ("budget", "Budgets for retries?", "Budgets"),
        ("retry", "Budgets for Retries?", "Retries"),
        ("kubernete", "Is Kubernetes worth it?", "Kubernetes"),
        ("port", "A report of the Port?", "Port"),
        ("c++", "C++ or Rust?", "C++"),
        ("gone", "Not there?", "gone"),
    ],
)
def test_a_word_is_shown_as_its_question_spells_it(word: str, text: str, spelt: str) -> None:
    assert as_spelt(word, text) == spelt


@given(st.text(max_size=700))
def test_any_text_has_a_bounded_number_of_words_each_once(text: str) -> None:
    found = decisive_words(text)
    assert len(found) <= WORDS_MAX
    assert len(set(found)) == len(found)
    assert all(found)
    assert all(as_spelt(word, text) for word in found)
