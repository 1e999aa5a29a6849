"""Options in the words of models."""

from __future__ import annotations

from typing import Any

import pytest
from hypothesis import given
from hypothesis import strategies as st

from aragora.agents.reading.options import conclusion_of, option_of

YES_NO = ("Yes", "No")
DATABASES = ("PostgreSQL 16 on one server", "MongoDB", "SQLite files")


@pytest.mark.parametrize(
    "written",
    [
        *(
            "Yes",
            "yes",
            "YES",
            " yes ",
            "yes.",
            '"Yes"',
            "'yes'",
            "**Yes**",
            "`yes`",
            "(yes)",
            "[Yes]",
            "«Yes»",
            "yes!",
            "\uff39\uff45\uff53",
        ),
        *("Option: yes", "option yes", "Answer: Yes.", "My answer is: yes", "The option is yes", "Antwort: yes"),
        *(
            "1",
            "1.",
            "(1)",
            "#1",
            "Option 1",
            "option 1.",
            "1. Yes",
            "1) yes",
            "Option 1: Yes",
            1,
            ["yes"],
            {"option": "Yes"},
        ),
        *(
            "Yes, because it holds",
            "Yes: it holds",
            "yes - it holds",
            "Yes (with care)",
            "Yes. It holds.",
            "Yes because it holds",
        ),
        *("I vote for yes", "My vote: Yes", "\\boxed{Yes}", "\boxed{\\text{yes}}", "<answer>Yes</answer>"),
    ],
)
def test_one_option_is_understood(written: Any) -> None:
    assert option_of(written, YES_NO) == "Yes"


@pytest.mark.parametrize(
    "written",
    [
        *("", "maybe", "yes or no", "yes/no", "Yes and no", "Yes, no", "yes - no", "yesterday", "Yes we can", "not no"),
        *(
            "3",
            "0",
            "Option 3",
            "2. Yes",
            "1 or 2",
            3,
            0,
            -1,
            1.5,
            True,
            None,
            [],
            ["yes", "no"],
            {},
            {"option": None},
            "y",
            "x" * 9_000,
        ),
    ],
)
def test_what_names_no_option_or_two_is_not_guessed(written: Any) -> None:
    assert option_of(written, YES_NO) is None


@pytest.mark.parametrize(
    ("written", "options", "meant"),
    [
        ("PostgreSQL", DATABASES, "PostgreSQL 16 on one server"),
        ("postgresql 16", DATABASES, "PostgreSQL 16 on one server"),
        ("Postgre", DATABASES, None),
        ("SQLite, MongoDB", DATABASES, None),
        ("PostgreSQL", ("PostgreSQL 15", "PostgreSQL 16"), None),
        ("Yes, but later", ("Yes", "Yes, but later"), "Yes, but later"),
        ("Yes, but later: in spring", ("Yes", "Yes, but later"), "Yes, but later"),
        ("yes", ("Yes, now", "Yes, later"), None),
        ("C", ("C", "C++", "C#"), "C"),
        ("c++", ("C", "C++", "C#"), "C++"),
        ("C++", ("C", "Rust"), None),
        ("Go with Rust", ("Go", "Rust"), None),
        ("Node.js", ("Node", "Deno"), None),
        ("2", ("2 weeks", "1 week"), None),
        ("1", ("10", "1", "100"), "1"),
        ("10", ("10", "1"), "10"),
        ("multi region", ("Multi-region", "Single"), "Multi-region"),
        ("yes", ("Yes!", "Yes?"), None),
        ("Ja", ("Yes", "No"), None),
        ("net", (".NET", "Java"), ".NET"),
        ("anything", (), None),
        ("\\boxed{yes} or \\boxed{no}", YES_NO, None),
        ("<answer>", ("<Answer>", "<Choice>"), "<Answer>"),
        ("I vote against yes", YES_NO, None),
    ],
)
def test_options_that_look_alike_are_kept_apart(written: str, options: tuple[str, ...], meant: str | None) -> None:
    assert option_of(written, options) == meant


def test_an_answer_whose_first_sentence_is_an_option_concludes_with_it() -> None:
    assert conclusion_of("Yes. It holds, no matter what.", YES_NO) == "Yes"
    assert conclusion_of("**No**\n\nIt does not hold.", YES_NO) == "No"
    assert conclusion_of("Yes, if it holds. No otherwise.", YES_NO) is None


DECORATIONS = ["{}", '"{}"', "**{}**", "{}.", " {}\n", "Option: {}", "({})"]
names = st.text("abcdefg XYZ", min_size=1, max_size=12).filter(lambda name: name.strip() == name)


@given(st.lists(names, min_size=2, max_size=6, unique_by=lambda name: name.casefold()), st.data())
def test_an_option_in_any_decoration_is_never_taken_for_another(options: list[str], data: st.DataObject) -> None:
    option = data.draw(st.sampled_from(options))
    written = data.draw(st.sampled_from(DECORATIONS)).format(option)
    assert option_of(option, options) == option
    assert option_of(written, options) in (option, None)


@given(st.text(max_size=60), st.lists(st.text(min_size=1, max_size=8), max_size=5))
def test_any_text_is_one_of_the_options_or_none(text: str, options: list[str]) -> None:
    assert option_of(text, options) in (None, *options)
