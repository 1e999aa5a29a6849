"""Where a webhook may go: the form of a URL, and the addresses behind it. The same guard serves registration, update,
test and every connection, so that none of them is laxer than another. Pure: it resolves no name.

An address of IPv6 may stand for one of IPv4. The IPv4-mapped form and NAT64 (RFC 6052) are judged by the address
within: an IPv6-only network reaches public receivers by the latter. ISATAP (RFC 5214) is judged by both. The other
forms are deprecated, or of one site only, and refused as they are. A NAT64 prefix of the operator's own looks like any
public network: the guard cannot know what lies behind it.

An operator may allow a network. Loopback, link-local, metadata and translated addresses are let through only where the
exact address is allowed.
"""

from __future__ import annotations

import re
from collections.abc import Iterable
from dataclasses import dataclass
from ipaddress import IPv4Address, IPv6Address, ip_address, ip_network
from typing import Final

from yarl import URL

from aragora import texts
from aragora.errors import InvalidInput, Misconfigured
from aragora.webhooks.networks import EXACT, NAT64, Address, Network, Reason, row_of

MAX_URL: Final = 2_048  # characters
REFUSED: Final = (
    "the URL leads where webhooks may not go (an internal address, or this server): give one that is reachable from the "
    "public internet, or have the operator allow its network with ARAGORA_WEBHOOK_ALLOWED_NETWORKS"
)
"""One text for everything refused: it must not tell what there is in our network."""
REFUSED_PORTS: Final = frozenset(
    {
        *(1, 7, 9, 13, 19, 21, 22, 23, 25, 53, 110, 111, 119, 135, 139, 143, 389, 445, 465, 514, 563, 587, 636, 853),
        *(873, 989, 990, 993, 995, 2049, 3389, 5060, 5061, 6000, 6566),
        *(1433, 1521, 2181, 3306, 5432, 5672, 6379, 6380, 9042, 9092, 11211, 27017),
    }
)
"""Ports at which no receiver of HTTP stands, but services that obey whoever reaches them: mail and remote control,
files, databases, caches and queues."""

_UNREADABLE: Final = "the URL cannot be read: check its host and port"
_NAME: Final = re.compile(r"(?=.{1,253}\.?$)(?:[a-z0-9_](?:[a-z0-9_-]{0,61}[a-z0-9_])?\.)+[a-z0-9_-]{1,63}\.?")
_NUMBER: Final = re.compile(r"(?:[0-9]+|0x[0-9a-f]*)")  # a last label that makes a host an address (WHATWG URL, 3.5)
_AUTHORITY: Final = re.compile(r"[a-z]+://([^/?#]*)", re.IGNORECASE)
_ISATAP: Final = frozenset({0x00005EFE, 0x02005EFE})  # bits 64 to 95


class Refused(InvalidInput):
    """Raised where a URL leads where no webhook may go. The text is the same for all; `reason` is for the operator."""

    def __init__(self, reason: Reason) -> None:
        super().__init__(REFUSED)
        self.reason = reason

    def __reduce__(self) -> tuple[object, ...]:
        return (Refused, (self.reason,))


@dataclass(frozen=True, slots=True)
class Guard:
    """What webhooks may reach.

    Args:
        allowed: networks that the operator opened (`allowed_networks`).
        https_only: whether plain HTTP is refused.
        own_hosts: names and addresses of this server, to which it sends nothing.
    """

    allowed: tuple[Network, ...]
    https_only: bool
    own_hosts: frozenset[str]
    refused_ports: frozenset[int] = REFUSED_PORTS

    def __post_init__(self) -> None:
        object.__setattr__(self, "own_hosts", frozenset(host.lower().rstrip(".") for host in self.own_hosts))

    def url(self, text: str) -> URL:
        """The URL of a receiver. Send to this object: a text that is parsed twice may mean two things.

        Raises InvalidInput, whose text holds nothing of the URL: for a wrong form with what is wrong, for whatever is
        refused `Refused`. A host that is a name still has to be resolved.
        """
        url = _parsed(text)
        if self.https_only and url.scheme != "https":
            raise InvalidInput("the URL must begin with https://: plain HTTP is not allowed here")
        if url.port in self.refused_ports:
            raise InvalidInput("no webhook is sent to the port of this URL: let the receiver listen on another, as 443")
        host = _host(url)
        if host in self.own_hosts:
            raise Refused(Reason.OWN_HOST)
        if (address := _address(host)) is not None and (reason := self.refuses(address)) is not None:
            raise Refused(reason)
        return url

    def refuses(self, address: str | Address) -> Reason | None:
        """Why no connection to `address` is made, or None where one may be."""
        if isinstance(address, str):
            given = _address(address)
            if given is None:
                return Reason.MALFORMED
            address = given
        if self._names(address):
            return None
        reasons = (self._reason(each) for each in _judged(address))
        return next((reason for reason in reasons if reason is not None), None)

    def _reason(self, address: Address) -> Reason | None:
        row = row_of(address)
        if row is None or self._names(address):
            return None
        if row.reason not in EXACT and any(address in network for network in self.allowed):
            return None
        return row.reason

    def _names(self, address: Address) -> bool:
        """Whether the operator allowed this very address."""
        return any(network.num_addresses == 1 and address in network for network in self.allowed)


