"""What models wrote in the field and Aragora misread once: the rows of the reports 11 to 14, each under its name."""

from __future__ import annotations

import json
from collections.abc import Callable
from typing import Any

import pytest

from aragora.agents.answer_format import AnswerInvalid, Understood, parse_answer
from aragora.debate.model import Abstention, AgentRequest, AskKind, Ballot, Proposal

AskFor = Callable[..., AgentRequest]

DRAFT = '{"answer": "DRAFT: use MongoDB.", "evidence": [], "confidence": 0.1}'
FINAL = '{"answer": "FINAL: use PostgreSQL.", "evidence": [], "confidence": 0.8}'


def proposal_in(ask: AskFor, text: str) -> tuple[Proposal, tuple[str, ...]]:
    read = parse_answer(ask(AskKind.PROPOSE), text)
    assert isinstance(read.content, Proposal)
    return read.content, read.remarks


# --- 11-labels --------------------------------------------------------------------------------------------


@pytest.mark.parametrize(
    "choice",
    [
        "**Answer B**",
        "Response B",
        "Option B",
        "B (PostgreSQL)",
        "Answer B: use it",
        "`B`",
        "<B>",
        "Answer_B",
        "answer b",
        '"B".',
        "(B)",
    ],
    ids=lambda choice: f"11-labels {choice}",
)
@pytest.mark.parametrize("kind", [AskKind.VOTE, AskKind.JUDGE])
def test_a_label_is_read_in_other_clothes(choice: str, kind: AskKind, ask: AskFor) -> None:
    text = json.dumps({"reason": "It holds.", "choice": choice, "confidence": 0.7})
    assert parse_answer(ask(kind, labels="ABC"), text) == Understood(Ballot("B", 0.7, "It holds."))


# --- 12-confidence ----------------------------------------------------------------------------------------

ABSENT = object()


@pytest.mark.parametrize(
    ("written", "meant", "remarked"),
    [
        ("9/10", 0.9, False),
        ("high", 0.5, True),
        ("0,9", 0.9, False),
        ("~80%", 0.8, False),
        ("0.8 (sure)", 0.8, False),
        (None, 0.5, True),
        (-1, 0.5, True),
        (float("nan"), 0.5, True),
        (101, 0.5, True),
        (9, 0.5, True),
        (1.5, 0.5, True),
        (True, 0.5, True),
        (ABSENT, 0.5, False),
        (90, 0.9, False),
        ("90%", 0.9, False),
    ],
    ids=lambda value: "12-confidence" if isinstance(value, bool) else "absent" if value is ABSENT else repr(value),
)
def test_a_confidence_in_another_notation_never_loses_the_answer(
    written: Any, meant: float, remarked: bool, ask: AskFor
) -> None:
    answer = {"answer": "Use PostgreSQL.", "evidence": []} | ({} if written is ABSENT else {"confidence": written})
    proposal, remarks = proposal_in(ask, json.dumps(answer))
    assert (proposal.text, proposal.confidence) == ("Use PostgreSQL.", pytest.approx(meant))
    assert [("confidence" in remark, "0.5" in remark) for remark in remarks] == [(True, True)] * remarked


# --- 13-json-found ----------------------------------------------------------------------------------------


@pytest.mark.parametrize(
    "text",
    [
        pytest.param(
            f"{FINAL}\n\nFor comparison, the answer I rejected was {DRAFT}", id="13-json-found rejected later"
        ),
        pytest.param("<think>" + r"\frac{a_1}{b} " * 40 + "</think>" + FINAL, id="13-json-found braces in the thought"),
        pytest.param('{"proposal": ' + FINAL + "}", id="13-json-found in a wrapper"),
        pytest.param(json.dumps(FINAL), id="13-json-found in a JSON string"),
    ],
)
def test_the_answer_is_the_first_object_outside_of_thoughts(text: str, ask: AskFor) -> None:
    assert proposal_in(ask, text)[0] == Proposal("FINAL: use PostgreSQL.", 0.8)


@pytest.mark.parametrize(
    ("text", "told"),
    [
        pytest.param(
            f"<think>First idea {DRAFT} but that is wrong, because",
            "outside of your thoughts",
            id="13-json-found only in an unfinished thought",
        ),
        pytest.param("", "No JSON object was found", id="13-json-found nothing but reasoning"),
        pytest.param(FINAL[:40], "No JSON object was found", id="13-json-found cut in the middle"),
    ],
)
def test_without_an_object_outside_of_thoughts_there_is_no_answer(text: str, told: str, ask: AskFor) -> None:
    with pytest.raises(AnswerInvalid, match=told):
        parse_answer(ask(AskKind.PROPOSE), text)


def test_a_number_is_an_answer_as_a_text__13_json_found(ask: AskFor) -> None:
    assert proposal_in(ask, '{"answer": 42, "evidence": null, "confidence": 0.9}') == (Proposal("42", 0.9), ())


# --- 14-refusals-and-errors-win ---------------------------------------------------------------------------

REFUSAL = "I am sorry, but I cannot help with that."


@pytest.mark.parametrize("kind", [AskKind.PROPOSE, AskKind.SYNTHESIZE], ids=lambda kind: f"14-refusals {kind}")
def test_a_refusal_in_valid_json_is_an_abstention(kind: AskKind, ask: AskFor) -> None:
    text = json.dumps({"answer": REFUSAL, "evidence": [], "confidence": 1.0})
    assert parse_answer(ask(kind), text) == Understood(Abstention(REFUSAL))


def test_an_error_text_is_no_answer__14_refusals_and_errors_win(ask: AskFor) -> None:
    text = '{"answer": "Error: rate limit exceeded, please retry.", "confidence": 0.95}'
    with pytest.raises(AnswerInvalid, match="error message"):
        parse_answer(ask(AskKind.PROPOSE), text)


def test_an_empty_vote_is_no_vote__14_refusals_and_errors_win(ask: AskFor) -> None:
    with pytest.raises(AnswerInvalid, match="choice"):
        parse_answer(ask(AskKind.VOTE, labels="AB"), "{}")
