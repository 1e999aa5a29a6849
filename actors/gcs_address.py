"""The address of a cluster's GCS, `host:port`, an IPv6 host in brackets: by it nodes and commands know the cluster."""

from __future__ import annotations

import socket


def host_of(gcs_address: str) -> str:
    """The host, without brackets."""
    return gcs_address.rpartition(":")[0].strip("[]")


def reach(gcs_address: str, within_s: float) -> None:
    """Return where something takes connections there; blocks for up to `within_s` seconds. Ray's own client would try
    for 40 s. Raises OSError, ValueError where the address has no port."""
    _, _, port = gcs_address.rpartition(":")
    socket.create_connection((host_of(gcs_address), int(port)), within_s).close()
