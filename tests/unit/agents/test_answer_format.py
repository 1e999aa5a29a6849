"""Reading what models write."""

import json
from contextlib import suppress
from typing import Any

import pytest
from hypothesis import given, strategies

from aragora.agents.answer_format import AnswerInvalid, answer_schema, parse_answer
from aragora.debate.model import AgentRequest, Ask, AskKind, Ballot, Brief, Candidate, Critique, Proposal
from aragora.limits import ANSWER_MAX_CHARS, NOTES_MAX

GOOD = {"answer": "Tea. It wakes gently.", "evidence": ["a study"], "confidence": 0.8}


def request_of(kind: AskKind, labels: str = "ABC") -> AgentRequest:
    shown = tuple(Candidate(label, f"text {label}") for label in labels)
    return AgentRequest(Ask("id", "deb_1", "claude", kind, 1), Brief("Tea or coffee?", candidates=shown), 30.0)


def parse(kind: AskKind, value: Any) -> Proposal | Critique | Ballot:
    return parse_answer(request_of(kind), value if isinstance(value, str) else json.dumps(value))


@pytest.mark.parametrize("kind", [AskKind.PROPOSE, AskKind.REVISE, AskKind.CHALLENGE, AskKind.SYNTHESIZE])
def test_a_proposal_is_read(kind: AskKind) -> None:
    assert parse(kind, GOOD) == Proposal("Tea. It wakes gently.", 0.8, ("a study",))


def test_a_critique_is_read() -> None:
    critique = parse(AskKind.CRITIQUE, {"issues": ["vague"], "suggestions": [], "severity": 0.3})
    assert critique == Critique(("vague",), (), 0.3)


@pytest.mark.parametrize("kind", [AskKind.VOTE, AskKind.JUDGE])
def test_a_vote_is_read(kind: AskKind) -> None:
    assert parse(kind, {"reason": "clear", "choice": "B", "confidence": 1}) == Ballot("B", 1.0, "clear")


def test_a_ranking_is_read_and_its_first_is_the_choice() -> None:
    assert parse(AskKind.RANK, {"reason": "", "ranking": ["C", "A", "C"], "confidence": 0.5}) == Ballot(
        "C", 0.5, "", ("C", "A")
    )


@pytest.mark.parametrize(
    "text",
    [
        "```json\n{}\n```",
        "Let me think {first}. Here it is:\n{}\nI hope that helps!",
        "<think>maybe {{this}}?</think>{}",
        'An example would be {{"other": 1}}, mine is {}',
    ],
)
def test_fences_and_prose_around_the_json_do_no_harm(text: str) -> None:
    wrapped = text.replace("{}", json.dumps(GOOD), 1)
    assert parse(AskKind.PROPOSE, wrapped) == Proposal("Tea. It wakes gently.", 0.8, ("a study",))


def test_the_last_object_that_fits_is_the_answer() -> None:
    draft = json.dumps({**GOOD, "answer": "a draft"})
    assert parse(AskKind.PROPOSE, f"{draft}\n\nBetter:\n{json.dumps(GOOD)}").text == "Tea. It wakes gently."


@pytest.mark.parametrize(("written", "meant"), [("80%", 0.8), (80, 0.8), ("0.8", 0.8), (1, 1.0), (0, 0.0)])
def test_a_confidence_is_understood_in_several_ways(written: Any, meant: float) -> None:
    assert parse(AskKind.PROPOSE, {**GOOD, "confidence": written}).confidence == pytest.approx(meant)


@pytest.mark.parametrize("written", ["b", "Answer B", "answer b.", " B ", "(B)"])
def test_a_label_is_understood_in_several_ways(written: str) -> None:
    assert parse(AskKind.VOTE, {"choice": written}).choice == "B"


def test_one_string_is_a_list_of_one_and_a_missing_list_is_empty() -> None:
    assert parse(AskKind.CRITIQUE, {"issues": "vague", "suggestions": None}) == Critique(("vague",), (), 0.5)


