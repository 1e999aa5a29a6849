"""Counts as providers tell them in pieces: cumulative ones are not added up, and an explicit zero is a count."""

from __future__ import annotations

from typing import Any

import pytest
from worlds import odd_provider as odd
from worlds.odd_provider import GOOD, OddProvider

from aragora.agents.model import Completion, ModelCall, Provider, Turn


async def answered(provider: Provider) -> Completion:
    call = ModelCall("system", (Turn("user", "How much?"),), {"type": "object"}, "proposal", 100, 0.5, 5.0, "an-ask")
    return await provider.complete(call)


def cumulative_messages(*outputs: int) -> odd.Reply:
    """A stream of Anthropic's Messages that tells after every piece what was written until then."""
    message = {"id": "m", "type": "message", "role": "assistant", "model": "m", "content": []}
    told = [{"type": "message_delta", "delta": {}, "usage": {"output_tokens": count}} for count in outputs[:-1]]
    last = {"type": "message_delta", "delta": {"stop_reason": "end_turn"}, "usage": {"output_tokens": outputs[-1]}}
    return odd.stream(
        {"type": "message_start", "message": message | {"usage": {"input_tokens": 100, "output_tokens": 1}}},
        {"type": "content_block_start", "index": 0, "content_block": {"type": "text", "text": ""}},
        {"type": "content_block_delta", "index": 0, "delta": {"type": "text_delta", "text": GOOD}},
        *told,
        last,
        {"type": "message_stop"},
    )


def cumulative_chat(*outputs: int) -> odd.Reply:
    """A stream of Chat Completions whose every chunk tells what was written until then."""
    told = [
        {"choices": [{"index": 0, "delta": {}, "finish_reason": None}], "usage": usage_of(count)} for count in outputs
    ]
    return odd.chat(usage=usage_of(outputs[-1]), more=tuple(told))


def usage_of(output: int) -> dict[str, Any]:
    return {"prompt_tokens": 100, "completion_tokens": output, "total_tokens": 100 + output}


@pytest.mark.parametrize("api", ["anthropic", "chat", "mistral"])
async def test_counts_that_grow_within_a_stream_are_not_added_up(api: str) -> None:
    reply = cumulative_messages(10, 25, 40) if api == "anthropic" else cumulative_chat(10, 25, 40)
    world = OddProvider(lambda _: reply)
    build = {
        "anthropic": world.anthropic_provider,
        "chat": world.chat_provider,
        "mistral": world.mistral_provider,
    }[api]
    usage = (await answered(build())).usage
    assert (usage.input_tokens, usage.output_tokens, usage.estimated) == (100, 40, False)


@pytest.mark.parametrize("api", ["local", "openrouter", "mistral"])
async def test_an_explicit_zero_is_a_count_and_not_estimated(api: str) -> None:
    world = OddProvider(lambda _: odd.chat(usage={"prompt_tokens": 0, "completion_tokens": 0, "total_tokens": 0}))
    provider = world.mistral_provider() if api == "mistral" else world.chat_provider(api, "a-model")
    usage = (await answered(provider)).usage
    assert (usage.input_tokens, usage.output_tokens, usage.cost_usd, usage.estimated) == (0, 0, 0.0, False)


async def test_a_bill_of_zero_is_a_bill() -> None:
    told = {"prompt_tokens": 100, "completion_tokens": 40, "total_tokens": 140, "cost": 0}
    usage = (await answered(OddProvider(lambda _: odd.chat(usage=told)).chat_provider())).usage
    assert (usage.input_tokens, usage.output_tokens, usage.cost_usd) == (100, 40, 0.0)
