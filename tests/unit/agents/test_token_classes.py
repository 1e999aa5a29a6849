"""What providers count, each in its own way: fresh, cached and written input, output with and without thoughts."""

from __future__ import annotations

from typing import Any

import pytest
from google.genai.types import GenerateContentResponse
from hypothesis import given
from hypothesis import strategies as st

from aragora import limits
from aragora.agents.model import ModelCall, Turn
from aragora.agents.pricing import Price, Tokens, price_of
from aragora.agents.providers.anthropic import _Received as Anthropic
from aragora.agents.providers.chat_answer import ChatReceived
from aragora.agents.providers.gemini import _Received as Gemini
from aragora.debate.model import Usage

CALL = ModelCall("You debate.", (Turn("user", "Why?"),), {}, "proposal", 100, 0.5, 5.0, "ask-1")
MILLION = 1_000_000


def chat(usage: Any, provider: str = "openai", model: str = "gpt-6.1-sol", *, bills_itself: bool = False) -> Usage:
    received = ChatReceived(provider, model, CALL, bills_itself=bills_itself)
    received.take({"choices": [], "usage": usage})
    told = received.usage()
    assert told is not None
    return told


def anthropic(start: dict[str, Any], output: int) -> Usage:
    received = Anthropic("claude-sonnet-4-6", CALL)
    received.take({"type": "message_start", "message": {"usage": {"output_tokens": 1} | start}})
    received.take({"type": "message_delta", "usage": {"output_tokens": output}})
    told = received.usage()
    assert told is not None
    return told


def gemini(**counts: int) -> Usage:
    received = Gemini("gemini-3.8-flash", CALL)
    received.take(GenerateContentResponse.model_validate({"usage_metadata": counts}))
    told = received.usage()
    assert told is not None
    return told


def test_openai_counts_what_it_cached_within_the_prompt_and_thoughts_within_the_answer() -> None:
    usage = chat(
        {
            "prompt_tokens": 1_000_000,
            "completion_tokens": 200_000,
            "total_tokens": 1_200_000,
            "prompt_tokens_details": {"cached_tokens": 600_000, "cache_write_tokens": 100_000},
            "completion_tokens_details": {"reasoning_tokens": 150_000},
        }
    )
    assert (usage.input_tokens, usage.output_tokens, usage.estimated) == (1_000_000, 200_000, False)
    assert usage.cost_usd == pytest.approx(0.3 * 2.0 + 0.6 * 0.1 + 0.1 * 2.5 + 0.2 * 10.0)


def test_xai_counts_thoughts_beside_the_answer_where_its_total_says_so() -> None:
    counts = {
        "prompt_tokens": 10_120,
        "completion_tokens": 1_499,
        "total_tokens": 14_428,
        "prompt_tokens_details": {"cached_tokens": 128},
        "completion_tokens_details": {"reasoning_tokens": 2_809},
    }  # as xAI billed it: 0.0232856 USD at 1.25, 0.20 and 2.50 USD (github.com/Wei-Shaw/sub2api/issues/5771)
    usage = chat(counts, "xai", "grok-4.3")
    assert (usage.input_tokens, usage.output_tokens) == (10_120, 1_499 + 2_809)
    assert usage.cost_usd == pytest.approx(0.0232856)
    within = chat(counts | {"total_tokens": 11_619, "completion_tokens_details": {"reasoning_tokens": 700}}, "xai", "m")
    assert within.output_tokens == 1_499


@pytest.mark.parametrize(("thought", "output"), [(2_809, 4_308), (700, 1_499)])
def test_without_a_total_more_thoughts_than_answer_stand_beside_it(thought: int, output: int) -> None:
    usage = chat({
        "prompt_tokens": 10, "completion_tokens": 1_499, "completion_tokens_details": {"reasoning_tokens": thought},
    })  # fmt: skip
    assert usage.output_tokens == output


def test_deepseek_names_what_it_cached_otherwise() -> None:
    counts = {"prompt_tokens": MILLION, "completion_tokens": 0, "prompt_cache_hit_tokens": 400_000}
    assert chat(counts).cost_usd == pytest.approx(0.6 * 2.0 + 0.4 * 0.1)


def test_mistral_has_no_price_for_what_it_cached_so_it_costs_as_input() -> None:
    counts = {"prompt_tokens": MILLION, "completion_tokens": 0, "prompt_tokens_details": {"cached_tokens": 500_000}}
    assert chat(counts, "mistral", "mistral-large-latest").cost_usd == pytest.approx(2.0)


def test_openrouter_says_itself_what_it_billed() -> None:
    counts = {"prompt_tokens": MILLION, "completion_tokens": 0, "cost": 0.01}
    assert chat(counts, "openrouter", "anthropic/claude-sonnet-5.5", bills_itself=True).cost_usd == 0.01


