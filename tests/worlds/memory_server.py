"""The whole server in memory: fulfilments of its ports, and the application that production would make of them."""

from __future__ import annotations

import asyncio
from collections.abc import AsyncGenerator, AsyncIterator
from contextlib import AsyncExitStack
from dataclasses import dataclass, field, replace
from pathlib import Path
from typing import Any

import httpx2
from fastapi import FastAPI
from pydantic import SecretStr
from starlette.middleware import Middleware
from worlds.knowledge_actors import IdleActors
from worlds.local_runs import LocalRuns
from worlds.meanings_away import NoMeanings
from worlds.memory_dispatching import MemoryDispatching

from aragora import encoding
from aragora.clock import SystemClock
from aragora.composition.control_plane import open_control_plane
from aragora.composition.debates import open_debates
from aragora.composition.decisions import open_decisions
from aragora.composition.forgetting_routes import open_forgetting
from aragora.composition.identity import Identity, administration_of, open_identity
from aragora.composition.integrations import open_integrations
from aragora.composition.knowledge import open_knowledge
from aragora.composition.knowledge_health import open_knowledge_health
from aragora.composition.knowledge_insights import open_knowledge_insights
from aragora.composition.knowledge_operations import open_knowledge_operations
from aragora.composition.knowledge_revalidations import open_knowledge_revalidations
from aragora.composition.knowledge_topics import open_knowledge_topics
from aragora.composition.outcomes import open_outcomes
from aragora.composition.webhooks import open_webhooks
from aragora.composition.workflow_executions import open_workflow_executions
from aragora.composition.workflows import open_workflows
from aragora.config.settings import Settings
from aragora.debate.budget import BudgetRule
from aragora.debate.journal import row_of
from aragora.debate.machine.gate import Signer, Word
from aragora.debate.model import (
    ConsensusMode,
    DebateEnded,
    DebateOpened,
    DebateSpec,
    DebateStatus,
    Decision,
    DecisionSigned,
    PersonSuggested,
    PersonVoted,
    PositionsCorrected,
    Protocol,
    RoundStarted,
)
from aragora.debate.proposition import Idempotency, Proposition, specification
from aragora.debate.records import DebateRecord, ReceiptRecord
from aragora.debate.store.debates import Asked
from aragora.errors import Conflict, InvalidInput, NotFound, Unavailable
from aragora.identity.client_address import Trust, trusted_networks
from aragora.knowledge.debaters import Rated, Team
from aragora.knowledge.health import Component, Reading, State
from aragora.knowledge.mound.adapters.cost import Estimate
from aragora.knowledge.mound.adapters.culture import Suggestion
from aragora.knowledge.mound.adapters.insights import Steadiness
from aragora.knowledge.precedents import NEVER, Settled
from aragora.scope import DEFAULT_WORKSPACE, Scope
from aragora.server.app import create_app
from aragora.server.authentication import FixedHops, TrustedHops
from aragora.server.chapters.estimates import EstimatePorts, estimates
from aragora.server.chapters.operations import OperationsPorts, operations
from aragora.server.chapters.pages import pages
from aragora.server.chapters.receipts import ReceiptPorts, receipts
from aragora.server.error_notes import ErrorNotes
from aragora.server.feature import Feature, Layer, Stage
from aragora.server.foretelling import Known
from aragora.server.middleware.outcomes import TimingMiddleware
from aragora.server.nodes import NodeState, NodeView
from aragora.server.ports import (
    AgentView,
    BreakerView,
    ConnectionTotals,
    DebateTicket,
    FeedItem,
    Rating,
    Readiness,
    ServerConfig,
    Vitals,
)
from aragora.server.replica_figures import OwnFigures
from aragora.storage.cursors import Page
from aragora.webhooks.guard import Guard, allowed_networks

NOW = 1_700_000_000.0
RECEIVER = "http://127.0.0.1:8081/hook"
"""A URL that the guard of these servers lets through."""


