"""The body is made once, reads back as the same bytes, and what would not is refused before anything is stored."""

from __future__ import annotations

import json
import time
from collections import OrderedDict
from enum import IntEnum, StrEnum
from typing import Any

import pytest
from hypothesis import given
from hypothesis import strategies as st
from worlds.waiting import WAIT_S

from aragora.errors import InvalidInput, TooLarge
from aragora.webhooks.body import MAX_BYTES, MAX_DEPTH, body_of, with_delivery_id

ID = "dlv_4e4e4e4e4e4e4e4e4e4e4e4e4e4e4e4e"
whole_characters = st.text(st.characters(exclude_categories=["Cs"]))
values = st.recursive(
    st.none() | st.booleans() | st.integers() | st.floats(allow_nan=False, allow_infinity=False) | whole_characters,
    lambda inner: st.lists(inner) | st.dictionaries(whole_characters, inner),
    max_leaves=30,
)
payloads = st.dictionaries(whole_characters | st.just("delivery_id"), values)


def nested(levels: int) -> dict[str, Any]:
    payload: dict[str, Any] = {}
    for _ in range(levels - 1):
        payload = {"inner": payload}
    return payload


@given(payloads)
def test_what_is_sent_is_the_same_bytes_after_a_parse_and_a_dump(payload: dict[str, Any]) -> None:
    sent = with_delivery_id(body_of(payload), ID)
    assert json.dumps(json.loads(sent)).encode() == sent


@given(payloads)
def test_the_receiver_gets_the_payload_and_the_id_in_front(payload: dict[str, Any]) -> None:
    received = json.loads(with_delivery_id(body_of(payload), ID))
    if "delivery_id" in payload:
        assert list(received.items()) == list(payload.items())
    else:
        assert list(received.items()) == [("delivery_id", ID), *payload.items()]


@given(st.dictionaries(st.text() | st.integers() | st.booleans() | st.none() | st.floats(), st.text() | st.floats()))
def test_whatever_is_given_is_either_refused_or_stable(payload: dict[Any, Any]) -> None:
    try:
        body = body_of(payload)
    except InvalidInput:
        return
    assert json.dumps(json.loads(body)) == body


def test_the_order_of_keys_is_the_producers() -> None:
    assert body_of({"b": 1, "a": {"d": 2, "c": 3}}) == '{"b": 1, "a": {"d": 2, "c": 3}}'


def test_the_body_of_an_empty_payload_holds_the_id_alone() -> None:
    assert with_delivery_id(body_of({}), ID) == f'{{"delivery_id": "{ID}"}}'.encode()


@pytest.mark.parametrize("own", ["mine", None, {"delivery_id": 1}])
def test_a_callers_own_delivery_id_wins(own: object) -> None:
    assert json.loads(with_delivery_id(body_of({"a": 1, "delivery_id": own}), ID)) == {"a": 1, "delivery_id": own}


@pytest.mark.parametrize(
    "payload",
    [
        {"data": {"delivery_id": "of another"}},
        {"text": 'a text with "delivery_id": in it'},
        {'a "delivery_id': 1},
        {'x"delivery_id': {"delivery_id": 2}},
    ],
)
def test_a_delivery_id_elsewhere_in_the_payload_does_not_keep_ours_away(payload: dict[str, Any]) -> None:
    assert json.loads(with_delivery_id(body_of(payload), ID)) == {"delivery_id": ID, **payload}


def test_dicts_and_enums_of_other_classes_are_what_they_stand_for() -> None:
    class Colour(StrEnum):
        RED = "red"

    class Size(IntEnum):
        TWO = 2

    payload = OrderedDict(colour=Colour.RED, size=Size.TWO, pair=(1, 2))
    assert body_of(payload) == '{"colour": "red", "size": 2, "pair": [1, 2]}'


@pytest.mark.parametrize("payload", [[], "text", None, 7, b"{}"])
def test_what_is_no_dict_is_refused(payload: Any) -> None:
    with pytest.raises(InvalidInput, match="give a dict"):
        body_of(payload)


@pytest.mark.parametrize(
    ("payload", "told"),
    [
        ({"a": float("nan")}, "NaN"),
        ({"a": [float("-inf")]}, "infinity"),
        ({float("nan"): 1}, "NaN"),
        ({"a": 10**4300}, "4300 digits"),
        ({"a": -(10**4300)}, "4300 digits"),
        ({10**4300: "a"}, "4300 digits"),
        ({"a": {1, 2}}, "type set is not JSON"),
        ({"a": b"raw"}, "type bytes is not JSON"),
        ({(1, 2): "a"}, "not tuple"),
        ({"a": {1: "x", "1": "y"}}, "two keys"),
        ({True: "x", "true": "y"}, "two keys"),
        ({None: "x", "null": "y"}, "two keys"),
        ({"\ud83d\ude00": "x", "\U0001f600": "y"}, "two keys"),
        ({"a": "\ud800"}, "half of a character"),
        ({"\udfff": 1}, "half of a character"),
        ({"a": "\ud800 \\ud83d"}, "half of a character"),
    ],
)
def test_what_other_parsers_would_refuse_or_change_is_refused_here(payload: dict[Any, Any], told: str) -> None:
    with pytest.raises(InvalidInput, match=told) as refused:
        body_of(payload)
    assert "\n" not in refused.value.message


@pytest.mark.parametrize("text", ["\ud83d\ude00", "\\ud800", "\u2028\u2029", "\x00", "\U0010ffff"])
def test_whole_characters_pass_however_they_are_written(text: str) -> None:
    assert json.loads(body_of({"a": text}))["a"].encode("utf-16", "surrogatepass") == text.encode(
        "utf-16", "surrogatepass"
    )


def test_integers_that_python_can_read_pass() -> None:
    assert json.loads(body_of({"a": 10**4300 - 1})) == {"a": 10**4300 - 1}


def test_the_depth_has_a_limit_and_no_depth_exhausts_the_stack() -> None:
    assert body_of(nested(MAX_DEPTH))
    for levels in (MAX_DEPTH + 1, 100_000):
        with pytest.raises(InvalidInput, match="levels"):
            body_of(nested(levels))


def test_a_payload_that_holds_itself_is_refused() -> None:
    payload: dict[str, Any] = {}
    payload["self"] = [payload]
    with pytest.raises(InvalidInput, match="holds itself"):
        body_of(payload)


def test_a_small_value_that_would_become_an_endless_text_is_refused_at_once() -> None:
    lists: list[Any] = ["x"]
    for _ in range(MAX_DEPTH - 2):
        lists = [lists, lists]
    began = time.monotonic()
    with pytest.raises(TooLarge):
        body_of({"lists": lists})
    assert time.monotonic() - began < WAIT_S


def test_the_size_is_that_of_the_body_and_its_limit_is_exact() -> None:
    payload = {"a": "\u00e9" * 1000}  # six bytes each on the wire
    size = len(body_of(payload))
    assert size == 1000 * 6 + len('{"a": ""}')
    assert body_of(payload, size)
    with pytest.raises(TooLarge, match=f"over {size - 1} bytes"):
        body_of(payload, size - 1)


@pytest.mark.parametrize(
    "payload",
    [{"a": "x" * MAX_BYTES}, {"x" * MAX_BYTES: 1}, {"a": [0] * MAX_BYTES}, {str(n): n for n in range(MAX_BYTES)}],
)
def test_more_than_the_limit_is_refused_wherever_it_lies(payload: dict[str, Any]) -> None:
    with pytest.raises(TooLarge):
        body_of(payload)