def test_lengths_and_numbers_are_bounded() -> None:
    proposal = parse(AskKind.PROPOSE, {**GOOD, "answer": "x" * 50_000, "evidence": ["y" * 2_000] * 50})
    assert len(proposal.text) == ANSWER_MAX_CHARS
    assert len(proposal.evidence) == NOTES_MAX
    assert max(map(len, proposal.evidence)) == 1_000


@pytest.mark.parametrize(
    ("kind", "text", "told"),
    [
        (AskKind.PROPOSE, "I like tea.", "No JSON object.*answer, evidence, confidence"),
        (AskKind.PROPOSE, '{"answer": " "}', "answer: String should have at least 1 character"),
        (AskKind.PROPOSE, '{"answer": "tea", "confidence": "sure"}', "confidence"),
        (AskKind.PROPOSE, '{"answer": "tea", "confidence": -1}', "confidence"),
        (AskKind.PROPOSE, '{"answer": "tea", "confidence": NaN}', "confidence"),
        (AskKind.VOTE, '{"choice": "Q"}', "'Q' is not a label. Choose among: A, B, C"),
        (AskKind.RANK, '{"ranking": []}', "ranking"),
        (AskKind.CRITIQUE, "[]", "No JSON object"),
        (AskKind.PROPOSE, "{" * 100_000, "No JSON object"),
        (AskKind.PROPOSE, "x" * 200_001, "at most 200000"),
    ],
)
def test_what_is_no_answer_is_refused_in_words_that_help_to_mend_it(kind: AskKind, text: str, told: str) -> None:
    with pytest.raises(AnswerInvalid, match=told) as caught:
        parse(kind, text)
    assert len(str(caught.value)) < 1_000


@given(strategies.text(), strategies.sampled_from(AskKind))
def test_any_text_is_an_answer_or_refused(text: str, kind: AskKind) -> None:
    with suppress(AnswerInvalid):
        assert parse_answer(request_of(kind), text)


json_values = strategies.recursive(
    strategies.none() | strategies.booleans() | strategies.floats() | strategies.text(max_size=20),
    lambda inner: strategies.lists(inner, max_size=4) | strategies.dictionaries(strategies.text(max_size=5), inner),
    max_leaves=8,
)
keys = strategies.sampled_from(["answer", "evidence", "confidence", "choice", "ranking", "reason", "issues"])


@given(strategies.dictionaries(keys, json_values), strategies.sampled_from(AskKind))
def test_any_json_is_an_answer_or_refused(value: dict[str, Any], kind: AskKind) -> None:
    try:
        content = parse(kind, value)
    except AnswerInvalid:
        return
    assert 0.0 <= getattr(content, "confidence", getattr(content, "severity", 0.0)) <= 1.0


@pytest.mark.parametrize("kind", AskKind)
def test_schemas_keep_to_what_strict_structured_outputs_accept(kind: AskKind) -> None:
    _, schema = answer_schema(request_of(kind))
    allowed = {"type", "description", "enum", "items", "properties", "required", "additionalProperties"}

    def walk(part: dict[str, Any]) -> None:
        assert set(part) <= allowed
        if part["type"] == "object":
            assert part["additionalProperties"] is False
            assert part["required"] == list(part["properties"])
        for inner in (*part.get("properties", {}).values(), *([part["items"]] if "items" in part else [])):
            walk(inner)

    walk(schema)


def test_a_ballot_may_name_the_labels_it_shows_and_no_others() -> None:
    _, vote = answer_schema(request_of(AskKind.VOTE, "AB"))
    _, rank = answer_schema(request_of(AskKind.RANK, "ABCD"))
    assert vote["properties"]["choice"]["enum"] == ["A", "B"]
    assert rank["properties"]["ranking"]["items"]["enum"] == ["A", "B", "C", "D"]


def test_schemas_are_named_and_kept() -> None:
    names = {kind: answer_schema(request_of(kind))[0] for kind in AskKind}
    assert set(names.values()) == {"proposal", "critique", "choice", "ranking"}
    assert answer_schema(request_of(AskKind.VOTE)) is answer_schema(request_of(AskKind.VOTE))
