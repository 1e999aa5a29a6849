"""How requests and replies travel between a coordinator and an agent: msgpack batches.

A batch crosses the process border as one `bytes`, so a hundred asks cost one message; msgspec turns each into
its dataclass in a microsecond or two, where pickle would take ten times that.

Asks and replies of many debates share a batch, so each is encoded and decoded by itself: one that cannot be becomes a
failure of its own ask (`malformed_ask`, `malformed_answer`), and its neighbours arrive.

Signs (`aragora.agents.signs`) travel among the replies: a reply is a msgpack array, a sign is a map.
"""

from __future__ import annotations

from collections.abc import Sequence
from dataclasses import dataclass
from typing import Any, Final

import msgspec
import structlog

from aragora.agents.signs import Sign
from aragora.debate.model import (
    MALFORMED_ANSWER,
    MALFORMED_ASK,
    Abstention,
    AgentAnswer,
    AgentFailure,
    AgentRequest,
    Ballot,
    Critique,
    Fallback,
    Grouping,
    Proposal,
    Reply,
    Usage,
)

log = structlog.get_logger("aragora.agents")


@dataclass(frozen=True, slots=True)
class PackedRequests:
    """A batch of requests as bytes, and the failures of those that have no encoding."""

    raw: bytes
    refused: list[AgentFailure]


@dataclass(frozen=True, slots=True)
class UnpackedRequests:
    """The requests of a batch, and the failures of those that could not be decoded."""

    requests: list[AgentRequest]
    refused: list[AgentFailure]


@dataclass(frozen=True, slots=True)
class Told:
    """What an agent told in one batch: replies, and signs of asks that it still works on."""

    replies: list[Reply]
    signs: list[Sign]


class _WireReply(msgspec.Struct, array_like=True):
    """An answer (exactly one content is set) or a failure (`code` is set)."""

    ask_id: str
    agent: str
    proposal: Proposal | None
    critique: Critique | None
    ballot: Ballot | None
    grouping: Grouping | None
    abstention: Abstention | None
    usage: Usage | None
    fallback: Fallback | None
    code: str | None
    message: str
    remarks: tuple[str, ...]


_NOT_ENCODABLE: Final = (ValueError, TypeError, OverflowError, RecursionError)
_NOT_DECODABLE: Final = (ValueError, RecursionError)  # msgspec's own errors are the first; bytes that are no text too
_encoder = msgspec.msgpack.Encoder()
_batch = msgspec.msgpack.Decoder(list[msgspec.Raw])
_request = msgspec.msgpack.Decoder(AgentRequest)
_told = msgspec.msgpack.Decoder(_WireReply | Sign)


def encode_requests(requests: Sequence[AgentRequest]) -> PackedRequests:
    """A batch of requests."""
    encoded: list[msgspec.Raw] = []
    refused: list[AgentFailure] = []
    for request in requests:
        try:
            encoded.append(msgspec.Raw(_encoder.encode(request)))
        except _NOT_ENCODABLE as error:
            refused.append(_malformed_ask(request.ask.ask_id, request.ask.agent, "encoded", error))
    return PackedRequests(_encoder.encode(encoded), refused)


def decode_requests(raw: bytes | msgspec.Raw) -> UnpackedRequests:
    """The requests of a batch. Raises ValueError where `raw` is no batch at all."""
    unpacked = UnpackedRequests([], [])
    for one in _batch.decode(raw):
        try:
            unpacked.requests.append(_request.decode(one))
        except _NOT_DECODABLE as error:
            ask = _plain(one)
            ask = ask.get("ask") if isinstance(ask, dict) else None
            who = (ask.get("ask_id"), ask.get("agent")) if isinstance(ask, dict) else (None, None)
            if isinstance(who[0], str) and isinstance(who[1], str):
                unpacked.refused.append(_malformed_ask(who[0], who[1], "decoded", error))
            else:
                log.warning("an ask cannot be decoded, nor whose it is", error=type(error).__name__)
    return unpacked


