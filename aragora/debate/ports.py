"""What the engine needs of the world: a journal, agents to ask, followers to tell, an issuer of receipts, and knowledge
where there is any."""

from __future__ import annotations

from collections.abc import Sequence
from typing import Protocol

from aragora.debate.journal import JournalRow
from aragora.debate.knowledge import Offer
from aragora.debate.machine.state import DebateState
from aragora.debate.model import AgentRequest, DebateSpec, DebateStatus, Event
from aragora.debate.records import (
    ChainHead,
    Closed,
    Commit,
    Conclusion,
    DebateUpdate,
    Journaled,
    NewDebate,
    Opened,
    ReceiptRecord,
)
from aragora.observability.samples import CounterDelta
from aragora.storage.outbox import OutboxRow


class Journal(Protocol):
    """The durable truth. A call returns when its rows are on disk, or raises and has written nothing of them."""

    async def open(self, new: NewDebate) -> Opened:
        """Raises Conflict (idempotency key reused for another request), BudgetExhausted or Unavailable."""
        ...

    async def commit(self, commit: Commit) -> None:
        """Raises Fenced where the journal goes on differently than the commit believes, or Unavailable."""
        ...

    async def conclude(self, conclusion: Conclusion) -> ReceiptRecord:
        """Like commit, with the receipt that the conclusion issued inside the transaction."""
        ...

    async def count(self, counters: Sequence[CounterDelta]) -> None:
        """Add to the durable counters alone. Raises Unavailable."""
        ...


class JournalReader(Protocol):
    """What a coordinator reads to rebuild debates after a crash."""

    async def unfinished(self) -> list[str]:
        """The ids of all debates that have not ended and wait for nobody, oldest first."""
        ...

    async def journal(self, debate_id: str) -> list[str]:
        """All payloads of a debate in the order of their seq; empty for an unknown debate. What is no UTF-8 in them
        comes as lone surrogates, which no decoder takes."""
        ...

    async def status(self, debate_id: str) -> DebateStatus:
        """Where a debate stands. Raises NotFound."""
        ...

    async def last_seq(self, debate_id: str) -> int:
        """The seq after which the journal of a debate goes on. Raises NotFound."""
        ...


class Asking(Protocol):
    """The way to the agents; the replies come back through `DebateEngine.receive`."""

    def send(self, request: AgentRequest) -> None:
        """Take an ask on its way; never blocks and never raises."""
        ...

    def withdraw(self, debate_id: str) -> None:
        """The answers of this debate are not wanted any more."""
        ...


class KnowledgeSource(Protocol):
    """Where a debate looks, once and at its opening, for what is known already."""

    async def offer(self, spec: DebateSpec) -> Offer:
        """What belongs to the question of `spec`, the best first, within the scope of its organisation and workspace;
        `off` where the workspace wants none, `none` where there is nothing.

        May raise, take too long and be cancelled at any await: the debate then goes on without. Labels are given by
        the caller (`aragora.debate.knowledge.fitted`)."""
        ...


class Publishing(Protocol):
    """The way to those who follow debates live."""

    def publish(self, rows: Sequence[JournalRow]) -> None:
        """Rows that are durable now, in the order of their seq; never blocks."""
        ...


class Closing(Protocol):
    """What a debate leaves behind when it ends. Pure: called again with the same result where a write is repeated."""

    def conclude(self, journaled: Journaled, head: ChainHead, at: float) -> Closed:
        """The close of a decided debate as the receipt after `head`, at `at` (seconds since the epoch)."""
        ...

    def break_off(
        self, state: DebateState, events: Sequence[Event], at: float
    ) -> tuple[DebateUpdate, tuple[OutboxRow, ...]]:
        """The columns and the outbox of a debate that failed or was cancelled."""
        ...

    def owed(self, events: Sequence[Event], at: float) -> tuple[OutboxRow, ...]:
        """What the outbox owes for the answers in `events`, at `at`; nothing where they do not tell whose debate it
        is."""
        ...
