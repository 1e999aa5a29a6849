"""Journal rows: how an event becomes a row and a WebSocket message, and comes back.

One encoding serves all: the payload of a journal row *is* the WebSocket envelope of the contract
({type, data, timestamp, seq, loop_id, round?, agent?}), so replaying to a client costs no re-encoding.

What is written can be read: `check` refuses an event whose row would not give it back, or that one of the databases
could not hold. What was written is not always readable: a file may be damaged, or written by a newer version. Then
`events_of` says which row it is and why, and `readable` gives the rest.
"""

from __future__ import annotations

import re
from collections.abc import Iterable, Mapping, Sequence
from dataclasses import dataclass
from typing import Any, Final

import msgspec

from aragora import encoding
from aragora.debate.model import WIRE_NAMES, DebateEnded, Event
from aragora.errors import AragoraError, InvalidInput

END: Final = WIRE_NAMES[DebateEnded]
"""The type of the last row of every journal."""

DAMAGED: Final = "unreadable"
"""The type of the envelope that stands in for a row which is damaged. It is never stored."""

_END_PREFIX: Final = encoding.encode_text({"type": END}).removesuffix("}")  # an envelope begins with its type
_BY_NAME: Final[dict[str, type]] = {name: kind for kind, name in WIRE_NAMES.items()}
_MAYBE_NUL: Final = b"\\u0000"
_NUL: Final = re.compile(rb"(?<!\\)(?:\\\\)*\\u0000")  # a backslash before it would make it six plain characters
_UNENCODABLE: Final = (ValueError, TypeError, OverflowError, RecursionError, msgspec.MsgspecError)
_UNREADABLE: Final = (*_UNENCODABLE, KeyError)


class NotStorable(InvalidInput):
    """An event holds what its journal row could not give back: NaN, infinity, an integer over 64 bits, half of a
    character, or NUL, which PostgreSQL does not take."""


class Unreadable(AragoraError):
    """A row of a journal is missing, or is not what this version writes. The text names the row."""

    default_code = "journal_unreadable"


@dataclass(frozen=True, slots=True)
class JournalRow:
    """One row: unique per (debate_id, seq). `payload` is the encoded envelope, `at` seconds since the epoch."""

    debate_id: str
    seq: int
    type: str
    payload: str
    at: float


class _Envelope(msgspec.Struct):
    type: str
    data: msgspec.Raw


class _Stamp(msgspec.Struct):
    timestamp: float


class _Place(msgspec.Struct):
    type: str
    seq: int


def check(event: Event) -> None:
    """Raises NotStorable where the row of `event` would not give it back."""
    try:
        raw = encoding.encode(event)
        msgspec.json.decode(raw, type=type(event))
    except _UNENCODABLE as error:
        raise NotStorable(
            "A text or number cannot be kept: half of a character (a lone surrogate), a number that is not finite, or "
            "one beyond 64 bits."
        ) from error
    if _MAYBE_NUL in raw and _NUL.search(raw):
        raise NotStorable("A text holds the character NUL, which cannot be kept: remove it.")


def row_of(debate_id: str, seq: int, at: float, event: Event) -> JournalRow:
    """The journal row of `event` as number `seq` of its debate, stamped `at` (seconds since the epoch)."""
    name = WIRE_NAMES[type(event)]
    envelope: dict[str, Any] = {"type": name, "data": event, "timestamp": at, "seq": seq, "loop_id": debate_id}
    round_number = getattr(event, "round", None)
    if round_number is not None:
        envelope["round"] = round_number
    agent = getattr(event, "agent", None)
    if agent is not None:
        envelope["agent"] = agent
    return JournalRow(debate_id, seq, name, encoding.encode_text(envelope), at)


def rows_of(debate_id: str, first_seq: int, at: float, events: Iterable[Event]) -> tuple[JournalRow, ...]:
    """The rows of `events`, numbered from `first_seq` without a gap."""
    return tuple(row_of(debate_id, first_seq + index, at, event) for index, event in enumerate(events))


