"""What is encoded can be read back, and what cannot be is refused where it is written."""

from __future__ import annotations

import json
from dataclasses import dataclass
from typing import Any

import pytest
from hypothesis import given
from hypothesis import strategies as st
from msgspec import Raw

from aragora.encoding import NotEncodable, decode, decode_as, encode, encode_text

_DEEP = 100_000


@dataclass(frozen=True, slots=True)
class Bill:
    usd: float
    note: str | None = None


def _nested(depth: int) -> list[Any]:
    nested: list[Any] = []
    for _ in range(depth):
        nested = [nested]
    return nested


values = st.recursive(
    st.none() | st.booleans() | st.integers() | st.floats() | st.text(st.characters()),
    lambda inner: st.lists(inner) | st.dictionaries(st.text(), inner),
    max_leaves=20,
)


@given(values)
def test_what_is_encoded_reads_back_as_it_was_or_is_refused(value: object) -> None:
    try:
        raw = encode(value)
    except NotEncodable:
        with pytest.raises((ValueError, UnicodeError)):  # what a strict encoder says of it
            json.dumps(value, allow_nan=False, ensure_ascii=False).encode()
    else:
        assert json.loads(raw) == value


@pytest.mark.parametrize("number", [float("nan"), float("inf"), float("-inf")])
def test_a_number_that_json_does_not_know_is_refused_and_not_written_as_null(number: float) -> None:
    for value in (number, Bill(number), {"usage": [{"cost": number, "note": None}]}):
        with pytest.raises(NotEncodable, match="not finite"):
            encode(value)
        with pytest.raises(NotEncodable):
            encode_text(value)


def test_an_absent_value_is_no_reason_to_refuse() -> None:
    assert decode_as(encode(Bill(0.25)), Bill) == Bill(0.25)
    assert decode(encode({"text": "null", "number": 2**70, "absent": None})) == {
        "text": "null",
        "number": 2**70,
        "absent": None,
    }


@pytest.mark.parametrize("text", ["boom \ud83d", "\udfff"])
def test_half_a_character_is_refused(text: str) -> None:
    for value in (text, {text: 1}, Bill(0.0, text)):
        with pytest.raises(NotEncodable, match="half of a character"):
            encode(value)


def test_json_that_is_nested_too_deeply_is_no_json_of_ours() -> None:
    for raw in ("[" * 100_000, '{"a":' * 100_000):
        with pytest.raises(ValueError, match="nested"):
            decode(raw)
    with pytest.raises(ValueError, match="nested"):
        decode_as("[" * 100_000, list[Any])


def test_what_is_nested_too_deeply_is_refused() -> None:
    with pytest.raises(NotEncodable, match="nested"):
        encode(_nested(_DEEP))


UNLUCKY = 1812147711.8755689
"""An ordinary number whose msgpack has, in its middle, the bytes with which one that is not finite begins."""


@pytest.mark.parametrize("found", [Raw(b'{"winner": null}'), Raw(b"null"), {"winner": None}, b"\xcb\x7f\xf0"])
def test_a_number_that_looks_infinite_to_the_quick_look_is_encoded_beside_any_value(found: object) -> None:
    assert json.loads(encode({"at": UNLUCKY, "found": found, "reason": None}))["at"] == UNLUCKY


def test_the_exact_look_sees_what_is_not_finite_beside_a_raw_text() -> None:
    with pytest.raises(NotEncodable, match="not finite"):
        encode({"at": float("nan"), "found": Raw(b'{"winner": null}')})


def test_a_raw_text_that_is_no_json_is_refused_by_the_exact_look() -> None:
    with pytest.raises(NotEncodable, match="no JSON"):
        encode({"at": UNLUCKY, "found": Raw(b"{null"), "reason": None})
