"""What the server itself says on a WebSocket, in the envelope of all events, and what clients may say."""

from __future__ import annotations

from collections.abc import Callable
from typing import Annotated, Any, Final

import msgspec
from msgspec import Meta

from aragora import encoding, limits, texts
from aragora.server.live.subjects import EXECUTION, LOOP

_Id = Annotated[str, Meta(max_length=limits.DEBATE_ID_MAX_CHARS, pattern=r"^[A-Za-z0-9._:-]+\Z")]  # could_be_id


class Following(msgspec.Struct, frozen=True):
    """Names a debate or an execution."""

    debate_id: _Id | None = None
    execution_id: _Id | None = None

    def __post_init__(self) -> None:
        if (self.debate_id is None) == (self.execution_id is None):
            raise ValueError("name either a debate_id or an execution_id")

    @property
    def journal_id(self) -> str:
        return self.debate_id or self.execution_id or ""


class Subscribe(Following, tag="subscribe", frozen=True):
    after_seq: Annotated[int, Meta(ge=0, le=2**53)] = 0
    deltas: bool = False  # of a debate: also what agents are writing, as `token`


class Unsubscribe(Following, tag="unsubscribe", frozen=True):
    """Nothing more of it."""


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


def about(command: ClientMessage) -> tuple[str, str]:
    """The id that a command names, and the field under which answers have it."""
    if isinstance(command, Following):
        return command.journal_id, LOOP if command.execution_id is None else EXECUTION
    return str(getattr(command, "loop_id", "")), LOOP


def envelope(kind: str, at: float, data: Any, about: str = "", *, named: str = LOOP) -> str:
    """A message of the server's own: seq 0, so that no client takes it for a journaled event. `about` is the id that it
    has as its field `named`."""
    return encoding.encode_text({"type": kind, "data": data, "timestamp": at, "seq": 0, named: about})
