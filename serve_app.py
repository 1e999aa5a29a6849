"""Composition: the ports of the server on actor handles and stores, bound to Ray Serve.

`aragora serve` calls `deploy`; on a cluster, `serve run serve_app:app` does the same with settings from the
environment.
"""

from __future__ import annotations

import logging
import os
from dataclasses import dataclass
from functools import partial
from typing import TYPE_CHECKING, Any, Final

from aragora import __version__
from aragora.clock import SystemClock
from aragora.config.legacy import HTTP_PORT, WS_PORT
from aragora.config.settings import Settings, load_settings

if TYPE_CHECKING:
    from fastapi import FastAPI
    from ray.serve import Application

APPLICATION: Final = "aragora"
MAX_ONGOING: Final = 20_000  # requests and WebSockets that one replica holds at once
QUIET: Final = {"log_level": "WARNING", "enable_access_log": False}  # Aragora logs its requests itself


@dataclass(frozen=True)
class Launch:
    """What a replica must know of how the server was started. `started_at` is in seconds since the epoch."""

    settings: Settings
    started_at: float
    host: str = "127.0.0.1"
    http_port: int = HTTP_PORT
    ws_port: int = WS_PORT


def application(launch: Launch) -> Application:
    """The Serve application: one deployment, the ingress, with as many replicas as the settings say."""
    from ray import serve  # noqa: PLC0415 - reads its environment at import

    def ingress() -> FastAPI:
        return build_ingress(launch)

    deployment = serve.deployment(
        serve.ingress(ingress)(),
        name="ingress",
        num_replicas=launch.settings.workers or max(1, (os.cpu_count() or 2) // 2),
        max_ongoing_requests=MAX_ONGOING,
        logging_config=QUIET,
        ray_actor_options={"num_cpus": 0},
        graceful_shutdown_timeout_s=5.0,
        health_check_period_s=2.0,
    )
    return deployment.bind()


def app(_: dict[str, Any]) -> Application:
    """For `serve run serve_app:app`."""
    return application(Launch(load_settings(), SystemClock().now(), host="0.0.0.0"))  # noqa: S104 - a node of a cluster


def deploy(launch: Launch) -> None:
    """Start Serve on this cluster, or join it, and run the application; returns when its replicas are healthy."""
    from ray import serve  # noqa: PLC0415

    logging.getLogger("ray.serve").setLevel(logging.WARNING)  # the command shows its own progress
    serve.start(
        http_options={"host": launch.host, "port": launch.http_port},
        logging_config=QUIET,
    )
    serve.run(application(launch), name=APPLICATION, route_prefix="/")


def build_ingress(launch: Launch) -> FastAPI:
    """The ASGI application of one replica. Runs in the replica's process."""
    from actors.gateways.boards import (  # noqa: PLC0415 - the launcher needs none of this
        SharedConnectionBoard,
        StoredAgentBoard,
        StoredLeaderboard,
    )
    from actors.gateways.commands import CoordinatorCommands  # noqa: PLC0415
    from actors.gateways.event_feed import CoordinatorFeed  # noqa: PLC0415
    from actors.gateways.event_lines import open_line  # noqa: PLC0415
    from actors.gateways.lifecycle import SharedLifecycle  # noqa: PLC0415
    from actors.gateways.metrics import CounterFlush, StoredMetricsPage, observe_request  # noqa: PLC0415
    from actors.gateways.receipts import KeyedVerifier  # noqa: PLC0415
    from actors.runtime import Runtime  # noqa: PLC0415
    from aragora.agents.breaker_store import BreakerStore  # noqa: PLC0415
    from aragora.debate.store.debates import DebateStore  # noqa: PLC0415
    from aragora.ids import new_id  # noqa: PLC0415
    from aragora.observability.logging import configure_logging  # noqa: PLC0415
    from aragora.ranking.store import RatingStore  # noqa: PLC0415
    from aragora.server.app import create_app  # noqa: PLC0415
    from aragora.server.identity_bundle import identity_routers, open_identity  # noqa: PLC0415
    from aragora.server.ports import ServerConfig, Services  # noqa: PLC0415
    from aragora.storage.contexts import Context  # noqa: PLC0415
    from aragora.storage.counters import CounterStore  # noqa: PLC0415
    from aragora.storage.database import Database  # noqa: PLC0415

    settings = launch.settings
    configure_logging(settings)
    debates, core = Database.open(settings, Context.DEBATES), Database.open(settings, Context.CORE)
    runtime, clock = Runtime(settings), SystemClock()
    reader, ratings = DebateStore(debates), RatingStore(Database.open(settings, Context.ELO))
    journal_counters, core_counters = CounterStore(debates), CounterStore(core)
    agents = StoredAgentBoard(runtime, settings, BreakerStore(core), journal_counters)
    connections = SharedConnectionBoard(runtime)
    flush = CounterFlush(core_counters)
    config = ServerConfig(
        version=__version__,
        ws_url=f"ws://{launch.host}:{launch.ws_port}/ws",
        environment=settings.env,
        allowed_origins=tuple(settings.allowed_origins),
        api_token=settings.api_token.get_secret_value() if settings.api_token else None,
        max_body_bytes=settings.max_body_bytes,
        ws_max_message_bytes=settings.ws_max_message_size,
        bind_host=launch.host,
        replica_id=new_id("replica"),
    )
    identity = open_identity(_behind_own_proxy(settings), bind_host=launch.host, clock=clock)
    app = create_app(
        Services(
            config=config,
            debates=CoordinatorCommands(runtime, settings, ratings),
            reader=reader,
            feed=CoordinatorFeed(partial(open_line, runtime), reader, settings.coordinator_shards),
            leaderboard=StoredLeaderboard(ratings),
            agents=agents,
            metrics=StoredMetricsPage((journal_counters, core_counters), flush, agents, connections),
            lifecycle=SharedLifecycle(runtime, clock, launch.started_at),
            receipts=KeyedVerifier(settings.data_dir),
            identity=identity.authenticator,
            connections=connections,
            observer=observe_request,
        ),
        routers=identity_routers(),
    )
    identity.install(app)
    return app


def _behind_own_proxy(settings: Settings) -> Settings:
    """Replicas are reached through this node's HAProxy, which tells the client's address in X-Forwarded-For."""
    return settings.model_copy(update={"trusted_proxies": (*settings.trusted_proxies, "127.0.0.1/32")})
