"""One ingress replica: opens the stores, fulfils the ports of the server, lists its features.

Imported as a whole by the replica's process and by nothing that only starts the server: it pulls in Ray and FastAPI.
"""

from __future__ import annotations

import os
import random
from functools import partial
from typing import Final

from fastapi import FastAPI
from starlette.middleware import Middleware

from actors.gateways.debates import CoordinatorCommands
from actors.gateways.event_feed import JournalFeed
from actors.gateways.event_lines import open_line
from actors.gateways.health import ReplicaVitals, StoreProbe
from actors.gateways.knowledge import AdapterCommands, IndexCommands, IndexMeanings, IndexWaker
from actors.gateways.knowledge_figures import KnowledgeFigures
from actors.gateways.knowledge_parts import IndexParts
from actors.gateways.metrics import StoredMetricsPage
from actors.gateways.nodes import ClusterNodes, own_node_id
from actors.gateways.operations import (
    CounterFlush,
    SharedConnectionBoard,
    SharedLifecycle,
    StoredAgentBoard,
    StoredLeaderboard,
    observe_request,
)
from actors.gateways.replica_figures import SharedFigures
from actors.gateways.webhook_figures import WebhookFigures
from actors.gateways.webhooks import DispatcherCommands
from actors.gateways.webhooks_in_flight import WebhooksInFlight
from actors.gateways.workflow_figures import WorkflowFigures
from actors.gateways.workflows import RunnerAnswers, RunnerCommands
from actors.kinds import COORDINATOR, RUNNER, RUNNER_KEY
from actors.reporting import REPORT_S, TroubleReport
from actors.runtime import Runtime
from actors.websocket_frames import bound_messages
from aragora import __version__
from aragora.agents.breaker_store import BreakerStore
from aragora.background import Every
from aragora.clock import SystemClock
from aragora.composition.control_plane import open_control_plane
from aragora.composition.debates import open_debates
from aragora.composition.decisions import open_decisions
from aragora.composition.estimates import open_estimates
from aragora.composition.forgetting_routes import open_forgetting
from aragora.composition.identity import administration_of, open_identity
from aragora.composition.integrations import open_integrations
from aragora.composition.knowledge import open_knowledge
from aragora.composition.knowledge_health import open_knowledge_health
from aragora.composition.knowledge_insights import open_knowledge_insights
from aragora.composition.knowledge_operations import open_knowledge_operations
from aragora.composition.knowledge_revalidations import open_knowledge_revalidations
from aragora.composition.knowledge_topics import open_knowledge_topics
from aragora.composition.launch import Launch
from aragora.composition.named_workflows import NamedWorkflows
from aragora.composition.outcomes import open_outcomes
from aragora.composition.webhooks import open_webhooks
from aragora.composition.workflow_executions import open_workflow_executions
from aragora.composition.workflows import open_workflows
from aragora.config.settings import Settings
from aragora.debate.store.debates import DebateStore
from aragora.decisions.invalidating import CacheSize
from aragora.decisions.store.entries import Entries
from aragora.identity.client_address import Network, trusted_networks
from aragora.identity.origins import authority
from aragora.ids import new_id
from aragora.knowledge.adapting import adapters_on
from aragora.knowledge.customs import Customs
from aragora.knowledge.store.adapters import AdapterBook
from aragora.knowledge.store.observations import Observations
from aragora.knowledge.store.reading import KnowledgeReader
from aragora.observability.logging import configure_logging
from aragora.private_files import make_files_private
from aragora.ranking.store import RatingStore
from aragora.receipts.verifying import KeyedVerifier
from aragora.server.app import create_app
from aragora.server.chapters.operations import OperationsPorts, operations
from aragora.server.chapters.pages import pages
from aragora.server.chapters.receipts import ReceiptPorts, receipts
from aragora.server.error_notes import ErrorNotes
from aragora.server.feature import Feature, Layer, Stage
from aragora.server.live.fanout import Fanout
from aragora.server.live.journals import DebateJournals, ExecutionJournals
from aragora.server.live.subjects import of_executions
from aragora.server.middleware.outcomes import TimingMiddleware
from aragora.server.ports import ServerConfig
from aragora.server.replica_figures import OwnFigures
from aragora.storage.contexts import Context
from aragora.storage.counters import CounterStore
from aragora.storage.database import Database
from aragora.storage.outbox_store import OutboxStore
from aragora.webhooks.egress import guard_of
from aragora.workflows.store.definitions import DefinitionStore
from aragora.workflows.store.executions import ExecutionStore
from aragora.workflows.store.pinning import StoredDefinitions

