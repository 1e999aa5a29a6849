"""Texts from lists, objects and numbers, and objects in wrappers."""

from __future__ import annotations

import json
from typing import Any

import pytest

from aragora.agents.reading.plain_texts import note_of, text_of
from aragora.agents.reading.wrappers import opened

KEYS = ("answer", "evidence", "confidence")


@pytest.mark.parametrize(
    ("value", "text"),
    [
        (" Tea. ", "Tea."),
        (42, "42"),
        (4.5, "4.5"),
        (True, "true"),
        (None, ""),
        ([], ""),
        (["Tea.", "It wakes."], "Tea.\n\nIt wakes."),
        (
            {"conclusion": "Tea.", "reasons": ["It wakes.", "It is cheap."]},
            "Tea.\n\nreasons: It wakes.\n\nIt is cheap.",
        ),
        ([{"text": "Tea."}, {"text": "It wakes."}], "Tea.\n\nIt wakes."),
        ("te\x00a\ud800", "tea\N{REPLACEMENT CHARACTER}"),
    ],
)
def test_a_text_is_made_where_it_is_clear(value: Any, text: str) -> None:
    assert text_of(value) == text


@pytest.mark.parametrize(
    "value",
    [float("nan"), [[[["deep"]]]], {"type": "string", "description": "The answer."}, ["Tea.", {"type": "string"}]],
)
def test_what_is_no_clear_text_is_none(value: Any) -> None:
    assert text_of(value) is None


@pytest.mark.parametrize(
    ("value", "note"),
    [
        ("a study", "a study"),
        ({"fact": "Tea wakes.", "source": "a study"}, "Tea wakes. (a study)"),
        ({"claim": "Tea wakes.", "url": "https://tea.example"}, "Tea wakes. (https://tea.example)"),
        ({"issue": "vague", "severity": 0.3}, "vague; severity: 0.3"),
        ({"source": "a study"}, "a study"),
        (["one", "two"], "one; two"),
        (None, ""),
        ({}, ""),
    ],
)
def test_a_note_is_one_line_with_its_source(value: Any, note: str) -> None:
    assert note_of(value) == note


ANSWER = {"answer": "Tea.", "confidence": 0.8}


@pytest.mark.parametrize(
    "wrapped",
    [
        ANSWER,
        {"proposal": ANSWER},
        {"answer": ANSWER},
        {"answer": {"answer": "Tea."}, "confidence": 0.8},
        {"answer": json.dumps(ANSWER)},
        {"result": {"proposal": ANSWER}},
        {"result": [ANSWER]},
        {"response": json.dumps(ANSWER), "model": "x"},
        {"type": "object", "properties": ANSWER},
        {"Answer": "Tea.", " CONFIDENCE ": 0.8},
        {"PROPOSAL": {"Answer": "Tea.", "Confidence": 0.8}},
    ],
)
def test_wrappers_are_opened(wrapped: dict[str, Any]) -> None:
    found = opened(wrapped, "answer", KEYS)
    assert {key: found.get(key) for key in KEYS} == {"answer": "Tea.", "evidence": None, "confidence": 0.8}


@pytest.mark.parametrize("found", [{}, {"a": {"answer": "x"}, "b": {"answer": "y"}}, {"a": 1}, {"a": [ANSWER, ANSWER]}])
def test_an_object_that_holds_none_or_several_answers_stays_as_it_is(found: dict[str, Any]) -> None:
    assert opened(found, "answer", KEYS) == found


def test_an_answer_that_is_json_by_itself_stays_a_text() -> None:
    found = {"answer": '{"port": 80}'}
    assert opened(found, "answer", KEYS) == found
