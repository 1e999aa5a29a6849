"""Expressions: what they give, what they refuse, and that none of them takes long."""

from __future__ import annotations

import time
from typing import Any

import pytest

from aragora.workflows.definition import PAYLOAD_MAX_BYTES
from aragora.workflows.expressions import ExpressionError, compiled, condition, evaluate, names_used

NUMBERS = list(range(1_000))
BIG = "x" * 200_000
RECORDS = [{"score": number, "ok": True, "name": f"n{number}"} for number in range(1_000)]
SLOW_S = 2.0
"""Far over what any takes (50 ms), and far below what the same took without bounds (30 s and more)."""


@pytest.mark.parametrize(
    ("text", "value"),
    [
        ("1 + 2", 3),
        ("1-1", 0),
        ("2 * 1.5", 3.0),
        ("-7 / 2", -3),
        ("-7 % 2", -1),
        ("7.0 / 2", 3.5),
        ('"a" + "b"', "ab"),
        ("[1] + [2]", [1, 2]),
        ('{"a": 1}', {"a": 1}),
        ("null", None),
        ("inputs.on ? 1 : 2", 1),
        ("1 < 1.5", True),
        ("1 == 1.0", True),
        ('1 == "1"', False),
        ("true == 1", False),
        ("[1, [2]] == [1.0, [2]]", True),
        ('"b" in inputs.names', True),
        ('"on" in inputs', True),
        ('inputs["names"][1]', "b"),
        ("has(inputs.on) && !has(inputs.off)", True),
        ("inputs.missing || true", True),
        ("false && inputs.missing", False),
        ("inputs.missing && false", False),
        ("inputs.names.all(n, size(n) == 1)", True),
        ('inputs.names.exists(n, n == "b")', True),
        ('inputs.names.exists_one(n, n != "b")', True),
        ('inputs.names.filter(n, n > "a").map(n, n + "!")', ["b!"]),
        ('inputs.names.map(n, n > "a", n + "!")', ["b!"]),
        ("[[1, 2], [3]].map(x, x.map(y, y * 2))", [[2, 4], [6]]),
        ("inputs.map(k, k)", ["on", "names"]),
        ("[1, 0].exists(x, 1 / x == 1)", True),
        ('"abc".contains("b") && "abc".startsWith("a") && "abc".endsWith("c")', True),
        ('"a1".matches("^[a-z][0-9]$")', True),
        ('inputs.names.join(", ")', "a, b"),
        ('" Ab ".trim().upperAscii() + "Ab".lowerAscii()', "ABab"),
        ('int("12") + int(3.9)', 15),
        ('double("1.5") + double(1)', 2.5),
        ("string(1) + string(true) + string(1.5)", "1true1.5"),
        ("\"a\\\"b\" + 'c\\'d' + r'\\d' + '\\u00e9' + '\\n'", "a\"bc'd\\dé\n"),
        ('"""a "quoted" text"""', 'a "quoted" text'),
        ("0x1F", 31),
        ("-9223372036854775808", -(2**63)),
    ],
)
def test_an_expression_gives_a_value(text: str, value: Any) -> None:
    found = evaluate(text, {"inputs": {"on": True, "names": ["a", "b"]}})
    assert found == value
    assert type(found) is type(value)


@pytest.mark.parametrize(
    ("text", "said"),
    [
        ("", "empty"),
        ("1 +", "not CEL"),
        ("a b", r"not CEL from here on\. \(column 3\)"),
        ("1\n+\n+ 2 b", "column"),
        ("nobody", "no 'nobody'"),
        ("inputs.nothing", r"no 'nothing' here"),
        ("inputs.n.x", "in an integer"),
        ("[1][1]", "1 items, and none at 1"),
        ("[1][-1]", "none at -1"),
        ("1 / 0", "division by zero"),
        ("1.0 / 0.0", "division by zero"),
        ("1 % 0", "division by zero"),
        ("9223372036854775807 + 1", "more than there is room for"),
        ("-(-9223372036854775807 - 1)", "more than there is room for"),
        ("1e308 * 10.0", "more than there is room for"),
        ("9223372036854775808", "64 bits"),
        ("1e999", "too large"),
        ('1 + "a"', "does not take an integer and a text"),
        ('"a" * 3', "does not take"),
        ("true + true", "does not take"),
        ("1 && true", "true or false is needed"),
        ("1 ? 2 : 3", "true or false is needed"),
        ('"a" < 1', "does not take"),
        ("1u", "unsigned"),
        ('b"a"', "no bytes"),
        ("a{b: 1}", "Protocol Buffers"),
        (".a", "Protocol Buffers"),
        ("1 // more", "comments"),
        ("for", "word of CEL"),
        ('timestamp("2026-01-01T00:00:00Z")', "no function 'timestamp'"),
        ("size()", "does not take 0"),
        ("has(inputs)", "takes one member"),
        ("[1].map(1, 2)", "takes a name"),
        ('{"a": 1, "a": 2}', "each once"),
        ("{1: 2}", "texts"),
        ("'a", "does not end"),
        ("(1", "not closed"),
        ("1)", "closes nothing"),
        ("[1)", "closes nothing"),
        ('"\\ud800"', "control character"),
        ('"\\u0000"', "control character"),
        ("\x00", "control character"),
        ('"\\q"', "no character of CEL"),
        ('"a".matches("(")', "pattern cannot be read"),
        ('int("1_0")', "no integer"),
        ('double("nan")', "no number"),
        ("inputs.huge", "64 bits"),
        ("inputs.nan", "finite"),
    ],
)
def test_what_is_wrong_is_told(text: str, said: str) -> None:
    with pytest.raises(ExpressionError, match=f"(?i){said}"):
        evaluate(text, {"inputs": {"n": 1, "huge": 2**70, "nan": float("nan")}})