def allowed_networks(written: Iterable[str]) -> tuple[Network, ...]:
    """The networks that an operator wrote, as `10.1.0.0/16` or `127.0.0.1`. Raises Misconfigured."""
    networks = []
    for text in written:
        try:
            networks.append(ip_network(text.strip()))
        except ValueError as error:
            raise Misconfigured(f"ARAGORA_WEBHOOK_ALLOWED_NETWORKS: {error}; write it as 10.1.0.0/16") from None
    return tuple(networks)


def _parsed(text: str) -> URL:
    _check_text(text)
    try:
        url = URL(text)
        readable = bool(url.host)  # raises for a name that IDNA cannot decode
    except ValueError:  # its text shows the URL
        raise InvalidInput(_UNREADABLE) from None
    if url.scheme not in ("http", "https") or not readable or not url.port:
        raise InvalidInput("the URL must begin with https:// or http://, and name a host and a port from 1 to 65535")
    if len(str(url)) > MAX_URL:
        raise InvalidInput(f"the URL is longer than {MAX_URL:,} characters once it is encoded: shorten it")
    return url


def _check_text(text: str) -> None:
    """What yarl would mend or pass over."""
    try:
        texts.line(text)
    except ValueError as error:
        raise InvalidInput(f"the URL is wrong: {error}") from None
    if re.search(r"[\s\\]", text):
        raise InvalidInput("the URL holds a space or a backslash: write them as %20 and %5C, or leave them out")
    if len(text) > MAX_URL:
        raise InvalidInput(f"the URL is longer than {MAX_URL:,} characters: shorten it")
    found = _AUTHORITY.match(text)
    if found is None:
        raise InvalidInput("the URL must begin with https:// or http://, and a host")
    authority = found[1]
    if "@" in authority:
        raise InvalidInput("the URL must not hold a user name or a password: use a header of the webhook")
    if "[" in authority and ":" not in authority.partition("]")[0]:  # a form of the future, taken for a name
        raise InvalidInput(_UNREADABLE)
    if "#" in text:
        raise InvalidInput("the URL must not hold a fragment (#...): leave it out")


def _host(url: URL) -> str:
    """The host as it is compared. Raises InvalidInput for one that is neither an address nor a full name."""
    host = (url.raw_host or "").lower()
    if ":" in host:
        if _address(host) is None or "%" in host:
            raise InvalidInput("the host of the URL is no address of IPv6: write it as [2001:db8::1], without a zone")
        return host
    if _NUMBER.fullmatch(host.rstrip(".").rpartition(".")[2]):
        try:
            return str(IPv4Address(host))
        except ValueError:  # octal, hexadecimal, short: each system reads them in its own way
            raise InvalidInput("the host of the URL is no name, and no address in four decimal numbers") from None
    if "." not in host.rstrip("."):
        raise InvalidInput("the host of the URL must be a full name with a dot, as hooks.example.com")
    if _NAME.fullmatch(host) is None:
        raise InvalidInput("the host of the URL is not a valid name: letters, digits, hyphens and dots")
    return host.rstrip(".")


def _address(text: str) -> Address | None:
    try:
        return ip_address(text)
    except ValueError:
        return None


def _judged(address: Address) -> tuple[Address, ...]:
    """The addresses that a connection to `address` may reach."""
    if isinstance(address, IPv4Address):
        return (address,)
    address = IPv6Address(int(address))  # without a zone
    inner = IPv4Address(int(address) & 0xFFFF_FFFF)
    if address.ipv4_mapped is not None or address in NAT64:
        return (inner,)
    if (int(address) >> 32) & 0xFFFF_FFFF in _ISATAP:
        return (address, inner)
    return (address,)
