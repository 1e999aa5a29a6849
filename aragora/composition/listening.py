"""Where a server listens: what the address that its operator gave means to its proxies, to this machine, to people.

`0.0.0.0` is all addresses of IPv4, `::` all of IPv6 and IPv4 together, a name all addresses that it has here.
"""

from __future__ import annotations

import socket
import time
from collections.abc import Iterable
from contextlib import closing
from dataclasses import dataclass
from typing import Final

from aragora.errors import Misconfigured, Unavailable
from aragora.identity.origins import authority

LISTEN_S: Final = 15.0
POLL_S: Final = 0.02

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

    def await_connections(self, ports: Iterable[int]) -> None:
        """Return once every port takes connections. Blocks. Raises Unavailable after `LISTEN_S` seconds."""
        deadline = time.monotonic() + LISTEN_S
        for port in ports:
            while not _takes_connections(self.reached_at, port):
                if time.monotonic() >= deadline:
                    raise Unavailable(
                        f"nothing listens at {authority(self.reached_at, port)} after {LISTEN_S:g} s: see whether "
                        "something else has the port, and the server's log"
                    )
                time.sleep(POLL_S)

    def bind(self, *ports: int) -> str:
        """For the bind line of an HAProxy: every port at every address."""
        listed = ",".join(f"ipv{6 if ':' in one else 4}@{one}:{port}" for port in ports for one in self.addresses)
        return f"{listed} v4v6" if "::" in self.addresses else listed


def ports_of(bind: str) -> tuple[int, ...]:
    """The ports in what `Listening.bind` has made, in order."""
    listed = (one.split()[0].rpartition(":")[2] for one in bind.split(","))
    return tuple(dict.fromkeys(int(port) for port in listed))


def _can_listen(address: str) -> bool:
    family = socket.AF_INET6 if ":" in address else socket.AF_INET
    try:
        with closing(socket.socket(family)) as probe:
            probe.bind((address, 0))
    except OSError:
        return False
    return True


def _takes_connections(address: str, port: int) -> bool:
    try:
        socket.create_connection((address, port), timeout=1.0).close()
    except OSError:
        return False
    return True
