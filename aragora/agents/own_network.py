"""Whether a server of models is one's own, by its address. Pure: no name is looked up."""

from __future__ import annotations

from ipaddress import ip_address
from typing import Final
from urllib.parse import urlsplit

_OWN_NETWORK: Final = (".local", ".lan", ".internal", ".home.arpa", ".localhost")


def in_own_network(address: str) -> bool:
    """Whether a server is nearby, so that its answers may be taken for free."""
    host = (urlsplit(address).hostname or "").rstrip(".")
    try:
        return not ip_address(host).is_global
    except ValueError:
        return "." not in host or host.endswith(_OWN_NETWORK)