def encode_replies(replies: Sequence[Reply], signs: Sequence[Sign] = ()) -> bytes:
    """A batch of replies; one that has no encoding travels as a failure of its ask. Signs come first: an ask's reply
    ends them."""
    encoded = [_encoded(reply) for reply in replies]
    return _encoder.encode([*signs, *encoded] if signs else encoded)


def decode_replies(raw: bytes) -> list[Reply]:
    """The replies of a batch, without the signs."""
    return decode_told(raw).replies


def decode_told(raw: bytes) -> Told:
    """What a batch tells, failures in the place of replies that could not be decoded. Raises ValueError where `raw` is
    no batch at all."""
    told = Told([], [])
    replies = told.replies
    for one in _batch.decode(raw):
        try:
            read = _told.decode(one)
            if isinstance(read, Sign):
                told.signs.append(read)
            else:
                replies.append(_from_wire(read))
        except _NOT_DECODABLE as error:
            match _plain(one):
                case [str(ask_id), str(agent), *_]:
                    replies.append(_malformed_answer(ask_id, agent, "decoded", error))
                case _:
                    log.warning("a reply cannot be decoded, nor whose it is", error=type(error).__name__)
    return told


def _encoded(reply: Reply) -> msgspec.Raw:
    try:
        return msgspec.Raw(_encoder.encode(_to_wire(reply)))
    except _NOT_ENCODABLE as error:
        failure = _malformed_answer(reply.ask_id, reply.agent, "encoded", error)
        return msgspec.Raw(_encoder.encode(_to_wire(failure)))


def _malformed_answer(ask_id: str, agent: str, done: str, error: Exception) -> AgentFailure:
    message = f"the answer of {agent} could not be {done} ({type(error).__name__})"
    log.warning("a reply is malformed", agent=agent, ask=ask_id, error=type(error).__name__)
    return AgentFailure(ask_id, agent, MALFORMED_ANSWER, message)


def _malformed_ask(ask_id: str, agent: str, done: str, error: Exception) -> AgentFailure:
    message = f"what {agent} was to be asked could not be {done} ({type(error).__name__})"
    log.warning("an ask is malformed", agent=agent, ask=ask_id, error=type(error).__name__)
    return AgentFailure(ask_id, agent, MALFORMED_ASK, message)


def _plain(raw: msgspec.Raw) -> Any:
    """What `raw` holds, of any kind; None where it is no msgpack."""
    try:
        return msgspec.msgpack.decode(raw)
    except _NOT_DECODABLE:
        return None


def _to_wire(reply: Reply) -> _WireReply:
    if isinstance(reply, AgentFailure):
        return _WireReply(
            reply.ask_id,
            reply.agent,
            None,
            None,
            None,
            None,
            None,
            reply.usage,
            reply.fallback,
            reply.code,
            reply.message,
            (),
        )
    content = reply.content
    return _WireReply(
        reply.ask_id,
        reply.agent,
        content if isinstance(content, Proposal) else None,
        content if isinstance(content, Critique) else None,
        content if isinstance(content, Ballot) else None,
        content if isinstance(content, Grouping) else None,
        content if isinstance(content, Abstention) else None,
        reply.usage,
        reply.fallback,
        None,
        "",
        reply.remarks,
    )


def _from_wire(wire: _WireReply) -> Reply:
    if wire.code is not None:
        return AgentFailure(wire.ask_id, wire.agent, wire.code, wire.message, wire.usage, wire.fallback)
    content = wire.proposal or wire.critique or wire.ballot or wire.grouping or wire.abstention
    if content is None or wire.usage is None:
        raise msgspec.ValidationError(f"the reply to {wire.ask_id} carries neither an answer nor a failure")
    return AgentAnswer(wire.ask_id, wire.agent, content, wire.usage, wire.fallback, wire.remarks)