def test_an_error_has_its_place() -> None:
    with pytest.raises(ExpressionError) as raised:
        compiled("inputs.a + for")
    assert raised.value.column == 12


@pytest.mark.parametrize(
    "text",
    [
        "x.map(a, x)",
        "x.all(a, x.all(b, x.all(c, true)))",
        "x.map(a, s + s)",
        "x.map(a, x.filter(b, b > a))",
        "+".join(["s"] * 60),
        "[1].map(a, [a, a])" + ".map(a, [a, a])" * 60,
        "deep == deep",
        "[deep, deep, deep]",
        'x.map(a, s.matches("(a*)*b" + string(a)))',
        'x.map(a, "a".matches("((a{1,1000}){1,1000}){1,1000}"))',
        "x.map(a, s.contains(s + string(a)))",
        "x.map(a, x.map(b, x.map(c, x.map(d, 1))))",
        "'" + "\\n" * 30,
        '"""' + "\\n" * 400,
        '"a"' * 300,
        "(" * 999,
        "[" * 500 + "]" * 500,
        "!" * 999 + "true",
        "-" * 999 + "1",
        "1" + "+1" * 499,
        "x" + ".a" * 499,
        "x" + "[0]" * 300,
        "true?1:" * 142 + "2",
        "x" * 1_000,
        "x" * 1_001,
    ],
)
def test_a_hostile_expression_is_refused_in_time(text: str) -> None:
    names = {"x": NUMBERS, "s": BIG, "deep": [[NUMBERS] * 100] * 100}
    compiled.cache_clear()
    begun = time.thread_time()
    with pytest.raises(ExpressionError):
        evaluate(text, names)
    assert time.thread_time() - begun < SLOW_S


def test_values_that_nest_deeper_than_python_are_refused() -> None:
    deep: list[Any] = []
    for _ in range(5_000):
        deep = [deep]
    with pytest.raises(ExpressionError, match="nest too deep"):
        evaluate("a == b", {"a": deep, "b": [deep]})


def test_a_thousand_records_are_filtered() -> None:
    found = evaluate("x.filter(i, i.score > 3 && i.ok).map(i, i.name)", {"x": RECORDS})
    assert found[0] == "n4"
    assert len(found) == 996


def test_what_comes_out_is_bounded() -> None:
    text = "x" * (PAYLOAD_MAX_BYTES // 2)
    with pytest.raises(ExpressionError, match="more than 262144 bytes") as raised:
        evaluate("[s, s, s]", {"s": text})
    assert raised.value.code == "too_large"


def test_names_are_told_apart() -> None:
    text = 'inputs.a + steps.b.answer + steps["c"].x + item.q + [1].map(z, z + round)[0] + steps[item.f] + size(inputs)'
    assert names_used(text) == {"inputs.a", "steps.b", "steps.c", "item", "round", "steps", "inputs"}
    assert names_used("[1].all(steps, steps.a == 1)") == frozenset()
    assert names_used("has(steps.a) && has(steps.b.c)") == {"steps.a", "steps.b"}


def test_the_variable_of_a_macro_hides_a_name_within_it_alone() -> None:
    assert evaluate("[[1], [2]].map(x, x.map(x, x + 1)) + [x]", {"x": 7}) == [[2], [3], 7]


def test_names_given_are_not_changed() -> None:
    names = {"x": [1]}
    evaluate("[2].map(y, x + [y])", names)
    assert names == {"x": [1]}


def test_a_condition_is_true_or_false() -> None:
    assert condition("1 < 2", {}) is True
    with pytest.raises(ExpressionError, match="gives an integer and not true or false"):
        condition("1", {})
