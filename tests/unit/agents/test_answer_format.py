"""Reading what models write."""

import json
import sys
from contextlib import suppress
from typing import Any

import pytest
from hypothesis import given, strategies

from aragora.agents import answer_format
from aragora.agents.answer_format import AnswerInvalid, Understood, answer_schema, parse_answer
from aragora.debate.model import (
    Abstention,
    AgentRequest,
    Ask,
    AskKind,
    Ballot,
    Brief,
    Candidate,
    Critique,
    Grouping,
    Proposal,
)
from aragora.limits import ANSWER_MAX_CHARS, FAILURE_MAX_CHARS, NOTE_MAX_CHARS, NOTES_MAX, OPTION_MAX_CHARS, OPTIONS_MAX

GOOD = {"answer": "Tea. It wakes gently.", "evidence": ["a study"], "confidence": 0.8}
PROPOSING = [AskKind.PROPOSE, AskKind.REVISE, AskKind.CHALLENGE, AskKind.SYNTHESIZE]


def request_of(kind: AskKind, labels: str = "ABC", options: tuple[str, ...] = ()) -> AgentRequest:
    shown = tuple(Candidate(label, f"text {label}") for label in labels)
    brief = Brief("Tea or coffee?", candidates=shown, options=options)
    return AgentRequest(Ask("id", "deb_1", "claude", kind, 1), brief, 30.0)


def understood(kind: AskKind, value: Any, labels: str = "ABC", options: tuple[str, ...] = ()) -> Understood:
    text = value if isinstance(value, str) else json.dumps(value)
    return parse_answer(request_of(kind, labels, options), text)


def parse(kind: AskKind, value: Any) -> Any:
    return understood(kind, value).content


def refused(kind: AskKind, value: Any, labels: str = "ABC", options: tuple[str, ...] = ()) -> str:
    with pytest.raises(AnswerInvalid) as caught:
        understood(kind, value, labels, options)
    return str(caught.value)


@pytest.mark.parametrize("kind", PROPOSING)
def test_a_proposal_is_read(kind: AskKind) -> None:
    assert parse(kind, GOOD) == Proposal("Tea. It wakes gently.", 0.8, ("a study",))


def test_a_critique_is_read() -> None:
    critique = parse(AskKind.CRITIQUE, {"issues": ["vague"], "suggestions": [], "severity": 0.3})
    assert critique == Critique(("vague",), (), 0.3)


@pytest.mark.parametrize("kind", [AskKind.VOTE, AskKind.JUDGE])
def test_a_vote_is_read(kind: AskKind) -> None:
    assert parse(kind, {"reason": "clear", "choice": "B", "confidence": 1}) == Ballot("B", 1.0, "clear")


def test_a_ranking_is_read_and_its_first_is_the_choice() -> None:
    ballot = {"reason": "", "ranking": ["C", "A", "B"], "confidence": 0.5}
    assert understood(AskKind.RANK, ballot) == Understood(Ballot("C", 0.5, "", ("C", "A", "B")))


@pytest.mark.parametrize("ranking", [["C", "A", "C"], ["C", "Answer A"], "C > A", ["C > A"], "C, A"])
def test_a_short_ranking_keeps_what_was_given_and_says_so(ranking: Any) -> None:
    assert understood(AskKind.RANK, {"ranking": ranking}) == Understood(
        Ballot("C", 0.5, "", ("C", "A")), ("The ranking names 2 of 3 answers.",)
    )


def test_where_choice_and_ranking_differ_what_was_asked_for_counts() -> None:
    both = {"choice": "B", "ranking": ["A", "B", "C"]}
    vote, ranking = understood(AskKind.VOTE, both), understood(AskKind.RANK, both)
    assert vote.content == Ballot("B")
    assert "the choice counts" in vote.remarks[0]
    assert ranking.content == Ballot("A", ranking=("A", "B", "C"))
    assert "the ranking counts" in ranking.remarks[0]


def test_a_choice_and_a_ranking_that_agree_need_no_remark() -> None:
    assert understood(AskKind.VOTE, {"choice": "B", "ranking": ["B", "A"]}).remarks == ()


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


