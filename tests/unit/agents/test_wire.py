"""Requests and replies come out of a batch as they went in."""

from __future__ import annotations

import msgspec
import pytest

from aragora.agents import wire
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
FALLBACK = Fallback("anthropic", "openrouter", "anthropic/claude", "rate_limited", 0.5)


def test_requests_arrive_as_they_were_sent() -> None:
    brief = Brief("Why?", "context", 2, "own", (Candidate("A", "text"),), ("A: no",), ("a hint",), "a challenge")
    requests = [AgentRequest(Ask(f"a{kind}", "d", "agent", kind, 1, "target"), brief, 30.0) for kind in AskKind]
    assert wire.decode_requests(wire.encode_requests(requests)) == requests


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


def test_what_was_not_made_here_is_refused() -> None:
    with pytest.raises(msgspec.MsgspecError):
        wire.decode_replies(b"\x01\x02")
    empty = msgspec.msgpack.encode([("a", "agent", None, None, None, None, None, None, "")])
    with pytest.raises(msgspec.ValidationError, match="neither an answer nor a failure"):
        wire.decode_replies(empty)
