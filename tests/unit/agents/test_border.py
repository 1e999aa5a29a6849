"""What providers send is brought into bounds: numbers are finite and whole, texts can be stored and shown."""

from __future__ import annotations

import json
import re
from dataclasses import fields, is_dataclass
from typing import Any

import pytest
from hypothesis import given
from hypothesis import strategies as st

from aragora import limits
from aragora.agents import border, wire
from aragora.agents.model import ProviderFault
from aragora.debate.model import AgentAnswer, AgentFailure, Ballot, Critique, Fallback, Proposal, Reply, Usage
from aragora.encoding import encode
from aragora.receipts.canonical import canonical

NAN, INFINITY = float("nan"), float("inf")
anything = st.recursive(
    st.none() | st.booleans() | st.integers() | st.floats() | st.text(st.characters()) | st.just(10**400),
    lambda inner: st.lists(inner) | st.dictionaries(st.text(), inner),
    max_leaves=5,
)
texts = st.text(st.characters(), max_size=40) | st.sampled_from(["\ud83d", "\ude00", "a\x00b", "\x1b[2J", "x" * 30_000])
numbers = st.floats() | st.integers() | st.sampled_from([2**53, 2**64, 10**400, -1, 12.0, 40.5])
usages = st.builds(Usage, texts, texts, numbers, numbers, numbers, numbers)
fallbacks = st.none() | st.builds(Fallback, texts, texts, texts, texts, numbers)
notes = st.lists(texts, max_size=12).map(tuple)
contents = (
    st.builds(Proposal, texts, numbers, notes)
    | st.builds(Critique, notes, notes, numbers)
    | st.builds(Ballot, texts, numbers, texts, notes)
)
replies = st.builds(AgentAnswer, st.just("a"), st.just("ann"), contents, usages, fallbacks) | st.builds(
    AgentFailure, st.just("a"), st.just("ann"), texts, texts, st.none() | usages, fallbacks
)


@pytest.mark.parametrize(
    ("told", "tokens"),
    [
        (12, 12), (12.0, 12), (40.5, 40), (0, 0), (limits.CALL_MAX_TOKENS, limits.CALL_MAX_TOKENS),
        (limits.CALL_MAX_TOKENS + 1, None), (NAN, None), (INFINITY, None), (json.loads("1e999"), None), (-100, None),
        (-0.4, None), ([100], None), ({}, None), ("n/a", None), ("12", None), (True, None), (None, None), (2**53, None),
        (2**64, None), (10**400, None), (18446744073709551615, None),
    ],
)  # fmt: skip
def test_a_count_is_a_whole_number_within_its_bound_or_none(told: object, tokens: int | None) -> None:
    assert border.tokens(told) == tokens


@given(anything)
def test_whatever_is_told_as_a_number_never_raises(told: object) -> None:
    counted, billed, wait = border.tokens(told), border.billed_usd(told), border.wait_s(told)
    assert counted is None or (type(counted) is int and 0 <= counted <= limits.CALL_MAX_TOKENS)
    assert billed is None or (type(billed) is float and 0 <= billed <= limits.CALL_MAX_USD)
    assert wait is None or (type(wait) is float and 0 <= wait <= limits.RETRY_AFTER_MAX_S)


@pytest.mark.parametrize(
    ("told", "kept"),
    [
        ("plain\n\ttext", "plain\n\ttext"),
        ("boom \ud83d", "boom �"),
        ("\ud83d\ude00", "\N{GRINNING FACE}"),
        ("a\x00b\x1b[2Jc\x7f\x9b", "ab[2Jc"),
        ("one\r\ntwo\rthree", "one\ntwo\nthree"),
        ("x" * 21, "x" * 19 + "…"),
    ],
)
def test_a_text_loses_only_what_cannot_be_stored_or_shown(told: str, kept: str) -> None:
    assert border.text(told, 20) == kept


@given(texts)
def test_a_text_is_clean_after_the_first_time(told: str) -> None:
    once = border.text(told, 100)
    assert border.text(once, 100) == once
    assert len(once) <= 100


@given(replies)
def test_every_field_of_every_reply_can_be_sent_stored_and_added_up(reply: Reply) -> None:
    fit = border.fit(reply)
    assert wire.decode_replies(wire.encode_replies([fit])) == [fit]
    encode(fit)
    assert (fit.ask_id, fit.agent) == (reply.ask_id, reply.agent)
    for value in _leaves(fit):
        if isinstance(value, str):
            assert not re.search(r"[\x00-\x08\x0b-\x1f\x7f-\x9f\ud800-\udfff]", value)
            assert len(value) <= limits.ANSWER_MAX_CHARS
        elif isinstance(value, int | float):
            assert 0 <= value < 2**53
            canonical({"n": value})


@given(contents)
def test_a_reply_within_its_bounds_stays_as_it_was(content: Any) -> None:
    once = border.fit(AgentAnswer("a", "ann", content, Usage("p", "m", 1, 2, 0.5, 1.5)))
    assert border.fit(once) == once
    good = AgentAnswer("a", "ann", Proposal("Yes.", 0.5, ("a",)), Usage("p", "m", 1, 2, 0.5, 1.5))
    assert border.fit(good) == good


@given(
    contents,
    st.builds(Usage, st.text(max_size=5), st.just("m"), st.integers(-1, 9), st.just(2), st.floats(), st.floats()),
)
def test_a_reply_that_is_taken_as_it_is_would_be_made_the_same(content: Any, usage: Usage) -> None:
    reply = AgentAnswer("a", "ann", content, usage)
    if border.fit(reply) is reply:
        assert (border._content(content), border._usage(usage)) == (content, usage)


def test_the_text_and_the_wait_of_every_failure_are_brought_into_bounds() -> None:
    error = ProviderFault("boom \ud83d\x00" + "x" * 5_000, retry_after_s=INFINITY)
    assert error.message.startswith("boom �x")
    assert str(error) == error.message
    assert len(error.message) <= limits.FAILURE_MAX_CHARS
    assert error.retry_after_s == limits.RETRY_AFTER_MAX_S
    assert ProviderFault("x", retry_after_s=NAN).retry_after_s is None


def _leaves(value: object) -> list[object]:
    if is_dataclass(value):
        return [leaf for field in fields(value) for leaf in _leaves(getattr(value, field.name))]
    if isinstance(value, tuple):
        return [leaf for item in value for leaf in _leaves(item)]
    return [value]
