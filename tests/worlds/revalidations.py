"""Questions that were settled, and the coordinator that opens debates of them again."""

from __future__ import annotations

from collections.abc import Sequence
from dataclasses import dataclass, replace
from typing import Any

from sqlalchemy import insert, update
from worlds.backends import SetClock
from worlds.taught import HOME, spec, taught

from aragora.debate.model import DebateSpec, DebateStatus
from aragora.debate.proposition import Idempotency, Proposition
from aragora.debate.store.debates import DebateStore
from aragora.debate.store.tables import debates
from aragora.encoding import encode_text
from aragora.errors import InvalidInput
from aragora.knowledge.model import Home
from aragora.knowledge.mound.adapters import consensus, pulse
from aragora.knowledge.observations import Observation
from aragora.knowledge.revalidating import Revalidating
from aragora.knowledge.revalidation import Allowance, Revalidation
from aragora.knowledge.store.observations import Observations, keep
from aragora.knowledge.store.reading import KnowledgeReader
from aragora.knowledge.store.revalidations import RevalidationStore
from aragora.knowledge.store.writing import KnowledgeWriter
from aragora.observability.registry import Registry
from aragora.scope import Scope
from aragora.storage.database import Database

AT = taught().at
"""When the first debate of each question ended."""
SCOPE = Scope(HOME.org_id, frozenset({HOME.workspace}))


@dataclass(frozen=True, slots=True)
class Ticket:
    debate_id: str


class Coordinator:
    """Opens debates: each key once. The next openings fail with `failures`, after the debate is there where `late`."""

    def __init__(self, database: Database, clock: SetClock) -> None:
        self._database = database
        self._clock = clock
        self.by_key: dict[str, str] = {}
        self.asked: list[Proposition] = []
        self.failures: list[Exception] = []
        self.late = False
        self.costs_usd: float | None = None
        self.agents = ("claude", "gpt", "gemini")

    async def plan(self, proposition: Proposition) -> DebateSpec:
        if gone := [name for name in proposition.agents if name not in self.agents]:
            raise InvalidInput(f"there is no agent {gone}", code="unknown_agent")
        number = len(self.by_key) + 1
        planned = spec(100 + number, question=proposition.question, budget_usd=self.costs_usd)
        return replace(planned, agents=proposition.agents or self.agents, revalidates=proposition.revalidates)

    async def open(self, proposition: Proposition, idempotency: Idempotency | None = None) -> Ticket:
        assert idempotency is not None
        if self.failures and not self.late:
            raise self.failures.pop()
        if idempotency.key not in self.by_key:
            planned = await self.plan(proposition)
            self.by_key[idempotency.key] = planned.debate_id
            self.asked.append(proposition)
            await record(self._database, planned, DebateStatus.ACTIVE, self._clock.now())
        if self.failures:
            raise self.failures.pop()
        return Ticket(self.by_key[idempotency.key])


class People:
    """Everybody may write but who is `gone`."""

    def __init__(self) -> None:
        self.gone: set[str] = set()

    async def check(self, user_ids: Sequence[str], org_id: str, workspace: str) -> None:
        if gone := self.gone & {*user_ids}:
            raise InvalidInput(f"{sorted(gone)} could never sign")


async def record(database: Database, of: DebateSpec, status: DebateStatus, at: float) -> None:
    """Keep a debate in the store of debates, without a journal."""
    row = {"debate_id": of.debate_id, "question": of.question, "status": status, "spec": encode_text(of)}
    told = {"created_at": at, "updated_at": at, "created_by": of.created_by, "rounds": 1, "cost_usd": 0.0}
    place = {"org_id": of.org_id, "workspace": of.workspace, "last_seq": 1}
    async with database.writing() as connection:
        await connection.execute(insert(debates), {**row, **told, **place})


class Past:
    """What was debated, over the stores of a test."""

    def __init__(self, memory: Database, journals: Database, schedule: Database, clock: SetClock) -> None:
        self.memory = memory
        self.journals = journals
        self.clock = clock
        self.writer = KnowledgeWriter(memory, clock)
        self.store = RevalidationStore(schedule)
        self.coordinator = Coordinator(journals, clock)
        self.people = People()
        self.allowance = Allowance(10, 10.0)
        self.registry = Registry()
        clock.at = AT

    def revalidating(self) -> Revalidating:
        """Of a process that has just begun."""
        return Revalidating(
            self.store,
            Observations(self.memory),
            KnowledgeReader(self.memory),
            debates=DebateStore(self.journals),
            opening=self.coordinator,
            people=self.people,
            allowance=self.allowance,
            clock=self.clock,
            registry=self.registry,
        )

    async def run(self) -> str:
        return await self.revalidating().run()

    async def settled(self, number: int = 1, *, home: Home = HOME, **of: Any) -> str:
        """A question of its own was settled by debate `number`; the id of its decision."""
        debate = taught(number)
        question = f"Question {number}: how many replicas does the cache need?"
        placed = replace(debate.spec, question=question, org_id=home.org_id, workspace=home.workspace, **of)
        debate = replace(debate, spec=placed, home=home)
        (unit, *_) = consensus.gather(debate)
        (planned,) = await self.writer.write(home, [unit])
        await record(self.journals, placed, DebateStatus.COMPLETED, AT)
        await self.note(home, *pulse.observe(debate))
        return planned.item.item_id

    async def note(self, home: Home, *notes: Observation) -> None:
        async with self.memory.writing() as connection:
            await keep(self.memory, connection, home, pulse.NAME, notes)

    async def ended(
        self, row: Revalidation, status: DebateStatus = DebateStatus.COMPLETED, *, item_id: str | None = None, **of: Any
    ) -> None:
        """The debate of a revalidation has ended, and cost this; with `item_id` it was learnt from, and reached that
        decision (empty: none)."""
        here = update(debates).where(debates.c.debate_id == row.debate_id)
        async with self.journals.writing() as connection:
            await connection.execute(here.values(status=status, updated_at=self.clock.now(), **of))
        if item_id is not None:
            now = self.clock.now()
            asked = pulse.Asked(row.debate_id, now, decided=True, reached=bool(item_id), item_id=item_id)
            await self.note(row.home, Observation(row.question, encode_text(asked), row.debate_id, "local", now))

    async def rows(self) -> list[Revalidation]:
        return await self.store.of(SCOPE, 200)

    async def row(self) -> Revalidation:
        (one,) = await self.rows()
        return one