@dataclass
class World:
    """The debates of a fake server: commands, reader and feed in one."""

    records: dict[str, DebateRecord] = field(default_factory=dict)
    journals: dict[str, list[FeedItem]] = field(default_factory=dict)
    receipts: dict[str, ReceiptRecord] = field(default_factory=dict)
    keys: dict[str, tuple[str, Idempotency]] = field(default_factory=dict)
    opened: list[Proposition] = field(default_factory=list)
    follows: int = 0
    written: dict[str, list[FeedItem]] = field(default_factory=dict)  # what agents are writing
    shown: list[str] = field(default_factory=list)  # debates of which that was wanted
    hidden: list[str] = field(default_factory=list)  # and is not wanted any more
    failure: Exception | None = None
    took: Estimate | None = None
    known: Team = field(default_factory=Team)  # of agents
    steady: tuple[Steadiness, ...] = ()
    ratings: tuple[Rated, ...] = ()
    away: set[str] = field(default_factory=set)  # parts of an estimate that cannot be told
    settled_on: Settled | str = NEVER
    suits: tuple[Suggestion, ...] = ()
    grown: asyncio.Condition = field(default_factory=asyncio.Condition)

    # --- building --------------------------------------------------------------------------------------

    def add(
        self,
        debate_id: str = "deb_1",
        *,
        org_id: str = "local",
        workspace: str = DEFAULT_WORKSPACE,
        question: str = "Tea or coffee?",
    ) -> str:
        place = {"org_id": org_id, "workspace": workspace}
        spec = DebateSpec(debate_id, question, ("ada", "bob"), Protocol("structured"), seed=7, **place)
        self.records[debate_id] = DebateRecord(
            debate_id, question, DebateStatus.ACTIVE, encoding.encode_text(spec), NOW, NOW, "local", **place
        )
        self.journals[debate_id] = []
        self.write(debate_id, DebateOpened(spec))
        return debate_id

    def write(self, debate_id: str, event: Any) -> int:
        journal = self.journals[debate_id]
        row = row_of(debate_id, len(journal) + 1, NOW, event)
        journal.append(FeedItem(debate_id, row.seq, row.type, row.payload))
        self.records[debate_id] = replace(self.records[debate_id], last_seq=row.seq)
        return row.seq

    async def glimpse(self, debate_id: str, payload: str) -> None:
        """An agent is writing `payload`: whoever follows gets it."""
        async with self.grown:
            self.written.setdefault(debate_id, []).append(FeedItem(debate_id, 0, "token", payload))
            self.grown.notify_all()

    async def publish(self, debate_id: str, event: Any) -> int:
        async with self.grown:
            seq = self.write(debate_id, event)
            self.grown.notify_all()
        return seq

    async def rounds(self, debate_id: str, count: int) -> None:
        for number in range(count):
            await self.publish(debate_id, RoundStarted(number, ("ada", "bob")))

    async def end(self, debate_id: str) -> None:
        decision = Decision(True, "Tea.", "ada", 0.75, ConsensusMode.MAJORITY, (), (), 1, 0.0)
        self.records[debate_id] = replace(
            self.records[debate_id], status=DebateStatus.COMPLETED, decision=encoding.encode_text(decision)
        )
        await self.publish(debate_id, DebateEnded(DebateStatus.COMPLETED, "decided"))

    # --- DebateReader ----------------------------------------------------------------------------------

    async def get(self, debate_id: str, scope: Scope) -> DebateRecord:
        self._fail()
        record = self.records.get(debate_id)
        if record is None or not scope.holds(record.org_id, record.workspace):
            raise NotFound(f"There is no debate {debate_id}.")
        return record

    async def page(
        self,
        scope: Scope,
        *,
        status: DebateStatus | None = None,
        limit: int = 50,
        cursor: str | None = None,
        beginning: str | None = None,
    ) -> Page[DebateRecord]:
        self._fail()
        if cursor is not None and cursor not in self.records:
            raise InvalidInput("The cursor is not one of ours.")
        found = [
            one
            for one in reversed(self.records.values())
            if (status is None or one.status == status)
            and scope.holds(one.org_id, one.workspace)
            and one.debate_id.startswith(beginning or "")
        ]
        start = 1 + [one.debate_id for one in found].index(cursor) if cursor else 0
        items = tuple(found[start : start + limit])
        return Page(items, items[-1].debate_id if start + limit < len(found) else None)

    async def asked(self, org_id: str, workspace: str, since: float, limit: int, chars: int) -> list[Asked]:
        self._fail()
        found = [
            Asked(one.debate_id, one.question[:chars])
            for one in self.records.values()
            if (one.org_id, one.workspace) == (org_id, workspace) and one.status.ended and one.created_at >= since
        ]
        return found[::-1][:limit]

    async def export(self, scope: Scope) -> AsyncIterator[DebateRecord]:
        for record in tuple(self.records.values()):
            if scope.holds(record.org_id, record.workspace):
                yield record

    async def events(self, debate_id: str, after: int = 0, limit: int = 500) -> list[str]:
        await asyncio.sleep(0)
        return [item.payload for item in self.journals[debate_id][after : after + limit]]

    async def receipt(self, debate_id: str) -> ReceiptRecord:
        if debate_id not in self.receipts:
            raise NotFound(f"{debate_id} has no receipt yet.")
        return self.receipts[debate_id]

    # --- DebateCommands --------------------------------------------------------------------------------

    async def open(
        self, proposition: Proposition, idempotency: Idempotency | None = None, debate_id: str | None = None
    ) -> DebateTicket:
        self._fail()
        if idempotency is not None and idempotency.key in self.keys:
            debate_id, first = self.keys[idempotency.key]
            if first != idempotency:
                raise Conflict("This Idempotency-Key was used for another body.", code="idempotency_conflict")
            return DebateTicket(debate_id, self.records[debate_id].status, created=False)
        place = {"org_id": proposition.org_id, "workspace": proposition.workspace}
        debate_id = self.add(debate_id or f"deb_{len(self.records) + 1}", question=proposition.question, **place)
        self.opened.append(proposition)
        if idempotency is not None:
            self.keys[idempotency.key] = (debate_id, idempotency)
        return DebateTicket(
            debate_id, DebateStatus.QUEUED, budget_usd=proposition.budget_usd, suggested=proposition.taken
        )

    async def plan(self, proposition: Proposition) -> DebateSpec:
        names = ("ada", "bob")
        return specification(
            proposition, "deb_0", available=names, default_team=names, budget=BudgetRule(0.5, 5.0), free=False
        )

    async def like(self, planned: DebateSpec) -> Estimate | None:
        del planned
        self._fail("like")
        return self.took

    async def team(self, planned: DebateSpec, *, named: bool) -> Team:
        del planned
        self._fail("team")
        return replace(self.known, members=(), why="") if named else self.known

    async def settled(self, planned: DebateSpec) -> Settled | str:
        del planned
        self._fail("settled")
        return self.settled_on

    async def steadiness(self, planned: DebateSpec) -> tuple[Steadiness, ...]:
        del planned
        self._fail("steadiness")
        return self.steady

    async def suggestions(self, planned: DebateSpec) -> tuple[Suggestion, ...]:
        del planned
        self._fail("suggestions")
        return self.suits

    async def rated(self, planned: DebateSpec) -> tuple[Rated, ...]:
        del planned
        self._fail("rated")
        return self.ratings

    async def cancel(self, debate_id: str, by: str) -> DebateTicket:
        if self.records[debate_id].status is not DebateStatus.ACTIVE:
            raise Conflict(f"{debate_id} has ended.")
        self.records[debate_id] = replace(self.records[debate_id], status=DebateStatus.CANCELLED)
        return DebateTicket(debate_id, DebateStatus.CANCELLED)

    async def vote(self, debate_id: str, person: str, choice: str, intensity: int) -> int:
        return await self.publish(debate_id, PersonVoted(1, person, choice, intensity))

    async def correct(self, debate_id: str, person: str, groups: tuple[tuple[str, ...], ...]) -> int:
        return await self.publish(debate_id, PositionsCorrected(1, person, groups))

    async def sign(self, debate_id: str, signer: Signer, word: Word) -> int:
        need = word.need or f"role:{signer.roles[0]}"
        said = DecisionSigned(1, signer.person, need, word.verdict, word.note, word.answer, word.option)
        return await self.publish(debate_id, said)

    async def suggest(self, debate_id: str, person: str, text: str) -> int:
        return await self.publish(debate_id, PersonSuggested(1, person, text))

    # --- EventFeed -------------------------------------------------------------------------------------

    async def follow(self, journal_id: str, after_seq: int = 0) -> AsyncGenerator[FeedItem, None]:
        self.follows += 1
        debate_id = journal_id
        journal = self.journals[debate_id]
        position = after_seq
        written = self.written.setdefault(debate_id, [])
        glimpses = len(written)
        while True:
            while glimpses < len(written):
                yield written[glimpses]
                glimpses += 1
            while position < len(journal):
                item = journal[position]
                position += 1
                yield item
                if item.type == "debate_end":
                    return
            async with self.grown:
                await self.grown.wait_for(lambda seen=position, had=glimpses: seen < len(journal) or had < len(written))

    def show(self, journal_id: str) -> None:
        self.shown.append(journal_id)

    def hide(self, journal_id: str) -> None:
        self.hidden.append(journal_id)

    def _fail(self, part: str = "") -> None:
        if self.failure is not None:
            raise self.failure
        if part in self.away:
            raise Unavailable(f"{part} is away")


