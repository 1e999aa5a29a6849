"""The prompts and grammars of the embedded model lead to answers that fit the schema."""

from __future__ import annotations

import json
from collections.abc import Callable

import pytest
from hypothesis import given
from hypothesis import strategies as st

from aragora.agents.answer_format import parse_answer
from aragora.agents.personas import EMBEDDED_PERSONAS
from aragora.agents.providers import embedded_prompts as prompts
from aragora.debate.model import AgentRequest, Ask, AskKind, Brief, Candidate, Proposal

AskFor = Callable[..., AgentRequest]


@pytest.mark.parametrize("persona", EMBEDDED_PERSONAS)
def test_the_examples_of_every_persona_are_answers_themselves(persona: str, ask: AskFor) -> None:
    prompt = prompts.answer_prompt(ask(), persona)
    shots = [line.removeprefix("JSON: ") for line in prompt.splitlines() if line.startswith("JSON: ")]
    assert len(shots) >= 3
    for shot in shots:
        parse_answer(ask(), shot)


def test_the_beginning_of_a_prompt_never_changes(ask: AskFor) -> None:
    first = prompts.answer_prompt(ask(), "analyst")
    other = AgentRequest(ask().ask, Brief("Another question?"), 5.0)
    assert (
        first.partition("Question: Is it simple?")[0]
        == prompts.answer_prompt(other, "analyst").partition("Question: Another question?")[0]
    )


def test_a_text_that_repeats_an_example_is_known(ask: AskFor) -> None:
    prompt = prompts.answer_prompt(ask(), "pragmatist")
    copied = '{"answer": "Start with a cheap card reader for three months and look at the numbers. It pays.", "evidence": []}'
    assert prompts.repeats(prompt, copied)
    assert not prompts.repeats(prompt, '{"answer": "It is simple, because it has few parts.", "evidence": []}')


@given(st.text(max_size=3000), st.text(max_size=3000))
def test_material_of_others_cannot_pose_as_another_example(question: str, answer: str) -> None:
    ask = Ask("d1/1/critique/a", "d1", "a", AskKind.CRITIQUE, 1)
    prompt = prompts.critique_prompt(AgentRequest(ask, Brief(question, candidates=(Candidate("A", answer),)), 5.0))
    empty = prompts.critique_prompt(AgentRequest(ask, Brief("", candidates=(Candidate("A", ""),)), 5.0))
    assert prompt.count("\nJSON:") == empty.count("\nJSON:")
    assert len(prompt) < len(empty) + 1500


@pytest.mark.parametrize("option", ["Yes", 'Say "no".', "a\\b", "Wait?", "?!", "Ja, für alle"])
def test_an_answer_that_argues_for_an_option_names_it_exactly(option: str, ask: AskFor) -> None:
    request = AgentRequest(ask().ask, Brief("Is it simple?", options=(option, "Other")), 5.0)
    prompt, beginning = prompts.argued_prompt(request, "analyst", option)
    rest = ' it has few parts.", "evidence": ["It has three parts."], "confidence": 0.6}'
    content = parse_answer(request, prompts.with_option(beginning + rest, option)).content
    assert prompt.endswith(beginning)
    assert isinstance(content, Proposal)
    assert content.option == option
    assert content.text.startswith(option.rstrip(".!? ") or option)


def test_an_answer_without_options_has_no_option(ask: AskFor) -> None:
    proposal = '{"answer": "Yes.", "evidence": [], "confidence": 0.6}'
    assert prompts.with_option(proposal, "") == proposal
    assert "option" not in json.loads(proposal)


def test_an_answer_of_others_is_read_without_the_option_before_it() -> None:
    assert prompts.without_option("No: It is too small.", "No") == "It is too small."
    assert prompts.without_option("No: It is too small.", "") == "No: It is too small."


@given(st.text(max_size=3000), st.text(max_size=3000), st.sampled_from(sorted(EMBEDDED_PERSONAS)))
def test_question_and_facts_cannot_pose_as_an_example_of_options(question: str, facts: str, persona: str) -> None:
    prompt = prompts.option_prompt(Brief(question, context=f"x{facts}"), persona)
    empty = prompts.option_prompt(Brief("", context="x"), persona)
    assert prompt.count("\n") == empty.count("\n")
    assert prompt.endswith('\nAnswer: "')