def test_the_first_object_that_fits_is_the_answer() -> None:
    form = '{"answer": "...", "confidence": "number"}'
    draft = json.dumps({**GOOD, "answer": "a draft"})
    text = f"The form is {form}.\n{json.dumps(GOOD)}\n\nThe answer I rejected: {draft}"
    assert parse(AskKind.PROPOSE, text).text == "Tea. It wakes gently."


def test_an_object_with_a_placeholder_for_the_label_is_not_the_vote() -> None:
    assert parse(AskKind.VOTE, 'As {"choice": "the label of the best answer"}: {"choice": "B"}').choice == "B"


@pytest.mark.parametrize(("written", "meant"), [("80%", 0.8), (80, 0.8), ("0.8", 0.8), (1, 1.0), (0, 0.0)])
def test_a_confidence_is_understood_in_several_ways(written: Any, meant: float) -> None:
    assert parse(AskKind.PROPOSE, {**GOOD, "confidence": written}).confidence == pytest.approx(meant)


@pytest.mark.parametrize("written", ["b", "Answer B", "answer b.", " B ", "(B)"])
def test_a_label_is_understood_in_several_ways(written: str) -> None:
    assert parse(AskKind.VOTE, {"choice": written}).choice == "B"


def test_one_string_is_a_list_of_one_and_a_missing_list_is_empty() -> None:
    assert parse(AskKind.CRITIQUE, {"issues": "vague", "suggestions": None}) == Critique(("vague",), (), 0.5)


def test_an_answer_that_is_too_long_is_refused_with_its_length() -> None:
    told = refused(AskKind.PROPOSE, {**GOOD, "answer": "x" * 50_000})
    assert "50000 characters; at most 20000" in told
    assert "Shorten" in told
    assert len(parse(AskKind.PROPOSE, {**GOOD, "answer": "x" * ANSWER_MAX_CHARS}).text) == ANSWER_MAX_CHARS


def test_evidence_that_is_too_much_is_shortened_and_a_remark_says_what_was_left_out() -> None:
    read = understood(AskKind.PROPOSE, {**GOOD, "evidence": ["y" * 2_000, "short"] * 20})
    assert isinstance(read.content, Proposal)
    assert len(read.content.evidence) == NOTES_MAX
    assert max(map(len, read.content.evidence)) == NOTE_MAX_CHARS
    assert read.remarks == (
        "Of evidence, 30 items beyond the first 10 were left out.",
        "Of evidence, 5 items were shortened to 1000 characters.",
    )


def test_a_reason_that_is_too_long_is_shortened_with_a_remark() -> None:
    read = understood(AskKind.VOTE, {"choice": "B", "reason": "z" * 1_500})
    assert isinstance(read.content, Ballot)
    assert len(read.content.reason) == NOTE_MAX_CHARS
    assert read.remarks == ("The reason was shortened from 1500 to 1000 characters.",)


@pytest.mark.parametrize(
    ("evidence", "kept"),
    [
        (None, ()),
        ([], ()),
        ("a study", ("a study",)),
        ([{"fact": "Tea wakes.", "source": "a study"}], ("Tea wakes. (a study)",)),
        ({"fact": "Tea wakes.", "source": "a study"}, ("Tea wakes. (a study)",)),
        ([1, "", None, "a study"], ("1", "a study")),
    ],
)
def test_evidence_is_understood_in_several_forms(evidence: Any, kept: tuple[str, ...]) -> None:
    assert understood(AskKind.PROPOSE, {**GOOD, "evidence": evidence}) == Understood(
        Proposal("Tea. It wakes gently.", 0.8, kept)
    )


def test_evidence_that_cannot_be_read_is_left_out_with_a_remark() -> None:
    read = understood(AskKind.PROPOSE, {**GOOD, "evidence": ["a study", [[[["?"]]]]]})
    assert isinstance(read.content, Proposal)
    assert read.content.evidence == ("a study",)
    assert read.remarks == ("Of evidence, 1 item could not be read and was left out.",)


