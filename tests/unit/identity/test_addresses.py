"""E-mail addresses have one form, and nothing in them is unseen."""

from __future__ import annotations

import pytest
from hypothesis import given
from hypothesis import strategies as st

from aragora.errors import InvalidInput
from aragora.identity.addresses import checked_email, domain_of, normal_email, shown_name, unseen


@pytest.mark.parametrize(
    "spelling",
    ["jos\u00e9@example.com", "jose\u0301@example.com", " JOS\u00c9@Example.COM ", "\uff4aose\u0301@example.com"],
)
def test_spellings_that_look_the_same_are_the_same_address(spelling: str) -> None:
    assert checked_email(spelling) == "jos\u00e9@example.com"


@pytest.mark.parametrize(
    "char",
    ["\u200b", "\u200d", "\u202e", "\u2066", "\ufeff", "\u00ad", "\x00", "\x7f", "\ud800", "\u2028", "\u3164",
     "\ufe0f", "\U000e0041", "\u2800", "\u034f", "\u115f", "\u00a0"],
)  # fmt: skip
def test_what_cannot_be_seen_is_in_no_address(char: str) -> None:
    for address in (f"ja{char}ne@example.com", f"jane@exam{char}ple.com"):
        with pytest.raises(InvalidInput) as refused:
            checked_email(address)
        assert refused.value.code == "invalid_address"


@pytest.mark.parametrize(
    "text", ["", "jane", "@example.com", "jane@", "a b@x.org", "a@b@x.org", "a\uff20b@x.org", "a@x.org,b@x.org",
             f"{'a' * 65}@x.org", f"a@{'x' * 250}.org"],
)  # fmt: skip
def test_what_is_no_address_is_refused(text: str) -> None:
    with pytest.raises(InvalidInput):
        checked_email(text)


@given(st.text())
def test_the_form_is_reached_in_one_step(text: str) -> None:
    assert normal_email(normal_email(text)) == normal_email(text)


@given(st.text(max_size=20))
def test_an_address_that_is_taken_stays_as_it_is(local: str) -> None:
    try:
        taken = checked_email(f"{local}@Example.org")
    except InvalidInput:
        return
    assert checked_email(taken) == taken
    assert domain_of(taken) == "example.org"


@given(st.text(max_size=300))
def test_a_name_is_one_line_of_what_can_be_seen(name: str) -> None:
    shown = shown_name(name)
    assert 0 < len(shown) <= 100
    assert not any(unseen(char) and char != " " for char in shown)
    assert shown == shown_name(shown)


def test_a_name_keeps_its_words() -> None:
    assert shown_name("  Jane\n\u202eDoe\x00 ") == "Jane Doe"
    assert shown_name("\u200b") == "-"
