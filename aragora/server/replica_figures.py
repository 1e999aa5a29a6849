"""What each replica notes and counts for itself, and what they make together: failed requests, refusals by rate limits.
Pure, and without the web: the shared state keeps the sum.

A replica reports its counts since it began, so a report that comes twice changes nothing. Of its notes it reports those
that were not heard yet. Whoever hears says how far it has come, which is nowhere after a crash of its own: then the
replica tells all again. What a replica that is gone has counted stays in the sums. Memory is bounded: `KEPT` notes of
all replicas together, and the counts of `REPLICAS_KEPT` of them.
"""

from __future__ import annotations

import heapq
from collections import Counter
from collections.abc import Mapping
from dataclasses import dataclass, field
from typing import Final, Protocol

from aragora.server.error_notes import KEPT, ErrorNote, ErrorNotes

SILENT_S: Final = 30.0
"""A replica that has not reported for so long is gone, or cut off: it may come back."""
REPLICAS_KEPT: Final = 1_000
"""Of how many replicas the counts are kept apart; those that were silent for longest are in one sum."""


@dataclass(frozen=True, slots=True)
class ReplicaReport:
    """What a replica tells of itself.

    Attributes:
        replica_id: a name that no other replica ever has.
        node_id: the node it runs on.
        refused: how often each rate limit refused, since the replica began.
        degraded: why this replica limits for itself, empty where all is well.
        since: how many of its notes were heard, as far as it knows.
        noted: how many failures it noted since it began.
        notes: what is kept of those after the first `since`, the newest first.
    """

    replica_id: str
    node_id: str
    refused: Mapping[str, int] = field(default_factory=dict)
    degraded: str = ""
    since: int = 0
    noted: int = 0
    notes: tuple[ErrorNote, ...] = ()


@dataclass(frozen=True, slots=True)
class Failures:
    """The newest first. `whole` is False where only those of the replica that answers are known."""

    notes: tuple[ErrorNote, ...]
    whole: bool = True


@dataclass(frozen=True, slots=True)
class Refusals:
    """How often each limit refused, and why replicas limit for themselves; `whole` as above."""

    refused: Mapping[str, int]
    degraded: str = ""
    whole: bool = True


class ReplicaFigures(Protocol):
    """The figures of all replicas."""

    async def failures(self, limit: int) -> Failures: ...

    async def refusals(self) -> Refusals: ...


class Limits(Protocol):
    """What is read of the rate limits."""

    refused: dict[str, int]

    @property
    def degraded(self) -> str: ...


class OwnFigures:
    """Fulfils `ReplicaFigures` with what one replica knows of itself: for a replica that is alone."""

    def __init__(self, notes: ErrorNotes, limits: Limits) -> None:
        self._notes = notes
        self._limits = limits

    def report(self, node_id: str, heard: int) -> ReplicaReport:
        """For the shared state, which has heard of the first `heard` notes."""
        notes, limits = self._notes, self._limits
        return ReplicaReport(
            replica_id=notes.replica_id,
            node_id=node_id,
            refused=dict(limits.refused),
            degraded=limits.degraded,
            since=heard,
            noted=notes.count,
            notes=notes.after(heard),
        )

    async def failures(self, limit: int) -> Failures:
        return Failures(self._notes.latest(limit))

    async def refusals(self) -> Refusals:
        return Refusals(dict(self._limits.refused), self._limits.degraded)


class HeardFigures:
    """All replicas' reports. Times are of a clock that never jumps."""

    def __init__(self) -> None:
        self._heard: dict[str, _Heard] = {}  # the one that was heard last comes last
        self._others: Counter[str] = Counter()
        self._notes: list[ErrorNote] = []

    def hear(self, report: ReplicaReport, now: float) -> int:
        """Take in a report; returns how many of its replica's notes have been heard."""
        before = self._heard.pop(report.replica_id, None)
        heard = before.notes if before else 0
        if report.since <= heard:
            fresh = report.notes[: max(0, report.noted - heard)]
            self._notes = heapq.nlargest(KEPT, [*self._notes, *fresh], key=lambda note: note.at)
            heard = max(heard, report.noted)
        self._heard[report.replica_id] = _Heard(now, report.node_id, report.refused, report.degraded, heard)
        if len(self._heard) > REPLICAS_KEPT:
            self._others.update(self._heard.pop(next(iter(self._heard))).refused)
        return heard

    def failures(self, limit: int) -> tuple[ErrorNote, ...]:
        """The newest first, over all replicas; those of replicas that are gone stay."""
        return tuple(self._notes[:limit])

    def refusals(self, now: float) -> Refusals:
        """The sums over all replicas, also over those that are gone."""
        total = Counter(self._others)
        for one in self._heard.values():
            total.update(one.refused)
        reasons = {one.degraded for one in self._living(now) if one.degraded}
        return Refusals(dict(total), "; ".join(sorted(reasons)))

    def serving(self, now: float) -> frozenset[str]:
        """The nodes on which a replica runs."""
        return frozenset(one.node_id for one in self._living(now) if one.node_id)

    def _living(self, now: float) -> list[_Heard]:
        return [one for one in self._heard.values() if now - one.at <= SILENT_S]


@dataclass(frozen=True, slots=True)
class _Heard:
    """The last report of a replica; `notes` is how many of its notes were heard."""

    at: float
    node_id: str
    refused: Mapping[str, int]
    degraded: str
    notes: int
