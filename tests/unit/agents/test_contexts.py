"""How much a model takes: published, or told by a server that refuses more."""

from __future__ import annotations

import pytest

from aragora.agents import causes
from aragora.agents.contexts import context_tokens_of, context_tokens_told

# What servers really say, and the most that they take.
SAID = [
    ("This model's maximum context length is 8192 tokens. However, your messages resulted in 9000 tokens.", 8192),
    (("This model's maximum context length is 16384 tokens. However, you requested 122946 tokens (112946 in the messages, "
     "10000 in the completion). Please reduce the length of the messages or completion."), 16384),
    (("'max_tokens' or 'max_completion_tokens' is too large: 4096. This model's maximum context length is 8192 tokens and "
     "your request has 5404 input tokens (4096 > 8192 - 5404)."), 8192),
    ("This endpoint's maximum context length is 131,072 tokens. However, you requested about 140,000 tokens", 131072),
    ("prompt is too long: 208310 tokens > 200000 maximum", 200000),
    ("context is too long: 9000 > 8192 tokens (context length)", 8192),
    ("The input token count (1200000) exceeds the maximum number of tokens allowed (1048576).", 1048576),
    ("request (14429 tokens) exceeds the available context size (8192 tokens), try increasing it", 8192),
    (("Trying to keep the first 10136 tokens when context the overflows. However, the model is loaded with context length "
     "of only 7866 tokens, which is not enough."), 7866),
    ("Prompt contains 40000 tokens and 0 draft tokens, too large for model with 32768 maximum context length", 32768),
    ("This model's maximum prompt length is 131072 but the request contains 140000 tokens.", 131072),
    ("Number of tokens (757) exceeded maximum context length (512).", 512),
    ("`inputs` tokens + `max_new_tokens` must be <= 4096. Given: 5000 `inputs` tokens and 1024 `max_new_tokens`", 4096),
    ('the request exceeds the available context size. "n_prompt_tokens":14429,"n_ctx":8192', 8192),
]  # fmt: skip


@pytest.mark.parametrize(("words", "tokens"), SAID, ids=lambda value: str(value)[:40])
def test_a_refusal_tells_what_the_model_takes(words: str, tokens: int) -> None:
    assert context_tokens_told(words) == tokens
    assert causes.code_of(400, words) == causes.CONTEXT_TOO_LONG


@pytest.mark.parametrize(
    "words",
    [
        "the input length exceeds the context length",
        "request_too_large",
        "",
        "prompt is too long: 9000 tokens > 0 maximum",
        f"maximum context length is {'9' * 30} tokens",
    ],
)
def test_words_without_a_believable_limit_tell_none(words: str) -> None:
    assert context_tokens_told(words) is None


def test_published_sizes_hold_for_snapshots_and_at_openrouter_and_of_others_nothing_is_known() -> None:
    assert context_tokens_of("anthropic", "claude-haiku-4-5-20251001") == 200_000
    assert context_tokens_of("openrouter", "anthropic/claude-sonnet-5.5") == 1_000_000
    assert context_tokens_of("openrouter", "z-ai/glm-5.2") is None
    assert context_tokens_of("anthropic", "claude-never-heard-of") is None
    assert context_tokens_of("local", "") is None
    assert context_tokens_of("a provider of tomorrow", "m") is None
