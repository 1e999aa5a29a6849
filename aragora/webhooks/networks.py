"""The networks that webhooks must not reach, as data: a row for each, with its reason.

The rows are those of IANA's special-purpose address registries (RFC 6890), multicast, what IPv6 has not assigned, and
the addresses at which clouds serve their instances credentials. Python's `is_global` is no replacement: it calls
several of them global, among them forms of IPv6 that lead to any address of IPv4.
"""

from __future__ import annotations

from dataclasses import dataclass
from enum import StrEnum
from ipaddress import IPv4Address, IPv4Network, IPv6Address, IPv6Network, ip_network
from typing import Final, TypeAlias

Address: TypeAlias = IPv4Address | IPv6Address
Network: TypeAlias = IPv4Network | IPv6Network


class Reason(StrEnum):
    """Why an address is refused, or the URL that leads there: few words, for a label."""

    LOOPBACK = "loopback"
    LINK_LOCAL = "link_local"
    METADATA = "metadata"  # a cloud's own service, which hands out credentials
    PRIVATE = "private"
    TRANSLATED = "translated"  # IPv6 that leads to some address of IPv4
    MULTICAST = "multicast"
    SPECIAL = "special"  # nothing that a webhook could mean
    MALFORMED = "malformed"  # no address at all
    OWN_HOST = "own_host"  # this server, by one of its names
    URL = "url"  # its form, port or scheme is not allowed any more


EXACT: Final = frozenset({Reason.LOOPBACK, Reason.LINK_LOCAL, Reason.METADATA, Reason.TRANSLATED})
"""What an operator may allow by the exact address only. A network that was allowed for its receivers must not open
these along with them."""


@dataclass(frozen=True, slots=True)
class Row:
    """One network; `source` is what defines it."""

    network: Network
    reason: Reason
    source: str


def _row(network: str, reason: Reason, source: str) -> Row:
    return Row(ip_network(network), reason, source)