class Boards:
    """Leaderboard, agents, metrics, lifecycle, nodes, receipts and connections, all in memory."""

    def __init__(self) -> None:
        self.state = Readiness("ready")
        self.signs = Vitals()
        self.cluster: tuple[NodeView, ...] = ()
        self.reports: dict[str, tuple[int, int, int]] = {}
        self.drained: asyncio.Future[str] | None = None

    async def rankings(self, domain: str | None = None, limit: int = 100) -> list[Rating]:
        return [Rating("ada", 1520.0, domain or "overall", 4, 3.0), Rating("bob", 1480.0, domain or "overall", 4, 1.0)][
            :limit
        ]

    async def agents(self) -> list[AgentView]:
        return [AgentView("ada", "stub", "stub-1", BreakerView("ada", "closed"), p50_latency_s=0.1)]

    async def breakers(self) -> list[BreakerView]:
        return [BreakerView("ada", "closed"), BreakerView("bob", "open", 5, NOW, NOW + 60, "timeout")]

    async def exposition(self) -> str:
        return "# TYPE aragora_debates_total counter\naragora_debates_total 3\n"

    async def readiness(self) -> Readiness:
        return self.state

    async def vitals(self) -> Vitals:
        return self.signs

    def uptime_s(self) -> float:
        return 12.7

    async def closing(self) -> str:
        self.drained = asyncio.get_running_loop().create_future()
        return await self.drained

    async def verify(self, document: Any) -> tuple[bool, list[dict[str, Any]]]:
        passed = document.get("hash") == "good"
        return passed, [{"name": "hash", "passed": passed, "detail": "compared"}]

    def behind(self, peer: str | None) -> NodeView:
        return next((node for node in self.cluster if node.address == peer), NodeView("one", "", NodeState.READY, True))

    def nodes(self) -> tuple[NodeView, ...]:
        return self.cluster

    async def report(self, replica_id: str, connections: int, sent: int, dropped: int) -> None:
        self.reports[replica_id] = (connections, sent, dropped)

    async def totals(self) -> ConnectionTotals:
        return ConnectionTotals(*(sum(column) for column in zip((0, 0, 0), *self.reports.values(), strict=True)))


