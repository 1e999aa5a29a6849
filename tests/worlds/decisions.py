"""The decision router over a real store: its routes as several replicas serve them, and an engine that runs their
debates with agents of the test."""

from __future__ import annotations

from collections.abc import AsyncIterator, Callable, Sequence
from contextlib import AsyncExitStack, asynccontextmanager
from dataclasses import dataclass
from types import SimpleNamespace
from typing import Any

import httpx2
from fastapi import FastAPI
from worlds.knowledge_server import Named
from worlds.logical_time import LoopClock
from worlds.memory_engine import ScriptedAgents, answer
from worlds.memory_server import DEFAULT_CONFIG
from worlds.stored_engine import StoredEngine, stored_engine

from aragora.agents.specifying import Specifying
from aragora.composition.decisions import open_decisions
from aragora.config.settings import Settings
from aragora.debate.model import AgentAnswer, AgentRequest, AskKind, DebateSpec, Proposal, Reply
from aragora.debate.proposition import Idempotency, Proposition
from aragora.decisions.ports import Workflows
from aragora.knowledge.ledger import Added
from aragora.knowledge.model import Basis, Home, ItemKind, Source, SourceKind, Statement
from aragora.knowledge.planning import Addition
from aragora.knowledge.store.writing import KnowledgeWriter
from aragora.server.app import create_app
from aragora.server.chapters.decisions import DecisionPorts
from aragora.server.ports import DebateTicket
from aragora.storage.contexts import Context
from aragora.storage.database import Database

DECISIONS = "/api/decisions"
QUESTION = "Should we move the orders to PostgreSQL?"


class ShiftedClock(LoopClock):
    """The loop's clock, that can be set forward."""

    def __init__(self) -> None:
        self.ahead_s = 0.0

    def now(self) -> float:
        return super().now() + self.ahead_s


def agreeing(request: AgentRequest) -> Reply | None:
    """All agents give the same answer, and stay with it."""
    said = answer(request)
    if request.ask.kind in (AskKind.PROPOSE, AskKind.REVISE, AskKind.CHALLENGE) and isinstance(said, AgentAnswer):
        text = f"Yes, do so: {request.brief.question}"
        option = request.brief.options[0] if request.brief.options else ""
        return AgentAnswer(said.ask_id, said.agent, Proposal(text, 0.9, (), option), said.usage)
    return said


class EngineCommands:
    """Opens debates in the engine, as the coordinator does, and counts them."""

    def __init__(self, settings: Settings, engine: StoredEngine) -> None:
        self._specifying = Specifying(settings)
        self._engine = engine
        self.opened: list[str] = []
        self.failure: Exception | None = None

    async def plan(self, proposition: Proposition) -> DebateSpec:
        return self._specifying.specified(proposition).spec

    async def open(
        self, proposition: Proposition, idempotency: Idempotency | None = None, debate_id: str | None = None
    ) -> DebateTicket:
        if self.failure is not None:
            raise self.failure
        spec = self._specifying.specified(proposition, debate_id).spec
        opened = await self._engine.engine.open(spec, idempotency)
        if opened.created:
            self.opened.append(spec.debate_id)
        return DebateTicket(opened.record.debate_id, opened.record.status, opened.created)


class NamedDirectly(Named):
    """Named callers, who come through no proxy."""

    def origin(self, facts: Any) -> SimpleNamespace:
        return SimpleNamespace(by_proxy=False)


class NothingChecked:
    """Lets every signer and every workspace pass."""

    async def check(self, *_: Any) -> None:
        """All may sign."""

    async def used(self, *_: Any) -> None:
        """All may be used."""


@dataclass
class DecisionSite:
    """The replicas, and what they share."""

    replicas: list[FastAPI]
    ports: list[DecisionPorts]
    commands: EngineCommands
    engine: StoredEngine
    agents: ScriptedAgents
    clock: ShiftedClock
    settings: Settings

    def client(self, who: str = "ann", replica: int = 0) -> httpx2.AsyncClient:
        """Whoever says that this is their name (`worlds.knowledge_server.PEOPLE`), at one replica."""
        transport = httpx2.ASGITransport(
            app=self.replicas[replica], client=("203.0.113.9", 5555), raise_app_exceptions=False
        )
        headers = {"Authorization": f"Bearer {who}"}
        return httpx2.AsyncClient(transport=transport, base_url="http://127.0.0.1:8080", headers=headers)

    async def ask(
        self,
        status: int,
        question: str = QUESTION,
        *,
        who: str = "ann",
        replica: int = 0,
        headers: dict[str, str] | None = None,
        **more: Any,
    ) -> dict[str, Any]:
        """What a question is answered."""
        async with self.client(who, replica) as client:
            answered = await client.post(DECISIONS, json={"question": question, **more}, headers=headers or {})
        assert answered.status_code == status, answered.text[:300]
        found: dict[str, Any] = answered.json()
        return found

    async def decided(self, question: str = QUESTION, **more: Any) -> str:
        """Ask, and wait until it is decided; the debate's id."""
        debate_id: str = (await self.ask(202, question, **more))["debate_id"]
        await self.ended([debate_id])
        return debate_id

    async def ended(self, debates: Sequence[str]) -> None:
        await self.engine.ended(debates)


@asynccontextmanager
async def decision_site(
    settings: Settings,
    *,
    replicas: int = 2,
    script: Callable[[AgentRequest], Reply | None] = agreeing,
    workflows: Workflows | None = None,
) -> AsyncIterator[DecisionSite]:
    """Replicas of the router over the store of the settings, whose tables are there."""
    named: Any = NamedDirectly()
    checked: Any = NothingChecked()
    clock, agents = ShiftedClock(), ScriptedAgents(script)
    async with AsyncExitStack() as closing:
        engine = await closing.enter_async_context(stored_engine(settings, agents))
        agents.engine = engine.engine
        commands = EngineCommands(settings, engine)
        features = [
            open_decisions(
                settings,
                opening=commands,
                planner=commands,
                customs=None,
                writers=checked,
                workspaces=checked,
                clock=clock,
                workflows=workflows,
            )
            for _ in range(replicas)
        ]
        for feature in features:
            for close in feature.closers:
                closing.push_async_callback(close)
        apps = [create_app(DEFAULT_CONFIG, named, (feature,)) for feature in features]
        yield DecisionSite(apps, [feature.ports for feature in features], commands, engine, agents, clock, settings)


async def told(
    settings: Settings, org_id: str, workspace: str, domain: str, content: str, *, by_debate: bool = False
) -> None:
    """Somebody tells a workspace something about a domain; or a debate leaves it."""
    kind, root = (SourceKind.DEBATE, "debate:deb_x") if by_debate else (SourceKind.PERSON, "person:ann")
    statement = Statement(ItemKind.FACT, content, domain)
    unit = Addition(Added(statement, (Source(kind, root, 1_700_000_000.0),), 0.7, Basis.DECLARED))
    memory = Database.open(settings, Context.MEMORY)
    try:
        await KnowledgeWriter(memory).write(Home(org_id, workspace), [unit])
    finally:
        await memory.aclose()
