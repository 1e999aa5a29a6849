"""How many ended debates a second one process learns from, with all adapters, with none but one, and anew from the
journals; and whether what is learnt anew is the same."""

from __future__ import annotations

import asyncio
import hashlib
import tempfile
import time
from collections.abc import Collection, Iterator, Sequence
from pathlib import Path

from sqlalchemy import select

from aragora.clock import SystemClock
from aragora.config.settings import Settings
from aragora.debate import machine
from aragora.debate.journal import rows_of
from aragora.debate.model import (
    AgentAnswer,
    AgentRequest,
    AskKind,
    Ballot,
    Critique,
    DebateSpec,
    Event,
    Proposal,
    Usage,
)
from aragora.debate.protocol import preset
from aragora.debate.records import GENESIS, Journaled
from aragora.errors import NotFound
from aragora.knowledge.heeding import heeding_over
from aragora.knowledge.learning import ADAPTERS, Learning
from aragora.knowledge.lessons import Lessons
from aragora.knowledge.store.observations import knowledge_observations
from aragora.knowledge.store.reading import KnowledgeReader
from aragora.knowledge.store.tables import knowledge_items
from aragora.knowledge.store.writing import KnowledgeWriter
from aragora.knowledge.syncing import PORTION
from aragora.knowledge.syncs import TOPIC
from aragora.migrations.applying import apply_pending
from aragora.receipts.canonical import journal_digest
from aragora.receipts.closing import Closing
from aragora.receipts.signing import Signer
from aragora.storage.contexts import Context
from aragora.storage.database import Database
from aragora.storage.outbox import OutboxRow
from benchmarks.knowledge.options import Options
from benchmarks.webhooks.options import Line

AGENTS = ("claude", "gpt", "gemini", "grok")
OPTIONS = ("yes", "no")
OPENED_AT = 1_700_000_000.0
GOAL_PER_S = 50.0
"""6,000 debates of a minute at 100 a second, learnt within that minute and the next one."""

_USAGE = Usage("stub", "stub-1", 100, 100, 0.001, 0.2)
_SIGNER = Signer.from_seed(bytes(range(32)))


class _Journals(dict[str, list[str]]):
    async def journal(self, debate_id: str) -> list[str]:
        if debate_id not in self:
            raise NotFound("there is no such debate")
        return self[debate_id]


def run(options: Options) -> Iterator[Line]:
    """All adapters together, the same anew, and each by itself."""
    journals = _Journals((f"deb_{number}", _played(number)) for number in range(options.learnt))
    together, digest = asyncio.run(_learnt(journals, tuple(ADAPTERS)))
    yield Line(
        "learning", {"adapters": len(ADAPTERS), "debates_per_s": together}, f">= {GOAL_PER_S}", together >= GOAL_PER_S
    )
    _, anew = asyncio.run(_learnt(journals, tuple(reversed(tuple(ADAPTERS)))))
    yield Line("learning", {"rebuilt": digest[:12]}, "the same", anew == digest)
    for name in ADAPTERS:
        alone, _ = asyncio.run(_learnt(journals, (name,)))
        yield Line("learning", {"adapter": name, "debates_per_s": alone})


async def _learnt(journals: _Journals, names: Collection[str]) -> tuple[float, str]:
    """Debates a second, and a digest of what the store holds then, but for the order and times of writing."""
    with tempfile.TemporaryDirectory() as directory:
        settings, clock = Settings(data_dir=Path(directory)), SystemClock()
        await apply_pending(settings)
        database = Database.open(settings, Context.MEMORY)
        reader, writer = KnowledgeReader(database), KnowledgeWriter(database, clock)
        heeding = heeding_over(database, writer)
        adapters = [Learning(name, journals, reader, writer, heeding, clock) for name in names]
        began = time.perf_counter()
        for rows in _portions(list(journals)):
            lessons = Lessons(journals, reader)
            await asyncio.gather(*(adapter.learn(rows, lessons) for adapter in adapters))
        took_s = time.perf_counter() - began
        digest = await _digest(database)
        await database.aclose()
    return len(journals) / took_s, digest


def _portions(ids: Sequence[str]) -> Iterator[list[OutboxRow]]:
    for start in range(0, len(ids), PORTION):
        yield [OutboxRow(f"{one}:{TOPIC}", TOPIC, one, "{}", OPENED_AT) for one in ids[start : start + PORTION]]


async def _digest(database: Database) -> str:
    found = hashlib.sha256()
    items = knowledge_items.c
    for row in await database.rows(select(items.item_id).order_by(items.item_id)):
        found.update(row.item_id.encode())
    of = knowledge_observations.c
    for row in await database.rows(select(knowledge_observations).order_by(of.adapter, of.debate_id, of.number)):
        found.update(repr(tuple(row)).encode())
    return found.hexdigest()


def _played(number: int) -> list[str]:
    """The journal of a debate of its own question, in one of ten domains."""
    protocol = preset("structured", rounds=2)
    spec = DebateSpec(
        f"deb_{number}",
        f"Shall service {number} be split?",
        AGENTS,
        protocol,
        seed=7,
        options=OPTIONS,
        domain=f"d{number % 10}",
    )
    state = machine.DebateState()
    events: list[Event] = [machine.first_event(spec)]
    machine.apply(state, events[0])

    def take(more: Sequence[Event]) -> None:
        for event in more:
            machine.apply(state, event)
            events.append(event)

    def advance() -> None:
        while more := machine.advance(state, machine.Timing(0.0)):
            take(more)

    advance()
    while asks := machine.asks(state):
        for request in [machine.request(state, ask, 30.0) for ask in asks]:
            take(machine.settle(state, _answer(request, number)))
            advance()
    lines = [row.payload for row in rows_of(spec.debate_id, 1, OPENED_AT + number, events)]
    journaled = Journaled(state, tuple(events), journal_digest(lines), len(lines), OPENED_AT + number)
    end = Closing(_SIGNER).conclude(journaled, GENESIS, OPENED_AT + number + 1.0)
    lines += [row.payload for row in rows_of(spec.debate_id, len(lines) + 1, OPENED_AT + number + 1.0, end.endings)]
    return lines


def _answer(request: AgentRequest, number: int) -> AgentAnswer:
    ask = request.ask
    content: Proposal | Critique | Ballot
    if ask.kind is AskKind.CRITIQUE:
        content = Critique((f"reason {number % 40} of {ask.agent} does not follow",), ("name a source",), 0.4)
    elif ask.kind is AskKind.VOTE:
        content = Ballot("A", 0.7, "it names what decides")
    else:
        option = OPTIONS[0 if AGENTS.index(ask.agent) < 3 else 1]
        evidence = f"service {number} has {7 * number + AGENTS.index(ask.agent)} callers"
        content = Proposal(
            f"{option}: the callers of {number} decide, as {ask.agent} counts them.", 0.6, (evidence,), option
        )
    return AgentAnswer(ask.ask_id, ask.agent, content, _USAGE)
