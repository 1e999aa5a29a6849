from __future__ import annotations

import pytest
from hypothesis import given
from hypothesis import strategies as st

from aragora.knowledge.search.folding import folded, mended

ANY_TEXT = st.text(st.characters(exclude_categories=()), max_size=60)

SAME = {
    "composed and decomposed letters": ("e\u0301te\u0301", "\u00e9t\u00e9"),
    "full width": ("\uff32\uff45\uff54\uff52\uff59", "retry"),
    "mathematical letters": ("\U0001d42b\U0001d41e\U0001d42d\U0001d42b\U0001d432", "retry"),
    "half-width katakana": ("\uff83\uff9e\uff70\uff80", "\u30c7\u30fc\u30bf"),
    "case": ("RETRY", "retry"),
    "the sharp s": ("STRASSE", "stra\u00dfe"),
    "the final sigma": ("\u039f\u0394\u039f\u03a3", "\u03bf\u03b4\u03cc\u03c2".replace("\u03cc", "\u03bf")),
    "the Turkish dotted capital i": ("\u0130STANBUL", "istanbul"),
    "the Turkish dotless i": ("ISPARTA", "\u0131sparta"),
    "Arabic vowel marks": ("\u0645\u064f\u062d\u064e\u0645\u064e\u0651\u062f", "\u0645\u062d\u0645\u062f"),
    "the tatweel": ("\u0645\u0640\u0640\u062d\u0645\u062f", "\u0645\u062d\u0645\u062f"),
    "Hebrew points": ("\u05e9\u05b8\u05c1\u05dc\u05d5\u05b9\u05dd", "\u05e9\u05dc\u05d5\u05dd"),
    "zero width": ("re\u200bfu\ufeffnd", "refund"),
    "the twelve bidi controls": (
        "re\u061c\u200e\u200f\u202a\u202b\u202c\u202d\u202e\u2066\u2067\u2068\u2069fund",
        "refund",
    ),
    "tag characters": ("re\U000e0066\U000e0075fund", "refund"),
    "soft hyphens and joiners": ("re\u00adf\u200cu\u200dnd", "refund"),
    "control characters": ("re\x00f\x1bund", "refund"),
    "digits of other scripts": ("\u0662\u0660 \u096a", "20 4"),
    "typographic apostrophes": ("don\u2019t", "don't"),
    "typographic hyphens": ("a\u2010b a\u2011b a\u2212b", "a-b a-b a-b"),
}


@pytest.mark.parametrize("case", SAME)
def test_what_people_take_for_the_same_is_written_the_same(case: str) -> None:
    one, other = SAME[case]
    assert folded(one) == folded(other)


@given(ANY_TEXT)
def test_folding_twice_changes_nothing_more(text: str) -> None:
    assert folded(folded(text)) == folded(text)


@given(ANY_TEXT)
def test_any_text_can_be_written_as_utf_8_once_folded(text: str) -> None:
    folded(text).encode()


def test_two_halves_are_one_character_and_a_lone_half_is_replaced() -> None:
    assert mended("\ud83d\ude00 \ud800") == "\U0001f600 \ufffd"


def test_line_breaks_and_tabs_stay() -> None:
    assert folded("a\tb\r\nc") == "a\tb\r\nc"
