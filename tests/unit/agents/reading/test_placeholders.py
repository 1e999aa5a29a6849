"""What models copy from a schema or a prompt is no answer."""

from __future__ import annotations

import pytest

from aragora.agents import prompts
from aragora.agents.reading import placeholders
from aragora.agents.reading.placeholders import is_placeholder
from aragora.agents.reading.schemas import DESCRIPTIONS


@pytest.mark.parametrize(
    "copied",
    [
        *DESCRIPTIONS,
        *(
            "<your answer>",
            "[Your answer here]",
            "{answer}",
            "{{your_answer}}",
            "<answer>",
            "(answer text)",
            "**<answer>**",
        ),
        *(
            "your answer",
            "Your answer here.",
            "Insert your answer here",
            "<insert the final answer>",
            "answer goes here",
        ),
        *("string", "<string>", '"string"', "String", "<source 1>", "[evidence]", "...", "<...>", "[]"),
        *("text whose first sentence is the conclusion and which then gives the reasons",),
        *(
            "Deine Antwort",
            "Tu respuesta aqu\u00ed",
            "sources here",
            "Put the answer here",
            "<deine Antwort>",
            "[Votre r\u00e9ponse ici]",
            "<tu respuesta>",
            "\u4f60\u7684\u7b54\u6848",
            "<\u3042\u306a\u305f\u306e\u56de\u7b54>",
        ),
    ],
)
def test_what_was_copied_is_known(copied: str) -> None:
    assert is_placeholder(copied)


@pytest.mark.parametrize(
    "said",
    [
        *("[The answer is 42]", "A string.", "string, since it holds letters", "Your answer is wrong.", "<b>Tea</b>"),
        *(
            "Tea.",
            "42",
            "{x}",
            "<div>",
            "[1, 2]",
            "(none)",
            "Text files are best.",
            "Answer A is right.",
            "One sentence.",
        ),
        *(
            "Your answer here is better than mine.",
            "Write the answer here only once.",
            "<string> is a header",
            "Evidence",
        ),
        *(
            "\u4f60\u7684\u7b54\u6848\u662f\u5bf9\u7684",
            "the answer",
            "The label of the best answer is B.",
            "string " * 100,
        ),
    ],
)
def test_an_answer_that_looks_like_one_is_none(said: str) -> None:
    assert not is_placeholder(said)


def test_the_words_that_stand_for_the_prompt_are_those_of_the_prompt() -> None:
    asked = " ".join(prompts._SYSTEM.values())
    for words in placeholders._IN_THE_PROMPT:
        assert words in asked, words
