"""JSON as models write it, with backslashes of LaTeX and commas too many: what is meant for certain is read."""

from __future__ import annotations

import json
import time
from typing import Any

import pytest
from hypothesis import given
from hypothesis import strategies as st

from aragora.agents.reading.embedded_json import EFFORT, spoken_in
from aragora.agents.reading.plain_texts import text_of

READ: list[tuple[str, dict[str, Any]]] = [
    (r'{"answer": "\(x\) is \sum_i \alpha"}', {"answer": r"\(x\) is \sum_i \alpha"}),
    (r'{"answer": "C:\Windows\System"}', {"answer": r"C:\Windows\System"}),
    (r'{"answer": "it\'s \u00e9"}', {"answer": r"it\'s é".replace("\\'", "\\'")}),
    (r'{"answer": "\underline{x}"}', {"answer": r"\underline{x}"}),
    ('{"answer": "Tea.", "confidence": 0.8,}', {"answer": "Tea.", "confidence": 0.8}),
    (
        '{"answer": "Tea, and, ] more,}", "evidence": ["a", "b" , ] ,\n}',
        {"answer": "Tea, and, ] more,}", "evidence": ["a", "b"]},
    ),
]


@pytest.mark.parametrize(("text", "read"), READ)
def test_what_is_meant_for_certain_is_read(text: str, read: dict[str, Any]) -> None:
    assert list(spoken_in(text).objects) == [read]


@pytest.mark.parametrize(("text", "read"), READ)
def test_what_stands_around_it_is_prose(text: str, read: dict[str, Any]) -> None:
    spoken = spoken_in(f"Here: {text} and \\( y, \\) {{}} so {text}!")
    assert list(spoken.objects) == [read, read]
    assert spoken.prose == "Here:  and \\( y, \\) {} so !"


@pytest.mark.parametrize(
    ("text", "why"),
    [
        ('{"answer": "He said "yes" to it"}', "a quote"),
        ('{"answer": "Tea." "confidence": 0.8}', "comma"),
        ('{"answer": "Tea.', "not closed"),
        ('{"answer": Tea.}', "Tea."),
        ('{"answer": "Tea.", "confidence": 80%}', "80%"),
    ],
)
def test_what_is_not_clear_is_told_and_not_guessed(text: str, why: str) -> None:
    spoken = spoken_in(text)
    assert spoken.objects == ()
    assert why in spoken.broken


def test_prose_alone_has_nothing_broken() -> None:
    assert spoken_in(r"\frac{a}{b} and {x}").broken == ""


@pytest.mark.parametrize(
    ("written", "meant"),
    [
        (r"\frac{1}{2}", r"\frac{1}{2}"),
        (r"\beta > \begin{x}", r"\beta > \begin{x}"),
        (r"2 \times 3, \theta, \text{a}, \tfrac", r"2 \times 3, \theta, \text{a}, \tfrac"),
        (r"\nabla f, x \notin y", r"\nabla f, x \notin y"),
        (r"\rho, \right), \rangle", r"\rho, \right), \rangle"),
        (r"one\ntwo\tthree\r\nfour", "one\ntwo\tthree\nfour"),
        (r"one\nable", "one\nable"),
    ],
)
def test_latex_whose_backslashes_are_escapes_by_chance_is_restored(written: str, meant: str) -> None:
    (read,) = spoken_in(f'{{"answer": "{written}"}}').objects
    assert text_of(read["answer"]) == meant


@pytest.mark.parametrize(
    "hostile",
    ['{"a":"\\(' * 20_000, '{"a":1,}' * 20_000, '"\\"' * 60_000, '{"a":"\\x' + '\\"' * 90_000, '{"a":[,' * 25_000],
    ids=lambda hostile: hostile[:12],
)
def test_a_hostile_text_is_read_in_a_moment(hostile: str) -> None:
    before = time.process_time()
    spoken = spoken_in(hostile)
    assert time.process_time() - before < 2.0
    assert spoken.effort <= (EFFORT + 2) * len(hostile)


texts = st.text(st.characters(exclude_categories=["Cs"]), max_size=30)


@given(st.dictionaries(texts, texts | st.lists(texts, max_size=3), min_size=1, max_size=3))
def test_good_json_is_read_as_it_is(value: dict[str, Any]) -> None:
    assert list(spoken_in(json.dumps(value, ensure_ascii=False)).objects) == [value]


pieces = st.sampled_from(['{"a":', '"', "\\", "\\(", "\\u", ",", "}", "]", "[", "{", "1", "x", "\n", " "])


@given(st.lists(pieces, max_size=40).map("".join))
def test_no_text_raises(text: str) -> None:
    spoken = spoken_in(text)
    assert all(isinstance(found, dict) for found in spoken.objects)