ROWS: Final = (
    # Of clouds. The first lies in a public network, the others in networks below.
    _row("168.63.129.16/32", Reason.METADATA, "Azure: the wire server of a virtual machine"),
    _row("169.254.169.254/32", Reason.METADATA, "AWS, Azure, Google Cloud, OpenStack and others"),
    _row("169.254.170.2/32", Reason.METADATA, "AWS: credentials of a container (ECS)"),
    _row("169.254.170.23/32", Reason.METADATA, "AWS: credentials of a pod (EKS)"),
    _row("100.100.100.200/32", Reason.METADATA, "Alibaba Cloud"),
    _row("192.0.0.192/32", Reason.METADATA, "Oracle Cloud, classic"),
    _row("fd00:ec2::254/128", Reason.METADATA, "AWS"),
    _row("fd00:ec2::23/128", Reason.METADATA, "AWS: credentials of a pod (EKS)"),
    _row("fd20:ce::254/128", Reason.METADATA, "Google Cloud"),
    _row("fe80::a9fe:a9fe/128", Reason.METADATA, "OpenStack"),
    # IANA IPv4 Special-Purpose Address Registry.
    _row("0.0.0.0/8", Reason.LOOPBACK, "RFC 791: this host; Linux connects 0.0.0.0 to itself"),
    _row("10.0.0.0/8", Reason.PRIVATE, "RFC 1918"),
    _row("100.64.0.0/10", Reason.PRIVATE, "RFC 6598: shared address space of carriers, also of overlay networks"),
    _row("127.0.0.0/8", Reason.LOOPBACK, "RFC 1122"),
    _row("169.254.0.0/16", Reason.LINK_LOCAL, "RFC 3927"),
    _row("172.16.0.0/12", Reason.PRIVATE, "RFC 1918"),
    _row("192.0.0.0/24", Reason.SPECIAL, "RFC 6890: protocol assignments, with the anycast addresses of PCP and TURN"),
    _row("192.0.2.0/24", Reason.SPECIAL, "RFC 5737: documentation"),
    _row("192.31.196.0/24", Reason.SPECIAL, "RFC 7535: AS112"),
    _row("192.52.193.0/24", Reason.SPECIAL, "RFC 7450: AMT"),
    _row("192.88.99.0/24", Reason.TRANSLATED, "RFC 7526: relays of 6to4, deprecated"),
    _row("192.168.0.0/16", Reason.PRIVATE, "RFC 1918"),
    _row("192.175.48.0/24", Reason.SPECIAL, "RFC 7534: AS112"),
    _row("198.18.0.0/15", Reason.SPECIAL, "RFC 2544: benchmarks"),
    _row("198.51.100.0/24", Reason.SPECIAL, "RFC 5737: documentation"),
    _row("203.0.113.0/24", Reason.SPECIAL, "RFC 5737: documentation"),
    _row("224.0.0.0/4", Reason.MULTICAST, "RFC 5771"),
    _row("240.0.0.0/4", Reason.SPECIAL, "RFC 1112: reserved, with the limited broadcast (RFC 8190)"),
    # IANA IPv6 Special-Purpose Address Registry. `guard` unwraps ::ffff:0:0/96 and 64:ff9b::/96 before it looks here.
    _row("::/128", Reason.LOOPBACK, "RFC 4291: unspecified; Linux connects it to itself"),
    _row("::1/128", Reason.LOOPBACK, "RFC 4291"),
    _row("::/96", Reason.TRANSLATED, "RFC 4291: IPv4-compatible, deprecated"),
    _row("::ffff:0:0/96", Reason.TRANSLATED, "RFC 4291: IPv4-mapped"),
    _row("::ffff:0:0:0/96", Reason.TRANSLATED, "RFC 2765: IPv4-translated, obsolete"),
    _row("64:ff9b::/96", Reason.TRANSLATED, "RFC 6052: NAT64"),
    _row("64:ff9b:1::/48", Reason.TRANSLATED, "RFC 8215: NAT64 with a prefix of the site's own"),
    _row("100::/64", Reason.SPECIAL, "RFC 6666: discarded"),
    _row("100:0:0:1::/64", Reason.SPECIAL, "RFC 9780: dummy prefix"),
    _row("2001::/23", Reason.SPECIAL, "RFC 2928: protocol assignments, with ORCHID, benchmarks and anycast addresses"),
    _row("2001::/32", Reason.TRANSLATED, "RFC 4380: Teredo"),
    _row("2001:db8::/32", Reason.SPECIAL, "RFC 3849: documentation"),
    _row("2002::/16", Reason.TRANSLATED, "RFC 3056: 6to4"),
    _row("2620:4f:8000::/48", Reason.SPECIAL, "RFC 7534: AS112"),
    _row("3ffe::/16", Reason.SPECIAL, "RFC 3701: the 6bone, given back"),
    _row("3fff::/20", Reason.SPECIAL, "RFC 9637: documentation"),
    _row("5f00::/16", Reason.SPECIAL, "RFC 9602: segment routing"),
    _row("fc00::/7", Reason.PRIVATE, "RFC 4193: unique local"),
    _row("fe80::/10", Reason.LINK_LOCAL, "RFC 4291"),
    _row("fec0::/10", Reason.PRIVATE, "RFC 3879: site-local, deprecated"),
    _row("ff00::/8", Reason.MULTICAST, "RFC 4291"),
    # Only 2000::/3 is assigned to the public internet (IANA IPv6 Address Space).
    _row("::/3", Reason.SPECIAL, "not assigned"),
    _row("4000::/2", Reason.SPECIAL, "not assigned"),
    _row("8000::/1", Reason.SPECIAL, "not assigned"),
)

NAT64: Final = IPv6Network("64:ff9b::/96")

_BY_VERSION: Final = {
    version: sorted(
        (
            (int(row.network.network_address), int(row.network.netmask), row)
            for row in ROWS
            if row.network.version == version
        ),
        key=lambda entry: -entry[2].network.prefixlen,
    )
    for version in (4, 6)
}


def row_of(address: Address) -> Row | None:
    """The most specific row that holds `address`, or None where the address is a public one."""
    number = int(address)
    for network, mask, row in _BY_VERSION[address.version]:
        if number & mask == network:
            return row
    return None