def test_paragraphs_in_a_list_are_joined_with_a_remark() -> None:
    read = understood(AskKind.PROPOSE, {**GOOD, "answer": ["Tea.", "It wakes gently."]})
    assert isinstance(read.content, Proposal)
    assert read.content.text == "Tea.\n\nIt wakes gently."
    assert read.remarks == ("The answer came as a list and was joined.",)


def test_characters_that_cannot_be_stored_do_not_lose_an_answer() -> None:
    text = '{"answer": "Te\\u0000a \\ud83c\\udf75 \\ud83c.", "evidence": ["\\udf75"]}'
    assert parse(AskKind.PROPOSE, text) == Proposal(
        "Tea \U0001f375 \N{REPLACEMENT CHARACTER}.", 0.5, ("\N{REPLACEMENT CHARACTER}",)
    )


@pytest.mark.parametrize(
    ("kind", "value", "told"),
    [
        (
            AskKind.PROPOSE,
            "I like tea.",
            "No JSON object was found. Answer with one object with the keys answer, evidence",
        ),
        (AskKind.PROPOSE, {"evidence": []}, "answer: It is missing."),
        (AskKind.PROPOSE, {"answer": " "}, "answer: It is empty."),
        (AskKind.PROPOSE, {"answer": "..."}, "answer: It is empty."),
        (AskKind.PROPOSE, {"answer": None}, "answer: It is empty."),
        (AskKind.PROPOSE, {"answer": "<your answer>"}, 'answer: "<your answer>" is the placeholder for an answer.'),
        (AskKind.REVISE, {"answer": "string"}, 'answer: "string" is the placeholder for an answer.'),
        (AskKind.CRITIQUE, {"issues": ["string"]}, 'issues: ["string"] cannot be read.'),
        (AskKind.PROPOSE, {"answer": [[[["deep"]]]]}, "answer: It must be one text"),
        (AskKind.PROPOSE, {"properties": {"answer": {"type": "string"}}}, "answer: It must be one text"),
        (
            AskKind.PROPOSE,
            {"answer": "[ERROR] Could not connect"},
            'answer: "[ERROR] Could not connect" is an error message',
        ),
        (AskKind.VOTE, {"reason": "clear"}, "choice: It is missing."),
        (AskKind.VOTE, {"choice": "Q"}, 'choice: "Q" is not a label. Choose among: A, B, C, or ABSTAIN'),
        (AskKind.VOTE, {"choice": "A or B"}, 'choice: "A or B" is not a label.'),
        (AskKind.VOTE, {"choice": "A good one"}, 'choice: "A good one" is not a label.'),
        (AskKind.VOTE, {"choice": None}, "choice: null is not a label."),
        (AskKind.RANK, {"ranking": []}, "ranking: It names no label. List every label once, the best first: A, B, C."),
        (AskKind.RANK, {"ranking": ["A", "Q"]}, 'ranking: "Q" is not a label.'),
        (AskKind.CRITIQUE, {"suggestions": ["more"]}, "issues: It is missing."),
        (AskKind.CRITIQUE, {"issues": [[[[["deep"]]]]]}, "issues: "),
        (AskKind.CRITIQUE, "[]", "No JSON object was found."),
        (AskKind.GROUP, {"reason": "none"}, "groups: It is missing."),
        (AskKind.PROPOSE, "{" * 100_000, "No JSON object was found."),
        (AskKind.PROPOSE, "x" * 200_001, "at most 200000"),
        (AskKind.PROPOSE, {"answer": "Error: rate limit " + "\ud800" * 100}, "error message"),
    ],
)
def test_what_is_no_answer_is_refused_in_words_that_help_to_mend_it(kind: AskKind, value: Any, told: str) -> None:
    problem = refused(kind, value)
    assert told in problem
    assert len(problem) < FAILURE_MAX_CHARS
    problem.encode()


@pytest.mark.parametrize(
    "text",
    [
        '{"choice": "Q"} {"note": 1}',
        '{"note": 1} {"choice": "Q"}',
        '{"choice": "Q"} {"choice": "Z"}',
        '{"note": 1} {"choice": "Q"} {"choice": "Z"}',
    ],
)
def test_of_several_objects_the_first_that_was_meant_as_the_answer_is_told_what_is_wrong(text: str) -> None:
    assert '"Q" is not a label' in refused(AskKind.VOTE, text)


