"""Envelopes of journals: how an event becomes the payload of a row, and comes back. Pure.

An envelope is JSON: {type, data, timestamp, seq, ID, ...}. The payload of a journal's row *is* what a client gets, so
replaying to one costs no re-encoding. `Envelopes` is made once for each kind of journal.

What is written can be read: `check` refuses an event whose row would not give it back, or that one of the databases
could not hold. What was written is not always readable: a file may be damaged, or written by a newer version. Then
`events_of` says which row it is and why, and `readable` gives the rest.
"""

from __future__ import annotations

import re
from collections.abc import Callable, Iterable, Mapping, Sequence
from typing import Any, Final, Generic, TypeVar

import msgspec

from aragora import encoding
from aragora.errors import AragoraError, InvalidInput

E = TypeVar("E")

DAMAGED: Final = "unreadable"
"""The type of the envelope that stands in for a row which is damaged. It is never stored."""

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


class _Envelope(msgspec.Struct):
    type: str
    data: msgspec.Raw


class _Stamp(msgspec.Struct):
    timestamp: float


class _Place(msgspec.Struct):
    type: str
    seq: int


class _Row(_Place):
    data: msgspec.Raw


class _Told(_Row):
    timestamp: float


R = TypeVar("R", bound=_Row)


_ROW: Final = msgspec.json.Decoder(_Row)
_TOLD: Final = msgspec.json.Decoder(_Told)


def _as_it_is(data: Any) -> Any:
    return data


class Envelopes(Generic[E]):
    """The envelopes of one kind of journal.

    Args:
        names: the type of an envelope, by the class of its event.
        identity: the name under which an envelope has the id of what its journal is of.
        besides: fields of events that stand in the envelope too, where an event has them and they are not None.
        mended: the data of an event that an earlier version wrote, as this version writes it. It is asked where the
            data does not fit the event.
    """

    def __init__(
        self,
        names: Mapping[type, str],
        identity: str,
        besides: tuple[str, ...] = (),
        mended: Callable[[Any], Any] = _as_it_is,
    ) -> None:
        self._names = names
        self._by_name = {name: kind for kind, name in names.items()}
        self._decoders: dict[str, msgspec.json.Decoder[E]] = {}
        self._identity = identity
        self._besides = besides
        self._mended = mended

    def name_of(self, event: E) -> str:
        """The type of an event's envelope."""
        return self._names[type(event)]

    def payload_of(self, of: str, seq: int, at: float, event: E) -> str:
        """The envelope of `event` as number `seq` of the journal `of`, stamped `at` (seconds since the epoch)."""
        name = self._names[type(event)]
        envelope: dict[str, Any] = {"type": name, "data": event, "timestamp": at, "seq": seq, self._identity: of}
        for field in self._besides:
            value = getattr(event, field, None)
            if value is not None:
                envelope[field] = value
        return encoding.encode_text(envelope)

    def event_of(self, payload: str | bytes) -> E:
        """The event inside an envelope. Raises msgspec.DecodeError, or KeyError for a type that is unknown here, where
        the payload is not one of ours."""
        envelope = msgspec.json.decode(payload, type=_Envelope)
        return self._event(envelope.type, envelope.data)

    def events_of(self, payloads: Sequence[str], first: int = 1) -> list[E]:
        """The events of a journal: payloads of seq `first` and on, without a gap. Raises Unreadable for the first row
        that is missing or cannot be read."""
        return [event for _, event in self._rows(payloads, first, _ROW)]

    def told_of(self, payloads: Sequence[str], first: int = 1) -> list[tuple[float, E]]:
        """As `events_of`, each with when it happened, in seconds since the epoch."""
        return [(row.timestamp, event) for row, event in self._rows(payloads, first, _TOLD)]

    def _rows(self, payloads: Sequence[str], first: int, read: msgspec.json.Decoder[R]) -> list[tuple[R, E]]:
        rows: list[tuple[R, E]] = []
        for seq, payload in enumerate(payloads, first):
            try:
                row = read.decode(payload)
                if row.seq == seq:
                    rows.append((row, self._event(row.type, row.data)))
            except _UNREADABLE as error:
                raise _unreadable(seq, _told(error)) from error
            if row.seq != seq:
                raise _unreadable(seq, f"row {row.seq} stands in its place")
        if not rows:
            raise _unreadable(first, "it is missing")
        return rows

    def _event(self, name: str, data: msgspec.Raw) -> E:
        decoder = self._decoders.get(name)
        if decoder is None:
            decoder = self._decoders[name] = msgspec.json.Decoder(self._by_name[name])
        try:
            return decoder.decode(data)
        except msgspec.ValidationError:
            event: E = msgspec.convert(self._mended(msgspec.json.decode(data)), self._by_name[name])
            return event

    def readable(self, payloads: Iterable[str]) -> list[E]:
        """The events of those rows of a damaged journal that can be read."""
        events: list[E] = []
        for payload in payloads:
            try:
                events.append(self.event_of(payload))
            except _UNREADABLE:
                continue
        return events

    def stand_in(self, of: str, seq: int, at: float, kind: str = DAMAGED) -> str:
        """What readers get in place of a row that is no envelope: its number is told, so that nobody waits for it.
        `kind` is the type that they see."""
        envelope = {
            "type": kind,
            "data": {"message": "This row of the journal is damaged and cannot be shown."},
            "timestamp": at,
            "seq": seq,
            self._identity: of,
        }
        return encoding.encode_text(envelope)


def check(event: object) -> int:
    """The size of an event in bytes. Raises NotStorable where its row would not give it back."""
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
    return len(raw)


def is_readable(payload: str, seq: int) -> bool:
    """Whether a payload is the envelope of row `seq`, of whatever type: a client that does not know its type passes
    over it."""
    try:
        return msgspec.json.decode(payload, type=_Place).seq == seq
    except _UNREADABLE:
        return False


def stamp_of(payload: str | bytes) -> float:
    """When the event inside an envelope happened, in seconds since the epoch. Raises msgspec.ValidationError."""
    return msgspec.json.decode(payload, type=_Stamp).timestamp


def _unreadable(seq: int, cause: str) -> Unreadable:
    return Unreadable(f"row {seq} of its journal cannot be read: {cause}")


def _told(error: Exception) -> str:
    """Why a row cannot be read, without anything that stands in it."""
    if isinstance(error, KeyError):
        return "its type is unknown to this version of Aragora"
    if isinstance(error, msgspec.ValidationError):
        return "a field is missing or of another type"
    return "it is no JSON: the row is damaged"
