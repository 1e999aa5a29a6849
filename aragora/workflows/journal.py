"""Journal rows of executions: how an event becomes a row, and comes back. Pure.

The payload of a row is the envelope that a client gets: {type, data, timestamp, seq, execution_id, run?}. See
`aragora.envelopes`. An execution's journal has no last row: one that failed may be tried again.
"""

from __future__ import annotations

from collections.abc import Iterable, Sequence
from dataclasses import dataclass
from typing import Final

from aragora.envelopes import DAMAGED, Envelopes, NotStorable, Unreadable, check, is_readable, stamp_of
from aragora.workflows.model import WIRE_NAMES, Event

__all__ = [
    "DAMAGED",
    "JournalRow",
    "NotStorable",
    "Unreadable",
    "check",
    "event_of",
    "events_of",
    "is_readable",
    "readable",
    "row_of",
    "rows_of",
    "stamp_of",
    "stand_in",
    "told_of",
]


@dataclass(frozen=True, slots=True)
class JournalRow:
    """One row: unique per (execution_id, seq). `payload` is the encoded envelope, `at` seconds since the epoch."""

    execution_id: str
    seq: int
    type: str
    payload: str
    at: float


def row_of(execution_id: str, seq: int, at: float, event: Event) -> JournalRow:
    """The journal row of `event` as number `seq` of its execution, stamped `at` (seconds since the epoch)."""
    payload = _ENVELOPES.payload_of(execution_id, seq, at, event)
    return JournalRow(execution_id, seq, _ENVELOPES.name_of(event), payload, at)


def rows_of(execution_id: str, first_seq: int, at: float, events: Iterable[Event]) -> tuple[JournalRow, ...]:
    """The rows of `events`, numbered from `first_seq` without a gap."""
    return tuple(row_of(execution_id, first_seq + index, at, event) for index, event in enumerate(events))


def event_of(payload: str | bytes) -> Event:
    """The event inside an envelope. Raises msgspec.DecodeError, or KeyError for a type that is unknown here, where the
    payload is not one of ours."""
    return _ENVELOPES.event_of(payload)


def events_of(payloads: Sequence[str], first_seq: int = 1) -> list[Event]:
    """The events of a journal, or of a page of it: payloads of `first_seq` and on, without a gap. Raises Unreadable for
    the first row that is missing or cannot be read, and where there is none."""
    return _ENVELOPES.events_of(payloads, first_seq)


def told_of(payloads: Sequence[str], first_seq: int = 1) -> list[tuple[float, Event]]:
    """As `events_of`, each with when it happened, in seconds since the epoch."""
    return _ENVELOPES.told_of(payloads, first_seq)


def readable(payloads: Iterable[str]) -> list[Event]:
    """The events of those rows of a damaged journal that can be read."""
    return _ENVELOPES.readable(payloads)


def stand_in(execution_id: str, seq: int, at: float) -> str:
    """What readers get in place of a row that is no envelope: its number is told, so that nobody waits for it."""
    return _ENVELOPES.stand_in(execution_id, seq, at)


_ENVELOPES: Final[Envelopes[Event]] = Envelopes(WIRE_NAMES, "execution_id", ("run",))
