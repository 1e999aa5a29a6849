"""Where a server listens: what the address that its operator gave means to its proxies, to this machine, to people.

`0.0.0.0` is all addresses of IPv4, `::` all of IPv6 and IPv4 together, a name all addresses that it has here.
"""

from __future__ import annotations

import socket
from contextlib import closing
from dataclasses import dataclass
from typing import Final

from aragora.errors import Misconfigured

_ALL: Final = {"0.0.0.0": "127.0.0.1", "::": "::1"}  # noqa: S104 - compared, not bound
"""Addresses that mean all, and where this machine reaches a server that listens there."""


@dataclass(frozen=True, slots=True)
class Listening:
    """The addresses, IPv4 and IPv6, of one host to listen on."""

    addresses: tuple[str, ...]

    @classmethod
    def on(cls, host: str) -> Listening:
        """Raises Misconfigured where the host has no address on which this machine can listen."""
        bare = host.strip("[]")
        try:
            found = socket.getaddrinfo(bare, None, type=socket.SOCK_STREAM, flags=socket.AI_PASSIVE)
        except (OSError, UnicodeError) as error:
            raise Misconfigured(f"--host {host}: not an address or a known name ({error})") from None
        addresses = tuple(dict.fromkeys(str(at[0]) for _, _, _, _, at in found if _can_listen(str(at[0]))))
        if not addresses:
            raise Misconfigured(f"--host {host}: not an address of this machine; choose another")
        return cls(addresses)

    @property
    def reached_at(self) -> str:
        """An address at which this machine itself reaches the server."""
        first = self.addresses[0]
        return _ALL.get(first, first)

    @property
    def loopback(self) -> str:
        """The loopback address of the same family as `reached_at`."""
        return "::1" if ":" in self.reached_at else "127.0.0.1"

    def bind(self, port: int) -> str:
        """For the bind line of an HAProxy."""
        listed = ",".join(f"ipv{6 if ':' in one else 4}@{one}:{port}" for one in self.addresses)
        return f"{listed} v4v6" if "::" in self.addresses else listed


def authority(host: str, port: int) -> str:
    """Host and port as they stand in a URL."""
    bare = host.strip("[]")
    return f"[{bare}]:{port}" if ":" in bare else f"{bare}:{port}"


def _can_listen(address: str) -> bool:
    family = socket.AF_INET6 if ":" in address else socket.AF_INET
    try:
        with closing(socket.socket(family)) as probe:
            probe.bind((address, 0))
    except OSError:
        return False
    return True