# --- Options ----------------------------------------------------------------------------------------------

YES_NO = ("Yes", "No")


@pytest.mark.parametrize("kind", PROPOSING)
def test_an_answer_names_its_option_exactly(kind: AskKind) -> None:
    read = understood(kind, {"option": "option: yes.", **GOOD}, options=YES_NO)
    assert read == Understood(Proposal("Tea. It wakes gently.", 0.8, ("a study",), "Yes"))


def test_an_answer_without_the_field_may_conclude_with_an_option() -> None:
    read = understood(AskKind.PROPOSE, {"answer": "No. It does not hold."}, options=YES_NO)
    assert read.content == Proposal("No. It does not hold.", option="No")


def test_where_option_and_answer_differ_the_option_counts_and_a_remark_says_so() -> None:
    read = understood(AskKind.PROPOSE, {"option": "Yes", "answer": "No. It does not hold."}, options=YES_NO)
    assert read == Understood(
        Proposal("No. It does not hold.", option="Yes"),
        ('The option is "Yes", but the answer begins with "No"; the option counts.',),
    )


@pytest.mark.parametrize("option", [{}, {"option": None}, {"option": "maybe"}, {"option": "yes or no"}])
def test_an_answer_without_an_option_is_refused_and_the_options_are_named(option: dict[str, Any]) -> None:
    told = refused(AskKind.PROPOSE, {**GOOD, **option}, options=YES_NO)
    assert "Name exactly one of: 1. Yes; 2. No." in told
    assert "keys option, answer, evidence, confidence" in told


def test_many_long_options_leave_room_for_what_is_wrong() -> None:
    options = tuple(f"{number} " + "x" * (OPTION_MAX_CHARS - 3) for number in range(OPTIONS_MAX))
    told = refused(AskKind.PROPOSE, GOOD, options=options)
    assert told.startswith("option: It is missing.")
    assert told.endswith("Answer with one object with the keys option, answer, evidence, confidence.")
    assert len(told) < FAILURE_MAX_CHARS


def test_where_there_are_no_options_none_is_read() -> None:
    assert parse(AskKind.PROPOSE, {"option": "Yes", **GOOD}).option == ""


def test_an_option_may_be_called_like_an_abstention_or_an_error() -> None:
    options = ("Abstain", "Internal server error")
    for option in options:
        read = understood(AskKind.PROPOSE, {"option": option, "answer": f"{option}."}, options=options)
        assert read.content == Proposal(f"{option}.", option=option)


# --- Abstentions ------------------------------------------------------------------------------------------


@pytest.mark.parametrize("kind", PROPOSING)
@pytest.mark.parametrize("options", [(), YES_NO])
def test_an_answer_may_abstain(kind: AskKind, options: tuple[str, ...]) -> None:
    read = understood(kind, {"answer": "ABSTAIN: the question lacks a budget"}, options=options)
    assert read == Understood(Abstention("the question lacks a budget"))


@pytest.mark.parametrize("kind", [AskKind.VOTE, AskKind.JUDGE])
@pytest.mark.parametrize("choice", ["ABSTAIN", "abstain", "**Abstain**", "ABSTAIN.", "none of the above", "Neither"])
def test_a_vote_may_abstain_and_its_reason_is_kept(kind: AskKind, choice: str) -> None:
    assert parse(kind, {"reason": "none is good", "choice": choice}) == Abstention("none is good")
    assert parse(kind, {"choice": choice}) == Abstention("no reason given")


@pytest.mark.parametrize("ranking", [["ABSTAIN"], "ABSTAIN"])
def test_a_ranking_may_abstain(ranking: Any) -> None:
    assert parse(AskKind.RANK, {"reason": "none is good", "ranking": ranking}) == Abstention("none is good")


REFUSAL = "I'm sorry, but I can't help with that."


