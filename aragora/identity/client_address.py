"""The address of the client behind proxies, which no header of the client's own can forge. Pure.

A proxy appends the address it saw to X-Forwarded-For. So the list is read from the right: an entry is true as long as
its writer is trusted, and the first entry that is not itself a trusted proxy is the client. Without a trusted proxy
the header counts for nothing and the peer of the connection is the client.

The nodes of a cluster are trusted as the peer alone (`Trust.last_hops`): each node's proxy sends to the replicas of all
nodes, but no node's proxy sends to another node's proxy. A node that stands in the list is therefore a client: a
program on its host, which may write what it likes.
"""

from __future__ import annotations

from collections.abc import Iterable, Sequence
from dataclasses import dataclass
from functools import lru_cache
from ipaddress import IPv4Address, IPv4Network, IPv6Address, IPv6Network, ip_address, ip_network

from aragora.errors import Misconfigured

Address = IPv4Address | IPv6Address
Network = IPv4Network | IPv6Network

UNKNOWN = "unknown"
MAX_HOPS = 20


def trusted_networks(entries: Iterable[str]) -> tuple[Network, ...]:
    """The networks of ARAGORA_TRUSTED_PROXIES. Raises Misconfigured, naming the entry that is not valid."""
    found = []
    for entry in entries:
        try:
            found.append(ip_network(entry, strict=False))
        except ValueError as error:
            raise Misconfigured(f"ARAGORA_TRUSTED_PROXIES: {entry!r} is neither an address nor a network.") from error
    return tuple(found)


@dataclass(frozen=True, eq=False)  # compared by identity: every request looks it up in the cache below
class Trust:
    """Whose word counts.

    Attributes:
        networks: the proxies that are believed wherever they stand in the line.
        last_hops: those that are believed as the peer of the connection and nowhere else.
    """

    networks: tuple[Network, ...] = ()
    last_hops: frozenset[Address] = frozenset()


@dataclass(frozen=True, slots=True)
class Origin:
    """Where a request came from.

    Attributes:
        address: the client's address, `UNKNOWN` where the server does not know the peer.
        disbelieved: whether the peer told of a client, and is nobody whose word counts.
        by_proxy: whether one of `Trust.networks` sent the request to the peer: a proxy before the server's own.
    """

    address: str
    disbelieved: bool = False
    by_proxy: bool = False


@lru_cache(maxsize=1024)  # every request comes from somewhere, and most from where the last ones came from
def origin_of(peer: str | None, forwarded_for: tuple[str, ...], trust: Trust) -> Origin:
    """Where a request came from.

    Args:
        peer: the other end of the connection, or None where the server does not know it.
        forwarded_for: the values of all X-Forwarded-For headers, in order.
        trust: whose word counts.
    """
    hop = parsed(peer or "")
    if hop is None:
        return Origin(UNKNOWN)
    last_hop = hop in trust.last_hops
    if not last_hop and not _within(hop, trust.networks):
        return Origin(str(hop), disbelieved=bool(forwarded_for))
    address, believed, by_proxy = hop, True, False
    entries = [entry.strip() for value in forwarded_for for entry in value.split(",")]
    for entry in reversed(entries[-MAX_HOPS:]):
        told = parsed(entry) if believed else None
        if told is None:
            break
        address = told
        believed = _within(address, trust.networks)
        by_proxy = by_proxy or believed
    if last_hop and address.is_loopback:
        address = hop  # another machine's loopback is that machine
    return Origin(str(address), by_proxy=by_proxy)


@lru_cache(maxsize=1024)
def is_loopback(address: str) -> bool:
    """Whether the address is this machine's own."""
    found = parsed(address)
    return found is not None and found.is_loopback


def rate_limit_scope(address: str) -> str:
    """What a limit per address counts: an IPv4 address, or the /64 that one IPv6 customer commonly has."""
    found = parsed(address)
    if isinstance(found, IPv6Address):
        return str(ip_network((found, 64), strict=False))
    return str(found) if found else UNKNOWN


def parsed(text: str) -> Address | None:
    """The address in a text such as `203.0.113.7`, `203.0.113.7:4711` or `[2001:db8::1]:4711`; None for others."""
    text = text.strip().strip('"')
    if text.startswith("["):
        text = text[1:].partition("]")[0]
    elif text.count(":") == 1:
        text = text.partition(":")[0]
    try:
        address = ip_address(text)
    except ValueError:
        return None
    if isinstance(address, IPv6Address) and address.ipv4_mapped:
        return address.ipv4_mapped
    return address


def _within(address: Address, networks: Sequence[Network]) -> bool:
    return any(address.version == network.version and address in network for network in networks)
