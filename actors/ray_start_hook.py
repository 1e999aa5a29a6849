"""What `ray start` calls before it starts a head (`RAY_START_HOOK`): Ray's command has no option that leaves the server
of Ray Client away, which listens to the network and runs what it is sent."""

from __future__ import annotations

from typing import Any


def without_client_server(params: Any, head: bool) -> None:  # noqa: ARG001 - Ray says which arguments
    """Take the port of Ray Client out of the parameters of the start."""
    params.ray_client_server_port = None