@pytest.mark.parametrize(
    ("kind", "value"),
    [
        (AskKind.PROPOSE, {"answer": REFUSAL}),
        (AskKind.VOTE, {"choice": REFUSAL}),
        (AskKind.RANK, {"ranking": [REFUSAL]}),
        (AskKind.CRITIQUE, {"issues": [REFUSAL], "suggestions": []}),
        *((kind, REFUSAL) for kind in AskKind if kind is not AskKind.GROUP),
        (AskKind.PROPOSE, f"<think>{{draft}}</think>\n{REFUSAL}"),
    ],
)
def test_a_refusal_in_json_or_prose_is_an_abstention(kind: AskKind, value: Any) -> None:
    assert parse(kind, value) == Abstention(REFUSAL)


def test_a_refusal_in_prose_beside_an_answer_does_not_count() -> None:
    assert parse(AskKind.VOTE, f'{REFUSAL} {{"choice": "B"}}') == Ballot("B")


def test_a_thought_that_refuses_is_not_what_was_said() -> None:
    assert "No JSON object" in refused(AskKind.PROPOSE, f"<think>{REFUSAL}</think>")


def test_an_objection_that_something_cannot_be_checked_is_a_critique() -> None:
    objection = "I cannot verify the numbers, because no source is given."
    assert parse(AskKind.CRITIQUE, {"issues": [objection]}) == Critique((objection,))


# --- Groups -----------------------------------------------------------------------------------------------


@pytest.mark.parametrize(
    "groups",
    [
        [["A", "C"], ["B"]],
        [["Answer A", "**C**"], ["b"]],
        [["A", "C", "A"], ["B"], []],
        ["A, C", "B"],
        {"1": ["A", "C"], "2": ["B"]},
        [{"conclusion": "tea", "labels": ["A", "C"]}, {"conclusion": "coffee", "labels": ["B"]}],
    ],
)
def test_a_grouping_is_read(groups: Any) -> None:
    read = understood(AskKind.GROUP, {"groups": groups, "reason": "tea or coffee"})
    assert read == Understood(Grouping((("A", "C"), ("B",)), "tea or coffee"))


def test_labels_that_a_grouping_leaves_out_stand_alone_with_a_remark() -> None:
    read = understood(AskKind.GROUP, {"groups": [["B", "D"]]}, "ABCD")
    assert read.content == Grouping((("B", "D"), ("A",), ("C",)))
    assert read.remarks == ("The grouping left out A, C; each was put into a group of its own.",)


@pytest.mark.parametrize(
    ("groups", "told"),
    [
        ([["A", "B"], ["B", "C"]], "The label B stands in two groups"),
        ([["A", "Q"], ["B"]], '"Q"'),
        ([["A", "tea"]], "is not a list of labels"),
        (["A", "B", "C"], "list of lists"),
        ("A, B", "list of lists"),
        ([], "No label was found"),
        (None, "list of lists"),
        ([["ABSTAIN"]], "is not a list of labels"),
    ],
)
def test_what_is_no_partition_is_refused(groups: Any, told: str) -> None:
    assert told in refused(AskKind.GROUP, {"groups": groups})


@pytest.mark.parametrize("text", [REFUSAL, "ABSTAIN"])
def test_a_grouping_cannot_abstain(text: str) -> None:
    assert "No JSON object" in refused(AskKind.GROUP, text)


# --- Hostile texts ----------------------------------------------------------------------------------------

LONG = [
    " " * 100_000,
    "A > " * 40_000,
    "\n" * 90_000,
    "sorry " * 30_000,
    "i abstain " * 10_000,
    "<think" * 30_000,
    "0.8 " * 30_000,
]


@pytest.mark.parametrize("kind", AskKind)
@pytest.mark.parametrize("written", LONG, ids=lambda written: repr(written[:8]))
def test_a_long_text_in_any_field_is_an_answer_or_refused(kind: AskKind, written: str) -> None:
    fields = ("answer", "option", "evidence", "confidence", "choice", "ranking", "reason", "issues", "groups")
    with suppress(AnswerInvalid):
        assert understood(kind, dict.fromkeys(fields, written), options=YES_NO).content
    with suppress(AnswerInvalid):
        assert understood(kind, {name: [written] for name in fields}, options=YES_NO).content


