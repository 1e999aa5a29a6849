"""Requests and replies come out of a batch as they went in, and one that cannot takes no other with it."""

from __future__ import annotations

from dataclasses import replace

import msgspec
import pytest

from aragora.agents import wire
from aragora.agents.signs import Sign
from aragora.debate.model import (
    AgentAnswer,
    AgentFailure,
    AgentRequest,
    Ask,
    AskKind,
    Ballot,
    Brief,
    Candidate,
    Critique,
    Fallback,
    Proposal,
    Reply,
    Usage,
)

USAGE = Usage("anthropic", "claude", 10, 20, 0.25, 1.5)
CRITIQUE = Critique(("vague",), ("say more",), 0.4)
FALLBACK = Fallback("anthropic", "openrouter", "anthropic/claude", "rate_limited", 0.5)


def test_requests_arrive_as_they_were_sent() -> None:
    brief = Brief("Why?", "context", 2, "own", (Candidate("A", "text"),), ("A: no",), ("a hint",), "a challenge")
    requests = [AgentRequest(Ask(f"a{kind}", "d", "agent", kind, 1, "target"), brief, 30.0) for kind in AskKind]
    packed = wire.encode_requests(requests)
    assert wire.decode_requests(packed.raw) == wire.UnpackedRequests(requests, [])
    assert packed.refused == []


@pytest.mark.parametrize(
    "reply",
    [
        AgentAnswer("a", "agent", Proposal("Yes.", 0.7, ("a fact",)), USAGE, FALLBACK),
        AgentAnswer("a", "agent", Critique(("vague",), ("say more",), 0.4), USAGE),
        AgentAnswer("a", "agent", Ballot("B", 0.9, "clear", ("B", "A")), USAGE),
        AgentFailure("a", "agent", "timeout", "no answer within 30 s"),
        AgentFailure("a", "agent", "overloaded", "both failed", USAGE, FALLBACK),
    ],
    ids=lambda reply: type(getattr(reply, "content", reply)).__name__,
)
def test_replies_arrive_as_they_were_sent(reply: Reply) -> None:
    assert wire.decode_replies(wire.encode_replies([reply, reply])) == [reply, reply]


def test_what_is_no_batch_is_refused() -> None:
    for decode in (wire.decode_replies, wire.decode_requests):
        with pytest.raises(msgspec.MsgspecError):
            decode(b"\x01\x02")


@pytest.mark.parametrize(
    "usage",
    [
        replace(USAGE, input_tokens=12.0 + 0.5),  # type: ignore[arg-type]
        replace(USAGE, input_tokens=2**64),
        replace(USAGE, input_tokens=None),  # type: ignore[arg-type]
        replace(USAGE, model="half \ud83d"),
    ],
    ids=["a fraction", "beyond 64 bits", "no number", "half a character"],
)
def test_a_reply_that_cannot_travel_is_a_failure_of_its_own_ask_alone(usage: Usage) -> None:
    good = AgentAnswer("good", "ann", Proposal("Yes."), USAGE)
    bad = AgentAnswer("bad", "bob", Proposal("No."), usage)
    first, second, third = wire.decode_replies(wire.encode_replies([good, bad, good]))
    assert (first, third) == (good, good)
    assert isinstance(second, AgentFailure)
    assert (second.ask_id, second.agent, second.code) == ("bad", "bob", "malformed_answer")


def test_a_reply_without_content_is_a_failure_of_its_ask() -> None:
    empty = msgspec.msgpack.encode([("a", "agent", None, None, None, None, None, None, "")])
    (reply,) = wire.decode_replies(empty)
    assert isinstance(reply, AgentFailure)
    assert (reply.ask_id, reply.code) == ("a", "malformed_answer")


def test_a_reply_of_which_not_even_the_ask_can_be_read_is_left_out() -> None:
    good = AgentAnswer("good", "ann", Proposal("Yes."), USAGE)
    encoded = msgspec.Raw(wire.encode_replies([good])[1:])
    batch = msgspec.msgpack.encode(
        [msgspec.Raw(b"\xc0"), encoded, msgspec.Raw(b"\x92\x01\x02"), msgspec.Raw(b"\xa1\xff")]
    )
    assert wire.decode_replies(batch) == [good]


def test_an_ask_that_has_no_encoding_is_a_failure_and_its_neighbours_travel() -> None:
    good, bad = request("good", Brief("Why?")), request("bad", Brief("half \ud83d"))
    packed = wire.encode_requests([good, bad, good])
    assert wire.decode_requests(packed.raw).requests == [good, good]
    (failure,) = packed.refused
    assert (failure.ask_id, failure.agent, failure.code) == ("bad", "ann", "malformed_ask")


def test_an_ask_that_cannot_be_decoded_is_a_failure_and_its_neighbours_are_asked() -> None:
    good = request("good", Brief("Why?"))
    strange: list[object] = [good, {"ask": {"ask_id": "bad", "agent": "ann"}}, {"ask": {"ask_id": 1}}, [], None]
    unpacked = wire.decode_requests(msgspec.msgpack.encode(strange))
    assert unpacked.requests == [good]
    (failure,) = unpacked.refused
    assert (failure.ask_id, failure.agent, failure.code) == ("bad", "ann", "malformed_ask")


def request(ask_id: str, brief: Brief) -> AgentRequest:
    return AgentRequest(Ask(ask_id, "d", "ann", AskKind.PROPOSE, 1), brief, 30.0)


def test_signs_travel_among_the_replies() -> None:
    replies: list[Reply] = [
        AgentFailure("a", "agent", "timeout", "no answer"),
        AgentAnswer("b", "agent", CRITIQUE, USAGE),
    ]
    signs = [Sign("c", "Tea is 😀", 4, 2), Sign("d", "", 0, 1)]
    raw = wire.encode_replies(replies, signs)
    assert wire.decode_told(raw) == wire.Told(replies, signs)
    assert wire.decode_replies(raw) == replies
    assert wire.decode_told(wire.encode_replies([], signs)) == wire.Told([], signs)


def test_a_sign_that_cannot_be_read_takes_no_reply_with_it() -> None:
    failure = AgentFailure("a", "agent", "timeout", "no answer")
    (packed,) = msgspec.msgpack.decode(wire.encode_replies([failure]))
    raw = msgspec.msgpack.encode([{"ask_id": 7}, {}, packed])
    assert wire.decode_told(raw) == wire.Told([failure], [])
