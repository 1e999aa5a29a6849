"""Learning from attempts at tasks that are over: from rows of the outbox to items and numbers in the store.

Rules
- Of the rows of a portion failures are written first, then all others; each in one transaction for each workspace.
- A row that comes again changes nothing: what was applied is remembered in the transaction that applies it.
- A row that cannot be read keeps no other one from being learnt from. Then it is told, and the outbox sets it aside.
"""

from __future__ import annotations

from collections.abc import Iterable, Iterator, Mapping, Sequence
from typing import Final

import structlog

from aragora.clock import Clock, SystemClock
from aragora.knowledge.learning import BEFORE, FORWARD, Writing
from aragora.knowledge.lessons import Lessons
from aragora.knowledge.model import Home
from aragora.knowledge.mound.adapters.task_outcomes import (
    NAME,
    TaskAttempt,
    attempt_of,
    gather,
    observe,
    type_label,
)
from aragora.knowledge.planning import Effect, Planned
from aragora.knowledge.store.writing import Notes
from aragora.knowledge.syncs import Learnt, PartlyLearnt, applied_id
from aragora.observability.registry import REGISTRY, Registry
from aragora.storage.outbox import OutboxRow

AT_ONCE: Final = 200
"""Attempts of one transaction: whoever else writes to the workspace waits for it."""

OUTCOMES: Final = "aragora_km_cp_task_outcomes_total"

log = structlog.get_logger("aragora.knowledge")


class TaskLearning:
    """The control plane's adapter at work."""

    def __init__(self, writer: Writing, clock: Clock | None = None, registry: Registry = REGISTRY) -> None:
        self._writer = writer
        self._clock = clock or SystemClock()
        self._registry = registry

    async def learn(self, rows: Sequence[OutboxRow], _: Lessons | None = None) -> Learnt:
        """Learn from the attempts of outbox rows; those learnt from before change nothing. `Learnt.debates` counts
        attempts here.

        Raises Unavailable, and then the same rows may come again; PartlyLearnt where one of the rows is no attempt:
        what the others say is learnt then.
        """
        by_id = {applied_id(row.outbox_id, NAME): row for row in rows}
        new = await self._writer.unapplied(by_id) if by_id else set()
        attempts: dict[str, TaskAttempt] = {}
        refused: list[str] = []
        for key, row in by_id.items():
            if key in new:
                try:
                    attempts[key] = attempt_of(row.payload)
                except ValueError:
                    refused.append(row.outbox_id)
        learnt = Learnt(skipped={BEFORE: len(by_id) - len(new)} if len(new) < len(by_id) else None)
        for home, part in _parts(attempts):
            learnt = learnt.plus(await self._write(home, part, by_id))
        if refused:
            raise PartlyLearnt(learnt, refused)
        return learnt

    async def _write(self, home: Home, part: Mapping[str, TaskAttempt], rows: Mapping[str, OutboxRow]) -> Learnt:
        batches = {key: gather(attempt) for key, attempt in part.items()}
        notes = Notes(NAME, {key: observe(attempt) for key, attempt in part.items()})
        written = await self._writer.write_once(home, batches, notes)
        now = self._clock.now()
        for key in written:
            attempt = part[key]
            self._registry.inc(OUTCOMES, type=type_label(attempt.type), status=attempt.how)
            self._registry.observe(FORWARD, max(0.0, now - rows[key].created_at), adapter=NAME)
        learnt = _learnt([one for planned in written.values() for one in planned], len(written))
        log.info(
            "knowledge learnt from tasks",
            adapter=NAME,
            org_id=home.org_id,
            workspace=home.workspace,
            attempts=learnt.debates,
            added=learnt.added,
            supported=learnt.supported,
        )
        meanwhile = len(part) - len(written)  # by another process
        return learnt.plus(Learnt(skipped={BEFORE: meanwhile})) if meanwhile else learnt


def _parts(attempts: Mapping[str, TaskAttempt]) -> Iterator[tuple[Home, dict[str, TaskAttempt]]]:
    """These attempts for one transaction each: all failures before anything else."""
    failed = [key for key, attempt in attempts.items() if attempt.failed]
    others = [key for key, attempt in attempts.items() if not attempt.failed]
    for keys in (failed, others):
        for home, of_home in _by_home(keys, attempts):
            for start in range(0, len(of_home), AT_ONCE):
                yield home, {key: attempts[key] for key in of_home[start : start + AT_ONCE]}


def _by_home(keys: Iterable[str], attempts: Mapping[str, TaskAttempt]) -> Iterable[tuple[Home, list[str]]]:
    found: dict[Home, list[str]] = {}
    for key in keys:
        found.setdefault(attempts[key].home, []).append(key)
    return found.items()


def _learnt(planned: Sequence[Planned], attempts: int) -> Learnt:
    added = sum(one.effect is Effect.ADDED for one in planned)
    supported = sum(one.effect is Effect.SUPPORTED for one in planned)
    same = len(planned) - added - supported
    skipped = {"nothing new": same} if same else None
    return Learnt(attempts, added, supported, skipped, gathered=len(planned), noted=attempts)
