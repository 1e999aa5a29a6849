"""Boot a local Ray head, or connect to a cluster; and leave it again.

Ray and Serve read their settings from the environment when they are imported, so `actors.ray_environment` sets them
before that. A local head lives and dies with the process that started it.

Whoever reaches a port of Ray's and has its token runs code as the server: `stay_on_this_machine` keeps the ports of a
local head on loopback and gives it a token of its own; `asks_for_token` tells whether a cluster asks for one.
"""

from __future__ import annotations

import logging
import os
import secrets
import tempfile
from dataclasses import dataclass
from pathlib import Path
from typing import Any, Final

NAMESPACE: Final = "aragora"
"""Ray's namespace of every actor."""
AUTH_MODE: Final = "RAY_AUTH_MODE"
"""Ray's variable: `token` where every caller must show the cluster's token, `disabled` where nobody must."""
PROBE_S: Final = 5.0


@dataclass(frozen=True, slots=True)
class Cluster:
    """The cluster this process is connected to. `dashboard_url` is None where the cluster has no dashboard;
    `local` tells whether it was started here and ends with this process."""

    address: str
    dashboard_url: str | None
    local: bool


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
    """Connect to the cluster at `address`, or start a local head in `directory` when it is None.

    Set the environment first (`actors.ray_environment`). Raises ConnectionError where the cluster at `address` does
    not answer.
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
