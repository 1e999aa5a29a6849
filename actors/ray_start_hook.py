"""What `ray start` calls before it starts a node (`RAY_START_HOOK`), for what its command has no option for.

- The server of Ray Client stays away: it listens to the network and runs what it is sent.
- A GCS whose state is in Redis is started again where it dies; the password of that Redis is taken from the
  environment, and appears in no command line.
"""

from __future__ import annotations

import functools
import os
from collections.abc import Callable
from pathlib import Path
from typing import Any, Final

from actors.gcs_storage import PASSWORD, USERNAME, kept_in_redis

GCS_SCRIPT: Final = Path(__file__).with_name("gcs_server.sh")
GCS_BINARY: Final = "ARAGORA_GCS_BINARY"
"""Environment variable, for `GCS_SCRIPT`: Ray's own program."""


def prepare(params: Any, head: bool) -> None:
    """Change the parameters of the start."""
    params.ray_client_server_port = None
    if head and kept_in_redis(os.environ):
        if os.environ.get(PASSWORD):
            params.redis_username = os.environ.get(USERNAME, "")
            params.redis_password = os.environ[PASSWORD]  # this process reads the name of the last session with it
        _start_gcs_by_script()


def _start_gcs_by_script() -> None:
    from ray._private import services  # noqa: PLC0415 - `ray start` has imported it

    os.environ[GCS_BINARY] = services.GCS_SERVER_EXECUTABLE
    services.GCS_SERVER_EXECUTABLE = str(GCS_SCRIPT)
    services.start_gcs_server = _without_password(services.start_gcs_server)
    services.start_raylet = _without_password(services.start_raylet)


def _without_password(start: Callable[..., Any]) -> Callable[..., Any]:
    @functools.wraps(start)
    def started(*given: Any, redis_password: str | None = None, **named: Any) -> Any:  # noqa: ARG001 - left out
        return start(*given, **named)

    return started
