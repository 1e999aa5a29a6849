"""What adapters have made of debates that ended, and of attempts at tasks that are over, and how far each has come.
Pure. Where adapters of debates are spoken of, an attempt at a task takes the place of a debate for that of tasks.

A debate waits for an adapter while its row is in the outbox and the adapter has not applied it: each remembers what it
applied under `applied_id`. Rows go once every adapter has applied them, so what was applied and still waits is little.
"""

from __future__ import annotations

from collections.abc import Collection, Mapping, Sequence
from dataclasses import dataclass, field
from enum import StrEnum
from typing import Final, Protocol

TOPIC: Final = "knowledge"
"""Of the outbox rows that adapters of debates apply."""

READ_MAX: Final = 500
"""Rows, the oldest first, of which it is known who has applied them."""


class Row(Protocol):
    """What waits (`aragora.storage.outbox.OutboxRow`)."""

    @property
    def outbox_id(self) -> str: ...
    @property
    def created_at(self) -> float: ...


@dataclass(frozen=True, slots=True)
class Learnt:
    """What an adapter made of some rows: how many debates it read, how many items it found in them, how many of these
    are new, and how many grew; and how many notes it kept. `skipped` says what came to nothing, by why: debates, and
    items that say nothing new."""

    debates: int = 0
    added: int = 0
    supported: int = 0
    skipped: Mapping[str, int] | None = None
    gathered: int = 0
    noted: int = 0

    @property
    def written(self) -> int:
        """Items that changed."""
        return self.added + self.supported

    def plus(self, other: Learnt) -> Learnt:
        """Both together."""
        skipped = dict(self.skipped or {})
        for why, count in (other.skipped or {}).items():
            skipped[why] = skipped.get(why, 0) + count
        return Learnt(
            self.debates + other.debates,
            self.added + other.added,
            self.supported + other.supported,
            skipped,
            self.gathered + other.gathered,
            self.noted + other.noted,
        )


class PartlyLearnt(ValueError):
    """Raised when some of the rows that an adapter was given cannot be read: those in `refused`, by their outbox ids.
    What the others gave is stored, and told by `learnt`; give it each refused row alone, or mend it."""

    def __init__(self, learnt: Learnt, refused: Sequence[str]) -> None:
        super().__init__(f"these outbox rows cannot be read: {', '.join(refused)}")
        self.learnt = learnt
        self.refused = frozenset(refused)


class Outcome(StrEnum):
    """How a round of an adapter ended."""

    DONE = "done"
    FAILED = "failed"  # what it had not stored by then comes again


@dataclass(frozen=True, slots=True)
class Round:
    """The last round of an adapter. Stored as JSON: a field's name never changes. `at` is when it ended, in seconds
    since the epoch."""

    at: float
    outcome: Outcome
    debates: int = 0
    gathered: int = 0
    written: int = 0
    skipped: Mapping[str, int] = field(default_factory=dict)
    noted: int = 0


def round_of(learnt: Learnt, at: float, outcome: Outcome = Outcome.DONE) -> Round:
    """What is kept of a round."""
    skipped = dict(learnt.skipped or {})
    return Round(at, outcome, learnt.debates, learnt.gathered, learnt.written, skipped, learnt.noted)


@dataclass(frozen=True, slots=True)
class Record:
    """What is kept of an adapter. `cursor_at`: when the newest row that it applied was written, in seconds since the
    epoch; None where it has applied none."""

    cursor_at: float | None
    last: Round


@dataclass(frozen=True, slots=True)
class Waiting:
    """What waits in the outbox: the oldest rows, up to `READ_MAX`, how many there are in `total`, and of those read the
    ids (`applied_id`) of what was applied. Rows beyond those count as not applied."""

    rows: Sequence[Row]
    total: int
    applied: Collection[str]


@dataclass(frozen=True, slots=True)
class Standing:
    """How far an adapter has come. `backlog` counts the debates that wait for it, `lag_s` is how long the oldest of
    them has waited, in seconds."""

    adapter: str
    backlog: int = 0
    lag_s: float = 0.0
    cursor_at: float | None = None
    last: Round | None = None


@dataclass(frozen=True, slots=True)
class Synced:
    """What a sync on demand did. `backlog` and `lag_s` are of the moment after it."""

    adapter: str
    debates: int
    gathered: int
    written: int
    skipped: Mapping[str, int]
    backlog: int
    lag_s: float
    noted: int = 0


def applied_id(outbox_id: str, adapter: str) -> str:
    """Under which id an adapter remembers that it has applied a row."""
    return f"{outbox_id}:{adapter}"


def standings(adapters: Collection[str], waiting: Waiting, records: Mapping[str, Record], now: float) -> list[Standing]:
    """How far each of `adapters` has come at the time `now`, with what is kept of it in `records`."""
    beyond = max(0, waiting.total - len(waiting.rows))
    found = []
    for adapter in adapters:
        left = [row for row in waiting.rows if applied_id(row.outbox_id, adapter) not in waiting.applied]
        oldest = min((row.created_at for row in left), default=None)
        if oldest is None and beyond:  # it is at least as young as the youngest that was read
            oldest = max((row.created_at for row in waiting.rows), default=now)
        record = records.get(adapter)
        found.append(
            Standing(
                adapter,
                backlog=len(left) + beyond,
                lag_s=0.0 if oldest is None else max(0.0, now - oldest),
                cursor_at=None if record is None else record.cursor_at,
                last=None if record is None else record.last,
            )
        )
    return found
