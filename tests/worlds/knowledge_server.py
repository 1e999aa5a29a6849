"""The routes of knowledge over a real store, called by people whose tokens are their names."""

from __future__ import annotations

from collections.abc import AsyncIterator
from contextlib import asynccontextmanager
from dataclasses import dataclass, field
from typing import Any

import httpx2
from fastapi import FastAPI
from worlds.insights import Made
from worlds.knowledge_actors import IdleActors
from worlds.meanings_away import NoMeanings
from worlds.memory_server import DEFAULT_CONFIG, Boards, World, resting

from aragora.clock import Clock
from aragora.composition.knowledge import open_knowledge
from aragora.composition.knowledge_health import open_knowledge_health
from aragora.composition.knowledge_insights import open_knowledge_insights
from aragora.composition.knowledge_operations import open_knowledge_operations
from aragora.composition.knowledge_revalidations import open_knowledge_revalidations
from aragora.composition.knowledge_topics import open_knowledge_topics
from aragora.config.settings import Settings
from aragora.errors import Unauthenticated
from aragora.identity.authorization import authorize
from aragora.identity.principal import LOCAL_OPERATOR, Method, Principal
from aragora.knowledge.searching import Meanings
from aragora.server.app import create_app
from aragora.server.authentication import Caller
from aragora.server.chapters.receipts import ReceiptPorts, receipts
from aragora.server.feature import Feature
from aragora.server.live.sockets import SocketRegistry

PEOPLE = {
    "ann": Principal("ann", "acme", ("owner",), Method.SESSION, mfa=True),
    "bob": Principal("bob", "acme", ("member",), Method.SESSION, granted=("default",)),
    "cid": Principal("cid", "acme", ("viewer",), Method.SESSION, granted=("default",)),
    "dot": Principal("dot", "acme", ("member",), Method.SESSION, granted=("research",)),
    "eve": Principal("eve", "umbra", ("owner",), Method.SESSION, mfa=True),
    "operator": LOCAL_OPERATOR,
}


class Named:
    """Believes whoever names themself."""

    async def authenticate(self, facts: Any) -> Principal:
        name = facts.headers().get("authorization", "").removeprefix("Bearer ")
        if name not in PEOPLE:
            raise Unauthenticated("who are you?")
        return PEOPLE[name]

    async def recognise(self, facts: Any) -> Principal | None:
        return None

    def authorize(self, principal: Principal, policy: Any, handler: str) -> None:
        authorize(policy, principal, production=False)

    async def witness(self, *_: Any) -> None:
        """Nobody acts as another."""

    def address(self, facts: Any) -> str:
        return "203.0.113.9"

    def caller(self, principal: Principal, facts: Any) -> Caller:
        return Caller(principal, "203.0.113.9")


@dataclass
class Audit:
    """The audit log."""

    entries: list[tuple[str, str, str]] = field(default_factory=list)
    failure: Exception | None = None

    async def note(self, visit: Any, action: str, actor: str, org_id: str, outcome: Any = "", **of: str) -> None:
        if self.failure is not None:
            raise self.failure
        self.entries.append((action, actor, str(outcome)))


@dataclass
class Site:
    """The application, and what stands behind it."""

    app: FastAPI
    feature: Feature[Any]
    world: World
    boards: Boards
    audit: Audit
    actors: IdleActors

    def client(self, who: str) -> httpx2.AsyncClient:
        """Whoever says that this is their name."""
        transport = httpx2.ASGITransport(app=self.app, client=("203.0.113.9", 5555), raise_app_exceptions=False)
        headers = {"Authorization": f"Bearer {who}"}
        return httpx2.AsyncClient(transport=transport, base_url="http://127.0.0.1:8080", headers=headers)


@asynccontextmanager
async def knowledge_site(settings: Settings, clock: Clock, meanings: Meanings | None = None) -> AsyncIterator[Site]:
    """The routes of knowledge over the store of the settings."""
    world, boards, audit, actors = World(), Boards(), Audit(), IdleActors()
    named: Any = Named()
    feature = open_knowledge(
        settings,
        meanings=meanings or NoMeanings(),
        wake=actors.wake,
        debates=world,
        verifier=boards,
        sockets=SocketRegistry(DEFAULT_CONFIG, boards, boards, named, clock),
        audit=audit,
        clock=clock,
    )
    health = open_knowledge_health(
        settings, index=resting, debates=world, searching=feature.ports.searching, clock=clock
    )
    operations = open_knowledge_operations(settings, adapters=actors, index=actors, audit=audit, clock=clock)
    insights = open_knowledge_insights(settings, workspaces=Made(), audit=audit, clock=clock)
    again = open_knowledge_revalidations(settings, audit=audit, clock=clock)
    topics = open_knowledge_topics(settings, debates=world, clock=clock)
    proofs = Feature("receipts", ReceiptPorts(world, boards), chapters=(receipts,))
    features = (feature, insights, topics, operations, health, again, proofs)
    app = create_app(DEFAULT_CONFIG, named, features)
    try:
        yield Site(app, feature, world, boards, audit, actors)
    finally:
        for close in (close for one in features for close in one.closers):
            await close()
