"""Labels in the clothes that models give them."""

from __future__ import annotations

from typing import Any

import pytest
from hypothesis import given
from hypothesis import strategies as st

from aragora.agents.reading.labels import label_of, labels_in

LABELS = ("A", "B", "C", "D", "E", "S")


@pytest.mark.parametrize(
    "written",
    [
        *(
            "B",
            "b",
            " B ",
            "B.",
            "(B)",
            "[B]",
            "<B>",
            "`B`",
            "**B**",
            "*B*",
            '"B"',
            "“B”",
            "«B»",
            "{B}",
            "#B",
            "\uff22",
        ),
        *(
            "Answer B",
            "answer b.",
            "ANSWER B",
            "Answer: B",
            "Answer_B",
            "Answer\\_B",
            "Answer-B",
            "Answer (B)",
            "Answer #B",
        ),
        *(
            "Response B",
            "Option B",
            "Proposal B",
            "Candidate B",
            "Position B",
            "the answer B",
            "**Answer B**",
            "**Answer** B",
        ),
        *(
            "Antwort B",
            "Vorschlag B",
            "Réponse B",
            "Respuesta B",
            "Opción B",
            "Risposta B",
            "Opção B",
            "Ответ B",
            "答案B",
            "回答\uff1aB",
        ),
        *(
            "B: use it",
            "B (PostgreSQL)",
            "B) PostgreSQL",
            "B - use it",
            "B \u2013 use it",
            "B. Use it",
            "B, because it holds",
        ),
        *("B because it holds", "Answer B: use it", "**B**: better than A", "B (not A)", "2. B", "B: A good one"),
        *(
            "I vote for B",
            "I'd vote for Answer B.",
            "I choose B, because it holds",
            "My vote: B",
            "Vote: B",
            "I pick b",
        ),
        *(
            "Final answer: **B**",
            "The answer is B",
            "The best answer is B: short.",
            "My final vote is for B",
            "B!",
            "B\u3002",
        ),
        *("Ich stimme f\u00fcr B", "Je vote pour B", "Voto por B", "\u6211\u6295\u7968\u7ed9B", "\u7b54\u6848\u662fB"),
        *("\\boxed{B}", "\boxed{B}", "$\\boxed{\\text{B}}$", "The final answer is $\\boxed{B}$."),
        *("<answer>B</answer>", "<final_answer> B </final_answer>"),
    ],
)
def test_one_label_is_understood(written: str) -> None:
    assert label_of(written, LABELS) == "B"


@pytest.mark.parametrize(
    "written",
    [
        *(
            "",
            "Q",
            "AB",
            "A good one",
            "a good one",
            "An answer",
            "Answers",
            "Options",
            "Options.",
            "Answer",
            "None",
            "?",
        ),
        *(
            "A or B",
            "A and B",
            "A, B",
            "A/B",
            "A & B",
            "A > B",
            "A - B",
            "A: B",
            "A (B)",
            "Answer A or Answer B",
            "A vs. B",
        ),
        *(
            "I vote for A or B",
            "I vote against B",
            "I do not vote for B",
            "My vote: A, B",
            "A! B",
            "B?",
            "A vote for B",
        ),
        *("\\boxed{A} or \\boxed{B}", "\\boxed{A, B}", "<answer>A</answer><answer>B</answer>", "The answer is not B"),
        *("The answer is a good one", "I choose a better one"),
        *("Answer A, answer B", "A.I. is the future", "better than B", "Not B", "1", "Answer 2", "A" * 3_000),
    ],
)
def test_what_names_no_label_or_two_is_not_guessed(written: str) -> None:
    assert label_of(written, LABELS) is None


@pytest.mark.parametrize("written", [["B"], {"label": "B"}, {"choice": "Answer B", "why": "it holds"}])
def test_a_list_or_object_around_one_label_is_opened(written: Any) -> None:
    assert label_of(written, LABELS) == "B"


@pytest.mark.parametrize("written", [None, 1, True, [], ["A", "B"], {}, {"label": None}, [["B"]]])
def test_what_is_no_text_is_no_label(written: Any) -> None:
    assert label_of(written, LABELS) is None


@pytest.mark.parametrize(
    "written", ["B > A > C", "B, A, C", "Answer B → Answer A → Answer C", "1. B\n2. A\n3. C", "B; A; C"]
)
def test_a_list_on_one_line_is_taken_apart(written: str) -> None:
    assert labels_in(written, LABELS) == ["B", "A", "C"]


@pytest.mark.parametrize("written", ["", ",", "B > Q", "B, a good one, C", "first B then A"])
def test_a_list_with_a_part_that_is_no_label_is_none(written: str) -> None:
    assert labels_in(written, LABELS) is None


def test_a_list_longer_than_any_ballot_is_not_read() -> None:
    assert labels_in("A, B, " * 1_000, LABELS) is None


DECORATIONS = [
    "{}",
    "**{}**",
    "`{}`",
    "<{}>",
    "[{}]",
    '"{}"',
    "Answer {}",
    "Option_{}",
    "({})",
    "{}.",
    " {} ",
    "{}: it holds",
]


@given(st.sampled_from(LABELS), st.lists(st.sampled_from(DECORATIONS[:6]), max_size=3), st.sampled_from(DECORATIONS))
def test_decoration_never_changes_the_label(label: str, around: list[str], within: str) -> None:
    written = within.format(label)
    for decoration in around:
        written = decoration.format(written)
    assert label_of(written, LABELS) == label


@given(st.text(max_size=40), st.lists(st.text(min_size=1, max_size=3), max_size=4))
def test_any_text_is_one_of_the_labels_or_none(text: str, labels: list[str]) -> None:
    assert label_of(text, labels) in (None, *labels)
