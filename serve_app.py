"""The ingress, bound to Ray Serve; what one replica is made of is `aragora.composition.replica`.

`aragora serve` calls `deploy`. On a cluster where a server runs already, `serve run serve_app:app` deploys the ingress
anew with settings from the environment; the coordinators' readiness and the durable jobs are `aragora serve`'s.
"""

from __future__ import annotations

import logging
import os
from typing import TYPE_CHECKING, Any, Final

from aragora.clock import SystemClock
from aragora.composition.launch import Launch
from aragora.config.settings import load_settings

if TYPE_CHECKING:
    from fastapi import FastAPI
    from ray.serve import Application

APPLICATION: Final = "aragora"
MAX_ONGOING: Final = 20_000  # requests and WebSockets that one replica holds at once
LOOPBACK: Final = "127.0.0.1"
QUIET: Final = {"log_level": "WARNING", "enable_access_log": False}  # Aragora logs its requests itself


def application(launch: Launch) -> Application:
    """The Serve application: one deployment, the ingress, with as many replicas as the settings say."""
    from ray import serve  # noqa: PLC0415 - reads its environment at import

    def ingress() -> FastAPI:
        from aragora.composition.replica import build_ingress  # noqa: PLC0415 - the launcher needs none of this

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
    # On one machine replicas are reached through this machine's HAProxy alone, which listens where it was told to. In a
    # cluster the proxies of other nodes reach them too.
    replicas_at = LOOPBACK if launch.settings.ray_address is None else launch.host
    serve.start(
        http_options={"host": replicas_at, "port": launch.http_port},
        logging_config=QUIET,
    )
    serve.run(application(launch), name=APPLICATION, route_prefix="/")
