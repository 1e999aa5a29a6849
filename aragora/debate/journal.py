"""Journal rows: how an event becomes a row and a WebSocket message, and comes back.

One encoding serves all: the payload of a journal row *is* the WebSocket envelope of the contract
({type, data, timestamp, seq, loop_id, round?, agent?}), so replaying to a client costs no re-encoding.
"""

from __future__ import annotations

from collections.abc import Iterable
from dataclasses import dataclass
from typing import Any, Final

import msgspec

from aragora import encoding
from aragora.debate.model import WIRE_NAMES, DebateEnded, Event

END: Final = WIRE_NAMES[DebateEnded]
"""The type of the last row of every journal."""

_END_PREFIX: Final = encoding.encode_text({"type": END}).removesuffix("}")  # an envelope begins with its type
_BY_NAME: Final[dict[str, type]] = {name: kind for kind, name in WIRE_NAMES.items()}


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
    """The event inside an envelope. Raises msgspec.ValidationError where the payload is not one of ours."""
    envelope = msgspec.json.decode(payload, type=_Envelope)
    event: Event = msgspec.json.decode(envelope.data, type=_BY_NAME[envelope.type])
    return event


def stamp_of(payload: str | bytes) -> float:
    """When the event inside an envelope happened, in seconds since the epoch. Raises msgspec.ValidationError."""
    return msgspec.json.decode(payload, type=_Stamp).timestamp


def is_last(row: JournalRow) -> bool:
    """Whether nothing comes after this row."""
    return row.type == END


def is_end(payload: str) -> bool:
    """Whether an envelope is that of the last row, told from its first bytes."""
    return payload.startswith(_END_PREFIX)
