"""Texts with expressions in them."""

from __future__ import annotations

import time
from typing import Any

import pytest

from aragora.workflows.definition import PAYLOAD_MAX_BYTES
from aragora.workflows.expressions import ExpressionError
from aragora.workflows.filling import expressions_of, filled, filled_all

NAMES = {"inputs": {"list": [1, "x"], "text": "a", "none": None, "on": True, "bad": "\x1b[0m", "half": "\ud800"}}


@pytest.mark.parametrize(
    ("text", "value"),
    [
        ("no expression", "no expression"),
        ("", ""),
        ("{{ inputs.list }}", [1, "x"]),
        ("{{inputs.none}}", None),
        ("a {{ inputs.list }} b", 'a [1,"x"] b'),
        ("<{{ inputs.none }}{{ inputs.on }}{{ 1.5 }}{{ inputs.text }}>", "<true1.5a>"),
        (" {{ inputs.on }}", " true"),
        ('{{ "}}" }}', "}}"),
        ('{{ "it\'s }}" }}', "it's }}"),
        ('{{ {"a": {"b": 1}}.a.b }}', 1),
        ('{{ {"a": {"b": 1}}}}', {"a": {"b": 1}}),
        ('{{ "{{" }} and }} and {', "{{ and }} and {"),
    ],
)
def test_a_text_is_filled(text: str, value: Any) -> None:
    assert filled(text, NAMES) == value


@pytest.mark.parametrize(
    ("text", "said"),
    [
        ("a {{ 1", "at character 3 has no }}"),
        ("{{ }}", "empty"),
        ("ab {{ 1 + }}", "at character 4: The expression is not CEL"),
        ("{{ inputs.bad }}", r"U\+001B"),
        ("x{{ inputs.half }}", "half|surrogate|U"),
        ("{{ [inputs.bad] }}", r"U\+001B"),
        ("{{1}}" * 101, "at most 100 expressions"),
        ("\x00", r"U\+0000"),
    ],
)
def test_what_is_wrong_is_told(text: str, said: str) -> None:
    with pytest.raises(ExpressionError, match=said):
        filled(text, NAMES)


def test_a_value_is_filled_all_through() -> None:
    value = {"a": ["{{ inputs.text }}", 1, None], "b": {"c": ("x{{ 1 }}",)}}
    assert filled_all(value, NAMES) == {"a": ["a", 1, None], "b": {"c": ["x1"]}}


def test_what_comes_out_is_bounded() -> None:
    half = {"s": "x" * (PAYLOAD_MAX_BYTES // 2)}
    for wrong in ("{{ s }}{{ s }}{{ s }}", ["{{ s }}", "{{ s }}", "{{ s }}"]):
        with pytest.raises(ExpressionError) as raised:
            filled_all(wrong, half)
        assert raised.value.code == "too_large"
    deep: Any = "x"
    for _ in range(50):
        deep = [deep]
    with pytest.raises(ExpressionError, match="nests too deep"):
        filled_all(deep, {})


def test_all_expressions_of_a_value_share_one_budget() -> None:
    begun = time.perf_counter()
    with pytest.raises(ExpressionError, match="does too much"):
        filled_all([f"{{{{ x.all(a, x.all(b, a + b >= {number})) }}}}" for number in range(-50, 0)], {"x": [1] * 150})
    assert time.perf_counter() - begun < 2.0


def test_the_expressions_of_a_value_are_known() -> None:
    found = expressions_of({"a": "{{ inputs.a }} {{ steps.b.c }}", "d": ["{{ item }}"]})
    assert [one.text for one in found] == ["inputs.a", "steps.b.c", "item"]