@pytest.mark.parametrize("kind", AskKind)
@pytest.mark.parametrize("depth", [10, 800, 900, 930, 950, 980, 5_000])
def test_what_nests_deep_is_an_answer_or_refused(kind: AskKind, depth: int) -> None:
    deep = "[" * depth + "]" * depth
    fields = ("answer", "option", "evidence", "confidence", "choice", "ranking", "reason", "issues", "groups")
    with suppress(AnswerInvalid):
        assert understood(kind, "{" + ",".join(f'"{name}": {deep}' for name in fields) + "}", options=YES_NO).content
    with suppress(AnswerInvalid):
        assert understood(kind, f'{{"answer": "Yes.", "choice": "A", "confidence": {deep}}}', options=YES_NO).content


def test_no_depth_is_too_deep_to_be_told_what_is_wrong() -> None:
    """Near Python's limit a value may be read that cannot be written again, a few calls further down."""
    for depth in range(sys.getrecursionlimit() - 200, sys.getrecursionlimit()):
        deep = "[" * depth + "]" * depth
        assert "No" in refused(AskKind.PROPOSE, f'{{"answer": "Tea.", "option": {deep}}}', options=YES_NO)


# --- Laws -------------------------------------------------------------------------------------------------

WRAPPINGS = [
    "$",
    "```json\n$\n```",
    "Here is my answer:\n$\nI hope that helps!",
    '<think>Maybe {this} or {"answer": "that"}?</think>$',
    "<thinking>Hm.</thinking>\n\n$",
    "and so I answer.</think>$",
    "[$]",
    '{"result": $}',
    '{"answer": $}',
    '$ Not this one: {"answer": "a draft"}',
    r"\frac{a}{b} $",
]
answers = strategies.fixed_dictionaries(
    {
        "answer": strategies.text(min_size=1, max_size=80),
        "evidence": strategies.lists(strategies.text(max_size=20), max_size=3),
    },
    optional={"confidence": strategies.floats(0, 1)},
)


@given(answers, strategies.sampled_from(WRAPPINGS))
def test_an_answer_is_read_alike_in_every_wrapping(answer: dict[str, Any], wrapping: str) -> None:
    written = json.dumps(answer)
    try:
        plain = understood(AskKind.PROPOSE, written)
    except AnswerInvalid:
        return  # an answer of spaces and full stops
    before, _, after = wrapping.partition("$")
    assert understood(AskKind.PROPOSE, before + written + after) == plain
    assert understood(AskKind.PROPOSE, json.dumps(written)) == plain


@given(strategies.data(), strategies.integers(2, 8))
def test_a_grouping_is_always_a_partition(data: strategies.DataObject, size: int) -> None:
    labels = "ABCDEFGH"[:size]
    drawn = strategies.sampled_from([*labels, *(f"Answer {label}" for label in labels)])
    groups = data.draw(strategies.lists(strategies.lists(drawn, max_size=4), max_size=5))
    try:
        content = understood(AskKind.GROUP, {"groups": groups}, labels).content
    except AnswerInvalid:
        return
    assert isinstance(content, Grouping)
    assert all(content.groups)
    assert sorted(label for group in content.groups for label in group) == list(labels)


@given(strategies.text(), strategies.sampled_from(AskKind))
def test_any_text_is_an_answer_or_refused(text: str, kind: AskKind) -> None:
    with suppress(AnswerInvalid):
        assert parse_answer(request_of(kind), text).content


json_values = strategies.recursive(
    strategies.none() | strategies.booleans() | strategies.floats() | strategies.text(max_size=20),
    lambda inner: strategies.lists(inner, max_size=4) | strategies.dictionaries(strategies.text(max_size=5), inner),
    max_leaves=8,
)
keys = strategies.sampled_from(
    ["answer", "option", "evidence", "confidence", "choice", "ranking", "reason", "issues", "groups"]
)


