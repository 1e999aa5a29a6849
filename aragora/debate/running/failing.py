"""The end of a debate that cannot go on: one row that says so, after whatever its journal holds.

A debate comes here because one of its rows cannot be read, because the store refused what it wrote, or because of a
defect. Its last row and its columns say that it failed and why; the outbox owes the usage of every answer that is known
of it, also of those that were not written. Where not even that can be written, the caller sets the debate aside.
"""

from __future__ import annotations

import math
from collections.abc import Awaitable, Callable, Sequence
from contextlib import suppress
from dataclasses import dataclass
from typing import Final, TypeVar

import structlog

from aragora.background import until_available
from aragora.clock import Clock
from aragora.debate import journal, machine
from aragora.debate.counted import counters_of
from aragora.debate.journal import JournalRow, Unreadable
from aragora.debate.machine.money import unanswered
from aragora.debate.model import (
    AgentFailed,
    DebateEnded,
    DebateStatus,
    Event,
    LateAnswer,
    Replied,
    RoundStarted,
)
from aragora.debate.ports import Closing, Journal, JournalReader
from aragora.debate.records import Commit, DebateUpdate
from aragora.errors import AragoraError, Fenced, NotFound, Unavailable
from aragora.limits import ROUNDS_MAX
from aragora.observability.samples import CounterDelta
from aragora.storage.outbox import OutboxRow

T = TypeVar("T")

log = structlog.get_logger("aragora.debate")

BROKEN: Final = "aragora_debates_broken_total"
_NO_RETRY: Final = (Fenced, NotFound, Unavailable)


@dataclass(frozen=True, slots=True)
class Broken:
    """A debate that cannot go on, why, and what is known of it: its events, durable or not."""

    debate_id: str
    error: Exception
    events: Sequence[Event]


@dataclass(frozen=True, slots=True)
class FailingPorts:
    """What writing the end needs. `pause_s` gives the seconds to wait before write attempt n; `given_up` tells whether
    a store that is away is waited for no longer."""

    journal: Journal
    reader: JournalReader
    clock: Clock
    closing: Closing
    pause_s: Callable[[int], float]
    given_up: Callable[[], bool]


async def fail(broken: Broken, ports: FailingPorts) -> tuple[JournalRow, ...]:
    """Write the end of `broken`; returns its rows, none where the journal has an end already. What the store does not
    take of the usage it owes is left out.

    Raises Fenced where the journal went on meanwhile, NotFound where there is no such debate, Unavailable where the
    store is away and no longer waited for; any other error says that the end cannot be written.
    """

    async def place() -> int | None:
        payloads = await ports.reader.journal(broken.debate_id)
        if payloads and journal.is_end(payloads[-1]):
            return None
        return 1 + await ports.reader.last_seq(broken.debate_id)

    seq = await _durably(place, broken.debate_id, ports)
    if seq is None:
        return ()
    at = ports.clock.now()
    try:
        return await _written(_end(broken, seq, at, ports.closing.owed(broken.events, at)), ports)
    except _NO_RETRY:
        raise
    except Exception as error:  # of whatever kind: the debate has to end
        log.exception("the usage of a failed debate cannot be written", debate_id=broken.debate_id, error=repr(error))
    return await _written(_end(broken, seq, at, ()), ports)


def reason_of(error: Exception) -> str:
    """What people read in the debate's `reason`: what happened and what to do, nothing of the values concerned."""
    cause = error.message if isinstance(error, AragoraError) else f"an unexpected {type(error).__name__}"
    return (
        f"The debate could not go on: {cause}. Nothing was decided. Ask again; the server's log has the details under "
        "the debate's id."
    )


def cause_of(error: Exception) -> str:
    """The label of the metric: unreadable (a row of the journal), refused (by the store), defect."""
    if isinstance(error, Unreadable):
        return "unreadable"
    return "refused" if isinstance(error, AragoraError) else "defect"


def _end(broken: Broken, seq: int, at: float, owed: tuple[OutboxRow, ...]) -> Commit:
    event = DebateEnded(DebateStatus.FAILED, reason_of(broken.error), _rounds(broken.events), _cost(broken.events))
    row = journal.row_of(broken.debate_id, seq, at, event)
    update = DebateUpdate(status=event.status, rounds=event.rounds, reason=event.reason, cost_usd=event.cost_usd)
    counted = CounterDelta(BROKEN, (("cause", cause_of(broken.error)),), 1.0)
    counters = (*counters_of(event), counted)
    return Commit(broken.debate_id, (row,), update, counters, owed, _cut_off(broken.events))


async def _written(commit: Commit, ports: FailingPorts) -> tuple[JournalRow, ...]:
    await _durably(lambda: ports.journal.commit(commit), commit.debate_id, ports)
    return commit.rows


async def _durably(act: Callable[[], Awaitable[T]], debate_id: str, ports: FailingPorts) -> T:
    return await until_available(
        act,
        ports.pause_s,
        what="journal unavailable",
        log=log,
        given_up=ports.given_up,
        debate_id=debate_id,
    )


def _rounds(events: Sequence[Event]) -> int:
    last = max((event.round for event in events if isinstance(event, RoundStarted)), default=0)
    return min(max(last, 0), ROUNDS_MAX)  # a damaged row may tell of any round


def _cut_off(events: Sequence[Event]) -> int:
    """How many asks had no reply, as far as the events can be told."""
    state = machine.DebateState()
    with suppress(Exception):  # damaged rows make events that belong to no debate
        for event in events:
            machine.apply(state, event)
    return unanswered(state)


def _cost(events: Sequence[Event]) -> float:
    cost = 0.0
    for event in events:
        if isinstance(event, Replied | AgentFailed | LateAnswer) and event.usage is not None:
            cost += event.usage.cost_usd
    return cost if math.isfinite(cost) else 0.0