@pytest.mark.parametrize(
    ("bill", "paid"),
    [
        ({"cost": 0, "is_byok": True, "cost_details": {"upstream_inference_cost": 0.5}}, 0.5),
        ({"cost": 0.025, "is_byok": True, "cost_details": {"upstream_inference_cost": 0.5}}, 0.525),
        ({"cost": 0.5, "is_byok": False, "cost_details": {"upstream_inference_cost": 0.5}}, 0.5),
        ({"cost": 0, "is_byok": False, "cost_details": {"upstream_inference_cost": 0.5}}, 0.0),
        ({"cost": 0.95, "cost_details": {"upstream_inference_cost": 19}}, 19.95),
        ({"cost": 0.5, "cost_details": {"upstream_inference_cost": 0.4}}, 0.5),
        ({"cost": 0.5, "cost_details": None}, 0.5),
        ({"cost": 0, "is_byok": True, "cost_details": {"upstream_inference_cost": None}}, 3.0),  # by the table
        ({"cost": 0, "is_byok": True}, 3.0),
        ({"cost": 0.5, "cost_details": {"upstream_inference_cost": float("nan")}}, 0.5),
    ],
    ids=str,
)
def test_with_a_providers_key_of_their_own_at_openrouter_a_person_pays_that_provider_too(
    bill: dict[str, Any], paid: float
) -> None:
    counts = {"prompt_tokens": MILLION, "completion_tokens": 0} | bill
    usage = chat(counts, "openrouter", "anthropic/claude-sonnet-4.6", bills_itself=True)
    assert usage.cost_usd == pytest.approx(paid)


def test_anthropic_counts_what_went_through_its_cache_beside_the_input() -> None:
    usage = anthropic(
        {"input_tokens": 200_000, "cache_read_input_tokens": 500_000, "cache_creation_input_tokens": 300_000}, 100_000
    )
    assert (usage.input_tokens, usage.output_tokens) == (1_000_000, 100_000)
    assert usage.cost_usd == pytest.approx(0.2 * 3.0 + 0.5 * 0.3 + 0.3 * 3.75 + 0.1 * 15.0)


def test_gemini_counts_what_it_cached_within_the_prompt_and_thoughts_beside_the_answer() -> None:
    usage = gemini(
        prompt_token_count=MILLION,
        cached_content_token_count=600_000,
        candidates_token_count=100_000,
        thoughts_token_count=50_000,
    )
    assert (usage.input_tokens, usage.output_tokens) == (MILLION, 150_000)
    assert usage.cost_usd == pytest.approx(0.4 * 1.5 + 0.6 * 0.15 + 0.15 * 7.5)


def test_gemini_counts_thoughts_also_where_they_left_no_room_for_an_answer() -> None:
    usage = gemini(prompt_token_count=500, thoughts_token_count=1_020)
    assert (usage.input_tokens, usage.output_tokens, usage.estimated) == (500, 1_020, False)


odd = st.one_of(
    st.none(), st.booleans(), st.text(max_size=3), st.integers(), st.floats(), st.lists(st.integers(), max_size=2)
)


@given(
    st.fixed_dictionaries(
        {
            "prompt_tokens": odd,
            "completion_tokens": odd,
            "total_tokens": odd,
            "prompt_tokens_details": st.fixed_dictionaries({"cached_tokens": odd, "cache_write_tokens": odd}) | odd,
            "completion_tokens_details": st.fixed_dictionaries({"reasoning_tokens": odd}) | odd,
            "prompt_cache_hit_tokens": odd,
        }
    )
)
def test_whatever_is_counted_it_costs_no_less_than_nothing_and_no_more_than_what_can_be_believed(told: object) -> None:
    usage = chat(told)
    price = price_of("openai", "gpt-6.1-sol")
    assert 0 <= usage.input_tokens <= limits.CALL_MAX_TOKENS
    assert 0 <= usage.output_tokens <= limits.CALL_MAX_TOKENS
    assert 0.0 <= usage.cost_usd <= price.most_usd(usage.input_tokens, usage.output_tokens) + 1e-9


counts = st.integers(0, 10**7)
usd = st.floats(0.0, 100.0)


@given(
    st.builds(Price, usd, usd, st.just(True), st.none() | usd, st.none() | usd),
    st.builds(Tokens, counts, counts, counts, counts),
)
def test_no_split_of_a_prompt_costs_less_than_nothing_or_more_than_its_bound(price: Price, tokens: Tokens) -> None:
    assert 0.0 <= price.cost_usd(tokens) <= price.most_usd(tokens.input, tokens.output) * (1 + 1e-9)


@pytest.mark.parametrize(("cached", "written"), [(700_000, 400_000), (1_000_001, 0), (0, 1_000_001)])
def test_parts_that_are_more_than_the_whole_are_not_believed(cached: int, written: int) -> None:
    price = Price(2.0, 10.0, True, 0.1, 2.5)
    assert price.cost_usd(Tokens(MILLION, 0, cached, written)) == pytest.approx(2.0)