@given(strategies.dictionaries(keys, json_values), strategies.sampled_from(AskKind))
def test_any_json_is_an_answer_or_refused(value: dict[str, Any], kind: AskKind) -> None:
    try:
        content = parse(kind, value)
    except AnswerInvalid:
        return
    assert 0.0 <= getattr(content, "confidence", getattr(content, "severity", 0.0)) <= 1.0
    repr(content).encode()


@pytest.mark.parametrize("kind", AskKind)
@pytest.mark.parametrize("options", [(), ("Yes", "No")])
def test_schemas_keep_to_what_strict_structured_outputs_accept(kind: AskKind, options: tuple[str, ...]) -> None:
    _, schema = answer_schema(request_of(kind, options=options))
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
    _, group = answer_schema(request_of(AskKind.GROUP, "AB"))
    assert vote["properties"]["choice"]["enum"] == ["A", "B", "ABSTAIN"]
    assert rank["properties"]["ranking"]["items"]["enum"] == ["A", "B", "C", "D", "ABSTAIN"]
    assert group["properties"]["groups"]["items"]["items"]["enum"] == ["A", "B"]


@pytest.mark.parametrize("kind", PROPOSING)
def test_the_option_comes_first_in_the_schema_of_an_answer(kind: AskKind) -> None:
    _, schema = answer_schema(request_of(kind, options=YES_NO))
    assert schema["required"][0] == next(iter(schema["properties"])) == "option"
    assert schema["properties"]["option"]["enum"] == ["Yes", "No"]
    assert "option" not in answer_schema(request_of(kind))[1]["properties"]


def test_every_kind_of_ask_has_its_form_and_its_reader() -> None:
    assert set(answer_format._MODEL) == set(AskKind)
    assert set(answer_format._READ) == set(answer_format._MODEL.values())


def test_schemas_are_named_and_kept() -> None:
    names = {kind: answer_schema(request_of(kind))[0] for kind in AskKind}
    assert set(names.values()) == {"proposal", "critique", "choice", "ranking", "grouping"}
    assert answer_schema(request_of(AskKind.VOTE))[1] is answer_schema(request_of(AskKind.VOTE))[1]


def test_json_that_is_not_valid_is_told_as_such() -> None:
    with pytest.raises(AnswerInvalid, match="that can be read: near") as wrong:
        parse_answer(request_of(AskKind.PROPOSE), '{"answer": "He said "yes" to it", "confidence": 0.8}')
    assert "yes" in str(wrong.value)


def test_an_object_inside_of_one_that_is_not_valid_is_not_told_as_the_answer() -> None:
    wrong = refused(AskKind.PROPOSE, '{"answer": "He said "yes"", "evidence": [{"fact": "a study"}]}')
    assert "that can be read: near" in wrong
    assert "It is missing" not in wrong


def test_latex_and_a_comma_too_many_need_no_repair() -> None:
    text = r'{"answer": "It is \frac{1}{2} of \(x\).", "confidence": 0.8,}'
    assert parse(AskKind.PROPOSE, text) == Proposal(r"It is \frac{1}{2} of \(x\).", 0.8, ())


def test_a_thought_in_the_text_of_an_answer_is_not_said() -> None:
    assert parse(AskKind.PROPOSE, {"answer": "<think>a draft</think>Tea."}).text == "Tea."
    assert parse(AskKind.VOTE, {"choice": "B", "reason": "<think>hm</think>clear"}).reason == "clear"
    assert "empty" in refused(AskKind.PROPOSE, {"answer": "<think>nothing else</think>"})


def test_a_placeholder_among_the_notes_is_left_out_with_a_remark_and_an_option_of_that_name_counts() -> None:
    read = understood(AskKind.PROPOSE, GOOD | {"evidence": ["string", "a study"]})
    assert read == Understood(
        Proposal("Tea. It wakes gently.", 0.8, ("a study",)), ("Of evidence, 1 item was a placeholder and left out.",)
    )
    chosen = understood(AskKind.PROPOSE, GOOD | {"answer": "string"}, options=("String", "Integer"))
    assert chosen.content == Proposal("string", 0.8, ("a study",), "String")
