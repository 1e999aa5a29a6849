"""An engine over a journal in memory and agents that answer by script."""

from __future__ import annotations

import asyncio
from collections import Counter, defaultdict
from collections.abc import Callable, Sequence
from dataclasses import dataclass, field

from worlds.logical_time import LoopClock
from worlds.waiting import eventually

from aragora.clock import Clock
from aragora.debate.journal import END, JournalRow
from aragora.debate.model import (
    AgentAnswer,
    AgentRequest,
    AskKind,
    Ballot,
    Critique,
    DebateSpec,
    DebateStatus,
    Grouping,
    Proposal,
    Protocol,
    Reply,
    Usage,
)
from aragora.debate.ports import Closing as ClosingPort
from aragora.debate.records import GENESIS, ChainHead, Commit, Conclusion, NewDebate, Opened, ReceiptRecord
from aragora.debate.running.engine import DebateEngine, EnginePorts, Limits
from aragora.debate.running.looks import Looks
from aragora.debate.store.write_group import check
from aragora.errors import Fenced, NotFound, Unavailable
from aragora.observability.samples import CounterDelta
from aragora.receipts.closing import Closing
from aragora.receipts.signing import Signer
from aragora.storage.outbox import OutboxRow


@dataclass
class MemoryJournal:
    """The journal's contract without a disk: seqs without gaps, fences, one receipt chain. `outage` units fail
    first."""

    rows: dict[str, list[JournalRow]] = field(default_factory=lambda: defaultdict(list))
    receipts: list[ReceiptRecord] = field(default_factory=list)
    outbox: list[OutboxRow] = field(default_factory=list)
    counters: Counter[str] = field(default_factory=Counter)
    statuses: dict[str, DebateStatus] = field(default_factory=dict)
    held: dict[str, int] = field(default_factory=dict)  # micro-dollars by debate
    cut_off: dict[str, int] = field(default_factory=dict)  # asks by debate that ended
    outage: int = 0
    lost_acknowledgements: int = 0
    lost_openings: int = 0

    async def open(self, new: NewDebate) -> Opened:
        await self._disk()
        if new.record.debate_id in self.statuses:
            return Opened(new.record, created=False)
        self._append(new.record.debate_id, new.rows)
        self.statuses[new.record.debate_id] = new.record.status
        self._count(new.counters)
        self.held[new.record.debate_id] = 0 if new.reservation is None else new.reservation.micros
        if self.lost_openings:
            self.lost_openings -= 1
            raise Unavailable("the connection broke after the commit")
        return Opened(new.record, created=True)

    async def commit(self, commit: Commit) -> None:
        await self._disk()
        self._write(commit)
        if self.lost_acknowledgements:
            self.lost_acknowledgements -= 1
            raise Unavailable("the connection broke after the commit")

    async def conclude(self, conclusion: Conclusion) -> ReceiptRecord:
        await self._disk()
        receipt, commit = conclusion.issue(head_after(self.receipts[-1]) if self.receipts else GENESIS)
        self._write(commit)
        self.receipts.append(receipt)
        return receipt

    async def unfinished(self) -> list[str]:
        running = (DebateStatus.QUEUED, DebateStatus.ACTIVE)
        return [debate_id for debate_id, status in self.statuses.items() if status in running]

    async def journal(self, debate_id: str) -> list[str]:
        return [row.payload for row in self.rows.get(debate_id, [])]

    async def status(self, debate_id: str) -> DebateStatus:
        if debate_id not in self.statuses:
            raise NotFound(f"there is no debate {debate_id}")
        return self.statuses[debate_id]

    async def last_seq(self, debate_id: str) -> int:
        if debate_id not in self.statuses:
            raise NotFound(f"there is no debate {debate_id}")
        return len(self.rows[debate_id])

    async def count(self, counters: Sequence[CounterDelta]) -> None:
        await self._disk()
        self._count(counters)

    async def aclose(self) -> None:
        """There is nothing to close."""

    def types(self, debate_id: str) -> list[str]:
        return [row.type for row in self.rows[debate_id]]

    async def _disk(self) -> None:
        await asyncio.sleep(0)
        if self.outage:
            self.outage -= 1
            raise Unavailable("no space left on the device")

    def _write(self, commit: Commit) -> None:
        check(commit)
        self._append(commit.debate_id, commit.rows)
        if commit.update.status is not None:
            self.statuses[commit.debate_id] = commit.update.status
            if commit.update.status.ended:
                self.cut_off[commit.debate_id] = commit.cut_off
        self._count(commit.counters)
        self.outbox.extend(commit.outbox)

    def _append(self, debate_id: str, rows: Sequence[JournalRow]) -> None:
        if rows[0].seq != len(self.rows[debate_id]) + 1:
            raise Fenced(f"{debate_id} has {len(self.rows[debate_id])} rows, and seq {rows[0].seq} came")
        self.rows[debate_id].extend(rows)

    def _count(self, deltas: Sequence[CounterDelta]) -> None:
        for delta in deltas:
            self.counters[delta.sample] += delta.amount  # type: ignore[assignment]  a Counter counts floats as well


