"""How requests and replies travel between a coordinator and an agent: msgpack batches.

A batch crosses the process border as one `bytes`, so a hundred asks cost one message; msgspec turns each into
its dataclass in a microsecond or two, where pickle would take ten times that.
"""

from __future__ import annotations

from collections.abc import Sequence

import msgspec

from aragora.debate.model import (
    AgentAnswer,
    AgentFailure,
    AgentRequest,
    Ballot,
    Critique,
    Fallback,
    Proposal,
    Reply,
    Usage,
)


class _WireReply(msgspec.Struct, array_like=True):
    """An answer (exactly one content is set) or a failure (`code` is set)."""

    ask_id: str
    agent: str
    proposal: Proposal | None
    critique: Critique | None
    ballot: Ballot | None
    usage: Usage | None
    fallback: Fallback | None
    code: str | None
    message: str


_encoder = msgspec.msgpack.Encoder()
_requests = msgspec.msgpack.Decoder(list[AgentRequest])
_replies = msgspec.msgpack.Decoder(list[_WireReply])


def encode_requests(requests: Sequence[AgentRequest]) -> bytes:
    return _encoder.encode(requests)


def decode_requests(raw: bytes) -> list[AgentRequest]:
    """Raises msgspec.ValidationError where `raw` was not made by `encode_requests`."""
    return _requests.decode(raw)


def encode_replies(replies: Sequence[Reply]) -> bytes:
    return _encoder.encode([_to_wire(reply) for reply in replies])


def decode_replies(raw: bytes) -> list[Reply]:
    """Raises msgspec.ValidationError where `raw` was not made by `encode_replies`."""
    return [_from_wire(wire) for wire in _replies.decode(raw)]


def _to_wire(reply: Reply) -> _WireReply:
    if isinstance(reply, AgentFailure):
        return _WireReply(
            reply.ask_id, reply.agent, None, None, None, reply.usage, reply.fallback, reply.code, reply.message
        )
    content = reply.content
    return _WireReply(
        reply.ask_id,
        reply.agent,
        content if isinstance(content, Proposal) else None,
        content if isinstance(content, Critique) else None,
        content if isinstance(content, Ballot) else None,
        reply.usage,
        reply.fallback,
        None,
        "",
    )


def _from_wire(wire: _WireReply) -> Reply:
    if wire.code is not None:
        return AgentFailure(wire.ask_id, wire.agent, wire.code, wire.message, wire.usage, wire.fallback)
    content = wire.proposal or wire.critique or wire.ballot
    if content is None or wire.usage is None:
        raise msgspec.ValidationError(f"the reply to {wire.ask_id} carries neither an answer nor a failure")
    return AgentAnswer(wire.ask_id, wire.agent, content, wire.usage, wire.fallback)
