"""Which Host and Origin headers are ours: against DNS rebinding and against foreign pages. Pure."""

from __future__ import annotations

import re
from collections.abc import Iterable
from urllib.parse import urlsplit

LOOPBACK_HOSTS = frozenset({"localhost", "127.0.0.1", "::1"})
_HOST = re.compile(r"(\[[0-9a-f:.]+\]|[0-9a-z._-]+)(?::([0-9]{1,5}))?")


def host_name(host_header: str) -> str | None:
    """The name in a Host header, without port and in lower case; None where it is malformed."""
    match = _HOST.fullmatch(host_header.strip().lower())
    return match.group(1).strip("[]").rstrip(".") if match else None


def host_allowed(host_header: str | None, allowed: Iterable[str]) -> bool:
    """Whether a request may come in under this Host.

    In development the server acts for whoever reaches its loopback port; a foreign page can reach it through a
    name of its own that resolves to 127.0.0.1. Its name then stands in Host, and is not among the allowed.
    """
    name = host_name(host_header or "")
    return name is not None and name in {host.lower().strip("[]") for host in allowed}


def origin_allowed(origin: str | None, host_header: str | None, allowed_origins: Iterable[str]) -> bool:
    """Whether a browser page of this origin may act here: our own pages and the configured origins.

    No Origin header means no browser page (a browser always sends it on WebSocket and on writes across origins).
    """
    if origin is None:
        return True
    wanted = origin.strip().rstrip("/").lower()
    if wanted in {each.strip().rstrip("/").lower() for each in allowed_origins}:
        return True
    try:
        parts = urlsplit(wanted)
    except ValueError:
        return False
    return parts.scheme in {"http", "https"} and bool(host_header) and parts.netloc == (host_header or "").lower()


def redirect_allowed(url: str, hosts: Iterable[str]) -> bool:
    """Whether a login may lead to this address: https (or http on loopback) at one of the hosts, nothing hidden."""
    if any(ord(char) <= 32 or char == "\\" for char in url):
        return False
    try:
        parts = urlsplit(url)
        port = parts.port
    except ValueError:
        return False
    name = (parts.hostname or "").lower()
    if not name or parts.username is not None or parts.password is not None or (port is not None and port <= 0):
        return False
    if parts.scheme != "https" and not (parts.scheme == "http" and name in LOOPBACK_HOSTS):
        return False
    return name in {host.lower() for host in hosts}
