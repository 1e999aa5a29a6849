"""Thoughts are known by the marks of every family of models, and an answer never begins with one."""

from __future__ import annotations

import json

import pytest
from hypothesis import given
from hypothesis import strategies as st

from aragora.agents.reading.embedded_json import spoken_in
from aragora.agents.reading.plain_texts import text_of
from aragora.agents.reading.thoughts import without_thought

OBJECT = {"answer": "Tea."}
WRITTEN = json.dumps(OBJECT)
DRAFT = '{"answer": "a draft"}'


@pytest.mark.parametrize(
    "thinking",
    [
        f"<|channel|>analysis<|message|>Maybe {DRAFT}<|end|><|start|>assistant<|channel|>final<|message|>SAID<|return|>",
        f"<|channel|>analysis<|message|>{DRAFT}<|channel|>final <|constrain|>json<|message|>SAID",
        f"analysisWe may say {DRAFT}.assistantfinalSAID",
        f"<|channel>thought\n{DRAFT}<channel|>SAID",
        f"<unused94>thought\n{DRAFT}<unused95>SAID",
        f"<|begin_of_thought|>{DRAFT}<|end_of_thought|><|begin_of_solution|>SAID<|end_of_solution|>",
        f"<|START_THINKING|>{DRAFT}<|END_THINKING|><|START_RESPONSE|>SAID<|END_RESPONSE|>",
        f"<|thinking|>{DRAFT}<|/thinking|>SAID",
        f"<analysis>{DRAFT}</analysis>SAID",
        f"<antThinking>{DRAFT}</antThinking>SAID",
        f"<thinking_process>{DRAFT}</thinking_process>SAID",
        f"<chain_of_thought>{DRAFT}</chain_of_thought>SAID",
        f"<inner_monologue>{DRAFT}</inner_monologue>SAID",
        f"&lt;think&gt;{DRAFT}&lt;/think&gt;SAID",
        f"```thinking\n{DRAFT}\n```\n```json\nSAID\n```",
    ],
)
def test_a_draft_in_a_thought_of_any_family_is_not_the_answer(thinking: str) -> None:
    spoken = spoken_in(thinking.replace("SAID", WRITTEN))
    assert list(spoken.objects) == [OBJECT]
    assert spoken.thought


@pytest.mark.parametrize(
    "text",
    [
        f"<|channel|>final<|message|>{WRITTEN}",
        f"<|channel|>commentary<|message|>{WRITTEN}<|call|>",
        f"analysis: {WRITTEN}",
    ],
)
def test_what_is_said_in_marks_is_no_thought(text: str) -> None:
    assert list(spoken_in(text).objects) == [OBJECT]


@pytest.mark.parametrize(
    "text",
    [
        "<think>a draft</think>Tea.",
        "<think>a draft</think>\n\nTea.",
        "\n<thinking>a draft</thinking> Tea.",
        "[THINK]a draft[/THINK]Tea.",
        "<think>one</think><think>two</think>Tea.",
    ],
)
def test_a_thought_at_the_beginning_of_an_answer_is_not_said(text: str) -> None:
    assert text_of(text) == "Tea."


@pytest.mark.parametrize(
    "text",
    [
        "Put it into <think> tags.",
        "Close with </think>.",
        "<think> is the tag.",
        "<think></think> are the tags.",
        "<b>Tea</b>.",
    ],
)
def test_an_answer_about_the_marks_stays_as_it_is(text: str) -> None:
    assert text_of(text) == text


def test_a_thought_alone_says_nothing() -> None:
    assert text_of("<think>all of it</think>") == ""


marks = st.sampled_from(
    ["<think>", "</think>", "<", ">", "[THINK]", "```thinking", "```", "<|channel|>", "analysis", "a"]
)


@given(st.lists(marks, max_size=30).map("".join))
def test_no_marks_raise_and_nothing_is_added(text: str) -> None:
    assert text.endswith(without_thought(text))
    assert spoken_in(text).objects == ()