def event_of(payload: str | bytes) -> Event:
    """The event inside an envelope. Raises msgspec.DecodeError, or KeyError for a type that is unknown here, where the
    payload is not one of ours."""
    envelope = msgspec.json.decode(payload, type=_Envelope)
    kind = _BY_NAME[envelope.type]
    try:
        event: Event = msgspec.json.decode(envelope.data, type=kind)
    except msgspec.ValidationError:
        event = msgspec.convert(_numbered(msgspec.json.decode(envelope.data)), kind)
    return event


def events_of(payloads: Sequence[str]) -> list[Event]:
    """The events of a whole journal: payloads of seq 1, 2, ... without a gap. Raises Unreadable for the first row that
    is missing or cannot be read."""
    events: list[Event] = []
    for seq, payload in enumerate(payloads, 1):
        try:
            found = msgspec.json.decode(payload, type=_Place).seq
            if found == seq:
                events.append(event_of(payload))
        except _UNREADABLE as error:
            raise _unreadable(seq, _told(error)) from error
        if found != seq:
            raise _unreadable(seq, f"row {found} stands in its place")
    if not events:
        raise _unreadable(1, "it is missing")
    return events


def readable(payloads: Iterable[str]) -> list[Event]:
    """The events of those rows of a damaged journal that can be read."""
    events: list[Event] = []
    for payload in payloads:
        try:
            events.append(event_of(payload))
        except _UNREADABLE:
            continue
    return events


def is_readable(payload: str, seq: int) -> bool:
    """Whether a payload is the envelope of row `seq`, of whatever type: a client that does not know its type passes
    over it."""
    try:
        return msgspec.json.decode(payload, type=_Place).seq == seq
    except _UNREADABLE:
        return False


def stand_in(debate_id: str, seq: int, kind: str, at: float) -> str:
    """What readers get in place of a row that is no envelope: its number is told, so that nobody waits for it, and the
    end stays the end."""
    envelope = {
        "type": END if kind == END else DAMAGED,
        "data": {"message": "This row of the journal is damaged and cannot be shown."},
        "timestamp": at,
        "seq": seq,
        "loop_id": debate_id,
    }
    return encoding.encode_text(envelope)


def stamp_of(payload: str | bytes) -> float:
    """When the event inside an envelope happened, in seconds since the epoch. Raises msgspec.ValidationError."""
    return msgspec.json.decode(payload, type=_Stamp).timestamp


def last_row(debate_id: str, payloads: Sequence[str]) -> JournalRow:
    """The last row of a whole journal that has its end. Raises msgspec.ValidationError."""
    return JournalRow(debate_id, len(payloads), END, payloads[-1], stamp_of(payloads[-1]))


def is_last(row: JournalRow) -> bool:
    """Whether nothing comes after this row."""
    return row.type == END


def is_end(payload: str) -> bool:
    """Whether an envelope is that of the last row, told from its first bytes."""
    return payload.startswith(_END_PREFIX)


def _unreadable(seq: int, cause: str) -> Unreadable:
    return Unreadable(f"row {seq} of its journal cannot be read: {cause}")


def _told(error: Exception) -> str:
    """Why a row cannot be read, without anything that stands in it."""
    if isinstance(error, KeyError):
        return "its type is unknown to this version of Aragora"
    if isinstance(error, msgspec.ValidationError):
        return "a field is missing or of another type"
    return "it is no JSON: the row is damaged"


def _numbered(data: Any) -> Any:
    """The data of an event with 0 for the costs and times that earlier versions wrote as null: they had no number."""
    if not isinstance(data, Mapping):
        return data
    return {name: _number_or(name, value) for name, value in data.items()}


def _number_or(name: str, value: Any) -> Any:
    if value is None and name in _ONCE_NULL:
        return 0.0
    return _numbered(value) if name in _WITH_NUMBERS else value


_ONCE_NULL: Final = frozenset({"cost_usd", "latency_s"})
_WITH_NUMBERS: Final = frozenset({"usage", "fallback", "decision"})
