"""Arbitrary JSON in the places of a provider's answer, for Hypothesis: what the real SDKs may be given."""

from __future__ import annotations

from hypothesis import strategies as st
from worlds import odd_provider as odd
from worlds.odd_provider import ABSENT, GOOD

NAN, INFINITY = float("nan"), float("inf")
odd_numbers = [12.0, 40.5, NAN, INFINITY, -100, [100], {}, "n/a", 2**53, 2**64, 10**400, None, ABSENT]
texts = st.text(st.characters(), max_size=20) | st.sampled_from(["half \ud83d", "\x00", "\x1b[2J", GOOD])
anything = st.recursive(
    st.none() | st.booleans() | st.integers() | st.floats() | texts | st.sampled_from(odd_numbers[:-1]),
    lambda inner: st.lists(inner, max_size=3) | st.dictionaries(texts, inner, max_size=3),
    max_leaves=6,
)
counts = st.fixed_dictionaries(
    {},
    optional=dict.fromkeys(
        ("prompt_tokens", "completion_tokens", "total_tokens", "cost", "input_tokens", "output_tokens"), anything
    ),
)
usages = counts | anything | st.just(ABSENT)
chat_replies = (
    st.builds(odd.chat, st.just(GOOD), usages)
    | st.builds(odd.chat, anything, usages, anything, st.lists(anything, max_size=3).map(tuple))
    | st.builds(odd.chat, st.just(GOOD), usages, st.just("stop"), st.lists(anything, max_size=3).map(tuple))
)
message_replies = st.builds(odd.messages, st.just(GOOD) | anything, usages, st.just("end_turn") | anything)
errors = st.builds(
    odd.failure,
    st.integers(400, 599),
    anything | st.fixed_dictionaries({"error": st.fixed_dictionaries({"message": anything, "code": anything})}),
    st.sampled_from([{}, {"retry-after": "nan"}, {"retry-after": "1e999"}, {"retry-after-ms": "9" * 5_000}]),
)
streamed_errors = st.builds(odd.stream, st.fixed_dictionaries({"error": anything}))
messages = st.fixed_dictionaries(
    {}, optional=dict.fromkeys(("content", "refusal", "reasoning_content", "tool_calls", "reasoning"), anything)
)
choices = st.lists(
    anything
    | st.fixed_dictionaries({}, optional={"message": messages, "delta": messages, "finish_reason": texts | anything}),
    max_size=2,
)
documents = st.builds(
    odd.document, anything | st.fixed_dictionaries({"choices": choices | anything, "usage": counts | anything})
)
chunks = st.builds(odd.stream, st.fixed_dictionaries({"choices": choices}))
kinds = st.sampled_from(["text/event-stream", "application/json", "text/html", "text/plain"])
bodies = st.binary(max_size=60) | st.sampled_from(
    [b"", b"<html>", b"data: so\n\n", b"data: {\n\n", b"{", b"data: [DONE]"]
)
raws = st.builds(odd.raw, bodies, st.sampled_from([200, 400, 404, 500, 503]), kinds)
replies = (
    chat_replies
    | message_replies
    | errors
    | streamed_errors
    | st.builds(odd.stream, anything)
    | documents
    | chunks
    | raws
)
