"""What the embedded model is not shown is told."""

from __future__ import annotations

import pytest

from aragora.agents.providers.embedded_prompts import (
    ANSWER_CHARS,
    CONTEXT_CHARS,
    QUESTION_CHARS,
    answer_prompt,
    critique_prompt,
    verdict_prompts,
)
from aragora.agents.providers.embedded_unseen import unseen
from aragora.debate.model import AgentRequest, Ask, AskKind, Brief, Candidate

LONG = "A long answer, " * 60 + "THE-END."


def request_of(kind: AskKind, brief: Brief) -> AgentRequest:
    return AgentRequest(Ask("d/1/x/a", "d", "a", kind, 1), brief, 30.0)


@pytest.mark.parametrize("kind", AskKind)
def test_where_all_is_shown_nothing_is_told(kind: AskKind) -> None:
    assert unseen(request_of(kind, Brief("Which queue?", candidates=(Candidate("A", "Redis."),)))) == ()


def test_a_cut_question_and_context_and_what_others_said_are_told_in_one_remark() -> None:
    brief = Brief("Why? " * QUESTION_CHARS, "fact " * CONTEXT_CHARS, critiques=("no", "no"), suggestions=("hm",))
    assert unseen(request_of(AskKind.REVISE, brief)) == (
        (
            "the embedded model saw only the beginning of the question and of the context and nothing of 2 objections and of "
            "1 suggestion"
        ),
    )


def test_a_voter_sees_the_beginnings_of_long_answers_and_no_context() -> None:
    brief = Brief("Which?", "a fact", candidates=(Candidate("A", LONG), Candidate("B", "Redis."), Candidate("C", LONG)))
    assert unseen(request_of(AskKind.VOTE, brief)) == (
        "the embedded model saw only the beginning of 2 answers and nothing of the context",
    )


def test_what_is_told_is_so() -> None:
    brief = Brief("Which?", LONG, candidates=(Candidate("A", LONG),))
    assert "THE-END" not in answer_prompt(request_of(AskKind.PROPOSE, brief), "analyst")
    assert "THE-END" not in critique_prompt(request_of(AskKind.CRITIQUE, brief))
    assert all("THE-END" not in prompt for prompt in verdict_prompts(brief, LONG, "analyst"))
    assert len(LONG) > ANSWER_CHARS
