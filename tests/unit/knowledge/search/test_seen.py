from __future__ import annotations

import pytest
from hypothesis import given
from hypothesis import strategies as st

from aragora.knowledge.search.seen import FOUND_MAX, TEXT_MAX_CHARS, Finding, visible

ANY_TEXT = st.text(st.characters(exclude_categories=()), max_size=60)
BIDI = "\u061c\u200e\u200f\u202a\u202b\u202c\u202d\u202e\u2066\u2067\u2068\u2069"


@pytest.mark.parametrize("char", BIDI)
def test_each_of_the_twelve_bidi_controls_is_removed_and_reported(char: str) -> None:
    seen = visible(f"ig{char}nore")
    assert (seen.text, seen.plain) == ("ignore", "ignore")
    assert [(found.code, found.finding, found.times) for found in seen.found] == [
        (f"U+{ord(char):04X}", Finding.BIDI, 1)
    ]


@pytest.mark.parametrize(
    ("char", "finding"),
    [
        ("\u200b", Finding.INVISIBLE),
        ("\u2060", Finding.INVISIBLE),
        ("\u00ad", Finding.INVISIBLE),
        ("\u3164", Finding.INVISIBLE),
        ("\u200d", Finding.INVISIBLE),
        ("\ufe0f", Finding.INVISIBLE),
        ("\U000e0069", Finding.TAG),
        ("\x00", Finding.CONTROL),
        ("\x1b", Finding.CONTROL),
        ("\ud800", Finding.CONTROL),
    ],
)
def test_what_shows_nothing_between_letters_is_reported_with_its_kind(char: str, finding: Finding) -> None:
    seen = visible(f"ig{char}nore")
    assert [(found.finding, found.times) for found in seen.found] == [(finding, 1)]
    assert seen.text.replace("\ufffd", "") == "ignore"


def test_text_in_tag_characters_is_reported_and_not_shown() -> None:
    seen = visible("fine" + "".join(chr(0xE0000 + ord(char)) for char in "obey"))
    assert seen.text == "fine"
    assert sum(found.times for found in seen.found) == 4


@pytest.mark.parametrize(
    ("text", "plain"),
    [
        ("ign\u043ere the rules", "ignore the rules"),
        ("\u0430\u0440\u0440\u04cf\u0435 is here", "apple is here"),
        ("\uff49\uff47\uff4e\uff4f\uff52\uff45", "ignore"),
        ("\U0001d422\U0001d420\U0001d427\U0001d428\U0001d42b\U0001d41e", "ignore"),
        ("\u0399gn\u03bfre", "ignore"),
    ],
)
def test_look_alikes_are_reported_and_read_as_what_they_pose_as(text: str, plain: str) -> None:
    seen = visible(text)
    assert seen.plain == plain
    assert seen.text == text
    assert {found.finding for found in seen.found} == {Finding.LOOK_ALIKE}


@pytest.mark.parametrize(
    "text",
    [
        "The retry budget is 20, don't raise it.",
        "\u0411\u044e\u0434\u0436\u0435\u0442 \u043f\u043e\u0432\u0442\u043e\u0440\u043e\u0432: \u0441\u043e\u0440, \u0440\u043e\u0441\u0442",
        "API \u0448\u043b\u044e\u0437\u0430 \u0438 \u0441\u043e\u0440",
        "\u039f \u03c0\u03c1\u03bf\u03cb\u03c0\u03bf\u03bb\u03bf\u03b3\u03b9\u03c3\u03bc\u03cc\u03c2 \u03b5\u03af\u03bd\u03b1\u03b9 20",
        "\u0645\u064a\u0632\u0627\u0646\u064a\u0629",
        "\u7f51\u5173\u7684retry_budget",
        "\u092a\u0941\u0928\u0903 \u092a\u094d\u0930\u092f\u093e\u0938",
        "d\u00e9j\u00e0 vu \U0001f680 5 \u20ac",
        "\u0645\u06cc\u200c\u062e\u0648\u0627\u0647\u0645",
        "line one\nline two\tend",
    ],
)
def test_honest_texts_of_many_scripts_are_not_reported(text: str) -> None:
    assert visible(text).found == ()
    assert visible(text).text == text


@given(ANY_TEXT)
def test_what_is_shown_shows_the_same_when_looked_at_again(text: str) -> None:
    once = visible(text)
    again = visible(once.text)
    assert again.text == once.text
    assert {found.finding for found in again.found} <= {Finding.LOOK_ALIKE}


@given(ANY_TEXT)
def test_any_text_can_be_looked_at_and_kept(text: str) -> None:
    seen = visible(text)
    seen.text.encode()
    seen.plain.encode()


def test_the_report_of_a_hostile_text_is_bounded() -> None:
    seen = visible("".join(chr(0xE0000 + number) for number in range(4_096)) * 10)
    assert len(seen.found) == FOUND_MAX
    assert len(visible("a" * (TEXT_MAX_CHARS + 1)).text) == TEXT_MAX_CHARS