WHOM_UVICORN_BELIEVES: Final = "FORWARDED_ALLOW_IPS"
"""Uvicorn's variable, read when Serve starts the replica's HTTP server, which is after this. By default uvicorn writes
over the peer of connections from loopback; with `*`, as people set it elsewhere, by what any client claims."""


def build_ingress(launch: Launch) -> FastAPI:
    """The ASGI application of one replica. Runs in the replica's process. Raises Misconfigured."""
    settings, clock = launch.settings, SystemClock()
    make_files_private()  # a worker of a joined cluster inherits what that was started with
    os.environ[WHOM_UVICORN_BELIEVES] = ""  # nobody: we decide, and must see the real peer of a connection for it
    configure_logging(settings)
    config = _config(launch)
    bound_messages(config.ws_max_message_bytes)
    runtime = Runtime(settings)
    debates, core = Database.open(settings, Context.DEBATES), Database.open(settings, Context.CORE)
    elo, webhooks = Database.open(settings, Context.ELO), Database.open(settings, Context.WEBHOOKS)
    workflows = Database.open(settings, Context.WORKFLOWS)
    reader, ratings = DebateStore(debates), RatingStore(elo)
    counters = CounterStore(debates), CounterStore(webhooks), CounterStore(workflows), CounterStore(core)
    agents = StoredAgentBoard(runtime, settings, BreakerStore(core), counters[0])
    connections = SharedConnectionBoard(runtime)
    flush = CounterFlush(counters[-1])
    lifecycle = SharedLifecycle(runtime, clock, launch.started_at)
    probe = StoreProbe(counters, clock)
    of_webhooks = WebhookFigures(webhooks, OutboxStore(debates), WebhooksInFlight(runtime), clock)
    memory = Database.open(settings, Context.MEMORY)
    figures_of_knowledge = KnowledgeFigures(
        AdapterBook(memory, OutboxStore(debates), clock),
        KnowledgeReader(memory),
        runtime,
        adapters_on(settings),
        clock,
    )
    trouble = Every("report of a process", REPORT_S, TroubleReport(config.replica_id, runtime).tell)
    node_id = own_node_id()
    nodes = ClusterNodes(node_id, _proxies(settings), lifecycle.nodes, clock)
    identity = open_identity(settings, bind_host=launch.host, hops=nodes, clock=clock)
    notes = ErrorNotes(config.replica_id)
    figures = SharedFigures(runtime, node_id, OwnFigures(notes, identity.feature.ports.parts.limits))
    verifier = _verifier(settings)
    commands = CoordinatorCommands(runtime, settings, ratings)
    runs = RunnerCommands(runtime)
    executions = ExecutionJournals(ExecutionStore(workflows), clock)
    feed_of_executions = JournalFeed(
        partial(open_line, runtime, RUNNER), executions, (RUNNER_KEY,), "runner of workflows"
    )
    watched = of_executions(Fanout(feed_of_executions, executions, random.random))
    shards = [str(shard) for shard in range(settings.coordinator_shards)]
    of_debates = open_debates(
        config,
        commands=commands,
        reader=reader,
        writers=identity.writers,
        workspaces=identity.workspaces.ports.book,
        feed=JournalFeed(partial(open_line, runtime, COORDINATOR), DebateJournals(reader), shards, "coordinator"),
        executions=watched,
        lifecycle=lifecycle,
        connections=connections,
        authenticator=identity.authenticator,
        clock=clock,
        customs=Customs(Observations(memory)) if settings.knowledge else None,
    )
    kept = DefinitionStore(workflows, clock)
    named = NamedWorkflows(kept, StoredDefinitions(kept), runs, clock)
    of_knowledge = open_knowledge(
        settings,
        meanings=IndexMeanings(runtime),
        wake=IndexWaker(runtime).wake,
        debates=reader,
        verifier=verifier,
        sockets=of_debates.ports.sockets,
        audit=identity.feature.ports.parts,
        clock=clock,
    )
    features = (
        Feature(
            "operations",
            OperationsPorts(
                lifecycle=lifecycle,
                connections=connections,
                agents=agents,
                leaderboard=StoredLeaderboard(ratings),
                metrics=StoredMetricsPage(
                    counters,
                    probe,
                    agents,
                    connections,
                    of_webhooks,
                    knowledge=figures_of_knowledge,
                    decisions=CacheSize(Entries(debates), clock),
                    workflows=WorkflowFigures(workflows, clock),
                ),
                vitals=ReplicaVitals(probe, lifecycle),
                nodes=nodes,
            ),
            chapters=(operations,),
            layers=(Layer(Stage.TIMING, Middleware(TimingMiddleware, observer=observe_request, clock=clock)),),
            tasks=(flush.task.run, trouble.run, nodes.task.run, figures.task.run),
            closers=(debates.aclose, core.aclose, elo.aclose, webhooks.aclose, workflows.aclose, memory.aclose),
        ),
        open_estimates(settings, planner=commands, memory=memory, ratings=ratings),
        of_debates,
        open_decisions(
            settings,
            opening=commands,
            planner=commands,
            customs=of_debates.ports.customs,
            writers=identity.writers,
            workspaces=identity.workspaces.ports.book,
            clock=clock,
            workflows=named,
        ),
        Feature("receipts", ReceiptPorts(reader, verifier), chapters=(receipts,)),
        open_forgetting(settings, identity.feature.ports.parts, clock),
        open_outcomes(settings, identity.feature.ports.parts, reader, clock),
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
            DispatcherCommands(runtime, settings.coordinator_shards),
            clock,
            guard=guard_of(settings),
        ),
        open_control_plane(settings, clock),
        *open_workflow_executions(
            settings,
            commands=runs,
            answers=partial(RunnerAnswers, runtime),
            feed=feed_of_executions,
            followed=watched,
            sockets=of_debates.ports.sockets,
            audit=identity.feature.ports.parts,
            clock=clock,
        ),
        open_workflows(settings, identity.feature.ports.parts, clock, running=ExecutionStore(workflows)),
        of_knowledge,
        open_knowledge_insights(
            settings,
            workspaces=identity.feature.ports.parts.workspaces,
            audit=identity.feature.ports.parts,
            clock=clock,
        ),
        open_knowledge_revalidations(settings, audit=identity.feature.ports.parts, clock=clock),
        open_knowledge_topics(settings, debates=reader, clock=clock),
        open_knowledge_operations(
            settings,
            adapters=AdapterCommands(runtime, settings),
            index=IndexCommands(runtime),
            audit=identity.feature.ports.parts,
            clock=clock,
        ),
        open_knowledge_health(
            settings,
            index=IndexParts(runtime, clock).look,
            debates=reader,
            searching=of_knowledge.ports.searching,
            clock=clock,
        ),
    )
    return create_app(config, identity.authenticator, features)


def _config(launch: Launch) -> ServerConfig:
    settings = launch.settings
    return ServerConfig(
        version=__version__,
        ws_url=f"ws://{authority(launch.host, launch.ws_port)}/ws",
        environment=settings.env,
        allowed_origins=tuple(settings.allowed_origins),
        max_body_bytes=settings.max_body_bytes,
        ws_max_message_bytes=settings.ws_max_message_size,
        max_connections_per_user=settings.max_connections_per_user,
        max_connections_per_address=settings.max_connections_per_address,
        bind_host=launch.host,
        replica_id=new_id("replica"),
    )


def _proxies(settings: Settings) -> tuple[Network, ...]:
    """The operator's proxies, and whatever runs on this machine: on one machine HAProxy reaches its replicas there."""
    return trusted_networks((*settings.trusted_proxies, "127.0.0.1/32", "::1/128"))


def _verifier(settings: Settings) -> KeyedVerifier:
    key = settings.receipt_signing_key
    return KeyedVerifier(
        settings.data_dir, None if key is None else key.get_secret_value(), settings.receipt_trusted_keys
    )
