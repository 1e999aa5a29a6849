"""The state of a cluster's head in Redis: whether it is kept there, under which name, and how it is forgotten.

With RAY_REDIS_ADDRESS the GCS writes what it knows (nodes, actors, Serve's own state) to that Redis, and reads it when
it starts again. Several clusters may share a Redis: each has a namespace of its own.
"""

from __future__ import annotations

import os
from collections.abc import Mapping
from typing import Final
from urllib.parse import urlsplit

from aragora.errors import Unavailable

ADDRESS: Final = "RAY_REDIS_ADDRESS"
"""Ray's variable: host and port of that Redis, `rediss://` in front where it speaks TLS."""
USERNAME: Final = "RAY_REDIS_USERNAME"
PASSWORD: Final = "RAY_REDIS_PASSWORD"  # noqa: S105 - the variable's name
NAMESPACE: Final = "RAY_external_storage_namespace"
REDIS_PORT: Final = 6379


def kept_in_redis(environment: Mapping[str, str]) -> bool:
    return bool(environment.get(ADDRESS))


def forget() -> None:
    """Delete the state of the cluster to which this process's environment points, and no other's. Its head has ended.

    Blocks. Raises Unavailable where Redis does not do it.
    """
    from ray._private.gcs_utils import cleanup_redis_storage  # noqa: PLC0415 - reads its environment at import

    address = os.environ[ADDRESS].partition(",")[0]
    parts = urlsplit(address if "://" in address else f"redis://{address}")
    done = cleanup_redis_storage(
        host=parts.hostname or "",
        port=parts.port or REDIS_PORT,
        password=os.environ.get(PASSWORD, ""),
        use_ssl=parts.scheme == "rediss",
        storage_namespace=os.environ[NAMESPACE],
        username=os.environ.get(USERNAME, ""),
    )
    if not done:
        raise Unavailable(f"the Redis at {parts.hostname} still has the state of the cluster that has stopped")
