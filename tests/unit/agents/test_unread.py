"""A server that reads less of a prompt than it was sent, and does not say so."""

from __future__ import annotations

from pathlib import Path

import pytest
from hypothesis import given
from hypothesis import strategies as st

from aragora.agents.model import ModelCall, Turn
from aragora.agents.providers.chat_answer import ChatReceived

ENGLISH = (Path(__file__).parents[3] / "docs" / "agents.md").read_text() * 3
CODE = Path(__file__).read_text() * 20
CHINESE = "\u5e94\u8be5\u4f7f\u7528\u54ea\u4e2a\u6570\u636e\u5e93\uff1f" * 3_000
HINDI = "\u0928\u092e\u0938\u094d\u0924\u0947 \u092e\u0947\u0930\u093e \u0928\u093e\u092e " * 2_000


def remarks(prompt: str, counted: object, **details: object) -> tuple[str, ...]:
    received = ChatReceived(
        "local", "m", ModelCall("You debate.", (Turn("user", prompt),), {}, "x", 9, 0.5, 5.0, "a"), bills_itself=False
    )
    usage = {"prompt_tokens": counted, "completion_tokens": 5} | details
    received.take({"choices": [{"message": {"content": "Tea."}, "finish_reason": "stop"}], "usage": usage})
    return received.completion().remarks


def test_an_answer_to_a_prompt_that_was_cut_says_so_with_the_remedy() -> None:
    (remark,) = remarks(ENGLISH, 4_096)
    assert remark.startswith("local may have read only 4,096 of about ")
    assert "OLLAMA_CONTEXT_LENGTH" in remark
    assert "context_tokens" in remark


@pytest.mark.parametrize(
    ("prompt", "chars_per_token"),
    [(ENGLISH, 5.5), (CODE, 6.0), (CHINESE, 2.5), (HINDI, 3.5), (" " * 50_000, 64.0), (("-" * 80 + "\n") * 900, 32.0)],
    ids=["English", "code", "Chinese", "Hindi", "blanks", "rules"],
)
def test_what_a_frugal_tokenizer_makes_of_a_whole_prompt_is_not_suspicious(prompt: str, chars_per_token: float) -> None:
    assert remarks(prompt, int(len(prompt) / chars_per_token)) == ()


@pytest.mark.parametrize("counted", [0, 1, 255, None, "many", -5, True, float("nan")])
def test_a_count_that_cannot_be_one_says_nothing_of_the_prompt(counted: object) -> None:
    assert remarks(ENGLISH, counted) == ()


def test_what_came_from_the_cache_was_read() -> None:
    assert remarks(ENGLISH, 4_096, prompt_tokens_details={"cached_tokens": 8_000}) == ()


@given(st.text(max_size=5_900), st.integers(0, 10_000))
def test_a_short_prompt_is_never_suspicious(prompt: str, counted: int) -> None:
    assert remarks(prompt, counted) == ()