DEFAULT_CONFIG = ServerConfig("1.2.3", "ws://127.0.0.1:8765/ws")


async def resting() -> dict[Component, Reading]:
    """An index of meanings that nobody has used yet."""
    return {one: Reading(State.WORKS) for one in (Component.VECTOR_INDEX, Component.EMBEDDER)}


def features_over(
    world: Any, boards: Any, settings: Settings, identity: Identity, *, config: ServerConfig, observer: Any = None
) -> tuple[Feature[Any], ...]:
    """Every feature that a replica has, over `world` (commands, reader and feed) and `boards` (all other ports)."""
    clock = SystemClock()
    notes = ErrorNotes(config.replica_id)
    figures = OwnFigures(notes, identity.feature.ports.parts.limits)
    timing = Layer(Stage.TIMING, Middleware(TimingMiddleware, observer=observer, clock=clock))
    runs = LocalRuns(settings, clock)
    of_debates = open_debates(
        config,
        commands=world,
        reader=world,
        writers=identity.writers,
        workspaces=identity.workspaces.ports.book,
        feed=world,
        executions=runs.followed,
        lifecycle=boards,
        connections=boards,
        authenticator=identity.authenticator,
        clock=clock,
        customs=world if settings.knowledge else None,
    )
    actors = IdleActors()
    of_knowledge = open_knowledge(
        settings,
        meanings=NoMeanings(),
        wake=actors.wake,
        debates=world,
        verifier=boards,
        sockets=of_debates.ports.sockets,
        audit=identity.feature.ports.parts,
        clock=clock,
    )
    learnt = world if settings.knowledge else None
    return (
        Feature(
            "operations",
            OperationsPorts(
                lifecycle=boards,
                connections=boards,
                agents=boards,
                leaderboard=boards,
                metrics=boards,
                vitals=boards,
                nodes=boards,
            ),
            chapters=(operations,),
            layers=(timing,) if observer is not None else (),
        ),
        Feature(
            "estimates", EstimatePorts(world, learnt, learnt, learnt and Known(world, world)), chapters=(estimates,)
        ),
        of_debates,
        open_decisions(
            settings,
            opening=world,
            planner=world,
            customs=of_debates.ports.customs,
            writers=identity.writers,
            workspaces=identity.workspaces.ports.book,
            clock=clock,
        ),
        Feature("receipts", ReceiptPorts(world, boards), chapters=(receipts,)),
        open_forgetting(settings, identity.feature.ports.parts, clock),
        open_outcomes(settings, identity.feature.ports.parts, world, clock),
        Feature("pages", None, chapters=(pages,)),
        identity.feature,
        identity.credentials,
        identity.oauth,
        identity.people,
        identity.workspaces,
        administration_of(identity, notes, figures, clock),
        open_integrations(settings, identity.feature.ports.parts, clock),
        open_webhooks(
            settings,
            identity.feature.ports.parts,
            MemoryDispatching(),
            clock,
            guard=Guard(allowed_networks(("127.0.0.1/32",)), https_only=False, own_hosts=frozenset({"own.test"})),
        ),
        open_control_plane(settings, clock),
        open_workflows(settings, identity.feature.ports.parts, clock, running=runs),
        *open_workflow_executions(
            settings,
            commands=runs,
            answers=runs.answers,
            feed=runs.feed,
            followed=runs.followed,
            sockets=of_debates.ports.sockets,
            audit=identity.feature.ports.parts,
            clock=clock,
        ),
        Feature("runs", None, closers=(runs.aclose,)),
        of_knowledge,
        open_knowledge_revalidations(settings, audit=identity.feature.ports.parts, clock=clock),
        open_knowledge_insights(
            settings,
            workspaces=identity.feature.ports.parts.workspaces,
            audit=identity.feature.ports.parts,
            clock=clock,
        ),
        open_knowledge_topics(settings, debates=world, clock=clock),
        open_knowledge_operations(
            settings, adapters=actors, index=actors, audit=identity.feature.ports.parts, clock=clock
        ),
        open_knowledge_health(
            settings, index=resting, debates=world, searching=of_knowledge.ports.searching, clock=clock
        ),
    )


