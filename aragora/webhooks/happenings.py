"""From a row in a debate's journal to an event that webhooks tell: the one way, for what happens and for replays. And
from a row of the outbox to an event of a workflow, which it holds whole."""

from __future__ import annotations

from collections.abc import Mapping
from dataclasses import dataclass
from typing import Any, Final, Protocol

from aragora import encoding
from aragora.clock import Clock
from aragora.debate.model import DebateSpec
from aragora.debate.records import DebateRecord
from aragora.resilience.cache import Cache
from aragora.scope import EVERYTHING, Scope
from aragora.webhooks.endpoint import PayloadKind
from aragora.webhooks.envelope import debate_event, event_body, webhook_event
from aragora.webhooks.events import DebateFacts, facts_of
from aragora.webhooks.ids import event_id
from aragora.webhooks.model import EventRecord
from aragora.webhooks.workflow_events import WorkflowRow

DEBATES_KEPT: Final = 1_000
DEBATES_KEPT_S: Final = 600.0


class DebateRecords(Protocol):
    """Reads debates (`aragora.debate.store.debates.DebateStore`)."""

    async def get(self, debate_id: str, scope: Scope) -> DebateRecord: ...


@dataclass(frozen=True, slots=True)
class Happened:
    """An event with its data, ready for whoever wants it."""

    record: EventRecord
    data: Mapping[str, Any]


@dataclass(frozen=True, slots=True)
class Told:
    """An event of a debate as it is told: its envelope, before a body is made of it."""

    debate_id: str
    org_id: str
    at: float
    envelope: Mapping[str, Any]

    @property
    def type(self) -> str:
        name: str = self.envelope["type"]
        return name

    @property
    def data(self) -> Mapping[str, Any]:
        data: Mapping[str, Any] = self.envelope["data"]
        return data

    @property
    def event_id(self) -> str:
        return event_id(self.debate_id, self.envelope["seq"])

    def happened(self, max_bytes: int) -> Happened:
        """The event with its body, of at most so many bytes. Raises InvalidInput, ValueError."""
        body = event_body(self.envelope, PayloadKind.FULL, max_bytes)
        seq = self.envelope["seq"]
        record = EventRecord(self.event_id, self.org_id, self.type, body, self.at, debate_id=self.debate_id, seq=seq)
        return Happened(record, self.data)


def of_workflow(payload: str, max_bytes: int) -> Happened:
    """The event of a workflow in a row of the outbox, with a body of at most so many bytes. Raises InvalidInput for a
    type that webhooks do not tell, and ValueError for a damaged row."""
    row = encoding.decode_as(payload, WorkflowRow)
    body = event_body(webhook_event(row.type, row.data, row.at, row.seq), PayloadKind.FULL, max_bytes)
    return Happened(EventRecord(event_id(row.execution_id, row.seq), row.org_id, row.type, body, row.at), row.data)


class Happenings:
    """Remembers of debates what their events begin with."""

    def __init__(self, debates: DebateRecords, clock: Clock) -> None:
        self._debates = debates
        self._clock = clock
        self._facts: Cache[str, tuple[str, DebateFacts]] = Cache(DEBATES_KEPT, DEBATES_KEPT_S)

    async def told(self, debate_id: str, at: float, payload: str) -> Told:
        """The event in a row of a journal, written `at` (seconds since the epoch). Raises NotFound where there is no
        such debate (any more); InvalidInput for a type that webhooks do not tell; ValueError, KeyError or TypeError for
        a damaged row; Unavailable."""
        org_id, facts = await self._facts_of(debate_id)
        return Told(debate_id, org_id, at, debate_event(payload, facts))

    async def _facts_of(self, debate_id: str) -> tuple[str, DebateFacts]:
        """The organisation of a debate and what its events begin with. Raises NotFound, Unavailable, ValueError."""
        now = self._clock.monotonic()
        known = self._facts.get(debate_id, now)
        if known is None:
            fill = self._facts.filling(debate_id)
            record = await self._debates.get(debate_id, EVERYTHING)
            known = record.org_id, facts_of(encoding.decode_as(record.spec, DebateSpec))
            fill(known, now)
        return known
