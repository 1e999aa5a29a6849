"""A name server whose answers a test changes while it runs. It counts what it was asked."""

from __future__ import annotations

import asyncio
import socket
from collections.abc import AsyncIterator, Iterable
from contextlib import asynccontextmanager
from ipaddress import ip_address
from typing import cast

from dnslib import AAAA, QTYPE, RCODE, RR, A, DNSRecord


class Names(asyncio.DatagramProtocol):
    """Answers from `addresses`; gives no answer at all for a name that begins with `silent`."""

    def __init__(self) -> None:
        self.addresses: dict[str, tuple[str, ...]] = {}
        self.ttl_s = 0
        self.asked: list[str] = []  # name and type
        self.server = ""  # address and port
        self._transport: asyncio.DatagramTransport | None = None

    def set(self, name: str, *addresses: str) -> None:
        self.addresses[name] = addresses

    def asked_for(self, name: str) -> int:
        """How often the addresses of IPv4 of `name` were asked for."""
        return self.asked.count(f"{name} A")

    def connection_made(self, transport: asyncio.BaseTransport) -> None:
        self._transport = cast("asyncio.DatagramTransport", transport)
        host, port = transport.get_extra_info("sockname")
        self.server = f"{host}:{port}"

    def datagram_received(self, data: bytes, addr: tuple[str, int]) -> None:
        query = DNSRecord.parse(data)
        name = str(query.q.qname).rstrip(".")
        kind = QTYPE[query.q.qtype]
        self.asked.append(f"{name} {kind}")
        if name.startswith("silent") or self._transport is None:
            return
        reply = query.reply()
        if name not in self.addresses:
            reply.header.rcode = RCODE.NXDOMAIN
        for record in _records(self.addresses.get(name, ()), kind):
            reply.add_answer(RR(query.q.qname, query.q.qtype, rdata=record, ttl=self.ttl_s))
        self._transport.sendto(reply.pack(), addr)


def _records(addresses: Iterable[str], kind: str) -> list[A | AAAA]:
    parsed = [ip_address(address) for address in addresses]
    if kind == "A":
        return [A(str(address)) for address in parsed if address.version == 4]
    return [AAAA(str(address)) for address in parsed if address.version == 6]


@asynccontextmanager
async def name_server() -> AsyncIterator[Names]:
    """A name server on a port of its own."""
    transport, names = await asyncio.get_running_loop().create_datagram_endpoint(Names, local_addr=("127.0.0.1", 0))
    held = transport.get_extra_info("socket")  # many may ask at once: what does not fit is lost, and asked again
    held.setsockopt(socket.SOL_SOCKET, socket.SO_RCVBUF, 1 << 22)
    try:
        yield names
    finally:
        transport.close()
