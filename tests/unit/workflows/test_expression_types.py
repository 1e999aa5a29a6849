"""What can be told of an expression before it runs."""

from __future__ import annotations

from typing import Any

import pytest
from hypothesis import given, settings
from hypothesis import strategies as st

from aragora.workflows.expression_tree import read
from aragora.workflows.expression_types import (
    ANY,
    BOOLEAN,
    LIST,
    MAP,
    NULL,
    NUMBER,
    TEXT,
    Type,
    checked_type,
    either,
    list_of,
    map_of,
)
from aragora.workflows.expressions import ExpressionError, evaluate

NAMES = {
    "n": NUMBER,
    "t": TEXT,
    "b": BOOLEAN,
    "l": list_of(NUMBER),
    "m": map_of({"a": NUMBER, "t": TEXT}),
    "maybe": either(TEXT, NULL),
    "any": ANY,
}
VALUES = {"n": 3, "t": "x", "b": True, "l": [1, 2], "m": {"a": 1, "t": "x"}, "maybe": None, "any": {"x": [1]}}


def told(text: str) -> tuple[Type, list[str]]:
    gives, mistakes = checked_type(read(text), NAMES)
    return gives, [one.message for one in mistakes]


@pytest.mark.parametrize(
    ("text", "gives"),
    [
        ("n + 1", NUMBER),
        ("t + 'a'", TEXT),
        ("l + [4]", list_of(NUMBER)),
        ("n > 2 && b || !b", BOOLEAN),
        ("m.a", NUMBER),
        ("m['t']", TEXT),
        ("l[0]", NUMBER),
        ("l.map(x, string(x))", list_of(TEXT)),
        ("l.filter(x, x > 1)", list_of(NUMBER)),
        ("m.exists(k, k == 'a')", BOOLEAN),
        ("b ? n : t", either(NUMBER, TEXT)),
        ("{'a': 1}.a", NUMBER),
        ("size(m) + size(t) + size(l)", NUMBER),
        ("any.x.y.z", ANY),
        ("maybe == null ? 'none' : maybe", either(TEXT, NULL)),
        ("has(m.nothing)", BOOLEAN),
        ("'x' in m", BOOLEAN),
        ("[]", LIST),
        ("{t: 1}", MAP),
        ("null", NULL),
        ("t.matches('a+') && matches(t, 'a')", BOOLEAN),
        ("['a'].join(', ').upperAscii()", TEXT),
    ],
)
def test_a_type_follows_from_those_of_the_names(text: str, gives: Type) -> None:
    assert told(text) == (gives, [])


@pytest.mark.parametrize(
    ("text", "says"),
    [
        ("n + 'a'", "`+` does not take a number and a text"),
        ("t > 1", "`>` does not take a text and a number"),
        ("n && b", "`&&` takes a boolean, and this is a number"),
        ("!t", "`!` takes a boolean"),
        ("-t", "`-` takes a number"),
        ("t.a", "there is no 'a' in a text"),
        ("m.c", "there is never a 'c' here, but a, t"),
        ("m['c']", "there is never a 'c' here, but a, t"),
        ("n[0]", "there is nothing in a number at a number"),
        ("l['a']", "there is no 'a' in a list"),
        ("1 in t", "`in` takes a list or a map"),
        ("size(n)", "`size` takes a text or a list or a map"),
        ("n.startsWith('a')", "`startsWith` takes a text"),
        ("n.map(x, x)", "`map` takes a list or a map"),
        ("l.filter(x, x)", "`filter` takes a boolean"),
        ("l.map(x, x + 'a')", "`+` does not take a number and a text"),
        ("n ? 1 : 2", "`?` takes a boolean"),
        ("{1: 2}", "a key takes a text"),
        ("has(n.a)", "`has` takes a map"),
    ],
)
def test_what_can_never_be_done_is_told_with_its_place(text: str, says: str) -> None:
    _, mistakes = checked_type(read(text), NAMES)
    assert any(one.message.startswith(says) for one in mistakes), mistakes
    assert all(1 <= one.column <= len(text) for one in mistakes)


LEAVES = ["(1)", "(2.5)", "'a'", "true", "null", "[]", "[1]", "{}", "{'a': 1}", *NAMES]


def expressions(inner: st.SearchStrategy[str]) -> st.SearchStrategy[str]:
    operators = ["+", "-", "*", "/", "%", "<", "<=", "==", "!=", "in", "&&", "||"]
    return st.one_of(
        st.tuples(inner, st.sampled_from(operators), inner).map(lambda x: f"({x[0]} {x[1]} {x[2]})"),
        st.tuples(st.sampled_from(["!", "-"]), inner).map(lambda x: f"({x[0]}{x[1]})"),
        st.tuples(inner, st.sampled_from(["a", "t", "x"])).map(lambda x: f"{x[0]}.{x[1]}"),
        st.tuples(inner, inner).map(lambda x: f"{x[0]}[{x[1]}]"),
        st.tuples(inner, inner, inner).map(lambda x: f"({x[0]} ? {x[1]} : {x[2]})"),
        st.tuples(st.sampled_from(["size", "string", "int", "double", "bool", "dyn"]), inner).map(
            lambda x: f"{x[0]}({x[1]})"
        ),
        st.tuples(inner, st.sampled_from(["map", "filter", "all", "exists"]), inner).map(
            lambda x: f"{x[0]}.{x[1]}(x, {x[2]})"
        ),
        st.lists(inner, max_size=2).map(lambda x: f"[{', '.join(x)}]"),
        inner.map(lambda x: f"{{'k': {x}}}"),
    )


@settings(max_examples=400, deadline=None)
@given(st.recursive(st.sampled_from(LEAVES), expressions, max_leaves=6))
def test_what_comes_out_is_of_the_type_that_was_told_and_what_runs_whole_has_no_mistake(text: str) -> None:
    try:
        value = evaluate(text, VALUES)
    except ExpressionError:
        return
    gives, mistakes = checked_type(read(text), NAMES)
    assert kind(value) in gives.kinds, (value, gives)
    passes_over = any(one in text for one in ("&&", "||", "?", ".map(", ".filter(", ".all(", ".exists("))
    assert mistakes == [] or passes_over, mistakes


def kind(value: Any) -> str:
    if value is None:
        return "null"
    if isinstance(value, bool):
        return "boolean"
    found = {int: "number", float: "number", str: "text", list: "list", dict: "map"}
    return found[type(value)]