def answer(request: AgentRequest) -> Reply:
    """A valid answer whose words depend on the agent, so that nothing converges by accident."""
    ask = request.ask
    usage = Usage("stub", "stub", 10, 20, 0.001, 0.01)
    if ask.kind is AskKind.CRITIQUE:
        return AgentAnswer(ask.ask_id, ask.agent, Critique(("too short",), ("say more",), 0.4), usage)
    if ask.kind in (AskKind.VOTE, AskKind.JUDGE, AskKind.RANK):
        labels = tuple(candidate.label for candidate in request.brief.candidates)
        return AgentAnswer(ask.ask_id, ask.agent, Ballot(labels[0], 0.8, "clear", labels), usage)
    if ask.kind is AskKind.GROUP:
        alone = Grouping(tuple((candidate.label,) for candidate in request.brief.candidates))
        return AgentAnswer(ask.ask_id, ask.agent, alone, usage)
    words = " ".join(f"{ask.agent}{ask.round}{number}" for number in range(12))
    return AgentAnswer(ask.ask_id, ask.agent, Proposal(f"{words}.", 0.7, (f"{ask.agent} saw it",)), usage)


@dataclass
class ScriptedAgents:
    """Answers every ask in the next loop turn with what `script` says; None is silence. Counts what was asked."""

    script: Callable[[AgentRequest], Reply | None] = answer
    asked: Counter[str] = field(default_factory=Counter)
    withdrawn: list[str] = field(default_factory=list)
    engine: DebateEngine | None = None

    def send(self, request: AgentRequest) -> None:
        self.asked[request.ask.ask_id] += 1
        reply = self.script(request)
        if reply is not None:
            asyncio.get_running_loop().call_soon(self._deliver, request.ask.debate_id, reply)

    def withdraw(self, debate_id: str) -> None:
        self.withdrawn.append(debate_id)

    def _deliver(self, debate_id: str, reply: Reply) -> None:
        if self.engine is not None:
            self.engine.receive(debate_id, [reply])


@dataclass
class Published:
    rows: list[JournalRow] = field(default_factory=list)

    def publish(self, rows: Sequence[JournalRow]) -> None:
        self.rows.extend(rows)


@dataclass
class World:
    """One engine with its surroundings; `restart` gives a new engine on the same journal, as after a crash."""

    journal: MemoryJournal = field(default_factory=MemoryJournal)
    agents: ScriptedAgents = field(default_factory=ScriptedAgents)
    published: Published = field(default_factory=Published)
    limits: Limits = field(default_factory=lambda: Limits(100, 100))
    owned: bool = True
    clock: Clock = field(default_factory=LoopClock)
    pause_s: Callable[[int], float] = lambda _attempt: 0.0
    closing: ClosingPort = field(default_factory=lambda: Closing(Signer.from_seed(bytes(32))))
    knowledge: Looks | None = None
    engine: DebateEngine = field(init=False)

    def __post_init__(self) -> None:
        self.restart()

    def restart(self) -> DebateEngine:
        async def owned() -> bool:
            return self.owned

        self.engine = DebateEngine(
            EnginePorts(
                journal=self.journal,
                reader=self.journal,
                asking=self.agents,
                publishing=self.published,
                clock=self.clock,
                closing=self.closing,
                pause_s=self.pause_s,
                owned=owned,
                knowledge=self.knowledge,
            ),
            self.limits,
        )
        self.agents.engine = self.engine
        return self.engine

    async def ended(self, *debate_ids: str) -> None:
        """Return once these debates have ended."""
        await eventually(lambda: all(self.journal.types(one)[-1:] == [END] for one in debate_ids))


def spec(
    debate_id: str = "deb_1", agents: Sequence[str] = ("ann", "bob", "cem", "dia"), **settings: object
) -> DebateSpec:
    protocol: Protocol = settings.pop("protocol", None) or Protocol("structured")  # type: ignore[assignment]
    return DebateSpec(debate_id, "Which queue?", tuple(agents), protocol, seed=7, **settings)  # type: ignore[arg-type]


def head_after(record: ReceiptRecord) -> ChainHead:
    """The chain's head once `record` is its last link."""
    return ChainHead(record.position, record.hash)
