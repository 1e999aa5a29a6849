"""The ingress, bound to Ray Serve; what one replica is made of is `aragora.composition.replica`.

`aragora serve` and `aragora cluster deploy` call `deploy`. `app` is for Ray's own ways to deploy on a cluster: the
command `serve run serve_app:app`, and the configuration of a RayService.
"""

from __future__ import annotations

import asyncio
import gc
import logging
import os
from dataclasses import replace
from typing import TYPE_CHECKING, Any, Final

from actors.adapter_processes import decided
from actors.release import runtime_env
from aragora.clock import SystemClock
from aragora.composition.launch import Launch
from aragora.composition.service import JOBS_AGAIN_S, Service
from aragora.config.settings import load_settings
from aragora.errors import Unavailable

if TYPE_CHECKING:
    from fastapi import FastAPI
    from ray.serve import Application

APPLICATION: Final = "aragora"
MAX_NODES: Final = 1000
MAX_ONGOING: Final = 20_000  # requests and WebSockets that one replica holds at once
STARTS: Final = 3
LOOPBACK: Final = "127.0.0.1"
QUIET: Final = {"log_level": "WARNING", "enable_access_log": False}  # Aragora logs its requests itself


def application(launch: Launch) -> Application:
    """The Serve application: one deployment, the ingress, with as many replicas as the settings say: on the machine, or
    on each node of the cluster."""
    from ray import serve  # noqa: PLC0415 - reads its environment at import

    launch = replace(launch, settings=decided(launch.settings))

    def ingress() -> FastAPI:
        from aragora.composition.replica import build_ingress  # noqa: PLC0415 - the launcher needs none of this

        built = build_ingress(launch)
        gc.freeze()  # what was loaded stays as long as the process: no look for garbage holds the event loop over it
        return built

    deployment = serve.deployment(
        serve.ingress(ingress)(),
        name="ingress",
        **_replicas(launch),
        max_ongoing_requests=MAX_ONGOING,
        logging_config=QUIET,
        ray_actor_options={"num_cpus": 0, **runtime_env()},
        graceful_shutdown_timeout_s=5.0,
        health_check_period_s=2.0,
    )
    return deployment.bind()


def app(_: dict[str, Any]) -> Application:
    """For `serve run serve_app:app`, and for a Serve configuration that names it: the service begins here, with the
    settings of the environment. Raises Unavailable where a coordinator does not answer."""
    settings = load_settings()
    asyncio.run(_begin(Service(settings)))
    return application(Launch(settings, SystemClock().now(), host="0.0.0.0", cluster=True))  # noqa: S104 - nodes


async def _begin(service: Service) -> None:
    await service.activate()
    await service.admit()
    await service.start_jobs(JOBS_AGAIN_S)


def _replicas(launch: Launch) -> dict[str, Any]:
    on_a_machine = launch.settings.workers or max(1, (os.cpu_count() or 2) // 2)
    if not launch.cluster:
        return {"num_replicas": on_a_machine}
    # A node without a replica has no ingress: as many as the nodes take, and they follow the nodes that come and go.
    return {
        "max_replicas_per_node": on_a_machine,
        "autoscaling_config": {
            "min_replicas": 1,
            "initial_replicas": 1,
            "max_replicas": MAX_NODES * on_a_machine,
            "upscale_delay_s": 0.0,
            "downscale_delay_s": 0.0,
            "policy": {
                "policy_function": "actors.replicas_per_node:ReplicasPerNode",
                "policy_kwargs": {"on_a_node": on_a_machine},
            },
        },
    }


def deploy(launch: Launch) -> None:
    """Start Serve on this cluster, or join it, and run the application; returns when its replicas are healthy. Raises
    Unavailable with the reason of a replica that does not start."""
    from ray import serve  # noqa: PLC0415

    logging.getLogger("ray.serve").setLevel(logging.WARNING)  # the command shows its own progress
    # On one machine replicas are reached through this machine's HAProxy alone, which listens where it was told to. In a
    # cluster the proxies of other nodes reach them too.
    replicas_at = launch.host if launch.cluster else LOOPBACK
    _start_serve({"host": replicas_at, "port": launch.http_port})
    try:
        serve.run(application(launch), name=APPLICATION, route_prefix="/")
    except RuntimeError as failed:
        raise Unavailable(f"the ingress does not start: {_reason() or failed}; Serve's log has more") from None


def _start_serve(http_options: dict[str, Any]) -> None:
    """Start Serve, or join it. On a busy machine its controller may replace a proxy that is slow to begin, while this
    call waits for it: it is asked again then."""
    from ray import serve  # noqa: PLC0415
    from ray.exceptions import RayError  # noqa: PLC0415

    for left in reversed(range(STARTS)):
        try:
            serve.start(http_options=http_options, logging_config=QUIET)
        except RayError as failed:
            if not left:
                raise Unavailable(f"Serve does not start: {str(failed).splitlines()[0]}; its log has more") from None
        else:
            return


def _reason() -> str:
    """The last line of what Serve keeps of a replica that failed; empty where it keeps nothing."""
    from ray import serve  # noqa: PLC0415

    status = serve.status().applications.get(APPLICATION)
    told = "" if status is None else "\n".join(one.message for one in status.deployments.values())
    lines = [line.strip() for line in told.splitlines() if line.strip()]
    return lines[-1][:300] if lines else ""
