"""Which Host and Origin headers are ours, and where a login may lead. Pure.

- Against DNS rebinding: a development server acts for every caller on its loopback port, and a foreign page reaches it
  through a name of its own that resolves to 127.0.0.1. That name then stands in Host.
- Against cross-site requests: browsers send Origin with every request that may change something, and with every
  WebSocket handshake.
"""

from __future__ import annotations

import re
from collections.abc import Collection, Iterable
from functools import lru_cache
from typing import Final
from urllib.parse import urlsplit

from aragora.identity.client_address import is_loopback

LOOPBACK_HOSTS: Final = frozenset({"localhost", "127.0.0.1", "::1"})
_HOST: Final = re.compile(r"(\[[0-9a-f:.]+\]|[0-9a-z._-]+)(?::([0-9]{1,5}))?")
_PORT_MAX: Final = 65_535
_PAGE_SCHEMES: Final = frozenset({"http", "https", "ws", "wss"})


@lru_cache(maxsize=1024)  # every request of a development server asks, and nearly always about the same name
def names_this_machine(host: str) -> bool:
    """Whether a host name or address, without port, means this machine."""
    name = host.strip("[]").lower()
    return name == "localhost" or name.endswith(".localhost") or is_loopback(name)


def authority(host: str, port: int) -> str:
    """Host and port as they stand in a URL."""
    bare = host.strip("[]")
    return f"[{bare}]:{port}" if ":" in bare else f"{bare}:{port}"


def host_answered(host_header: str | None, named: Collection[str] = ()) -> bool:
    """Whether a development server answers under this Host: a name of this machine, or one of `named` (lower case).

    A request without Host comes from no browser and is answered.
    """
    if host_header is None:
        return True
    host = host_header.lower()
    bare = host.partition("]")[0] + "]" if host.startswith("[") else host.partition(":")[0]
    return names_this_machine(bare) or bare in named


def host_is_local(host_header: str | None) -> bool:
    """Whether this Host may belong to the operator of this machine. Stricter than `host_answered`: exactly one of the
    local names, and not absent."""
    match = _HOST.fullmatch((host_header or "").strip().lower())
    return match is not None and match.group(1).strip("[]").rstrip(".") in LOOPBACK_HOSTS


def authority_in(host_header: str | None) -> tuple[str, int | None] | None:
    """The host, an IPv6 address in brackets, and the port that a Host header names; None where it is not one."""
    match = _HOST.fullmatch((host_header or "").strip().lower())
    if match is None:
        return None
    host, port = match.group(1), int(match.group(2)) if match.group(2) else None
    return (host, port) if port is None or 0 < port <= _PORT_MAX else None


def origin_allowed(
    origin: str | None, host_header: str | None, allowed_origins: Collection[str], *, cross_site: bool = False
) -> bool:
    """Whether a page of this origin may act here: the server's own pages and the configured origins.

    Args:
        origin: the header Origin. A browser omits it only where nothing can change, or from old forms: then
            `cross_site` decides.
        host_header: the header Host; a page of the same authority is our own. The scheme is the proxy's business.
        allowed_origins: as configured, in lower case and without a slash at the end.
        cross_site: whether Sec-Fetch-Site says `cross-site`.
    """
    if origin is None:
        return not cross_site
    wanted = origin.strip().rstrip("/").lower()
    if wanted in allowed_origins:
        return True
    try:
        parts = urlsplit(wanted)
    except ValueError:
        return False
    return parts.scheme in _PAGE_SCHEMES and bool(parts.netloc) and parts.netloc == (host_header or "").lower()


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
