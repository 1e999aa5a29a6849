"""Which characters are taken: what no store can keep and what terminals obey is not."""

from __future__ import annotations

import re
import unicodedata
from typing import Any

import pytest
from hypothesis import given
from hypothesis import strategies as st

from aragora.texts import BLANK, IGNORABLE, JOINERS, SELECTORS, check_all, counted, line, prose

C0 = [chr(code) for code in range(0x20)]
C1 = [chr(code) for code in range(0x7F, 0xA0)]
KEPT_IN_PROSE = {"\t", "\n", "\r"}


def refuses(check: Any, text: str) -> bool:
    try:
        check(text)
    except ValueError:
        return True
    return False


def test_a_line_has_no_control_character_and_prose_only_those_that_lay_it_out() -> None:
    assert all(refuses(line, f"a{char}b") for char in C0 + C1)
    assert {char for char in C0 if not refuses(prose, f"a{char}b")} == KEPT_IN_PROSE
    assert all(refuses(prose, f"a{char}b") for char in C1)


@pytest.mark.parametrize("check", [line, prose])
def test_half_of_a_surrogate_pair_is_no_text(check: Any) -> None:
    assert all(refuses(check, f"a{chr(half)}b") for half in (0xD800, 0xDBFF, 0xDC00, 0xDFFF))


@given(st.text(st.characters(exclude_categories=("Cs",))))
def test_whatever_is_taken_is_what_it_was_and_can_be_kept_by_every_store(text: str) -> None:
    for check in (line, prose):
        if not refuses(check, text):
            assert check(text) == text
            assert "\0" not in text
            assert text.encode().decode() == text
    if all(unicodedata.category(char) != "Cc" for char in text):
        assert line(text) == prose(text) == text


def test_the_refusal_names_the_character_and_does_not_repeat_it() -> None:
    with pytest.raises(ValueError, match=r"U\+0000") as refused:
        line("a\0b")
    assert "\0" not in str(refused.value)


@pytest.mark.parametrize(
    ("value", "place"),
    [
        ({"channel": "a\0b"}, "settings.channel"),
        ({"a": [{"b": "\x1b[2J"}]}, "settings.a.0.b"),
        ({"a": {"\0": 1}}, "a name in settings.a"),
    ],
)
def test_every_text_of_a_json_value_is_checked_and_its_place_is_named(value: Any, place: str) -> None:
    with pytest.raises(ValueError, match=f"^{place}: "):
        check_all(value, "settings")


def test_what_is_no_text_passes() -> None:
    check_all({"a": [1, 2.5, None, True, {"pem": "-----BEGIN\nKEY\n"}]}, "settings")


def test_what_shows_nothing_is_what_unicode_says_each_in_one_class() -> None:
    classes = [re.compile(f"[{chars}]") for chars in (IGNORABLE, JOINERS, SELECTORS, BLANK)]
    assert all(sum(bool(each.match(chr(code))) for each in classes) <= 1 for code in range(0x110000))
    ignorable = [code for code in range(0x110000) if any(each.match(chr(code)) for each in classes[:3])]
    # The total that DerivedCoreProperties.txt gives for Default_Ignorable_Code_Point.
    assert len(ignorable) == 4174


def test_one_is_singular() -> None:
    assert [counted(number, "vote") for number in (0, 1, 2)] == ["0 votes", "1 vote", "2 votes"]
    assert [counted(number, "entry", "entries") for number in (1, 2)] == ["1 entry", "2 entries"]