@dataclass(frozen=True)
class Served:
    """An application with what it was made of."""

    app: FastAPI
    identity: Identity
    features: dict[str, Feature[Any]]

    async def aclose(self) -> None:
        """Run the closers as the end of the application does: the last opened first, each even if another fails. Then
        raise what failed."""
        async with AsyncExitStack() as closing:
            for feature in self.features.values():
                for close in feature.closers:
                    closing.push_async_callback(close)

    def client(self, peer: str = "127.0.0.1", host: str = "127.0.0.1:8080", **headers: str) -> httpx2.AsyncClient:
        """A client that speaks ASGI to the application, without a socket, from this address."""
        transport = httpx2.ASGITransport(app=self.app, client=(peer, 5555), raise_app_exceptions=False)
        return httpx2.AsyncClient(transport=transport, base_url=f"http://{host}", headers=headers)


def served(
    settings: Settings,
    world: Any,
    boards: Any,
    *,
    config: ServerConfig = DEFAULT_CONFIG,
    observer: Any = None,
    hops: TrustedHops | None = None,
) -> Served:
    """The application over these ports, behind the authenticator that `settings` make. No store connects yet. `hops`
    None trusts the proxies of the settings."""
    hops = hops or FixedHops(Trust(trusted_networks(settings.trusted_proxies)))
    identity = open_identity(settings, bind_host=config.bind_host, hops=hops, clock=SystemClock())
    features = features_over(world, boards, settings, identity, config=config, observer=observer)
    app = create_app(config, identity.authenticator, features)
    return Served(app, identity, {feature.name: feature for feature in features})


def served_for_test(
    data_dir: Path,
    world: Any,
    boards: Any,
    *,
    observer: Any = None,
    api_token: str | None = None,
    service_token: str | None = None,
    **config: Any,
) -> Served:
    """A server of the test's own configuration; development on loopback unless said otherwise.

    The stores of identity are in `data_dir` and connect when they are first asked: the local operator and the fixed
    tokens ask none.
    """
    shown = replace(DEFAULT_CONFIG, **config)
    secrets = {"api_token": api_token, "service_token": service_token}
    settings = Settings(
        data_dir=data_dir,
        env=shown.environment,
        encryption_key=SecretStr("0" * 64),
        **{name: SecretStr(text) for name, text in secrets.items() if text is not None},
    )
    return served(settings, world, boards, config=shown, observer=observer)
