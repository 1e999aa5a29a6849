"""What the server itself says on a WebSocket, in the envelope of all events, and what clients may say."""

from __future__ import annotations

from collections.abc import Callable
from typing import Annotated, Any, Final

import msgspec
from msgspec import Meta

from aragora import encoding, limits, texts

_Id = Annotated[str, Meta(max_length=limits.DEBATE_ID_MAX_CHARS, pattern=r"^[A-Za-z0-9._:-]+\Z")]  # could_be_id


class Subscribe(msgspec.Struct, tag="subscribe", frozen=True):
    debate_id: _Id
    after_seq: Annotated[int, Meta(ge=0, le=2**53)] = 0
    deltas: bool = False  # also what agents are writing, as `token`


class Unsubscribe(msgspec.Struct, tag="unsubscribe", frozen=True):
    debate_id: _Id


class GetLoops(msgspec.Struct, tag="get_loops", frozen=True):
    workspace: str | None = None  # as `workspace` of GET /api/debates


class Vote(msgspec.Struct, frozen=True):
    choice: Annotated[str, Meta(min_length=1, max_length=limits.NAME_MAX_CHARS)]
    intensity: Annotated[int, Meta(ge=limits.INTENSITY_MIN, le=limits.INTENSITY_MAX)] = 5

    def __post_init__(self) -> None:
        _checked("choice", texts.line, self.choice)


class UserVote(msgspec.Struct, tag="user_vote", frozen=True):
    loop_id: _Id
    payload: Vote


class Suggestion(msgspec.Struct, frozen=True):
    text: Annotated[str, Meta(min_length=1, max_length=limits.SUGGESTION_MAX_CHARS)]

    def __post_init__(self) -> None:
        _checked("text", texts.prose, self.text)


class UserSuggestion(msgspec.Struct, tag="user_suggestion", frozen=True):
    loop_id: _Id
    payload: Suggestion


class Ping(msgspec.Struct, tag="ping", frozen=True):
    pass


ClientMessage = Subscribe | Unsubscribe | GetLoops | UserVote | UserSuggestion | Ping

_decoder: Final = msgspec.json.Decoder(ClientMessage)


def read(text: str) -> ClientMessage:
    """A client's message. Raises msgspec.MsgspecError for any other text; the error says what is wrong."""
    message: ClientMessage = _decoder.decode(text)
    return message


def _checked(field: str, check: Callable[[str], str], text: str) -> None:
    try:
        check(text)
    except ValueError as error:
        raise ValueError(f"{field}: {error}") from None


def envelope(kind: str, at: float, data: Any, loop_id: str = "") -> str:
    """A message of the server's own: seq 0, so that no client takes it for a journaled event."""
    return encoding.encode_text({"type": kind, "data": data, "timestamp": at, "seq": 0, "loop_id": loop_id})
