"""Journal rows of debates: how an event becomes a row and a WebSocket message, and comes back.

One encoding serves all: the payload of a journal row *is* the WebSocket envelope of the contract
({type, data, timestamp, seq, loop_id, round?, agent?}), so replaying to a client costs no re-encoding. What the
envelopes of all journals have in common is in `aragora.envelopes`.
"""

from __future__ import annotations

from collections.abc import Iterable, Mapping, Sequence
from dataclasses import dataclass
from typing import Any, Final

from aragora import encoding
from aragora.debate.model import WIRE_NAMES, DebateEnded, Event
from aragora.envelopes import DAMAGED, Envelopes, NotStorable, Unreadable, check, is_readable, stamp_of

__all__ = [
    "DAMAGED",
    "END",
    "JournalRow",
    "NotStorable",
    "Unreadable",
    "check",
    "event_of",
    "events_of",
    "is_end",
    "is_last",
    "is_readable",
    "last_row",
    "readable",
    "row_of",
    "rows_of",
    "stamp_of",
    "stand_in",
]

END: Final = WIRE_NAMES[DebateEnded]
"""The type of the last row of every journal."""

_END_PREFIX: Final = encoding.encode_text({"type": END}).removesuffix("}")  # an envelope begins with its type


@dataclass(frozen=True, slots=True)
class JournalRow:
    """One row: unique per (debate_id, seq). `payload` is the encoded envelope, `at` seconds since the epoch."""

    debate_id: str
    seq: int
    type: str
    payload: str
    at: float


def row_of(debate_id: str, seq: int, at: float, event: Event) -> JournalRow:
    """The journal row of `event` as number `seq` of its debate, stamped `at` (seconds since the epoch)."""
    return JournalRow(debate_id, seq, _ENVELOPES.name_of(event), _ENVELOPES.payload_of(debate_id, seq, at, event), at)


def rows_of(debate_id: str, first_seq: int, at: float, events: Iterable[Event]) -> tuple[JournalRow, ...]:
    """The rows of `events`, numbered from `first_seq` without a gap."""
    return tuple(row_of(debate_id, first_seq + index, at, event) for index, event in enumerate(events))


def event_of(payload: str | bytes) -> Event:
    """The event inside an envelope. Raises msgspec.DecodeError, or KeyError for a type that is unknown here, where the
    payload is not one of ours."""
    return _ENVELOPES.event_of(payload)


def events_of(payloads: Sequence[str]) -> list[Event]:
    """The events of a whole journal: payloads of seq 1, 2, ... without a gap. Raises Unreadable for the first row that
    is missing or cannot be read."""
    return _ENVELOPES.events_of(payloads)


def readable(payloads: Iterable[str]) -> list[Event]:
    """The events of those rows of a damaged journal that can be read."""
    return _ENVELOPES.readable(payloads)


def stand_in(debate_id: str, seq: int, kind: str, at: float) -> str:
    """What readers get in place of a row that is no envelope: its number is told, so that nobody waits for it, and the
    end stays the end."""
    return _ENVELOPES.stand_in(debate_id, seq, at, END if kind == END else DAMAGED)


def last_row(debate_id: str, payloads: Sequence[str]) -> JournalRow:
    """The last row of a whole journal that has its end. Raises msgspec.ValidationError."""
    return JournalRow(debate_id, len(payloads), END, payloads[-1], stamp_of(payloads[-1]))


def is_last(row: JournalRow) -> bool:
    """Whether nothing comes after this row."""
    return row.type == END


def is_end(payload: str) -> bool:
    """Whether an envelope is that of the last row, told from its first bytes."""
    return payload.startswith(_END_PREFIX)


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
_ENVELOPES: Final[Envelopes[Event]] = Envelopes(WIRE_NAMES, "loop_id", ("round", "agent"), _numbered)
