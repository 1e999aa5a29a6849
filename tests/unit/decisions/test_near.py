"""C1, the gate of near matches: it takes no question for another one, and lets most rewordings pass."""

from __future__ import annotations

from collections import Counter
from pathlib import Path
from typing import Any, Final

import pytest
import yaml
from hypothesis import given
from hypothesis import strategies as st

from aragora.decisions.near import gist, near

PAIRS: Final[dict[str, Any]] = yaml.safe_load((Path(__file__).parent / "near_pairs.yaml").read_text())
KINDS: Final = {"negation", "antonym", "number", "unit", "date", "name", "reversal", "trap"}
HIT_RATE: Final = 0.85
"""What docs/decision-routing.md tells."""


def test_no_pair_that_asks_something_else_passes() -> None:
    refused = PAIRS["refused"]
    assert len(refused) >= 200
    assert {kind for kind, *_ in refused} == KINDS
    assert min(Counter(kind for kind, *_ in refused).values()) >= 20
    assert [pair for pair in refused if near(pair[1], pair[2])] == []


def test_most_pairs_that_ask_the_same_pass_and_paraphrases_do_not() -> None:
    same = PAIRS["same"]
    passed = [pair for pair in same if near(pair[1], pair[2])]
    assert len(same) >= 100
    assert len(passed) / len(same) >= HIT_RATE
    assert [kind for kind, *_ in passed if kind == "paraphrase"] == []


@given(st.text())
def test_a_question_is_always_near_itself_whatever_spaces_stand_around_it(text: str) -> None:
    assert near(text, f"  {text} ")


@given(
    st.lists(
        st.sampled_from(
            ["should", "we", "not", "keep", "tea", "coffee", "10", "12", "before", "after", "from", "to", "US", "us"]
        ),
        min_size=1,
    )
)
def test_another_order_or_one_word_more_is_another_question(words: list[str]) -> None:
    text = " ".join(words)
    assert not near(text, f"{text} never")
    turned = " ".join(reversed(words))
    assert near(text, turned) == (gist(text) == gist(turned)) == (words == words[::-1])


@pytest.mark.parametrize("text", ["", "?", "the", "a the an", "…", "\N{PILE OF POO}", "é" * 10_000])
def test_any_text_has_a_gist(text: str) -> None:
    assert isinstance(gist(text), tuple)
